//! Bodies of the operator API: HTTP and JSON over the daemon's local socket, used by `tweenfarm`.

mod agents;

pub use agents::*;

use crate::{AccountId, JobId, KeyId, Xeconds};
use serde::{Deserialize, Serialize};

/// `POST /operator/users`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    pub email: String,
    /// An operator's grant booked with the account; 0 for none.
    #[serde(default)]
    pub xeconds: Xeconds,
    /// With the trial grant, as a user who signs in for the first time gets it.
    #[serde(default)]
    pub trial: bool,
}

/// Answer of `POST /operator/users`: the key is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedUser {
    pub account: AccountId,
    pub email: String,
    pub api_key: String,
    pub balance: Xeconds,
}

/// `POST /operator/users/{account}/grants`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub xeconds: Xeconds,
    pub reason: String,
    #[serde(default)]
    pub kind: CreditKind,
}

/// What a grant counts as: paid credit makes the account a paying one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreditKind {
    Trial,
    #[default]
    Paid,
}

/// `POST /operator/users/{account}/adjustments`: a correction, up or down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    pub xeconds: Xeconds,
    pub reason: String,
}

/// One row of `GET /operator/users/{account}/ledger`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    pub sequence: u64,
    pub at: String,
    pub kind: String,
    pub change: Xeconds,
    /// After this entry.
    pub balance: Xeconds,
    /// The reason, the job, or what was bought.
    pub note: String,
}

/// Answer of `POST /operator/users/{account}/key`: the key is shown this once, the earlier one is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    pub account: AccountId,
    pub api_key: String,
}

/// Answer of `DELETE /operator/users/{account}/key` and of `DELETE /operator/users/{account}/keys/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedKey {
    pub account: AccountId,
    /// False when there was none, or it had been revoked before.
    pub revoked: bool,
}

/// `POST /operator/users/{account}/keys`: one more key of the Apiframe surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddKey {
    pub name: String,
}

/// Answer of `POST /operator/users/{account}/keys`: the key is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedKey {
    pub account: AccountId,
    pub key: KeyId,
    pub name: String,
    pub api_key: String,
}

/// One row of `GET /operator/users/{account}/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// `rfx` or `afk`.
    pub kind: String,
    /// Of an `afk` key.
    pub key: Option<KeyId>,
    pub name: String,
    /// How the key's text begins.
    pub prefix: String,
    pub created_at: String,
    /// To the minute, should the daemon have been killed.
    pub last_used_at: Option<String>,
    pub revoked_at: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub account: AccountId,
    pub balance: Xeconds,
}

/// One row of `GET /operator/users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    pub account: AccountId,
    pub email: String,
    pub tier: String,
    pub balance: Xeconds,
    pub has_key: bool,
    pub created_at: String,
}

/// One row of `GET /operator/jobs`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: JobId,
    pub account: AccountId,
    pub state: String,
    /// 0..=100
    pub progress_percent: u8,
    pub target_fps: u32,
    /// How frames are made and what the output is like: `quality=balanced … codec=h264 depth=8`.
    pub settings: String,
    pub xeconds_charged: Xeconds,
    pub xeconds_refunded: Xeconds,
    pub created_at: String,
    pub completed_at: Option<String>,
    pub error: Option<String>,
}

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

/// `GET /operator/status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub workers_idle: u32,
    pub workers_running: u32,
    pub queue_depth: u64,
    pub accounts: u64,
    pub jobs: u64,
    /// Result of the last audit: accounts whose balance differs from the sum of their entries.
    pub ledger_differences: u64,
    /// Reports that came under a lease that was over; they changed nothing.
    pub late_reports: u64,
}

/// `POST /operator/sweeps/retention`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Only says what would be deleted.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer of `POST /operator/sweeps/retention`: files past their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    pub dry_run: bool,
    pub candidates: u64,
    pub candidate_bytes: u64,
    /// Past their time, kept because a job that has not ended needs them.
    pub in_use: u64,
    pub deleted: u64,
    pub deleted_bytes: u64,
    /// Objects that could not be deleted; the next sweep tries again.
    pub errors: u64,
}

/// Every refusal of the operator API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub error: String,
}
