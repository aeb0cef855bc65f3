//! The body about a job's webhook.

use crate::JobId;
use serde::{Deserialize, Serialize};

/// `GET /operator/jobs/{job}/webhook`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookView {
    pub job: JobId,
    /// Without path and query, which may hold a secret of the client's.
    pub receiver: String,
    pub events: Vec<String>,
    pub signed: bool,
    /// pending, delivered or failed
    pub status: String,
    /// Oldest first; empty unless the daemon keeps them (webhooks.keep_log).
    pub attempts: Vec<WebhookAttemptRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookAttemptRow {
    pub at: String,
    /// `end`, or the percent that was told.
    pub news: String,
    /// The status of the answer, or why there was none.
    pub outcome: String,
}
