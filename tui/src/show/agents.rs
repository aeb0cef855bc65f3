//! Agents as text: the line of an invitation, the list with what each worker is, a revocation.

use super::table;
use tweenfarm_protocol::{
    join::Invitation,
    operator::{AgentRow, Invited, RevokedAgent, Standing, WorkerRow},
};

pub fn invited(invited: &Invited) -> String {
    let Invited { name, line, expires_at } = invited;
    let nobody_else = match at_loopback(line) {
        Some(address) => format!(
            "\n\nIt names {address}, which no other machine reaches: for those, rpc.listen in the daemon's configuration says where \
             they dial in."
        ),
        None => String::new(),
    };
    format!(
        "tweenfarm-agent join {line}\n\nPaste this on the machine that is to be {name}, as root if a package has brought the agent. It \
         works once, until {expires_at}; whoever has it can join, so hand it over as you would a password.{nobody_else}"
    )
}

fn at_loopback(line: &str) -> Option<String> {
    let address = line.parse::<Invitation>().ok()?.address?;
    let host: std::net::SocketAddr = address.parse().ok()?;
    host.ip().is_loopback().then_some(address)
}

pub fn revoked_agent(revoked: &RevokedAgent) -> String {
    format!("{} is out: its work goes to others, its certificate is refused", revoked.name)
}

pub fn agents(agents: &[AgentRow]) -> String {
    if agents.is_empty() {
        return "no agent has joined, and none of this machine has said hello since the daemon started".to_owned();
    }
    let rows = agents.iter().flat_map(|agent| {
        if agent.workers.is_empty() {
            return vec![of_agent(agent, [const { String::new() }; 5])];
        }
        agent.workers.iter().map(|worker| of_agent(agent, of_worker(agent, worker))).collect()
    });
    let listed = table(
        ["AGENT", "STANDING", "VERSION", "CONNECTED", "LAST SEEN", "WORKER", "DEVICE", "MEMORY", "ENCODERS", "JOB"],
        rows,
    );
    let failures = agents.iter().flat_map(|agent| {
        agent.workers.iter().filter_map(move |worker| {
            let failure = worker.probe_failure.as_ref()?;
            Some(format!("\n{}, worker {}: the probe failed: {failure}", agent.name, worker.worker))
        })
    });
    format!("{listed}{}", failures.collect::<String>())
}

fn of_agent(agent: &AgentRow, of_worker: [String; 5]) -> [String; 10] {
    let [worker, device, memory, encoders, job] = of_worker;
    [
        agent.name.clone(),
        agent.standing.name().to_owned(),
        agent.version.clone(),
        if agent.connected { "yes" } else { "no" }.to_owned(),
        agent.last_seen.clone().unwrap_or_default(),
        worker,
        device,
        memory,
        encoders,
        job,
    ]
}

fn of_worker(agent: &AgentRow, worker: &WorkerRow) -> [String; 5] {
    let memory = match worker.inventory.memory_bytes {
        0 => String::new(),
        bytes => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    };
    let encoders = worker.encoders.iter().map(|encoder| match worker.inventory.encoder_sessions.get(encoder) {
        Some(sessions) => format!("{encoder}×{sessions}"),
        None => encoder.clone(),
    });
    let idle = if agent.standing == Standing::Revoked { "" } else { "idle" };
    [
        worker.worker.to_string(),
        worker.device_name.clone(),
        memory,
        encoders.collect::<Vec<_>>().join(" "),
        worker.job.map_or_else(|| idle.to_owned(), |job| job.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tweenfarm_protocol::{
        AgentId,
        join::{Fingerprint, InviteSecret},
        service::Inventory,
    };

    #[test]
    fn an_invitation_that_only_this_machine_can_use_says_so() {
        let said = |address: Option<&str>| {
            let address = address.map(str::to_owned);
            let (authority, secret) = (Fingerprint([7; 32]), InviteSecret([9; 32]));
            let line = Invitation { name: "gpu-1".into(), address, authority, secret }.to_string();
            invited(&Invited { name: "gpu-1".into(), line, expires_at: "2026-07-01T09:00:00Z".into() })
        };
        for (address, alone) in [
            (Some("127.0.0.1:8090"), true),
            (Some("[::1]:8090"), true),
            (Some("192.0.2.7:8090"), false),
            (Some("farm.example.org:8090"), false),
            (None, false),
        ] {
            assert_eq!(said(address).contains("rpc.listen"), alone, "{address:?}");
        }
    }

    #[test]
    fn an_agent_that_is_away_has_a_line_and_each_worker_another() {
        let row = |name: &str, standing, workers| AgentRow {
            agent: AgentId(uuid::Uuid::nil()),
            name: name.into(),
            standing,
            version: "0.1.0".into(),
            connected: standing == Standing::Member,
            last_seen: None,
            free_disk_bytes: 0,
            workers,
        };
        let worker = WorkerRow {
            worker: 0,
            device_name: "GPU".into(),
            device_uuid: "00".into(),
            engine: "flow 3".into(),
            encoders: vec!["nvh264enc".into(), "x264enc".into()],
            inventory: Inventory {
                memory_bytes: 8 << 30,
                encoder_sessions: BTreeMap::from([("nvh264enc".to_owned(), 5)]),
                ..Inventory::default()
            },
            celsius: None,
            load_percent: None,
            job: None,
            in_hand: None,
            counts: Default::default(),
            probe_failure: Some("it was black".into()),
        };
        let text = agents(&[row("gone", Standing::Revoked, Vec::new()), row("gpu-1", Standing::Member, vec![worker])]);
        let expected = "\
AGENT  STANDING  VERSION  CONNECTED  LAST SEEN  WORKER  DEVICE  MEMORY   ENCODERS             JOB
gone   revoked   0.1.0    no
gpu-1  member    0.1.0    yes                   0       GPU     8.0 GiB  nvh264enc×5 x264enc  idle
gpu-1, worker 0: the probe failed: it was black";
        assert_eq!(text, expected);
    }
}
