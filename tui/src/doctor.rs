//! `doctor`: is the farm well, and if not, what to do. It looks only; exit code 1 says that something is to be done.

use crate::client::{Client, ClientError};
use serde::Serialize;
use tweenfarm_protocol::operator::{AgentRow, Health, Me, Standing, Status};

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    pub text: String,
    /// What to do; empty where nothing is.
    pub remedy: String,
}

pub async fn run(client: &Client) -> Result<Vec<Finding>, ClientError> {
    let (me, status, agents): (Me, Status, Vec<AgentRow>) =
        (client.get("/operator/me").await?, client.status().await?, client.agents().await?);
    Ok(findings(&me, &status, &agents))
}

/// True where nothing is to be done.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict == Verdict::Ok)
}

fn findings(me: &Me, status: &Status, agents: &[AgentRow]) -> Vec<Finding> {
    let ok = |text: String| Finding { verdict: Verdict::Ok, text, remedy: String::new() };
    let own = env!("CARGO_PKG_VERSION");
    let mut found =
        vec![ok(format!("the daemon answers: version {}, you are {} ({})", status.version, me.name, me.role))];
    if status.version != own {
        found.push(Finding {
            verdict: Verdict::Warning,
            text: format!("the daemon is {} and this program {own}", status.version),
            remedy: "Install the same release of both.".to_owned(),
        });
    }
    let here: Vec<_> = agents.iter().filter(|agent| agent.connected && agent.standing != Standing::Revoked).collect();
    let workers: usize = here.iter().map(|agent| agent.workers.len()).sum();
    if workers > 0 {
        found.push(ok(format!("{workers} workers of {} agents are connected", here.len())));
    }
    if status.ledger_differences == 0 {
        found.push(ok(format!("the ledgers of {} accounts add up", status.accounts)));
    }
    found.extend(status.alerts.iter().map(|alert| Finding {
        verdict: if alert.health == Health::Ill { Verdict::Bad } else { Verdict::Warning },
        text: alert.text.clone(),
        remedy: alert.remedy.clone(),
    }));
    // An older daemon tells no alerts: what can be known without them is said.
    if workers == 0 && status.alerts.is_empty() {
        found.push(Finding {
            verdict: Verdict::Bad,
            text: "no worker is connected: jobs wait".to_owned(),
            remedy:
                "Start an agent on this machine (`tweenfarm-agent run`), or `tweenfarm invite NAME`; on its machine \
                     `tweenfarm-agent doctor` says what is missing there."
                    .to_owned(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::operator::Role;

    #[test]
    fn a_farm_without_workers_is_not_well_and_the_remedy_is_said() {
        let me = Me { name: "local".into(), role: Role::Admin };
        let status: Status = serde_json::from_value(serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "workers_idle": 0, "workers_running": 0, "queue_depth": 3, "accounts": 2, "jobs": 9,
            "ledger_differences": 0, "late_reports": 0,
        }))
        .unwrap();
        let found = findings(&me, &status, &[]);
        assert!(!is_well(&found));
        assert!(found.iter().any(|finding| finding.verdict == Verdict::Bad && finding.remedy.contains("invite")));
    }
}
