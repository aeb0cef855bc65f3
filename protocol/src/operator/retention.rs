//! Bodies about retention: what is due when, what sweeps did, files that are pinned.

use crate::{AccountId, FileId, JobId};
use serde::{Deserialize, Serialize};

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

/// `GET /operator/retention`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    pub prefixes: Vec<PrefixRow>,
    /// Since the daemon started, newest first.
    pub sweeps: Vec<SweepRow>,
    /// When retention is swept next.
    pub next_sweep_at: Option<String>,
}

/// What is stored under one prefix of the store, and when it is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixRow {
    /// `uploads/free/`
    pub prefix: String,
    /// How long a file made now is kept.
    pub keep_seconds: u64,
    pub files: u64,
    pub bytes: u64,
    /// Past their time now.
    pub due_files: u64,
    pub due_bytes: u64,
    /// Past their time within a day, those included.
    pub due_in_a_day_files: u64,
    pub due_in_a_day_bytes: u64,
    pub pinned_files: u64,
    /// The earliest end of a file's time that has not come.
    pub next_due_at: Option<String>,
}

/// One pass of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepRow {
    /// `retention`, `orphans`, `audit`
    pub sweep: String,
    pub at: String,
    pub elapsed_ms: u64,
    pub ok: bool,
    /// What it did, a sentence; what went wrong, if it failed.
    pub text: String,
    /// Files or objects deleted, and their bytes as far as they are known.
    pub deleted: u64,
    pub deleted_bytes: u64,
}

/// One row of `GET /operator/retention/files`, in order of the end of their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    pub file: FileId,
    pub account: AccountId,
    pub key: String,
    /// Of the job that made it.
    pub job: Option<JobId>,
    pub size_bytes: u64,
    pub created_at: String,
    pub expires_at: String,
    pub pinned: bool,
}

/// Answer of `PUT` and `DELETE /operator/files/{file}/pin`: a pinned file is kept past its time, until it is unpinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    pub file: FileId,
    pub pinned: bool,
    /// When it is due without a pin.
    pub expires_at: String,
}
