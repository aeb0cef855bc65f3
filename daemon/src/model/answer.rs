//! First answers: what a request with an `Idempotency-Key` was told, kept so that sending it again charges nothing.

use tweenfarm_protocol::{AccountId, JobId, Timestamp, Xeconds};

/// One remembered answer, scoped by account and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    pub account: AccountId,
    pub route: String,
    /// The `Idempotency-Key` as the client sent it.
    pub key: String,
    /// SHA-256 of the request in canonical form: another request under the same key is a conflict.
    pub request: [u8; 32],
    pub job: JobId,
    pub balance_after: Xeconds,
    pub at: Timestamp,
}
