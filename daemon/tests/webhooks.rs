//! What the farm has to say to webhooks: in the transaction that changes the job, once, also after a crash.

mod scene;

use scene::*;
use std::{sync::Arc, time::Duration};
use tweenfarm_daemon::{
    farm::{Effect, FarmRules, NewWebhook, Submission},
    model::{Job, KeyHash, News, WebhookEvents, WebhookRules, WebhookStatus},
    store::MemoryStore,
};
use tweenfarm_protocol::task::{FailureClass, Progress};

fn told(events: WebhookEvents, submission: Submission) -> Submission {
    let url = "https://hooks.example.org/x".to_owned();
    Submission { webhook: Some(NewWebhook { url, events, signed_with: Some(KeyHash([7; 32])) }), ..submission }
}

const ALL: WebhookEvents = WebhookEvents { progress: true, completed: true, failed: true };

async fn submitted(scene: &Scene) -> Job {
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.hello(1).await;
    scene.farm.submit(told(ALL, submission(&clip, 1, 8))).await.unwrap().job
}

async fn claim(scene: &Scene, job: &Job) -> Option<News> {
    scene.farm.claim_news(job.id).await.unwrap().map(|claimed| claimed.news)
}

fn status(scene: &Scene, job: &Job) -> WebhookStatus {
    scene.farm.webhook(job.id).unwrap().unwrap().status()
}

#[tokio::test]
async fn progress_and_the_end_are_due_with_the_change_of_the_job_and_claimed_once() {
    let mut scene = Scene::new();
    let job = submitted(&scene).await;
    assert_eq!((claim(&scene, &job).await, status(&scene, &job)), (None, WebhookStatus::Pending));
    let work = scene.next(0).await.unwrap();
    for frames_done in [20, 40] {
        scene.farm.renew(work.lease, Progress { frames_done, frames_total: 60 }).await.unwrap();
    }
    let percent = scene.farm.job(job.id).unwrap().unwrap().progress_percent;
    assert_eq!(claim(&scene, &job).await, Some(News::Progress { percent }), "only the newest");
    assert_eq!(claim(&scene, &job).await, None);
    scene.deliver(&work).await;
    scene.work_off().await;
    let claimed = scene.farm.claim_news(job.id).await.unwrap().unwrap();
    assert_eq!((claimed.news, claimed.job.has_ended()), (News::End, true));
    assert_eq!((claim(&scene, &job).await, status(&scene, &job)), (None, WebhookStatus::Pending));
    scene.farm.settle_news(job.id, News::End, Ok(200)).await.unwrap();
    assert_eq!((status(&scene, &job), scene.farm.open_webhooks().unwrap()), (WebhookStatus::Delivered, vec![]));
    let mut effects = 0;
    while let Ok(effect) = scene.effects.try_recv() {
        effects += u32::from(effect == Effect::TellWebhook(job.id));
    }
    assert!(effects >= 3, "the deliverer was told {effects} times");
}

#[tokio::test]
async fn a_job_that_fails_is_told_as_its_end_after_its_refund() {
    let scene = Scene::new();
    let job = submitted(&scene).await;
    let work = scene.next(0).await.unwrap();
    scene.fail(work.lease, FailureClass::Input, "The clip could not be decoded.").await;
    let claimed = scene.farm.claim_news(job.id).await.unwrap().unwrap();
    assert_eq!(claimed.news, News::End);
    assert_eq!(scene.farm.balance(job.account).unwrap().0, 50);
    scene.farm.settle_news(job.id, News::End, Err("it did not answer in time".into())).await.unwrap();
    assert_eq!((status(&scene, &job), claim(&scene, &job).await), (WebhookStatus::Failed, None));
}

#[tokio::test]
async fn what_was_due_is_due_after_a_power_cut_and_what_was_claimed_is_not_sent_again() {
    let store = Arc::new(MemoryStore::new());
    let scene = Scene::on(store.clone(), RULES);
    let job = submitted(&scene).await;
    scene.farm.cancel(job.id).await.unwrap();
    // The daemon dies before it says anything.
    let store = Arc::new(store.crash());
    let again = Scene::at(store.clone(), RULES, scene.clock.clone());
    assert_eq!(again.farm.open_webhooks().unwrap(), [job.id]);
    assert_eq!(claim(&again, &job).await, Some(News::End));
    // It dies while it says it.
    let once = Scene::at(Arc::new(store.crash()), RULES, scene.clock.clone());
    assert_eq!((claim(&once, &job).await, status(&once, &job)), (None, WebhookStatus::Failed));
    // An operator who wants two attempts gets the second.
    let rules = FarmRules { webhooks: WebhookRules { attempts_max: 2, keep_log: true }, ..RULES };
    let twice = Scene::at(Arc::new(store.crash()), rules, scene.clock.clone());
    assert_eq!((claim(&twice, &job).await, status(&twice, &job)), (None, WebhookStatus::Pending));
    scene.clock.advance(Duration::from_secs(10));
    assert_eq!(claim(&twice, &job).await, Some(News::End));
}

#[tokio::test]
async fn a_job_without_a_webhook_has_nothing_to_say() {
    let scene = Scene::new();
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    let job = scene.submit(&clip, 1, 8).await.unwrap().job;
    assert_eq!(scene.farm.webhook(job.id).unwrap(), None);
    assert!(scene.farm.claim_news(job.id).await.is_err());
}
