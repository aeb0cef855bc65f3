//! The intake door: HTTP and JSON on a socket of its own, by which the watcher of folders gives clips to the farm.
//!
//! Who opens it can upload and submit for the accounts that the daemon's configuration names, see how those jobs stand,
//! and tell how the folders stand. Nothing else: no balance, no key, no other job. Clips go by presigned URL.

use crate::{
    JobId, Xeconds,
    operator::{WatchFileRow, WatchOrder, WatchRuleRow},
};
use serde::{Deserialize, Serialize};

/// `POST /intake/uploads`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// E-mail address of who pays.
    pub account: String,
    pub filename: String,
    pub size_bytes: u64,
}

/// Answer of `POST /intake/uploads`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPlace {
    pub key: String,
    /// Where to PUT the bytes, as `content_type`.
    pub url: String,
    pub content_type: String,
}

/// `POST /intake/jobs`, with an `Idempotency-Key`. An upload has one job at most: asked again, the answer is that job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    pub account: String,
    pub key: String,
    /// Of the clip, lowercase hexadecimal: other bytes than those are refused.
    pub sha256: String,
    pub target_fps: u32,
}

/// Answer of `POST /intake/jobs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJobAnswer {
    pub job: JobId,
    pub charged: Xeconds,
    /// Frames of the result.
    pub frames: u64,
}

/// Answer of `GET /intake/jobs/{job}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum JobStanding {
    Open {
        progress_percent: u8,
    },
    Done {
        url: String,
        size_bytes: u64,
        sha256: String,
    },
    /// Refunded.
    Failed {
        error: String,
    },
    Cancelled,
    /// The result has been deleted, by retention or by its owner.
    Gone,
}

/// `POST /intake/report`: how rules and files stand. What is not in it is not so any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub version: String,
    pub started_at: String,
    pub rules: Vec<WatchRuleRow>,
    pub files: Vec<WatchFileRow>,
    /// Number of the last order that was carried out or refused; 0 at the start.
    pub orders_done: u64,
}

/// Answer of `POST /intake/report`: orders that have not been reported as done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    pub orders: Vec<NumberedOrder>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberedOrder {
    pub number: u64,
    pub file: String,
    pub order: WatchOrder,
}
