//! 200 submits at once on a balance for 50, over HTTP against a real daemon, then `kill -9`: exactly 50 are accepted,
//! nothing is left, and a restarted daemon still has what each answer said.

use futures::future::join_all;
use std::collections::HashSet;
use tweenfarm_tests::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
};

const SUBMITS: usize = 200;
const ACCEPTED: usize = 50;

#[tokio::test]
async fn as_many_jobs_are_accepted_as_the_balance_pays_for_and_a_killed_daemon_remembers_them() {
    let mut farm = Farm::start(Settings::default()).await.expect("a daemon");
    // A second of video to 60 fps costs one xecond.
    let balance = i64::try_from(ACCEPTED).expect("a small number");
    let client = farm.client("many@example.org", balance).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 1.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    // Looked into once, so that the submits meet at the ledger and not at the probe.
    client.probe(&upload.key).await.expect("a probe");

    let answers = join_all((0..SUBMITS).map(|_| client.submit(&upload.key, 60))).await;
    let mut jobs = HashSet::new();
    for answer in answers {
        match answer {
            Ok(submitted) => {
                assert_eq!(submitted.xeconds_charged, 1);
                assert!((0..balance).contains(&submitted.balance_after), "{submitted:?}");
                assert!(jobs.insert(submitted.job_id), "one id for two jobs");
            }
            Err(error) => assert_eq!(error.refusal(), Some((402, "Need 1 xeconds, have 0")), "{error}"),
        }
    }
    assert_eq!(jobs.len(), ACCEPTED);
    told_again(&farm, &client, &jobs).await;

    farm.kill_daemon().expect("the daemon is killed");
    farm.restart_daemon().await.expect("the daemon starts again");
    told_again(&farm, &client, &jobs).await;
}

/// The balance, the jobs and the audit of the ledgers, as the answers have said.
async fn told_again(farm: &Farm, client: &Client, jobs: &HashSet<String>) {
    assert_eq!(client.me().await.expect("the account").balance_xeconds, 0);
    for job in jobs {
        assert_eq!(client.job(job).await.expect("an accepted job").status, "pending");
    }
    let status = farm.operator().expect("the socket").status().await.expect("the status");
    assert_eq!((status.jobs, status.ledger_differences), (jobs.len() as u64, 0));
}
