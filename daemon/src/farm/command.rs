//! Everything that can change the farm, each with the way back to who asked.

use super::{
    error::FarmError,
    request::{NewUpload, Submission, Submitted},
    view::{LeaseSweep, LeasedWork},
};
use crate::model::{Account, Job, KeyHash, MediaFile, ObjectKey};
use tokio::sync::oneshot;
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, LeaseId, Timestamp, Xeconds,
    service::{Receipt, Renewal},
    task::{Outcome, Progress},
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, FarmError>>;

pub(super) enum Command {
    AddAccount {
        email: String,
        key: KeyHash,
        grant: Xeconds,
        reason: String,
        reply: Reply<(Account, Xeconds)>,
    },
    Grant {
        account: AccountId,
        amount: Xeconds,
        reason: String,
        reply: Reply<Xeconds>,
    },
    RotateKey {
        account: AccountId,
        new: KeyHash,
        reply: Reply<()>,
    },
    RevokeKey {
        account: AccountId,
        reply: Reply<bool>,
    },
    NewUpload {
        upload: NewUpload,
        reply: Reply<MediaFile>,
    },
    UploadStored {
        key: ObjectKey,
        size_bytes: u64,
        sha256: String,
        reply: Reply<MediaFile>,
    },
    RememberFacts {
        file: FileId,
        facts: Box<SourceFacts>,
        reply: Reply<()>,
    },
    Submit {
        submission: Box<Submission>,
        reply: Reply<Submitted>,
    },
    Cancel {
        job: JobId,
        reply: Reply<Job>,
    },
    LeaseNext {
        agent: AgentId,
        worker: u32,
        reply: Reply<NextWork>,
    },
    Renew {
        lease: LeaseId,
        progress: Progress,
        reply: Reply<Renewal>,
    },
    Report {
        lease: LeaseId,
        outcome: Box<Outcome>,
        reply: Reply<Receipt>,
    },
    GiveBack {
        lease: LeaseId,
        reply: Reply<Receipt>,
    },
    ExpireLeases {
        reply: Reply<LeaseSweep>,
    },
    /// A restarted farm gives every lease its full time again: its agents could not renew while it was away.
    ExtendLeases {
        reply: Reply<()>,
    },
    ForgetAnswers {
        reply: Reply<u64>,
    },
    Close {
        reply: Reply<()>,
    },
}

/// What a worker that asked for work is told.
pub(super) enum NextWork {
    Work(Box<LeasedWork>),
    /// Nothing now; a piece that failed may be tried again at this time.
    Nothing {
        ready_at: Option<Timestamp>,
    },
}
