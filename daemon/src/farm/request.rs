//! What callers ask of the farm, and what it answers to a submission.

use crate::model::{Job, ObjectKey};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{AccountId, ProjectId, Xeconds};

#[derive(Clone, Debug, PartialEq)]
pub struct NewUpload {
    pub account: AccountId,
    /// None: a new project named after the file.
    pub project: Option<ProjectId>,
    pub filename: String,
    pub content_type: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    pub account: AccountId,
    pub input_key: ObjectKey,
    /// Checked against the key's own project.
    pub project: Option<ProjectId>,
    pub target_fps: u32,
    pub source: SourceFacts,
    pub price: Xeconds,
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key` as a client sent it, scoped by account and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub route: &'static str,
    pub key: String,
    /// SHA-256 of the request in canonical form.
    pub request: [u8; 32],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    pub job: Job,
    pub balance_after: Xeconds,
    /// The idempotency key had been used: this is the first answer again, nothing was charged.
    pub replayed: bool,
}
