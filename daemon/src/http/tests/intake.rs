//! The intake door: what it gives for the accounts that are named, what it refuses for all others.

use super::*;
use crate::http::{intake::IntakeRules, intake_router};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Larger and longer than what the public surfaces of the bench take.
pub static RULES: LazyLock<IntakeRules> = LazyLock::new(|| IntakeRules {
    accounts: ["ann@example.org", "nobody@example.org"].map(str::to_owned).into(),
    upload_bytes_max: UPLOAD_BYTES_MAX * 3,
    duration_seconds_max: 600,
});

/// Ten minutes of a clip: no public surface takes it.
const LONG: &str = "clip 24 600000";

impl Bench {
    async fn take_in(&self, method: Method, path: &str, name: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        answer_of(&intake_router(self.state.clone()), request.body(body).unwrap()).await
    }

    /// Uploads as the watcher does; the key.
    async fn drop_in(&self, content: impl Into<Body>) -> Value {
        let body = json!({ "account": "ann@example.org", "filename": "a b.mov", "size_bytes": 14 });
        let place = self.take_in(Method::POST, "/intake/uploads", None, body).await.json();
        assert_eq!(self.put(place["url"].as_str().unwrap(), content).await.status, StatusCode::OK);
        place["key"].clone()
    }
}

fn job(key: &Value, content: &str) -> Value {
    let sha256 = hex::encode(Sha256::digest(content));
    json!({ "account": "ann@example.org", "key": key, "sha256": sha256, "target_fps": 60 })
}

#[tokio::test]
async fn a_dropped_clip_is_charged_once_however_often_and_under_whatever_name_it_is_submitted() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 1000).await;
    let key = bench.drop_in(LONG).await;
    let first = bench.take_in(Method::POST, "/intake/jobs", Some("one"), job(&key, LONG)).await;
    assert_eq!(first.status, StatusCode::OK, "{:?}", first.bytes);
    let (first, balance) = (first.json(), bench.farm.balance(user.account.id).unwrap());
    assert_eq!((&first["charged"], &first["frames"], balance), (&json!(600), &json!(36_000), Xeconds(400)));
    // The same name with another upload of the same clip; another name with the same upload; no name, days later.
    let second = bench.drop_in(LONG).await;
    for (name, key) in [(Some("one"), &second), (Some("two"), &key), (None, &key)] {
        let again = bench.take_in(Method::POST, "/intake/jobs", name, job(key, LONG)).await;
        assert_eq!((again.status, &again.json()["job"]), (StatusCode::OK, &first["job"]));
    }
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), balance);
    let path = format!("/intake/jobs/{}", first["job"].as_str().unwrap());
    let standing = bench.take_in(Method::GET, &path, None, Value::Null).await.json();
    assert_eq!(standing, json!({ "state": "open", "progress_percent": 0 }));
}

#[tokio::test]
async fn the_doors_limits_are_its_own() {
    let bench = Bench::new();
    bench.user("ann@example.org", 1000).await;
    // Above what the public surface takes, below what the door does.
    bench.drop_in("x".repeat(2000)).await;
    let body = json!({ "account": "ann@example.org", "filename": "a", "size_bytes": UPLOAD_BYTES_MAX * 3 + 1 });
    let refused = bench.take_in(Method::POST, "/intake/uploads", None, body).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let longer = "clip 24 600051";
    let key = bench.drop_in(longer).await;
    let refused = bench.take_in(Method::POST, "/intake/jobs", None, job(&key, longer)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn other_bytes_than_the_watcher_read_are_refused_and_not_charged() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 1000).await;
    let key = bench.drop_in(LONG).await;
    let refused = bench.take_in(Method::POST, "/intake/jobs", None, job(&key, "clip 24 500000")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(1000));
}

#[tokio::test]
async fn nobody_elses_account_upload_or_job_is_reached_through_the_door() {
    let bench = Bench::new();
    bench.user("ann@example.org", 1000).await;
    let other = bench.user("bob@example.org", 1000).await;
    let theirs = bench.upload(&other, "clip 24 12000").await["key"].clone();
    let submitted = bench.post("/jobs", &other, json!({ "r2_key": theirs, "target_fps": 60 })).await.json();
    let body = json!({ "account": "bob@example.org", "filename": "a", "size_bytes": 1 });
    let refused = bench.take_in(Method::POST, "/intake/uploads", None, body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let refused = bench.take_in(Method::POST, "/intake/jobs", None, job(&theirs, "clip 24 12000")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let path = format!("/intake/jobs/{}", submitted["job_id"].as_str().unwrap());
    assert_eq!(bench.take_in(Method::GET, &path, None, Value::Null).await.status, StatusCode::NOT_FOUND);
    // Named in the configuration, but no account has it.
    let body = json!({ "account": "nobody@example.org", "filename": "a", "size_bytes": 1 });
    assert_eq!(bench.take_in(Method::POST, "/intake/uploads", None, body).await.status, StatusCode::NOT_FOUND);
    for path in ["/operator/users", "/operator/status", "/me", "/jobs"] {
        assert_eq!(bench.take_in(Method::GET, path, None, Value::Null).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn an_order_of_the_operator_reaches_the_watcher_and_its_report_the_operator() {
    let bench = Bench::new();
    let file = "0123456789abcdef0123456789abcdef";
    let path = format!("/operator/watch/{file}/release");
    assert_eq!(bench.operate(Method::POST, &path, Value::Null).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let report = json!({ "version": "1", "started_at": "2026-07-01T10:04:30Z", "orders_done": 0, "files": [],
        "rules": [{ "rule": "clips", "folder": "/in", "target": "60 fps", "account": "ann@example.org", "settling": 1,
            "waiting": 2, "working": 3, "retrying": 4, "quarantined": 5, "skipped": 6, "done": 7 }] });
    let answer = bench.take_in(Method::POST, "/intake/report", None, report.clone()).await.json();
    assert_eq!(answer, json!({ "orders": [] }));
    let view = bench.operate(Method::GET, "/operator/watch", Value::Null).await.json();
    assert_eq!((&view["watcher"]["connected"], &view["rules"][0]["done"]), (&json!(true), &json!(7)));
    let ordered = bench.operate(Method::POST, &path, Value::Null).await.json();
    assert_eq!(ordered, json!({ "file": file, "order": "release" }));
    let wrong = bench.operate(Method::POST, "/operator/watch/x/retry", Value::Null).await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
    let answer = bench.take_in(Method::POST, "/intake/report", None, report).await.json();
    assert_eq!(answer["orders"], json!([{ "number": 1, "file": file, "order": "release" }]));
}
