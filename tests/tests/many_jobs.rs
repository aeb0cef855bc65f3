//! Many jobs at once: all end, the ledger adds up, no balance is overdrawn, nothing is left behind.

use futures::future::join_all;
use std::time::Duration;
use tweenfarm_tests::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
};

const LIMIT: Duration = Duration::from_secs(240);

async fn submit_many(client: &Client, key: &str, fps: u32, count: usize) -> Vec<Result<(String, i64), (u16, String)>> {
    let all = join_all((0..count).map(|_| client.submit(key, fps))).await;
    let answer = |answer: Result<tweenfarm_tests::client::Submitted, _>| match answer {
        Ok(submitted) => Ok((submitted.job_id, submitted.xeconds_charged)),
        Err(error) => {
            let error: tweenfarm_tests::client::ClientError = error;
            let refusal = error.refusal().map(|(status, detail)| (status, detail.to_owned()));
            Err(refusal.unwrap_or_else(|| panic!("{error}")))
        }
    };
    all.into_iter().map(answer).collect()
}

#[tokio::test]
async fn twenty_jobs_at_once_are_all_done_and_the_ledger_adds_up() {
    let mut farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 0.5, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let mut submitted = Vec::new();
    for (email, grant) in [("one@example.org", 100), ("two@example.org", 50)] {
        let client = farm.client(email, grant).await.expect("an account");
        let upload = client.upload(&clip).await.expect("an upload");
        submitted.push((client, upload.key, grant));
    }
    let both = join_all(submitted.iter().map(|(client, key, _)| submit_many(client, key, 48, 10))).await;
    for ((client, _, grant), answers) in submitted.iter().zip(both) {
        let mut charged = 0;
        for answer in answers {
            let (id, price) = answer.expect("every job is accepted");
            let job = farm.finished(client, &id, LIMIT).await.expect("the job is over");
            assert_eq!((job.status.as_str(), job.xeconds_refunded), ("done", 0), "{job:?}");
            charged += price;
        }
        assert_eq!(client.me().await.expect("the account").balance_xeconds, grant - charged);
    }
    let status = farm.operator().expect("the socket").status().await.expect("the status");
    assert_eq!((status.jobs, status.ledger_differences, status.queue_depth), (20, 0, 0), "{status:?}");
    farm.nothing_left_behind().await.expect("a clean farm");
}

#[tokio::test]
async fn a_balance_is_never_overdrawn_however_many_ask_at_once() {
    // Nobody works here: what counts is who is charged.
    let farm = Farm::start(Settings::default()).await.expect("a daemon");
    let client = farm.client("poor@example.org", 3).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 0.5, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = client.upload(&clip).await.expect("an upload");
    let answers = submit_many(&client, &upload.key, 48, 10).await;
    let accepted: i64 = answers.iter().filter_map(|answer| answer.as_ref().ok().map(|(_, charged)| charged)).sum();
    assert_eq!(accepted, 3);
    for refusal in answers.into_iter().filter_map(Result::err) {
        assert_eq!(refusal, (402, "Need 1 xeconds, have 0".to_owned()));
    }
    assert_eq!(client.me().await.expect("the account").balance_xeconds, 0);
}
