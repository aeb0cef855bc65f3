//! Many agents on one job, and what may happen to them: killed, hung, cut off, and all of them left alone by the daemon.

use rustix::process::Signal;
use std::{collections::BTreeMap, fs, time::Duration};
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    client::{Client, Job, Submitted},
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
    relay::Relay,
    wait::until,
};

const GRANT: i64 = 1_000;
const TARGET_FPS: u32 = 120;
/// Four agents share what may be two cores with the tests beside them.
const LIMIT: Duration = Duration::from_secs(300);

/// Many short segments, so that everybody gets some and some are left when things go wrong.
fn settings() -> Settings {
    Settings { segment_slots_max: 48, ..Settings::default() }
}

async fn submit(farm: &Farm, client: &Client, seconds: f64) -> Submitted {
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    client.submit(&upload.key, TARGET_FPS).await.expect("a job")
}

/// Done, every slot once and in its place, charged once.
async fn ends_well(farm: &mut Farm, client: &Client, submitted: &Submitted) {
    let job = farm.finished(client, &submitted.job_id, LIMIT).await.expect("the job is over");
    assert_eq!((job.status.as_str(), job.xeconds_refunded), ("done", 0), "{job:?}");
    let result = farm.folder().join("result.mp4");
    client.download(&job.output_url.expect("a URL"), &result).await.expect("the result");
    let source = inspect(&farm.folder().join("clip.mp4")).expect("the source");
    let found = inspect(&result).expect("the result");
    let broken = broken_promises(&source, &found, Rational::whole(TARGET_FPS.into()));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    let balance = client.me().await.expect("the account").balance_xeconds;
    assert_eq!(balance, GRANT - submitted.xeconds_charged, "charged once");
    let status = farm.operator().expect("the socket").status().await.expect("the status");
    assert_eq!(status.ledger_differences, 0);
}

/// How often each slot was taken by an agent to be rendered, as their logs say.
fn times_taken(farm: &Farm) -> BTreeMap<u64, u32> {
    let mut taken = BTreeMap::new();
    for line in farm.agent_logs().expect("the logs").lines().filter(|line| line.contains("task taken")) {
        let Some((_, slots)) = line.split_once("segment=segment ") else { continue };
        let (first, rest) = slots.split_once("..").expect("a range of slots");
        let end = rest.split(|letter: char| !letter.is_ascii_digit()).next().expect("its end");
        for slot in first.parse().expect("a slot")..end.parse::<u64>().expect("a slot") {
            *taken.entry(slot).or_default() += 1;
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_agents_one_is_killed_one_hangs_and_one_is_cut_off_and_the_job_is_done_once() {
    // Long enough for the one that is left alone to be heard of in time on a machine that stands still for seconds.
    let mut farm = Farm::start(Settings { lease_seconds: 15, ..settings() }).await.expect("a daemon");
    let relay = Relay::start(&farm.folder().join("relay.sock"), &farm.agents_socket()).expect("a relay");
    let [_, killed, hung] = [(); 3].map(|()| farm.add_agent(&[]).expect("an agent"));
    let cut_off = farm.add_agent_at(relay.socket()).expect("an agent");
    let operator = farm.operator().expect("the socket");
    let idle = async || operator.status().await.is_ok_and(|status| status.workers_idle == 4);
    until("all four are idle", LIMIT, idle).await;
    let client = farm.client("many@example.org", GRANT).await.expect("an account");

    // Their workers are held before there is anything to do: each has one part in hand, and has it still when the blow falls.
    let unlucky = [killed, hung, cut_off];
    for agent in unlucky {
        farm.signal_workers(agent, Signal::STOP).expect("a worker is held");
    }
    let submitted = submit(&farm, &client, 6.0).await;
    for agent in unlucky {
        farm.agent_says(agent, "task taken").await.expect("a part in hand");
    }
    relay.cut();
    farm.signal_workers(cut_off, Signal::CONT).expect("its worker goes on");
    farm.agent(hung).hold().expect("an agent hangs");
    // At once with its worker: neither has a last word.
    farm.agent(killed).hold().expect("an agent is held");
    farm.kill_workers(killed).expect("its worker is killed");
    farm.agent(killed).kill().expect("an agent is killed");
    // It goes on with what it has, and has nobody to tell.
    let outbox = farm.agent_folder(cut_off).join("outbox");
    let kept = async || fs::read_dir(&outbox).is_ok_and(|mut files| files.next().is_some());
    until("the agent that is cut off has finished its part", LIMIT, kept).await;
    let expired = async || {
        let log = farm.daemon_log().unwrap_or_default();
        log.matches("ran out: its worker has not been heard of").count() == 3
    };
    until("the daemon has given all three up", LIMIT, expired).await;
    relay.restore();
    farm.agent(hung).signal(Signal::CONT).expect("it goes on");
    let too_late = async || farm.agent_log(cut_off).is_ok_and(|log| log.contains("deleting"));
    until("the late result is turned away", LIMIT, too_late).await;

    ends_well(&mut farm, &client, &submitted).await;
    let given_up = times_taken(&farm).values().filter(|times| **times > 1).count();
    assert!(
        given_up <= 3 * 48,
        "{given_up} slots were taken more than once: only what three workers had in hand may be"
    );
    let explained = [
        "ran out: its worker has not been heard of",
        "the connection to the daemon ended",
        "the daemon no longer answers as expected",
        "cannot connect to the daemon, trying on",
        "a result is not delivered yet, trying on",
        // A call that nobody answered.
        "DeadlineExceeded",
        // The worker of the agent that hung was in the middle of a part that is another's now.
        "last words",
        "worker lost",
    ];
    farm.no_warnings_but(&explained).expect("every warning is explained");
}

/// Kills the daemon under load and starts it again after `away`.
async fn left_alone_for(away: Duration, seconds: f64) {
    let mut farm = Farm::start(settings()).await.expect("a daemon");
    let agents = [(); 2].map(|()| farm.add_agent(&[]).expect("an agent"));
    let operator = farm.operator().expect("the socket");
    let idle = async || operator.status().await.is_ok_and(|status| status.workers_idle == 2);
    until("both are idle", LIMIT, idle).await;
    let client = farm.client("alone@example.org", GRANT).await.expect("an account");
    let submitted = submit(&farm, &client, seconds).await;
    let in_the_middle = |job: &Job| job.progress.is_some_and(|done| done >= 10.0);
    farm.job_where(&client, &submitted.job_id, LIMIT, in_the_middle).await.expect("a job in the middle of its render");
    farm.hold_at_work(&agents).await.expect("both render");
    farm.kill_daemon().expect("the daemon is killed");
    for agent in agents {
        farm.agent(agent).signal(Signal::CONT).expect("it goes on");
    }
    for agent in agents {
        let outbox = farm.agent_folder(agent).join("outbox");
        let kept = async || {
            let log = farm.agent_log(agent).unwrap_or_default();
            log.matches("task taken").count() == log.matches("task done").count()
                && fs::read_dir(&outbox).is_ok_and(|mut files| files.next().is_some())
        };
        until("what it had in hand is finished and kept", LIMIT, kept).await;
    }
    tokio::time::sleep(away).await;
    farm.restart_daemon().await.expect("the daemon starts again");
    ends_well(&mut farm, &client, &submitted).await;
    let twice: Vec<u64> =
        times_taken(&farm).into_iter().filter(|(_, times)| *times != 1).map(|(slot, _)| slot).collect();
    assert!(twice.is_empty(), "slots that were not taken exactly once: {twice:?}");
    farm.nothing_left_behind().await.expect("a clean farm");
    let explained = [
        "the connection to the daemon ended",
        "the daemon no longer answers as expected",
        "cannot connect to the daemon, trying on",
        "a result is not delivered yet, trying on",
        // A call that nobody answered.
        "DeadlineExceeded",
    ];
    farm.no_warnings_but(&explained).expect("every warning is explained");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_daemon_is_away_work_goes_on_and_nothing_finished_is_done_again() {
    left_alone_for(Duration::from_secs(8), 6.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes three minutes: cargo test --test many_agents -- --ignored"]
async fn while_the_daemon_is_away_for_two_minutes_nothing_finished_is_done_again() {
    left_alone_for(Duration::from_secs(120), 20.0).await;
}
