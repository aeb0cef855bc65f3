//! The way of a job as a client walks it, and what money does on it.

use super::*;

/// The names of an object's fields, sorted.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_clip_goes_in_is_priced_charged_and_polled() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 120).await;
    let upload = bench.upload(&user, "clip 30000/1001 12900").await;
    assert_eq!(names(&upload), ["file_id", "key", "project_id", "r2_key", "upload_url"]);
    assert_eq!(upload["key"], upload["r2_key"]);
    let (account, project, file) = (user.account.id, &upload["project_id"], &upload["file_id"]);
    let layout =
        format!("uploads/paid/{account}/{}/input/{}-surf.mp4", project.as_str().unwrap(), file.as_str().unwrap());
    assert_eq!(upload["key"], layout);
    let key = &upload["key"];

    let probed = bench.post("/probe", &user, json!({ "r2_key": key, "ignored": 1 })).await.json();
    let clip = json!({
        "fps": 29.97, "duration_sec": 12.9, "width": 640, "height": 360, "codec": "h264", "size_bytes": 21,
    });
    assert_eq!(probed, clip);
    let options = json!({ "r2_key": key, "target_fps_options": [240, 60, 29, 60, 90] });
    let estimate = bench.post("/pricing/estimate-video", &user, options).await.json();
    let priced = json!([
        { "target_fps": 240, "band": "ultra", "multiplier": 4, "charged_xeconds": 48 },
        { "target_fps": 60, "band": "smooth", "multiplier": 1, "charged_xeconds": 12 },
        { "target_fps": 90, "band": "slomo", "multiplier": 2, "charged_xeconds": 24 },
    ]);
    assert_eq!(estimate, json!({ "metadata": clip, "estimates": priced }));

    let answer = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 90, "project_id": project })).await;
    assert_eq!(answer.status, StatusCode::OK);
    let submitted = answer.json();
    let id = submitted["job_id"].as_str().unwrap();
    assert_eq!(submitted, json!({ "job_id": id, "status": "pending", "xeconds_charged": 24, "balance_after": 96 }));

    let job = bench.get(&format!("/jobs/{id}"), &user).await.json();
    let created_at = job["created_at"].as_str().unwrap();
    assert!(created_at.len() == 20 && created_at.ends_with('Z'), "{created_at}");
    let expected = json!({
        "id": id, "status": "pending", "live_status": "no_workers", "input_key": key, "output_key": null,
        "output_url": null, "input_duration_sec": 12.9, "xeconds_charged": 24, "xeconds_refunded": 0,
        "target_fps": 90, "fps_in": 29.97, "fps_out": null, "completed_at": null, "project_id": project,
        "created_at": created_at, "progress": 0, "watermarked": false, "workers": { "idle": 0, "running": 0 },
        "queue_depth": 0,
    });
    assert_eq!(job, expected);

    let me = bench.get("/me", &user).await.json();
    assert_eq!(names(&me), ["api_key_hash", "balance_xeconds", "email", "id", "total_spent_usd"]);
    assert_eq!((&me["balance_xeconds"], &me["email"]), (&json!(96), &json!("ann@example.org")));
    let path = format!("/projects/{}/files/{}/download", project.as_str().unwrap(), file.as_str().unwrap());
    let download = bench.get(&path, &user).await.json();
    assert_eq!(download["expires_in"], 3600);
    let url = download["url"].as_str().unwrap();
    let fetched = bench.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await;
    assert_eq!(fetched.bytes, "clip 30000/1001 12900");
}

#[tokio::test]
async fn a_balance_too_low_is_402_in_the_contracts_words_and_takes_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 120).await;
    let long = bench.upload(&user, "clip 24 61200").await["key"].clone();
    let answer = bench.post("/jobs", &user, json!({ "r2_key": long, "target_fps": 120 })).await;
    assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(answer.detail(), "Need 122 xeconds, have 120");
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(120));
    // Exactly the balance is enough.
    let minute = bench.upload(&user, "clip 24 60000").await["key"].clone();
    let answer = bench.post("/jobs", &user, json!({ "r2_key": minute, "target_fps": 120 })).await;
    assert_eq!(answer.json()["balance_after"], 0);
}

#[tokio::test]
async fn jobs_submitted_at_once_never_overdraw() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 50).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let submits = (0..10).map(|_| bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })));
    let answers = futures::future::join_all(submits).await;
    let count = |status: StatusCode| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(StatusCode::OK), count(StatusCode::PAYMENT_REQUIRED)), (4, 6));
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(2));
}

#[tokio::test]
async fn a_repeated_submit_with_the_same_idempotency_key_is_charged_once() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let submit = async |body: Value| {
        let request = Request::post("/jobs")
            .header(header::AUTHORIZATION, format!("Bearer {}", user.key))
            .header("idempotency-key", "once");
        bench.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let first = submit(json!({ "r2_key": key, "target_fps": 60 })).await.json();
    let again = submit(json!({ "target_fps": 60.0, "r2_key": key, "other": [1] })).await.json();
    assert_eq!(first, again);
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(88));
    let conflict = submit(json!({ "r2_key": key, "target_fps": 90 })).await;
    assert_eq!(conflict.status, StatusCode::BAD_REQUEST);
    assert!(conflict.detail().contains("Idempotency-Key"));
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(88));
}

#[tokio::test]
async fn a_new_key_replaces_the_old_one_and_a_revoked_one_opens_nothing() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let made = bench.post("/api-tokens", &user, Value::Null).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let body = made.json();
    assert_eq!(names(&body), ["api_key", "token_type", "warning"]);
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(bench.get("/me", &user).await.status, StatusCode::UNAUTHORIZED);
    let user = User { key: body["api_key"].as_str().unwrap().to_owned(), ..user };
    let hash = bench.get("/me", &user).await.json()["api_key_hash"].clone();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    let revoked = bench.call(Method::DELETE, "/api-tokens", Some(&user.key), Value::Null).await;
    assert_eq!((revoked.status, revoked.json()), (StatusCode::OK, json!({ "revoked": true })));
    assert_eq!(bench.get("/me", &user).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_estimate_and_the_price_table_are_the_contracts() {
    let bench = Bench::new();
    let body = json!({ "duration_sec": 30, "input_fps": 24, "target_fps": 60 });
    let answer = bench.call(Method::POST, "/pricing/estimate", None, body).await;
    let expected = json!({
        "input_duration_sec": 30, "input_duration_sec_billed": 30, "input_fps": 24, "target_fps": 60,
        "interp_factor": 3, "multiplier": 1, "band": "smooth", "charged_xeconds": 30,
    });
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected));
    let config = bench.call(Method::GET, "/pricing/config", None, Value::Null).await.json();
    let expected = json!({
        "trial_credit_xeconds": 120,
        "credit_packs": [
            { "id": "starter", "name": "Starter", "price_usd": 5, "price_inr": 399, "xeconds": 600 },
            { "id": "power", "name": "Power", "price_usd": 25, "price_inr": 1999, "xeconds": 4000, "most_popular": true },
            { "id": "pro", "name": "Pro", "price_usd": 50, "price_inr": 3999, "xeconds": 10000 },
        ],
        "supported_currencies": ["USD", "INR"],
        "cost_bands": [
            { "id": "smooth", "multiplier": 1 }, { "id": "slomo", "multiplier": 2 }, { "id": "ultra", "multiplier": 4 },
        ],
        "smooth_target_fps_ceiling": 60, "slomo_target_fps_ceiling": 120, "max_video_duration_sec": 120,
        "max_video_size_bytes": 262144000, "paid_outputs_watermarked": false, "free_outputs_watermarked": true,
    });
    assert_eq!(config, expected);
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_paged_by_id_without_loss() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 1000").await["key"].clone();
    let mut ids = Vec::new();
    for _ in 0..5 {
        bench.clock.0.fetch_add(1000, Ordering::SeqCst);
        let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json();
        ids.insert(0, job["job_id"].clone());
    }
    let list = async |query: &str| {
        let body = bench.get(&format!("/jobs{query}"), &user).await.json();
        body["jobs"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, ids);
    assert_eq!(list("?limit=2").await, ids[..2]);
    let next = format!("?limit=2&before={}", ids[1].as_str().unwrap());
    assert_eq!(list(&next).await, ids[2..4]);
    assert_eq!(list("?before=2020-01-01T00:00:00Z").await, Vec::<Value>::new());
    let one = bench.get(&format!("/jobs/{}", ids[0].as_str().unwrap()), &user).await.json();
    assert_eq!(one["queue_depth"], 4, "four others wait");
}

#[tokio::test]
async fn an_expired_upload_is_gone_for_jobs_and_downloads() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    bench.clock.0.fetch_add(91 * DAY.as_micros() as i64, Ordering::SeqCst);
    let answer = bench.post("/jobs", &user, json!({ "r2_key": upload["key"], "target_fps": 60 })).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let (project, file) = (upload["project_id"].as_str().unwrap(), upload["file_id"].as_str().unwrap());
    let answer = bench.get(&format!("/projects/{project}/files/{file}/download"), &user).await;
    assert_eq!((answer.status, answer.detail()), (StatusCode::NOT_FOUND, "File expired".to_owned()));
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(100));
}

#[tokio::test]
async fn a_cancelled_job_reads_as_failed_and_refunded() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    let job = bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await.json();
    let id = job["job_id"].as_str().unwrap();
    bench.farm.cancel(id.parse().unwrap()).await.unwrap();
    let body = bench.get(&format!("/jobs/{id}"), &user).await.json();
    assert_eq!((&body["status"], &body["live_status"]), (&json!("failed"), &json!("failed")));
    assert_eq!((&body["xeconds_charged"], &body["xeconds_refunded"]), (&json!(12), &json!(12)));
    assert!(body["error"].as_str().unwrap().contains("cancelled"));
    assert!(body["completed_at"].is_string());
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(100));
}

#[tokio::test]
async fn the_health_of_the_daemon_needs_no_key() {
    let bench = Bench::new();
    let answer = bench.call(Method::GET, "/healthz", None, Value::Null).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "status": "ok" })));
}
