//! Submitting jobs, and what a job looks like from both surfaces.

use super::*;

#[tokio::test]
async fn a_clip_is_uploaded_converted_and_fetched() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    let url = bench.clip_url(&ann, "clip 60 12900").await;
    // The source's rate is above the target: never an error here.
    let body = upscale(&url, "1080p", 24);
    let accepted = bench.order(&ann, body.clone(), None).await;
    assert_eq!(accepted.json()["status"], "QUEUED");
    let id = job_id(&accepted);
    let stored = bench.farm.job(id.parse().unwrap()).unwrap().unwrap().job;
    let size = stored.format.size.unwrap();
    assert_eq!((size.width_px(), size.height_px(), stored.target_fps), (1920, 1080, 24));
    let path = format!("/v2/jobs/{id}");
    let queued = bench.ask(&path, &ann).await.json();
    assert_eq!(queued["input"], json!({ "topazVideoParams": body["topazVideoParams"] }));
    for (name, expected) in [
        ("status", json!("QUEUED")),
        ("model", json!("topaz-video-upscale")),
        ("progress", json!(0)),
        ("result", Value::Null),
        ("error", Value::Null),
        ("creditCost", json!(12)),
        ("webhookStatus", Value::Null),
        ("completedAt", Value::Null),
        ("expired", json!(false)),
    ] {
        assert_eq!(queued[name], expected, "{name}");
    }
    assert_eq!(bench.ask("/v2/me", &ann).await.json()["team"]["credits"], 88);

    bench.finish(&id).await;
    let done = bench.ask(&path, &ann).await.json();
    assert_eq!((&done["status"], &done["progress"]), (&json!("COMPLETED"), &json!(100)));
    assert!(done["completedAt"].as_str().unwrap().ends_with('Z'));
    let result = &done["result"];
    assert_eq!((&result["fps"], &result["watermarked"]), (&json!(24), &json!(false)));
    let video = result["videoUrl"].as_str().unwrap();
    let read = async || bench.send(Request::get(path_of(video)).body(Body::empty()).unwrap()).await;
    assert_eq!(read().await.status, StatusCode::OK);
    // The URL is the same for as long as the file is kept, and then both say so.
    bench.later(89 * DAY);
    assert_eq!(bench.ask(&path, &ann).await.json()["result"]["videoUrl"], video);
    assert_eq!(read().await.status, StatusCode::OK);
    bench.later(2 * DAY);
    assert_eq!(bench.ask(&path, &ann).await.json()["expired"], true);
    assert_eq!(read().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn model_and_rates_say_whether_frames_are_made() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    let check = async |clip: &str, model: fn(&str, u32) -> Value, target_fps: u32, nearest: bool| {
        let url = bench.clip_url(&ann, clip).await;
        let id = job_id(&bench.order(&ann, model(&url, target_fps), None).await);
        let engine = bench.farm.job(id.parse().unwrap()).unwrap().unwrap().job.engine;
        assert_eq!(engine.nearest, nearest, "{clip} to {target_fps}");
    };
    let scaled = |url: &str, target_fps| upscale(url, "720p", target_fps);
    check("clip 60 1000", scaled, 24, true).await;
    check("clip 30 1000", scaled, 30, true).await;
    check("clip 24 1000", scaled, 30, false).await;
    check("clip 60 1000", interpolate, 24, false).await;
    check("clip 30 1000", interpolate, 30, false).await;
}

#[tokio::test]
async fn a_result_is_a_source_and_so_is_a_presigned_object_and_anothers_url() {
    let bench = Bench::new();
    let (ann, bob) = (bench.customer("ann@example.org", 100).await, bench.customer("bob@example.org", 100).await);
    let url = bench.clip_url(&ann, "clip 24 1000").await;
    let theirs = job_id(&bench.order(&bob, interpolate(&url, 60), None).await);
    let theirs = bench.farm.job(theirs.parse().unwrap()).unwrap().unwrap().job;
    let input = bench.farm.file(theirs.input).unwrap().unwrap();
    assert_eq!(input.account, bob.user.account.id, "a job needs a file that its owner alone can delete");
    let presigned = bench.upload(&ann.user, "clip 30 2000").await;
    let key: crate::model::ObjectKey = presigned["key"].as_str().unwrap().parse().unwrap();
    let object = bench.blobs.presign_get(&key, DAY);
    let own = job_id(&bench.order(&ann, interpolate(&object, 60), None).await);
    let own = bench.farm.job(own.parse().unwrap()).unwrap().unwrap().job;
    assert_eq!(own.input_key, key);
    for wrong in [
        url.replace("/v2/files/u/", "/v2/files/u/0"),
        object.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        "http://127.0.0.1:8080/me".to_owned(),
    ] {
        let answer = bench.order(&ann, interpolate(&wrong, 60), None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.json()["details"]["frameInterpolateParams.video"][0].is_string(), "{wrong}");
    }
}

#[tokio::test]
async fn every_refusal_of_a_submission_leaves_no_job_and_no_charge() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 12).await;
    let check = async |body: Value, status: u16, path: &str| {
        let answer = bench.order(&ann, body.clone(), Some("once")).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {:?}", answer.bytes);
        if status == 400 {
            assert!(answer.json()["details"][path][0].is_string(), "{body}: {:?}", answer.bytes);
        }
        answer
    };
    let video = "topazVideoParams.video";
    let none = json!({ "model": "topaz-video-upscale", "topazVideoParams": {} });
    check(none, 400, video).await;
    check(upscale("http://127.0.0.1:8080/v2/files/u/x/y", "720p", 60), 400, video).await;
    for broken in ["clip 24 120051", "no clip", ""] {
        let url = bench.clip_url(&ann, broken).await;
        check(upscale(&url, "720p", 60), 400, video).await;
    }
    let mut kling = upscale("http://127.0.0.1:8080/x", "720p", 60);
    kling["model"] = "kling-3".into();
    check(kling, 400, "model").await;
    let url = bench.clip_url(&ann, "clip 24 13000").await;
    check(upscale(&url, "720p", 48), 400, "topazVideoParams.target_fps").await;
    let dear = check(upscale(&url, "720p", 60), 402, "").await.json();
    assert_eq!(dear, json!({ "error": "Insufficient credits", "creditsRequired": 13, "creditsAvailable": 12 }));
    for body in [&b"nonsense"[..], b"[]", b""] {
        let request = Request::post("/v2/videos/upscale").header("x-api-key", &ann.key);
        let answer = bench.send(request.body(Body::from(body.to_vec())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.json().get("details").is_none());
    }
    assert_eq!(bench.farm.balance(ann.user.account.id).unwrap(), Xeconds(12));
    assert!(bench.farm.jobs_of(ann.user.account.id, 10, None).unwrap().is_empty());
    // None of them has used the key up.
    let url = bench.clip_url(&ann, "clip 24 12000").await;
    job_id(&bench.order(&ann, upscale(&url, "720p", 60), Some("once")).await);
}

#[tokio::test]
async fn a_full_queue_is_told_with_503_and_costs_nothing() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 1000).await;
    let url = bench.clip_url(&ann, "clip 24 1000").await;
    for _ in 0..100 {
        job_id(&bench.order(&ann, interpolate(&url, 60), None).await);
    }
    let full = bench.order(&ann, interpolate(&url, 60), Some("later")).await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(full.error().contains("queue") && full.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(bench.farm.balance(ann.user.account.id).unwrap(), Xeconds(900));
}

#[tokio::test]
async fn the_same_key_twice_is_one_job_whatever_became_of_it_and_of_its_clip() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    let url = bench.clip_url(&ann, "clip 24 12000").await;
    let body = upscale(&url, "720p", 60);
    let calls = (0..8).map(|_| bench.order(&ann, body.clone(), Some("once")));
    let ids: Vec<String> = futures::future::join_all(calls).await.iter().map(job_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(bench.farm.balance(ann.user.account.id).unwrap(), Xeconds(88));
    // Another key of the account, fields in another order, 60.0 for 60: the same request.
    let same = format!(
        r#"{{"topazVideoParams":{{"target_fps":60.0,"target_resolution":"720p","video":"{url}"}},"model":"topaz-video-upscale"}}"#
    );
    let other = Customer { key: bench.named_key(&ann.user, "new").await, user: User { ..ann.user } };
    let request = Request::post("/v2/videos/upscale").header("x-api-key", &other.key).header("idempotency-key", "once");
    let replay = bench.send(request.body(Body::from(same)).unwrap()).await;
    assert_eq!((job_id(&replay), &replay.json()["status"]), (ids[0].clone(), &json!("QUEUED")));
    let conflict = bench.order(&other, upscale(&url, "1080p", 60), Some("once")).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert!(conflict.error().contains("Idempotency-Key"));
    bench.farm.cancel(ids[0].parse().unwrap()).await.unwrap();
    // The upload is gone by now, and the status is not one of a submission.
    bench.later(Duration::from_secs(3 * 3600));
    let replay = bench.order(&other, body.clone(), Some("once")).await;
    assert_eq!((job_id(&replay), &replay.json()["status"]), (ids[0].clone(), &json!("FAILED")));
    bench.later(DAY);
    let late = bench.order(&other, body, Some("once")).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "the day is over, and so is the upload: {:?}", late.bytes);
    let long = bench.order(&other, upscale(&url, "720p", 60), Some(&"k".repeat(256))).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_job_of_one_surface_is_a_job_of_the_other() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    let url = bench.clip_url(&ann, "clip 24 12000").await;
    let here = job_id(&bench.order(&ann, upscale(&url, "720p", 60), Some("same")).await);
    let upload = bench.upload(&ann.user, "clip 24 2000").await;
    let there = bench.submit(&ann.user, &upload).await;
    // The same numbers on both.
    let seen = bench.get(&format!("/jobs/{here}"), &ann.user).await.json();
    assert_eq!((&seen["xeconds_charged"], &seen["target_fps"]), (&json!(12), &json!(60)));
    let seen = bench.ask(&format!("/v2/jobs/{there}"), &ann).await.json();
    assert_eq!(
        (&seen["model"], &seen["input"], &seen["creditCost"]),
        (&json!("frame-interpolate"), &Value::Null, &json!(2))
    );
    let listed = bench.get("/jobs", &ann.user).await.json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
    let projects = bench.get("/projects", &ann.user).await.json();
    assert_eq!(projects["projects"].as_array().unwrap().len(), 1, "the project of jobs without one is in no list");
    let balance = bench.get("/me", &ann.user).await.json()["balance_xeconds"].clone();
    assert_eq!(balance, bench.ask("/v2/me", &ann).await.json()["team"]["credits"]);
    assert_eq!(balance, 86);

    bench.farm.cancel(here.parse().unwrap()).await.unwrap();
    let cancelled = bench.ask(&format!("/v2/jobs/{here}"), &ann).await.json();
    assert_eq!((&cancelled["status"], &cancelled["creditCost"]), (&json!("CANCELLED"), &json!(0)));
    assert!(cancelled["error"].as_str().unwrap().contains("operator") && cancelled["completedAt"].is_string());
    let failed = bench.get(&format!("/jobs/{here}"), &ann.user).await.json();
    assert_eq!((&failed["live_status"], &failed["xeconds_refunded"]), (&json!("failed"), &json!(12)));
    assert_eq!(bench.get("/me", &ann.user).await.json()["balance_xeconds"], 98);
}

#[tokio::test]
async fn another_accounts_job_is_not_there() {
    let bench = Bench::new();
    let (ann, bob) = (bench.customer("ann@example.org", 100).await, bench.customer("bob@example.org", 100).await);
    let url = bench.clip_url(&ann, "clip 24 12000").await;
    let id = job_id(&bench.order(&ann, interpolate(&url, 48), None).await);
    for (path, status) in [
        (format!("/v2/jobs/{id}"), StatusCode::NOT_FOUND),
        (format!("/v2/jobs/{}", uuid::Uuid::nil()), StatusCode::NOT_FOUND),
        ("/v2/jobs/five".into(), StatusCode::BAD_REQUEST),
        ("/v2/jobs/%FF".into(), StatusCode::BAD_REQUEST),
    ] {
        let answer = bench.ask(&path, &bob).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.error().is_empty());
    }
}

#[tokio::test]
async fn a_webhook_is_noted_with_the_key_that_signs_it_and_its_status_is_shown() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    let url = bench.clip_url(&ann, "clip 24 1000").await;
    let mut body = interpolate(&url, 60);
    body["webhookUrl"] = "https://hooks.example.org/apiframe".into();
    let id = job_id(&bench.order(&ann, body.clone(), None).await);
    let hook = bench.farm.webhook(id.parse().unwrap()).unwrap().unwrap();
    assert_eq!(hook.signed_with, Some(auth::hash_of(&ann.key)));
    let events = crate::model::WebhookEvents { progress: false, completed: true, failed: true };
    assert_eq!(hook.events, events, "what is told when nothing else was asked for");
    let status = async |id: &str| bench.ask(&format!("/v2/jobs/{id}"), &ann).await.json()["webhookStatus"].clone();
    assert_eq!(status(&id).await, "pending");
    let silent = job_id(&bench.order(&ann, interpolate(&url, 60), None).await);
    assert_eq!(status(&silent).await, Value::Null);
    for wrong in
        ["http://169.254.169.254/latest", "http://127.0.0.1:9/", "https://u:p@hooks.example.org/", "https://x:25/"]
    {
        body["webhookUrl"] = wrong.into();
        let answer = bench.order(&ann, body.clone(), None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.json()["details"]["webhookUrl"][0].is_string(), "{wrong}");
    }
}

#[tokio::test]
async fn a_clip_inside_the_operators_network_is_not_fetched_and_nothing_is_written_down() {
    let bench = Bench::new();
    let ann = bench.customer("ann@example.org", 100).await;
    for inside in
        ["http://10.0.0.1/a.mp4", "http://[::1]:8080/a.mp4", "http://127.0.0.1:9999/a.mp4", "http://localhost:9999/a"]
    {
        let answer = bench.order(&ann, interpolate(inside, 60), None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{inside}");
        let sentence = answer.json()["details"]["frameInterpolateParams.video"][0].to_string();
        assert!(sentence.contains("network"), "{inside}: {sentence}");
    }
    assert_eq!((bench.staged(), bench.farm.balance(ann.user.account.id).unwrap()), (0, Xeconds(100)));
}
