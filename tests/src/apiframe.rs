//! A customer of the Apiframe surface, as the contract describes its client on the wire: one key in a header, JSON, a class
//! of error for each status, polling that slows down.
//!
//! Written from the contract alone; shares no code with the daemon.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const POLL_FIRST: Duration = Duration::from_secs(2);
const POLL_SLOWEST: Duration = Duration::from_secs(5);
/// A client of the service tries three times in all.
const RETRIES_MAX: u32 = 2;

#[derive(Clone, Debug)]
pub struct Apiframe {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
    retries_max: u32,
}

/// Why a call was refused: one class for each status.
#[derive(Clone, Debug, PartialEq)]
pub enum Class {
    Validation {
        details: BTreeMap<String, Vec<String>>,
    },
    Authentication,
    InsufficientCredits {
        required: i64,
        available: i64,
    },
    Permission,
    NotFound,
    Conflict,
    RateLimit {
        retry_after_seconds: u64,
    },
    Server,
    /// A status that the contract does not name.
    Other,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status}: {message} ({class:?}, request {request_id})")]
pub struct Refused {
    pub status: u16,
    pub message: String,
    pub class: Class,
    pub request_id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    pub id: String,
    pub url: String,
    pub kind: String,
    pub content_type: String,
    pub byte_size: u64,
    pub expires_at: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    pub job_id: String,
    pub status: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    pub status: String,
    pub model: String,
    pub progress: Option<u8>,
    #[serde(default)]
    pub result: Value,
    pub error: Option<String>,
    pub credit_cost: Option<i64>,
    pub webhook_status: Option<String>,
    pub created_at: String,
    pub completed_at: Option<String>,
    #[serde(default)]
    pub expired: bool,
    #[serde(default)]
    pub input: Value,
}

impl Job {
    pub fn video_url(&self) -> &str {
        self.result["videoUrl"].as_str().unwrap_or_default()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub jobs: Vec<Job>,
    pub next_cursor: Option<String>,
    pub has_more: bool,
    pub models: Option<Vec<String>>,
}

impl Apiframe {
    /// `base` is an origin; a path in it would be dropped.
    pub fn new(base: &str, key: Option<&str>) -> Apiframe {
        let base = base.trim_end_matches('/').to_owned();
        Apiframe { http: reqwest::Client::new(), base, key: key.map(str::to_owned), retries_max: RETRIES_MAX }
    }

    /// The same, giving up at the first refusal.
    pub fn impatient(mut self) -> Apiframe {
        self.retries_max = 0;
        self
    }

    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    pub async fn me(&self) -> Result<Value, Refused> {
        self.call(Method::GET, "/v2/me", None, None).await
    }

    pub async fn models(&self) -> Result<Value, Refused> {
        self.call(Method::GET, "/v2/models", None, None).await
    }

    pub async fn upload(&self, path: &Path) -> Result<Upload, Refused> {
        let bytes = tokio::fs::read(path).await.expect("the file to upload can be read");
        self.upload_bytes(bytes).await
    }

    /// With the type and the name that the client sends when it is told of no others.
    pub async fn upload_bytes(&self, bytes: Vec<u8>) -> Result<Upload, Refused> {
        let line = "line-between-parts";
        let head = format!(
            "--{line}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"upload\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), &bytes, format!("\r\n--{line}--\r\n").as_bytes()].concat();
        let request = self.request(Method::POST, "/v2/uploads");
        let request = request.header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={line}")).body(body);
        typed(answer(request).await?)
    }

    pub async fn upscale(&self, body: Value, idempotency: Option<&str>) -> Result<Accepted, Refused> {
        typed(self.call(Method::POST, "/v2/videos/upscale", Some(body), idempotency).await?)
    }

    pub async fn job(&self, id: &str) -> Result<Job, Refused> {
        typed(self.call(Method::GET, &format!("/v2/jobs/{id}"), None, None).await?)
    }

    pub async fn jobs(&self, query: &str) -> Result<Page, Refused> {
        typed(self.call(Method::GET, &format!("/v2/jobs{query}"), None, None).await?)
    }

    /// Polls until the job is over; what its progress was, too.
    pub async fn wait_for(&self, id: &str, limit: Duration) -> Result<(Job, Vec<u8>), Refused> {
        let (started, mut pause, mut progress) = (Instant::now(), POLL_FIRST, Vec::new());
        loop {
            let job = self.job(id).await?;
            progress.extend(job.progress);
            if !["QUEUED", "PROCESSING"].contains(&job.status.as_str()) {
                return Ok((job, progress));
            }
            assert!(started.elapsed() < limit, "job {id} is not over after {} s: {job:?}", limit.as_secs());
            sleep(pause).await;
            pause = pause.mul_f64(1.5).min(POLL_SLOWEST);
        }
    }

    /// A result or an upload, by whoever has its URL.
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, Refused> {
        let answer = self.http.get(url).send().await.expect("the daemon answers");
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        Ok(answer.bytes().await.expect("the bytes come").to_vec())
    }

    /// Any call: refusals with 429 are tried again when the answer says so, those with 5xx when that is safe.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        idempotency: Option<&str>,
    ) -> Result<Value, Refused> {
        let is_safe = method == Method::GET || idempotency.is_some();
        let mut tried = 0;
        loop {
            let mut request = self.request(method.clone(), path);
            if let Some(key) = idempotency {
                request = request.header("idempotency-key", key);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let refused = match answer(request).await {
                Ok(value) => return Ok(value),
                Err(refused) => refused,
            };
            let wait = match refused.class {
                Class::RateLimit { retry_after_seconds } => Duration::from_secs(retry_after_seconds),
                Class::Server if is_safe => Duration::from_millis(250 << tried),
                _ => return Err(refused),
            };
            if tried == self.retries_max {
                return Err(refused);
            }
            tried += 1;
            sleep(wait).await;
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.header(header::ACCEPT, "application/json").header(header::USER_AGENT, "apiframe-client");
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Refused> {
    Ok(serde_json::from_value(value.clone()).unwrap_or_else(|cause| panic!("{cause}: {value}")))
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Refused> {
    let answer = request.send().await.expect("the daemon answers");
    if !answer.status().is_success() {
        return Err(refused(answer).await);
    }
    assert!(is_json(&answer), "{answer:?}");
    Ok(answer.json().await.expect("a body of JSON"))
}

fn is_json(answer: &reqwest::Response) -> bool {
    let value = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains("application/json"))
}

/// The class of a refusal; a body that is not the envelope fails the test, as it would lose the client its message.
async fn refused(answer: reqwest::Response) -> Refused {
    let status = answer.status();
    assert!(is_json(&answer), "{answer:?}");
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = text("x-request-id").expect("every answer has a request id");
    let retry_after = text("retry-after");
    let body: Map<String, Value> = answer.json().await.expect("an object");
    let message = body["error"].as_str().expect("the error is a text").to_owned();
    let number = |name: &str| body[name].as_i64().expect("a whole number beside the error");
    let class = match status {
        StatusCode::BAD_REQUEST => {
            let details = body.get("details").cloned().unwrap_or_else(|| json!({}));
            Class::Validation { details: serde_json::from_value(details).expect("lists of sentences by path") }
        }
        StatusCode::UNAUTHORIZED => Class::Authentication,
        StatusCode::PAYMENT_REQUIRED => {
            Class::InsufficientCredits { required: number("creditsRequired"), available: number("creditsAvailable") }
        }
        StatusCode::FORBIDDEN => Class::Permission,
        StatusCode::NOT_FOUND => Class::NotFound,
        StatusCode::CONFLICT => Class::Conflict,
        StatusCode::TOO_MANY_REQUESTS => {
            let seconds = retry_after.and_then(|text| text.parse().ok()).expect("Retry-After in whole seconds");
            Class::RateLimit { retry_after_seconds: seconds }
        }
        status if status.is_server_error() => Class::Server,
        _ => Class::Other,
    };
    Refused { status: status.as_u16(), message, class, request_id }
}

/// What a receiver does with a delivery: HMAC-SHA256 over the bytes as they came, with the digest of the key as secret.
pub fn verify_webhook(key: &str, body: &[u8], signature: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&Sha256::digest(key.as_bytes())).expect("a key of any length");
    mac.update(body);
    let bare = signature.strip_prefix("sha256=").unwrap_or(signature);
    hex::decode(bare).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_own_vector_is_verified_and_the_hexadecimal_secret_is_not() {
        let body = br#"{"event":"completed","jobId":"3f0e8b52-6d0a-4c55-9a8e-0c7a51a7d001"}"#;
        let good = "sha256=abcdff76b94e4630293f6f07ed7fd2999beac6aa6c637c7674e302d9d81f6f3e";
        assert!(verify_webhook("afk_demo_0123456789", body, good));
        assert!(verify_webhook("afk_demo_0123456789", body, good.trim_start_matches("sha256=")));
        assert!(!verify_webhook("afk_demo_0123456780", body, good));
        assert!(!verify_webhook("afk_demo_0123456789", b"{}", good));
        assert!(!verify_webhook("afk_demo_0123456789", body, "sha256=ca71bd56"));
    }
}
