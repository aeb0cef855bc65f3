//! What a webhook is sent: the body of each event, and its signature.

use crate::model::{Job, JobEnd, JobState, KeyHash, News};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// A job in the words of the surface it came by.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub model: String,
    /// Of a job that is done.
    pub result: Value,
    pub credit_cost: i64,
}

pub(super) struct Message {
    pub(super) event: &'static str,
    pub(super) body: Vec<u8>,
}

/// The field `type` repeats `event`: clients read the one or the other.
pub(super) fn message(job: &Job, news: News, described: Described) -> Message {
    let Described { model, result, credit_cost } = described;
    let base = |event: &str, status: &str| json!({ "event": event, "type": event, "jobId": job.id, "status": status, "model": model });
    let (event, mut body, more) = match (&job.state, news) {
        (JobState::Ended { at, end: JobEnd::Done { .. } }, News::End) => {
            let more = json!({
                "progress": 100, "result": result, "creditCost": credit_cost, "completedAt": at.to_iso_millis(),
            });
            ("completed", base("completed", "COMPLETED"), more)
        }
        (JobState::Ended { end: JobEnd::Failed { error, .. }, .. }, News::End) => {
            ("failed", base("failed", "FAILED"), json!({ "error": error }))
        }
        (JobState::Ended { end: JobEnd::Cancelled { .. }, .. }, News::End) => {
            let error = "The job was cancelled by the operator of the farm";
            ("failed", base("failed", "CANCELLED"), json!({ "error": error }))
        }
        (_, news) => {
            let percent = match news {
                News::Progress { percent } => percent,
                News::End => job.progress_percent,
            };
            ("progress", base("progress", "PROCESSING"), json!({ "progress": percent }))
        }
    };
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Message { event, body: body.to_string().into_bytes() }
}

/// `X-Webhook-Signature`: HMAC-SHA256 of the bytes that are sent. The secret is the hash of the API key, as bytes: both
/// sides have it, and the key itself is not stored.
pub fn signature(key: KeyHash, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("a key of HMAC has any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use sha2::Digest;

    #[test]
    fn the_signature_is_the_contracts() {
        let hash = KeyHash(Sha256::digest("afk_demo_0123456789").into());
        assert_eq!(hash.to_hex(), "76c94364e1e5f40d367a3048abdfad7c8494732f1acf659b45d9e62530d68027");
        let body = br#"{"event":"completed","jobId":"3f0e8b52-6d0a-4c55-9a8e-0c7a51a7d001"}"#;
        let expected = "sha256=abcdff76b94e4630293f6f07ed7fd2999beac6aa6c637c7674e302d9d81f6f3e";
        assert_eq!(signature(hash, body), expected);
    }

    #[test]
    fn each_event_has_the_contracts_fields_and_no_others() {
        let check = |state: JobState, news: News, event: &str, expected: Value| {
            let job = samples::job(1, 1, 1, state);
            let described = Described { model: "m".into(), result: json!({ "videoUrl": "u" }), credit_cost: 12 };
            let sent = message(&job, news, described);
            let mut expected = expected;
            expected["event"] = event.into();
            expected["type"] = event.into();
            expected["jobId"] = json!(job.id);
            expected["model"] = "m".into();
            assert_eq!((sent.event, serde_json::from_slice::<Value>(&sent.body).unwrap()), (event, expected));
        };
        let progress = json!({ "status": "PROCESSING", "progress": 40 });
        check(samples::rendering(), News::Progress { percent: 40 }, "progress", progress);
        let cancelled = json!({ "status": "CANCELLED", "error": "The job was cancelled by the operator of the farm" });
        check(samples::cancelled(), News::End, "failed", cancelled);
        let mut seen = 0;
        for state in samples::every_state() {
            match &state {
                JobState::Ended { at, end: JobEnd::Done { .. } } => {
                    let expected = json!({
                        "status": "COMPLETED", "progress": 100, "result": { "videoUrl": "u" }, "creditCost": 12,
                        "completedAt": at.to_iso_millis(),
                    });
                    check(state, News::End, "completed", expected);
                    seen += 1;
                }
                JobState::Ended { end: JobEnd::Failed { error, .. }, .. } => {
                    let expected = json!({ "status": "FAILED", "error": error });
                    check(state, News::End, "failed", expected);
                    seen += 1;
                }
                _ => {}
            }
        }
        assert_eq!(seen, 2);
    }
}
