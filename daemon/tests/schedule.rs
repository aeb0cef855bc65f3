//! What an operator stops and undoes, as the farm keeps to it: over a restart, too.

mod scene;

use scene::*;
use std::{sync::Arc, time::Duration};
use tweenfarm_daemon::{
    farm::{FarmError, FarmRules, Order},
    model::{JobEnd, JobState, SegmentState},
    store::MemoryStore,
};
use tweenfarm_protocol::{
    AgentId,
    output::Codec,
    service::{Availability, Condition, Hello, Receipt, Renewal},
    task::{FailureClass, Progress},
};
use uuid::Uuid;

const UNDO: FarmRules = FarmRules { undo_for: Duration::from_secs(600), ..RULES };
const OTHER: AgentId = AgentId(Uuid::from_u128(0xB));

#[tokio::test]
async fn what_is_stopped_stays_so_over_a_restart_until_it_is_said_otherwise() {
    let store = Arc::new(MemoryStore::new());
    let mut scene = Scene::on(store.clone(), RULES);
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job.id;
    scene.farm.pause_queue(true).await.unwrap();
    scene.farm.pause_job(job, true).await.unwrap();
    scene.farm.order(AGENT, Order::Drain).await.unwrap();
    scene = Scene::at(Arc::new(store.crash()), RULES, scene.clock.clone());
    scene.hello(1).await;
    let why = |scene: &Scene| {
        let job = scene.farm.job(job).unwrap().unwrap().job;
        scene.farm.waiting(&job).map(|waiting| waiting.to_string())
    };
    assert_eq!((scene.next(0).await, why(&scene).unwrap()), (None, "the job is paused".to_owned()));
    scene.farm.pause_job(job, false).await.unwrap();
    assert_eq!((scene.next(0).await, why(&scene).unwrap()), (None, "the queue is paused".to_owned()));
    scene.farm.pause_queue(false).await.unwrap();
    assert_eq!((scene.next(0).await, why(&scene).unwrap()), (None, "no agent is here that takes work".to_owned()));
    scene.farm.order(AGENT, Order::Work).await.unwrap();
    assert_eq!(why(&scene), None);
    assert!(scene.next(0).await.is_some());
}

#[tokio::test]
async fn a_drained_agent_finishes_what_it_has_and_a_paused_one_hands_it_to_others_without_blame() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let first = scene.submit(&clip, 1, 8).await.unwrap().job.id;
    scene.hello(1).await;
    let work = scene.next(0).await.unwrap();
    scene.farm.order(AGENT, Order::Drain).await.unwrap();
    assert_eq!(scene.farm.renew(work.lease, Progress::default()).await.unwrap(), Renewal::Kept);
    assert_eq!(scene.deliver(&work).await, Receipt::Accepted);
    assert_eq!(scene.next(0).await, None, "the join is for others");

    scene.farm.order(AGENT, Order::Work).await.unwrap();
    let join = scene.next(0).await.unwrap();
    scene.farm.order(AGENT, Order::Pause).await.unwrap();
    assert_eq!(scene.farm.renew(join.lease, Progress::default()).await.unwrap(), Renewal::Lost);
    scene.farm.hello(hello(OTHER, 1)).await.unwrap();
    let again = scene.farm.lease_next(OTHER, 0, Duration::ZERO).await.unwrap().expect("the join is to be had at once");
    let JobState::Joining { join, .. } = scene.state(first) else { panic!("it is being joined") };
    assert!(matches!(join.state, SegmentState::Leased { attempt: 1, .. }) && join.failures.is_empty());
    assert_eq!(scene.deliver(&again).await, Receipt::Accepted);
}

#[tokio::test]
async fn a_cancelled_job_goes_on_where_it_was_and_is_charged_again_while_that_can_be_undone() {
    let scene = Scene::with(UNDO);
    let account = scene.account("ada", 10).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    scene.hello(1).await;
    let segment = scene.next(0).await.unwrap();
    scene.deliver(&segment).await;
    let join = scene.next(0).await.unwrap();
    scene.farm.cancel(job.id).await.unwrap();
    assert_eq!(scene.balance(&account), 10);
    assert_eq!(scene.deliver(&join).await, Receipt::Stale, "what was being worked on is over");
    assert!(scene.farm.inputs_in_use().unwrap().contains(&clip.id), "its input may be needed again");

    let undone = scene.farm.undo_cancel(job.id).await.unwrap();
    assert_eq!((scene.balance(&account), undone.charge == job.charge), (2, false));
    assert!(matches!(scene.farm.undo_cancel(job.id).await, Err(FarmError::NothingToUndo)));
    scene.work_off().await;
    assert!(matches!(scene.end(job.id), JobEnd::Done { .. }));

    let second = scene.submit(&clip, 1, 2).await.unwrap().job.id;
    scene.farm.cancel(second).await.unwrap();
    scene.farm.adjust(account.id, tweenfarm_protocol::Xeconds(-1), "spent".into()).await.unwrap();
    assert!(matches!(scene.farm.undo_cancel(second).await, Err(FarmError::InsufficientXeconds { .. })));
    assert_eq!(scene.farm.forget_cancelled().await.unwrap(), 0, "its time is not over");
    scene.clock.advance(UNDO.undo_for);
    assert_eq!(scene.farm.forget_cancelled().await.unwrap(), 1);
    assert!(matches!(scene.farm.undo_cancel(second).await, Err(FarmError::NothingToUndo)));
    assert!(!scene.farm.inputs_in_use().unwrap().contains(&clip.id));
}

#[tokio::test]
async fn a_failed_job_is_tried_again_from_its_first_frame_and_charged_once_more() {
    let scene = Scene::new();
    let account = scene.account("ada", 10).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    assert!(matches!(scene.farm.retry(job.id).await, Err(FarmError::NotFailed)), "it is under way");
    scene.hello(1).await;
    let segment = scene.next(0).await.unwrap();
    scene.fail(segment.lease, FailureClass::Input, "It cannot be decoded.").await;
    assert_eq!(scene.balance(&account), 10, "refunded");

    let again = scene.farm.retry(job.id).await.unwrap();
    assert_eq!((scene.balance(&account), again.charge == job.charge, again.progress_percent), (2, false, 0));
    assert!(matches!(scene.farm.retry(job.id).await, Err(FarmError::NotFailed)), "twice is once");
    assert_eq!(scene.deliver(&segment).await, Receipt::Stale, "a lease of the first run is over");
    assert!(scene.farm.inputs_in_use().unwrap().contains(&clip.id), "no sweep takes its input");
    scene.work_off().await;
    assert!(matches!(scene.end(job.id), JobEnd::Done { .. }));
    assert_eq!(scene.balance(&account), 2, "a run that is done stays paid for");
    assert!(matches!(scene.farm.retry(job.id).await, Err(FarmError::NotFailed)));
}

#[tokio::test]
async fn a_failed_job_whose_account_cannot_pay_or_whose_clip_is_gone_stays_as_it_is() {
    let scene = Scene::new();
    let account = scene.account("ada", 8).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job.id;
    scene.hello(1).await;
    let segment = scene.next(0).await.unwrap();
    scene.fail(segment.lease, FailureClass::Input, "It cannot be decoded.").await;
    let failed = scene.state(job);

    scene.farm.adjust(account.id, tweenfarm_protocol::Xeconds(-1), "spent".into()).await.unwrap();
    assert!(matches!(scene.farm.retry(job).await, Err(FarmError::InsufficientXeconds { .. })));
    scene.farm.adjust(account.id, tweenfarm_protocol::Xeconds(1), "found".into()).await.unwrap();
    // Past its time, though no sweep has come by yet.
    scene.clock.advance(RULES.keep.of(tweenfarm_daemon::retention::Prefix::UploadsPaid));
    assert!(matches!(scene.farm.retry(job).await, Err(FarmError::SourceGone)));
    scene.farm.expire_files(vec![clip.id]).await.unwrap();
    assert!(matches!(scene.farm.retry(job).await, Err(FarmError::SourceGone)));
    assert_eq!((scene.state(job), scene.balance(&account)), (failed, 8));
}

#[tokio::test]
async fn a_clip_that_one_agent_calls_wrong_is_looked_at_by_one_on_another_machine() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job.id;
    scene.hello(1).await;
    scene.farm.hello(hello(OTHER, 1)).await.unwrap();
    let work = scene.next(0).await.unwrap();
    scene.fail(work.lease, FailureClass::Input, "It cannot be decoded.").await;
    assert_eq!(scene.next(0).await, None, "it has said what it thinks");
    let again = scene.farm.lease_next(OTHER, 0, Duration::ZERO).await.unwrap().expect("the other one looks at once");
    scene.fail(again.lease, FailureClass::Input, "It cannot be decoded.").await;
    let JobEnd::Failed { error, .. } = scene.end(job) else { panic!("both say the same") };
    assert_eq!((error.as_str(), scene.balance(&account)), ("It cannot be decoded.", 50));
}

#[tokio::test]
async fn a_job_that_no_worker_can_do_says_what_is_missing() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    let Hello { mut workers, .. } = hello(AGENT, 1);
    workers[0].encoders = vec!["nvh264enc".into()];
    scene.farm.hello(Hello { workers, ..hello(AGENT, 1) }).await.unwrap();
    assert_eq!(scene.next(0).await, None);
    let why = || scene.farm.waiting(&job).unwrap().to_string();
    assert_eq!(why(), "no worker has an encoder of kind x264 for h264");
    scene.hello(1).await;
    let condition = |room_bytes| Condition { availability: Availability::Ready, room_bytes, devices: vec![] };
    scene.farm.says(AGENT, condition(10));
    assert_eq!((scene.next(0).await, why()), (None, "no worker has 1 MiB of free disk".to_owned()));
    scene.farm.says(AGENT, condition(1 << 30));
    assert!(scene.next(0).await.is_some());
}

#[tokio::test]
async fn who_has_waited_longest_is_served_first_and_who_alone_can_do_it_is_not_passed_over() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let agent = |number: u128| AgentId(Uuid::from_u128(0xC0 + number));
    let mut line = Vec::new();
    // From the last id to the first; the tenth of those in line encodes HEVC alone.
    for number in (0..20).rev() {
        let mut hello = hello(agent(number), 1);
        hello.workers[0].encoders = vec![if number == 10 { "x265enc" } else { "x264enc" }.to_owned()];
        scene.farm.hello(hello).await.unwrap();
        let farm = scene.farm.clone();
        line.push(tokio::spawn(async move { farm.lease_next(agent(number), 0, Duration::from_secs(3600)).await }));
        tokio::task::yield_now().await;
        scene.farm.pulse().await.unwrap();
    }
    let mut submission = submission(&clip, 1, 1);
    for (codec, place) in [(Codec::H264, 0), (Codec::H264, 1), (Codec::Hevc, 9), (Codec::H264, 2)] {
        submission.format.codec = codec;
        let job = scene.farm.submit(submission.clone()).await.unwrap().job.id;
        let work = (&mut line[place]).await.unwrap().unwrap().expect("it is served");
        assert_eq!(work.job.id, job);
    }
    assert_eq!(line.iter().filter(|wait| wait.is_finished()).count(), 4, "the others still wait");
    assert_eq!(scene.farm.load().workers_idle, 16);
}
