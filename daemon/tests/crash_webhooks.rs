//! The daemon as a process that dies between a job's end and its webhook, or while it sends it: with a receiver that
//! listens, exactly what the public API promises arrives. One attempt is made; none twice.

mod process;
mod scene;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use process::*;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tweenfarm_daemon::{farm::crash::POINTS, http::serve::serve, model::KeyHash, webhooks::signature};

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receiver() -> (String, Received) {
    async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
        received.lock().unwrap().push((headers, body));
    }
    let received = Received::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(take)).with_state(received.clone());
    tokio::spawn(serve(listener, router, 8, Default::default()));
    (url, received)
}

impl Daemon {
    /// Of the surface under `/v2`.
    async fn v2(&self, method: Method, path: &str, key: &str, body: Value) -> Option<(StatusCode, Value)> {
        let request = self.http.request(method, format!("{}/v2{path}", self.api)).header("X-API-Key", key);
        let answer = request.header("Idempotency-Key", "once").json(&body).send().await.ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    }

    async fn upload_v2(&self, key: &str) -> String {
        let head = "--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        let body = [head.as_bytes(), &std::fs::read(CLIP).unwrap(), b"\r\n--line--\r\n"].concat();
        let request = self.http.post(format!("{}/v2/uploads", self.api)).header("X-API-Key", key);
        let request = request.header("Content-Type", "multipart/form-data; boundary=line").body(body);
        let uploaded: Value = request.send().await.unwrap().json().await.unwrap();
        uploaded["url"].as_str().unwrap().to_owned()
    }
}

/// How often a job's end was told, and what the job says of it afterwards.
async fn told(work_kind: &str, point: &str) -> (usize, String) {
    let case = format!("{work_kind}:{point}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("daemon.toml"), "[outbound]\nnetworks = [\"127.0.0.1/32\"]\n").unwrap();
    let (url, received) = receiver().await;
    let port = own_port();
    let mut daemon = Daemon::start(folder.path(), &port, Some(&case)).await;
    let user = json!({ "email": "ann@example.org", "xeconds": 50 });
    let user = daemon.operator(Method::POST, "/operator/users", user).await;
    let path = format!("/operator/users/{}/keys", user["account"].as_str().unwrap());
    let key = daemon.operator(Method::POST, &path, json!({ "name": "studio" })).await;
    let key = key["api_key"].as_str().unwrap();
    let body = json!({
        "model": "frame-interpolate", "webhookUrl": url, "webhookEvents": ["completed"],
        "frameInterpolateParams": { "video": daemon.upload_v2(key).await, "target_fps": 60 },
    });
    let (status, accepted) = daemon.v2(Method::POST, "/videos/upscale", key, body).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let mut in_hand = InHand::default();
    // The agent may have its answer before the deliverer comes to its point.
    let _ = work(&daemon, false, &mut in_hand).await;
    daemon.wait_for_death().await;

    let daemon = Daemon::start(folder.path(), &port, None).await;
    work(&daemon, false, &mut in_hand).await.expect("the daemon lives");
    let path = format!("/jobs/{}", accepted["jobId"].as_str().unwrap());
    let started = Instant::now();
    let job = loop {
        let (_, job) = daemon.v2(Method::GET, &path, key, Value::Null).await.unwrap();
        if job["webhookStatus"] != "pending" {
            break job;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{case}: {job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&job["status"], &job["creditCost"]), (&json!("COMPLETED"), &json!(PRICE)), "{case}: {job}");
    // What is seen may still be on its way to the disk; once anything after it is answered, it is there.
    daemon.operator(Method::POST, "/operator/users", json!({ "email": "bob@example.org" })).await;
    drop(daemon);
    // A third process has nothing left to say.
    let daemon = Daemon::start(folder.path(), &port, None).await;
    let (_, again) = daemon.v2(Method::GET, &path, key, Value::Null).await.unwrap();
    assert_eq!(again["webhookStatus"], job["webhookStatus"], "{case}");

    let received = received.lock().unwrap();
    for (headers, body) in received.iter() {
        let secret = KeyHash(Sha256::digest(key).into());
        assert_eq!(headers["x-webhook-signature"].to_str().unwrap(), signature(secret, body), "{case}");
        let told: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&told["event"], &told["result"]), (&json!("completed"), &job["result"]), "{case}");
    }
    (received.len(), job["webhookStatus"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_daemon_that_dies_between_the_end_and_its_webhook_tells_it_once_when_it_is_back() {
    for point in POINTS {
        assert_eq!(told("complete", point).await, (1, "delivered".to_owned()), "{point}");
    }
}

#[tokio::test]
async fn a_daemon_that_dies_with_the_webhook_in_its_hands_does_not_send_it_a_second_time() {
    assert_eq!(told("tell", "decided").await, (1, "delivered".to_owned()), "nothing was taken in hand");
    assert_eq!(told("tell", "synced").await, (0, "failed".to_owned()), "nobody knows whether it was sent");
    let (count, status) = told("tell", "answered").await;
    assert!(count <= 1 && status == "failed", "{count} {status}");
}
