//! Webhooks sent for real, to a receiver that listens.

mod scene;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use scene::*;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tweenfarm_daemon::{
    farm::{Effect, Farm, FarmRules, NewWebhook, Submission},
    http::serve::serve,
    model::{Job, KeyHash, WebhookEvents, WebhookRules, WebhookStatus},
    outbound::{Outbound, OutboundRules},
    store::MemoryStore,
    webhooks::{Deliveries, Described, signature},
};
use tweenfarm_protocol::{JobId, task::Progress};

const KEY: KeyHash = KeyHash([7; 32]);
const ALL: WebhookEvents = WebhookEvents { progress: true, completed: true, failed: true };

type Received = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// Keeps what it gets; the path says what it answers.
struct Receiver {
    base: String,
    received: Received,
}

impl Receiver {
    async fn new() -> Receiver {
        async fn take(
            State(received): State<Received>,
            Path(answer): Path<String>,
            headers: HeaderMap,
            body: Bytes,
        ) -> Response {
            received.lock().unwrap().push((headers, body.to_vec()));
            match answer.as_str() {
                "ok" => StatusCode::NO_CONTENT.into_response(),
                "elsewhere" => Redirect::temporary("/ok").into_response(),
                _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        let received = Received::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/{answer}", post(take)).with_state(received.clone());
        tokio::spawn(serve(listener, router, 8, CancellationToken::new()));
        Receiver { base, received }
    }

    /// Event and body of each delivery, its signature checked.
    fn taken(&self) -> Vec<(String, Value)> {
        let taken = self.received.lock().unwrap();
        let each = taken.iter().map(|(headers, body)| {
            let of = |name: &str| headers[name].to_str().unwrap();
            assert_eq!(of("content-type"), "application/json");
            assert_eq!(of("x-webhook-signature"), signature(KEY, body));
            (of("x-webhook-event").to_owned(), serde_json::from_slice(body).unwrap())
        });
        each.collect()
    }
}

/// The deliverer of one process.
struct Sending {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Sending {
    fn start(farm: &Farm, mut effects: mpsc::Receiver<Effect>, networks: &[&str]) -> Sending {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let outbound = Outbound::new(OutboundRules { allow_lan: false, networks }).unwrap();
        let describe = |job: &Job| {
            let result = json!({ "videoUrl": "https://farm.example.org/out.mp4" });
            Ok(Described { model: "frame-interpolate".into(), result, credit_cost: job.charged.0 })
        };
        let (stop, (news, due)) = (CancellationToken::new(), mpsc::channel(100));
        let running = tokio::spawn(Deliveries::new(farm.clone(), outbound, describe, stop.clone()).run(due));
        tokio::spawn(async move {
            while let Some(effect) = effects.recv().await {
                if let Effect::TellWebhook(job) = effect {
                    let _ = news.send(job).await;
                }
            }
        });
        Sending { stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn submitted(scene: &Scene, url: String) -> Job {
    let account = scene.account("ada", 50).await;
    let clip = scene.clip(&account, 1).await;
    scene.hello(1).await;
    let webhook = Some(NewWebhook { url, events: ALL, signed_with: Some(KEY) });
    scene.farm.submit(Submission { webhook, ..submission(&clip, 1, 8) }).await.unwrap().job
}

async fn settled(farm: &Farm, job: JobId) -> WebhookStatus {
    let started = Instant::now();
    loop {
        match farm.webhook(job).unwrap().unwrap().status() {
            WebhookStatus::Pending => assert!(started.elapsed() < Duration::from_secs(60), "it is never settled"),
            status => return status,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn events_arrive_signed_and_in_order_and_progress_at_most_once_a_second() {
    let receiver = Receiver::new().await;
    let Scene { farm, clock, effects } = Scene::new();
    let sending = Sending::start(&farm, effects, &["127.0.0.1/32"]);
    let scene = Scene { farm, clock, effects: mpsc::channel(1).1 };
    let job = submitted(&scene, format!("{}/ok", receiver.base)).await;
    let work = scene.next(0).await.unwrap();
    let started = Instant::now();
    for frames_done in 1..=60 {
        scene.farm.renew(work.lease, Progress { frames_done, frames_total: 60 }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.deliver(&work).await;
    scene.work_off().await;
    assert_eq!(settled(&scene.farm, job.id).await, WebhookStatus::Delivered);
    let seconds = started.elapsed().as_secs() as usize;
    sending.stop().await;

    let taken = receiver.taken();
    let (last, before) = taken.split_last().unwrap();
    let expected = json!({
        "event": "completed", "type": "completed", "jobId": job.id, "status": "COMPLETED", "progress": 100,
        "model": "frame-interpolate", "creditCost": 8, "result": { "videoUrl": "https://farm.example.org/out.mp4" },
        "completedAt": last.1["completedAt"],
    });
    assert_eq!(*last, ("completed".to_owned(), expected));
    assert!(!before.is_empty() && before.len() <= seconds + 2, "{} of them in {seconds} s", before.len());
    let percents: Vec<i64> = before.iter().map(|(_, body)| body["progress"].as_i64().unwrap()).collect();
    assert!(percents.is_sorted_by(|a, b| a < b), "{percents:?}");
    assert!(before.iter().all(|(event, body)| event == "progress" && body["status"] == "PROCESSING"));
}

#[tokio::test]
async fn a_receiver_that_does_not_take_it_gets_no_second_one() {
    for (path, networks, sent) in
        [("error", &["127.0.0.1/32"][..], 1), ("elsewhere", &["127.0.0.1/32"], 1), ("ok", &[], 0)]
    {
        let receiver = Receiver::new().await;
        let Scene { farm, clock, effects } = Scene::new();
        let sending = Sending::start(&farm, effects, networks);
        let scene = Scene { farm, clock, effects: mpsc::channel(1).1 };
        let job = submitted(&scene, format!("{}/{path}", receiver.base)).await;
        scene.farm.cancel(job.id).await.unwrap();
        assert_eq!(settled(&scene.farm, job.id).await, WebhookStatus::Failed, "{path}");
        sending.stop().await;
        assert_eq!(receiver.taken().len(), sent, "{path}");
    }
}

#[tokio::test]
async fn what_a_process_left_unsaid_the_next_one_says_once() {
    let receiver = Receiver::new().await;
    let store = Arc::new(MemoryStore::new());
    let rules = FarmRules { webhooks: WebhookRules { attempts_max: 1, keep_log: true }, ..RULES };
    let scene = Scene::on(store.clone(), rules);
    let job = submitted(&scene, format!("{}/ok", receiver.base)).await;
    scene.farm.cancel(job.id).await.unwrap();
    for _ in 0..2 {
        let Scene { farm, effects, .. } = Scene::at(Arc::new(store.crash()), rules, scene.clock.clone());
        let sending = Sending::start(&farm, effects, &["127.0.0.1/32"]);
        assert_eq!(settled(&farm, job.id).await, WebhookStatus::Delivered);
        sending.stop().await;
        let webhook = farm.webhook(job.id).unwrap().unwrap();
        assert_eq!(webhook.log.iter().map(|attempt| attempt.outcome.clone()).collect::<Vec<_>>(), [Ok(204)]);
        farm.close().await;
        // The second round stands for a disk that was put back: it has never heard of the first.
        let taken = receiver.received.lock().unwrap().drain(..).count();
        assert_eq!(taken, 1);
    }
}
