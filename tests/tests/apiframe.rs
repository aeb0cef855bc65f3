//! The Apiframe surface through the real farm, by a client written from the contract.

use reqwest::Method;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    apiframe::{Apiframe, Class, Job, verify_webhook},
    clips::{self, Recipe},
    farm::{Farm, Settings},
    inspect::{broken_promises, inspect},
    receiver::Receiver,
};

const LIMIT: Duration = Duration::from_secs(240);

fn upscale(video: &str, resolution: &str, target_fps: u32) -> Value {
    let params = json!({ "video": video, "target_resolution": resolution, "target_fps": target_fps });
    json!({ "model": "topaz-video-upscale", "topazVideoParams": params })
}

fn interpolate(video: &str, target_fps: u32) -> Value {
    json!({ "model": "frame-interpolate", "frameInterpolateParams": { "video": video, "target_fps": target_fps } })
}

/// The result in a file, and that it holds what was promised at this size.
async fn exact(api: &Apiframe, job: &Job, source: &Path, fps: u32, size: (u32, u32)) {
    assert_eq!((job.status.as_str(), job.progress), ("COMPLETED", Some(100)), "{job:?}");
    let result = source.with_extension("result.mp4");
    std::fs::write(&result, api.fetch(job.video_url()).await.expect("the result")).expect("room for the result");
    let (mut source, found) = (inspect(source).expect("the source"), inspect(&result).expect("the result"));
    assert_eq!((found.video.width_px, found.video.height_px), size);
    (source.video.width_px, source.video.height_px) = size;
    let broken = broken_promises(&source, &found, Rational::whole(fps.into()));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    let told = &job.result;
    assert_eq!((told["fps"].as_u64(), told["width"].as_u64()), (Some(fps.into()), Some(size.0.into())), "{told}");
    assert_eq!(told["height"].as_u64(), Some(size.1.into()), "{told}");
    assert!((told["durationSec"].as_f64().expect("a duration") - found.video.duration).abs() < 0.001, "{told}");
}

#[tokio::test]
async fn clips_come_out_at_the_size_the_rate_and_the_length_that_were_asked_for() {
    let farm = Farm::with_agent(Settings::default()).await.expect("a farm");
    let (api, reframe, key) = farm.apiframe("exact@example.org", 100).await.expect("an account");
    let me = api.me().await.expect("the caller");
    assert_eq!((me["team"]["credits"].as_i64(), me["user"]["role"].as_str()), (Some(100), Some("OWNER")));
    assert_eq!(me["apiKey"]["prefix"].as_str(), Some(&key[..8]));
    // Up in size and rate; down in both, with a source above the target.
    let cases = [
        ("up.mp4", Recipe { size: "640x360", rate: "30", seconds: 0.5, sound: true }, "720p", 60, (1280, 720)),
        ("down.mp4", Recipe { size: "1920x1080", rate: "60", seconds: 0.5, sound: true }, "720p", 30, (1280, 720)),
    ];
    for (name, recipe, resolution, fps, size) in cases {
        let clip = farm.folder().join(name);
        clips::make(&clip, recipe).expect("ffmpeg makes a clip");
        let upload = api.upload(&clip).await.expect("an upload");
        assert_eq!((upload.kind.as_str(), upload.content_type.as_str()), ("video", "video/mp4"));
        let accepted = api.upscale(upscale(&upload.url, resolution, fps), None).await.expect("a job");
        let (job, progress) = api.wait_for(&accepted.job_id, LIMIT).await.expect("the job");
        assert!(progress.is_sorted(), "{progress:?}");
        assert_eq!((job.credit_cost, job.model.as_str()), (Some(1), "topaz-video-upscale"));
        assert_eq!(job.input["topazVideoParams"]["video"], upload.url);
        exact(&api, &job, &clip, fps, size).await;
        // The other surface tells of the same job.
        let there = reframe.job(&job.id).await.expect("the job on the other surface");
        assert_eq!((there.status.as_str(), there.target_fps, there.xeconds_charged), ("done", fps, 1));
    }
    assert_eq!(api.me().await.expect("the caller")["team"]["credits"], 98);
    assert_eq!(reframe.me().await.expect("the account").balance_xeconds, 98);
    farm.nothing_left_behind().await.expect("a clean farm");
    farm.no_warnings().expect("quiet logs");
}

#[tokio::test]
async fn any_rate_comes_from_a_url_and_the_webhook_tells_of_it_in_order() {
    let settings = Settings { asks_loopback: true, ..Settings::default() };
    let farm = Farm::with_agent(settings).await.expect("a farm");
    let (api, _, key) = farm.apiframe("hook@example.org", 100).await.expect("an account");
    let receiver = Receiver::start().await.expect("a receiver");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { size: "320x240", seconds: 2.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    receiver.offer("/clip", std::fs::read(&clip).expect("the clip"));
    let mut body = interpolate(&receiver.url("/clip"), 48);
    body["webhookUrl"] = receiver.url("/hook").into();
    body["webhookEvents"] = json!(["progress", "completed", "failed"]);
    let accepted = api.upscale(body, None).await.expect("a job");
    let told = receiver.event("completed", LIMIT).await.expect("the webhook");
    // What the receiver is told, a GET agrees with.
    let job = api.job(&accepted.job_id).await.expect("the job");
    exact(&api, &job, &clip, 48, (320, 240)).await;
    let expected = json!({
        "event": "completed", "type": "completed", "jobId": job.id, "status": "COMPLETED", "progress": 100,
        "result": job.result, "model": "frame-interpolate", "creditCost": 2, "completedAt": job.completed_at,
    });
    assert_eq!(told.json(), expected);
    let deliveries = receiver.deliveries();
    for delivery in &deliveries {
        let header = |name: &str| delivery.headers.get(name).map(String::as_str).unwrap_or_default();
        assert_eq!((delivery.path.as_str(), header("content-type")), ("/hook", "application/json"));
        assert_eq!(header("x-webhook-event"), delivery.event());
        assert!(verify_webhook(&key, &delivery.body, header("x-webhook-signature")));
    }
    let percents: Vec<u64> = deliveries.iter().filter_map(|one| one.json()["progress"].as_u64()).collect();
    assert!(percents.is_sorted_by(|earlier, later| earlier < later), "{percents:?}");
    assert_eq!(deliveries.last().expect("a delivery").event(), "completed", "nothing after the end");
    let waited = async {
        while api.job(&accepted.job_id).await.expect("the job").webhook_status.as_deref() != Some("delivered") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, waited).await.expect("the status of the webhook");

    // A clip that cannot be decoded fails its job or is refused; either way nothing is paid for it.
    receiver.offer("/broken", b"not a clip".to_vec());
    let refused = api.upscale(interpolate(&receiver.url("/broken"), 48), None).await.expect_err("no clip");
    assert!(
        matches!(&refused.class, Class::Validation { details }
        if details.contains_key("frameInterpolateParams.video")),
        "{refused}"
    );
    let missing = api.upscale(interpolate(&receiver.url("/nothing"), 48), None).await.expect_err("no clip");
    assert!(missing.status == 400, "{missing}");
    assert_eq!(api.me().await.expect("the caller")["team"]["credits"], 98);
}

#[tokio::test]
async fn every_class_of_error_is_reached_with_its_fields_and_costs_nothing() {
    let settings = Settings { queue_jobs_max: Some(1), ..Settings::default() };
    let farm = Farm::start(settings).await.expect("a daemon");
    let (api, _, _) = farm.apiframe("errors@example.org", 3).await.expect("an account");
    let api = api.impatient();
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 2.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = api.upload(&clip).await.expect("an upload");
    let good = upscale(&upload.url, "720p", 60);
    let status = |answer: Result<Value, tweenfarm_tests::apiframe::Refused>| {
        let refused = answer.expect_err("a refusal");
        assert!(!refused.message.is_empty() && refused.request_id.len() == 36, "{refused}");
        (refused.status, refused.class)
    };
    let post = async |path: &str, body: Value| status(api.call(Method::POST, path, Some(body), None).await);
    let submit = "/v2/videos/upscale";

    let Class::Validation { details } = post(submit, upscale(&upload.url, "720p", 48)).await.1 else { panic!("400") };
    assert_eq!(details["topazVideoParams.target_fps"], ["Must be 24, 30 or 60"]);
    for nobody in [Apiframe::new(farm.base(), None), Apiframe::new(farm.base(), Some("afk_nothing"))] {
        assert_eq!(status(nobody.me().await), (401, Class::Authentication));
        nobody.models().await.expect("the models need no key");
    }
    let dear = post(submit, interpolate(&upload.url, 240)).await;
    assert_eq!(dear, (402, Class::InsufficientCredits { required: 8, available: 3 }));
    for path in ["/v2/images/generate", "/v2/music/generate", "/v2/loras"] {
        assert_eq!(post(path, json!({})).await, (403, Class::Permission), "{path}");
    }
    let nobodys = format!("/v2/jobs/{}", "00000000-0000-0000-0000-000000000000");
    assert_eq!(status(api.call(Method::GET, &nobodys, None, None).await), (404, Class::NotFound));
    assert_eq!(post("/v2/nothing", json!({})).await, (404, Class::NotFound));
    let first = api.upscale(good.clone(), Some("once")).await.expect("a job");
    let again = api.upscale(good.clone(), Some("once")).await.expect("the same job");
    assert_eq!((first.job_id, first.status), (again.job_id, again.status));
    let conflict = api.upscale(upscale(&upload.url, "1080p", 60), Some("once")).await.expect_err("another request");
    assert_eq!((conflict.status, conflict.class), (409, Class::Conflict));
    let full = api.upscale(good, None).await.expect_err("the queue is full");
    assert_eq!((full.status, full.class), (503, Class::Server));
    assert_eq!(api.me().await.expect("the caller")["team"]["credits"], 1, "one job of two seconds was charged");
    assert_eq!(api.jobs("").await.expect("the jobs").jobs.len(), 1);
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits_as_long_as_it_is_told_and_goes_on() {
    let farm =
        Farm::start(Settings { v2_requests_per_minute: Some(60), ..Settings::default() }).await.expect("a daemon");
    let (api, _, _) = farm.apiframe("often@example.org", 3).await.expect("an account");
    let hasty = api.clone().impatient();
    let refused = loop {
        if let Err(refused) = hasty.me().await {
            break refused;
        }
    };
    assert!(matches!(refused.class, Class::RateLimit { retry_after_seconds: 1..=60 }), "{refused}");
    api.me().await.expect("it was told when to come back");
}

#[tokio::test]
async fn a_repeated_submission_is_one_job_at_once_and_after_the_daemon_was_killed() {
    let mut farm = Farm::start(Settings::default()).await.expect("a daemon");
    let (api, reframe, _) = farm.apiframe("once@example.org", 100).await.expect("an account");
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 2.0, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let upload = api.upload(&clip).await.expect("an upload");
    let body = upscale(&upload.url, "720p", 60);
    let calls = (0..10).map(|_| api.upscale(body.clone(), Some("once")));
    let accepted = futures::future::join_all(calls).await;
    let ids: Vec<String> = accepted.into_iter().map(|accepted| accepted.expect("accepted").job_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // The other surface keeps its own memory of the same key.
    let presigned = reframe.upload(&clip).await.expect("an upload");
    let send = async || {
        let request = reqwest::Client::new().post(format!("{}/jobs", farm.base())).bearer_auth(reframe.key());
        let request = request.header("idempotency-key", "once");
        let answer =
            request.json(&json!({ "r2_key": presigned.key, "target_fps": 60 })).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")["job_id"].clone()
    };
    let there = send().await;
    assert!(there.is_string() && there != ids[0], "{there}");
    assert_eq!(send().await, there);

    farm.kill_daemon().expect("a daemon to kill");
    farm.restart_daemon().await.expect("it starts again");
    let api = Apiframe::new(farm.base(), Some(api.key()));
    let again = api.upscale(body, Some("once")).await.expect("the same job");
    assert_eq!((again.job_id.as_str(), again.status.as_str()), (ids[0].as_str(), "QUEUED"));
    assert_eq!(api.me().await.expect("the caller")["team"]["credits"], 96, "two jobs of two seconds");
}

/// A farm with a job whose end is to be told to a receiver.
struct Told {
    farm: Farm,
    api: Apiframe,
    receiver: Receiver,
    job: String,
}

impl Told {
    async fn submitted(silent: bool) -> Told {
        let settings = Settings { asks_loopback: true, ..Settings::default() };
        let farm = Farm::with_agent(settings).await.expect("a farm");
        let (api, _, _) = farm.apiframe("killed@example.org", 100).await.expect("an account");
        let receiver = Receiver::start().await.expect("a receiver");
        if silent {
            receiver.fall_silent();
        }
        let clip = farm.folder().join("clip.mp4");
        clips::make(&clip, Recipe::default()).expect("ffmpeg makes a clip");
        let upload = api.upload(&clip).await.expect("an upload");
        let mut body = interpolate(&upload.url, 48);
        body["webhookUrl"] = receiver.url("/hook").into();
        let job = api.upscale(body, None).await.expect("a job").job_id;
        Told { farm, api, receiver, job }
    }

    /// `kill -9` of the daemon and a new start; what became of the webhook then, and how often it was told.
    async fn killed(mut self) -> (String, usize) {
        self.farm.kill_daemon().expect("a daemon to kill");
        self.farm.restart_daemon().await.expect("it starts again");
        let api = Apiframe::new(self.farm.base(), Some(self.api.key()));
        let settled = async {
            loop {
                let job = api.job(&self.job).await.expect("the job");
                match job.webhook_status.as_deref() {
                    Some("pending") => tokio::time::sleep(Duration::from_millis(50)).await,
                    status => {
                        assert_eq!((job.status.as_str(), job.credit_cost), ("COMPLETED", Some(1)));
                        break status.unwrap_or_default().to_owned();
                    }
                }
            }
        };
        let status = tokio::time::timeout(LIMIT, settled).await.expect("the webhook is settled");
        for delivery in self.receiver.deliveries() {
            let signature = delivery.headers.get("x-webhook-signature").map(String::as_str).unwrap_or_default();
            assert!(verify_webhook(api.key(), &delivery.body, signature));
        }
        (status, self.receiver.deliveries().len())
    }
}

#[tokio::test]
async fn what_is_to_be_told_when_the_daemon_is_killed_is_told_once_after_it_started_again() {
    let told = Told::submitted(false).await;
    // The end and what is due of it are one transaction: whatever the moment, it is told at most once, and the status
    // says whether it was.
    let over = async {
        while told.api.job(&told.job).await.expect("the job").completed_at.is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, over).await.expect("the job ends");
    match told.killed().await {
        (status, 1) if status == "delivered" => {}
        (status, 0 | 1) if status == "failed" => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_being_told_when_the_daemon_was_killed_is_not_told_again() {
    let told = Told::submitted(true).await;
    told.receiver.event("completed", LIMIT).await.expect("it is being told");
    assert_eq!(told.api.job(&told.job).await.expect("the job").webhook_status.as_deref(), Some("pending"));
    assert_eq!(told.killed().await, ("failed".to_owned(), 1));
}
