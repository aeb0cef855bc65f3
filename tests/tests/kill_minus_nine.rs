//! `kill -9` in the middle of a render: nothing that was confirmed is lost, the job ends done and is charged once.

use std::time::Duration;
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    client::{Client, Job, Submitted},
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
};

const GRANT: i64 = 100;
const TARGET_FPS: u32 = 120;
const LIMIT: Duration = Duration::from_secs(180);

/// A farm with one job in the middle of its render.
struct Rendering {
    farm: Farm,
    client: Client,
    submitted: Submitted,
}

/// Many short segments: some are rendered when the blow falls, others not.
async fn rendering() -> Rendering {
    let settings = Settings { segment_slots_max: 48, ..Settings::default() };
    let mut farm = Farm::with_agent(settings).await.expect("a farm");
    let client = farm.client("kill@example.org", GRANT).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds: 4.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    let submitted = client.submit(&upload.key, TARGET_FPS).await.expect("a job");
    let in_the_middle = |job: &Job| job.live_status == "processing" && job.progress.is_some_and(|done| done >= 15.0);
    farm.job_where(&client, &submitted.job_id, LIMIT, in_the_middle).await.expect("a job in the middle of its render");
    Rendering { farm, client, submitted }
}

impl Rendering {
    async fn ends_well(mut self) {
        let job = self.farm.finished(&self.client, &self.submitted.job_id, LIMIT).await.expect("the job is over");
        assert_eq!((job.status.as_str(), job.xeconds_refunded), ("done", 0), "{job:?}");
        let balance = self.client.me().await.expect("the account").balance_xeconds;
        assert_eq!(balance, GRANT - self.submitted.xeconds_charged, "charged once");
        let result = self.farm.folder().join("result.mp4");
        self.client.download(&job.output_url.expect("a URL"), &result).await.expect("the result");
        let source = inspect(&self.farm.folder().join("clip.mp4")).expect("the source");
        let found = inspect(&result).expect("the result");
        let broken = broken_promises(&source, &found, Rational::whole(TARGET_FPS.into()));
        assert!(broken.is_empty(), "{}", broken.join("; "));
        let status = self.farm.operator().expect("the socket").status().await.expect("the status");
        assert_eq!(status.ledger_differences, 0);
        self.farm.nothing_left_behind().await.expect("a clean farm");
    }
}

#[tokio::test]
async fn a_killed_worker_costs_an_attempt_and_nothing_else() {
    let rendering = rendering().await;
    assert!(rendering.farm.kill_workers(0).expect("workers can be killed") > 0, "there was no worker to kill");
    rendering.ends_well().await;
}

#[tokio::test]
async fn a_killed_agent_loses_its_lease_and_nothing_else() {
    let mut rendering = rendering().await;
    rendering.farm.kill_and_restart_agent(0).expect("the agent starts again");
    rendering.ends_well().await;
}

#[tokio::test]
async fn a_killed_daemon_forgets_nothing_it_confirmed() {
    let mut rendering = rendering().await;
    rendering.farm.kill_daemon().expect("the daemon is killed");
    // Long enough for the agent to notice, and to finish what it has in hand with nobody to tell.
    tokio::time::sleep(Duration::from_secs(2)).await;
    rendering.farm.restart_daemon().await.expect("the daemon starts again");
    rendering.ends_well().await;
}

#[tokio::test]
async fn a_daemon_killed_right_after_its_reply_still_has_job_and_charge() {
    let mut farm = Farm::start(Settings::default()).await.expect("a daemon");
    let client = farm.client("reply@example.org", GRANT).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe::default()).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    let submitted = client.submit(&upload.key, 60).await.expect("a job");
    farm.kill_daemon().expect("the daemon is killed");
    farm.restart_daemon().await.expect("the daemon starts again");
    let job = client.job(&submitted.job_id).await.expect("the job is still there");
    assert_eq!(job.status, "pending");
    assert_eq!(client.me().await.expect("the account").balance_xeconds, submitted.balance_after);
    farm.add_agent(&[]).expect("an agent");
    let job = farm.finished(&client, &submitted.job_id, LIMIT).await.expect("the job is over");
    assert_eq!(job.status, "done", "{job:?}");
}

#[tokio::test]
async fn a_daemon_that_is_asked_to_stop_ends_in_order() {
    let mut rendering = rendering().await;
    let status = rendering.farm.stop_daemon().expect("the daemon stops");
    assert!(status.success(), "it ended with {status}");
    rendering.farm.restart_daemon().await.expect("the daemon starts again");
    rendering.ends_well().await;
}
