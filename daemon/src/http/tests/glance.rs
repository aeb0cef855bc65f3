//! The operator's lists and charts: status, agents, retention, pages.

use super::*;
use tweenfarm_protocol::{AgentId, service::Hello};

async fn get(bench: &Bench, path: &str) -> Value {
    let answer = bench.operate(Method::GET, path, Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.bytes);
    answer.json()
}

#[tokio::test]
async fn the_status_says_in_a_word_how_the_farm_is_and_what_to_do() {
    // At noon: no day ends while it looks.
    let day = i64::try_from(DAY.as_micros()).unwrap();
    let bench = Bench::at(Timestamp(Timestamp::now().0 / day * day + day / 2), 0, 10_000);
    let status = get(&bench, "/operator/status").await;
    assert_eq!((&status["health"], &status["alerts"][0]["alert"]), (&json!("strained"), &json!("no_agents")));
    let user = bench.user("ann@example.org", 100).await;
    let key = bench.upload(&user, "clip 24 12000").await["key"].clone();
    bench.post("/jobs", &user, json!({ "r2_key": key, "target_fps": 60 })).await;
    bench.clock.0.fetch_add(90_000_000, Ordering::SeqCst);
    let status = get(&bench, "/operator/status").await;
    assert_eq!(status["health"], "ill", "a job waits for nobody");
    assert_eq!(
        (&status["jobs_open"], &status["queue_depth"], &status["queue_age_seconds"]),
        (&json!(1), &json!(1), &json!(90))
    );
    let today = &status["ledger_today"];
    assert_eq!((&today["charged"], &today["granted"], &today["whole_day"]), (&json!(12), &json!(100), &json!(false)));
    let agent = AgentId(uuid::Uuid::from_u128(7));
    let hello = Hello {
        protocol: (2, 3),
        agent,
        name: "gpu-1".into(),
        version: "1".into(),
        workers: Vec::new(),
        free_disk_bytes: 1,
    };
    bench.farm.hello(hello).await.unwrap();
    let status = get(&bench, "/operator/status").await;
    assert_eq!((&status["health"], &status["agents_connected"]), (&json!("well"), &json!(1)));
}

#[tokio::test]
async fn jobs_are_listed_page_by_page_by_what_is_asked_for() {
    let bench = Bench::new();
    let (ann, bob) = (bench.user("ann@example.org", 1000).await, bench.user("bob@example.org", 1000).await);
    let mut jobs = Vec::new();
    for user in [&ann, &bob, &ann, &ann, &bob] {
        let key = bench.upload(user, "clip 24 12000").await["key"].clone();
        jobs.push(bench.post("/jobs", user, json!({ "r2_key": key, "target_fps": 60 })).await.json()["job_id"].clone());
        bench.clock.0.fetch_add(1_000_000, Ordering::SeqCst);
    }
    bench.operate(Method::POST, &format!("/operator/jobs/{}/cancel", jobs[3].as_str().unwrap()), Value::Null).await;
    let listed = async |query: &str| -> Vec<usize> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = get(&bench, &format!("/operator/jobs?limit=2{query}{after}")).await;
            let rows = page["rows"].as_array().unwrap();
            assert!(rows.len() <= 2);
            found.extend(rows.iter().map(|row| jobs.iter().position(|job| *job == row["job"]).unwrap()));
            let Some(next) = page["next"].as_str() else { return found };
            after = format!("&after={next}");
        }
    };
    assert_eq!(listed("").await, [4, 3, 2, 1, 0]);
    assert_eq!(listed("&state=open").await, [4, 2, 1, 0]);
    assert_eq!(listed("&state=ended").await, [3]);
    assert_eq!(listed("&q=BOB@").await, [4, 1]);
    assert_eq!(listed(&format!("&account={}", ann.account.id)).await, [3, 2, 0]);
    assert_eq!(listed(&format!("&account={}&state=rendering", ann.account.id)).await, [2, 0]);
    assert_eq!(listed("&state=done").await, [0_usize; 0]);
    for query in ["state=odd", "after=5", "limit=1001", "colour=red"] {
        let refused = bench.operate(Method::GET, &format!("/operator/jobs?{query}"), Value::Null).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let one = get(&bench, &format!("/operator/jobs/{}", jobs[0].as_str().unwrap())).await;
    assert_eq!(
        (&one["email"], &one["filename"], &one["slot_count"]),
        (&json!("ann@example.org"), &json!("surf.mp4"), &json!(720))
    );
    assert_eq!(
        one["pieces_in_work"],
        json!([{ "piece": "segment 0..720", "slots": { "first": 0, "end": 720 }, "state": { "state": "waiting", "attempt": 1, "not_before": null } }])
    );
}

#[tokio::test]
async fn retention_is_shown_by_prefix_and_a_pinned_file_is_kept() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    for _ in 0..2 {
        bench.upload(&user, "clip 24 12000").await;
    }
    let paid = async || -> Value {
        let shown = get(&bench, "/operator/retention").await;
        let row = shown["prefixes"].as_array().unwrap().iter().find(|row| row["prefix"] == "uploads/paid/").cloned();
        row.unwrap()
    };
    assert_eq!(
        (&paid().await["files"], &paid().await["due_files"], &paid().await["bytes"]),
        (&json!(2), &json!(0), &json!(26))
    );
    let files = get(&bench, "/operator/retention/files?prefix=uploads/paid/&limit=1").await;
    let (file, next) = (files["rows"][0].clone(), files["next"].as_str().unwrap());
    let behind = get(&bench, &format!("/operator/retention/files?prefix=uploads/paid/&after={next}")).await;
    assert_eq!(behind["rows"].as_array().unwrap().len(), 1);
    let pin = format!("/operator/files/{}/pin", file["file"].as_str().unwrap());
    for method in [Method::PUT, Method::PUT] {
        let pinned = bench.operate(method, &pin, Value::Null).await.json();
        assert_eq!((&pinned["pinned"], &pinned["expires_at"]), (&json!(true), &file["expires_at"]));
    }
    bench.clock.0.fetch_add(i64::try_from((91 * DAY).as_micros()).unwrap(), Ordering::SeqCst);
    assert_eq!((&paid().await["due_files"], &paid().await["pinned_files"]), (&json!(1), &json!(1)));
    let due = get(&bench, "/operator/retention/files?within_seconds=0").await;
    assert_eq!(due["rows"].as_array().unwrap().len(), 1);
    let swept = bench.operate(Method::POST, "/operator/sweeps/retention", json!({})).await.json();
    assert_eq!((&swept["deleted"], &swept["deleted_bytes"]), (&json!(1), &json!(13)));
    let shown = get(&bench, "/operator/retention").await;
    let last = &shown["sweeps"][0];
    assert_eq!((&last["sweep"], &last["ok"], &last["deleted_bytes"]), (&json!("retention"), &json!(true), &json!(13)));
    let unpinned = bench.operate(Method::DELETE, &pin, Value::Null).await.json();
    assert_eq!(unpinned["pinned"], false);
    assert_eq!(paid().await["due_files"], 1, "without the pin its time is over");
    // What is past its time is not kept by a pin that comes too late.
    assert_eq!(bench.operate(Method::PUT, &pin, Value::Null).await.status, StatusCode::NOT_FOUND);
}
