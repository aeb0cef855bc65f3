//! Everything that can change the farm, each with the way back to who asked.

use super::{
    controls::Order,
    error::FarmError,
    request::{Bought, MoneyBack, NewAccount, NewKey, NewUpload, Payment, Reversed, SignedIn, Submission, Submitted},
    view::{ClaimedNews, LeaseSweep, LeasedWork},
};
use crate::model::{
    Account, Agent, ApiKey, Controls, Credit, Duty, Invite, Job, KeyHash, MediaFile, News, ObjectKey, Operator,
    Priority, Project, SecretHash, ShareToken, Webhook, Weight,
};
use std::{fs::File, path::PathBuf, time::Duration};
use tokio::sync::{mpsc, oneshot};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, KeyId, LeaseId, ProjectId, Timestamp, Xeconds,
    join::{Fingerprint, JoinRefusal},
    operator::Role,
    service::{Receipt, Renewal},
    task::{Outcome, Progress},
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, FarmError>>;

pub(super) enum Command {
    AddAccount {
        new: NewAccount,
        reply: Reply<(Account, Xeconds)>,
    },
    SignIn {
        user: SignedIn,
        reply: Reply<Account>,
    },
    Grant {
        account: AccountId,
        amount: Xeconds,
        reason: String,
        credit: Credit,
        reply: Reply<Xeconds>,
    },
    Adjust {
        account: AccountId,
        change: Xeconds,
        reason: String,
        reply: Reply<Xeconds>,
    },
    Buy {
        payment: Payment,
        reply: Reply<Bought>,
    },
    Reverse {
        back: MoneyBack,
        reply: Reply<Reversed>,
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
    AddNamedKey {
        account: AccountId,
        new: NewKey,
        reply: Reply<ApiKey>,
    },
    RevokeNamedKey {
        account: AccountId,
        key: KeyId,
        reply: Reply<bool>,
    },
    SaveKeyUses {
        uses: Vec<(KeyHash, Timestamp)>,
        reply: Reply<()>,
    },
    /// The store as it is between two groups, with the keys of this folder.
    BackUp {
        state_folder: PathBuf,
        reply: Reply<File>,
    },
    AddProject {
        account: AccountId,
        name: String,
        reply: Reply<Project>,
    },
    Share {
        account: AccountId,
        project: ProjectId,
        new: ShareToken,
        reply: Reply<ShareToken>,
    },
    Unshare {
        account: AccountId,
        project: ProjectId,
        reply: Reply<bool>,
    },
    DeleteProject {
        account: AccountId,
        project: ProjectId,
        reply: Reply<()>,
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
    UndoCancel {
        job: JobId,
        reply: Reply<Job>,
    },
    Retry {
        job: JobId,
        reply: Reply<Job>,
    },
    ForgetCancelled {
        reply: Reply<u64>,
    },
    PauseQueue {
        paused: bool,
        reply: Reply<Controls>,
    },
    PauseJob {
        job: JobId,
        paused: bool,
        reply: Reply<Job>,
    },
    Prioritise {
        job: JobId,
        priority: Priority,
        reply: Reply<Job>,
    },
    Weigh {
        account: AccountId,
        weight: Weight,
        reply: Reply<Account>,
    },
    Order {
        agent: AgentId,
        order: Order,
        reply: Reply<Option<Duty>>,
    },
    /// `back` is the way back for a lease that nobody takes.
    LeaseNext {
        agent: AgentId,
        worker: u32,
        /// Wants to know at once, and not to wait for what will be there.
        is_in_haste: bool,
        reply: Reply<Option<Handed>>,
    },
    /// Something changed for those that wait for work that no command tells.
    Look,
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
    ClaimNews {
        job: JobId,
        reply: Reply<Option<ClaimedNews>>,
    },
    SettleNews {
        job: JobId,
        news: News,
        outcome: Result<u16, String>,
        reply: Reply<Webhook>,
    },
    /// What a process that died was sending is settled as failed.
    RecoverNews {
        reply: Reply<()>,
    },
    ExpireFiles {
        files: Vec<FileId>,
        reply: Reply<u64>,
    },
    Pin {
        file: FileId,
        pinned: bool,
        reply: Reply<MediaFile>,
    },
    Invite {
        name: String,
        secret: SecretHash,
        valid_for: Duration,
        reply: Reply<Invite>,
    },
    Join {
        name: String,
        secret: SecretHash,
        key: Fingerprint,
        reply: Reply<Result<Agent, JoinRefusal>>,
    },
    Revoke {
        agent: AgentId,
        reply: Reply<Agent>,
    },
    Prove {
        agent: AgentId,
        device: String,
        reply: Reply<Agent>,
    },
    AddOperator {
        name: String,
        role: Role,
        token: SecretHash,
        reply: Reply<Option<Operator>>,
    },
    RevokeOperator {
        name: String,
        reply: Reply<bool>,
    },
    ForgetAnswers {
        reply: Reply<u64>,
    },
    /// Changes nothing: whoever is answered knows that the writer works.
    Pulse {
        reply: Reply<()>,
    },
    Close {
        reply: Reply<()>,
    },
}

/// A lease on its way to who asked for it. Who asked may be gone by now: dropped untaken, the lease is given back at
/// once and not after its deadline.
pub(super) struct Handed {
    work: Option<Box<LeasedWork>>,
    back: mpsc::WeakSender<Command>,
}

impl Handed {
    pub(super) fn new(work: LeasedWork, back: mpsc::WeakSender<Command>) -> Handed {
        Handed { work: Some(Box::new(work)), back }
    }

    pub(super) fn take(mut self) -> LeasedWork {
        *self.work.take().expect("only `take` takes it, and takes all")
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let Some(commands) = self.back.upgrade() else { return };
        let command = Command::GiveBack { lease: work.lease, reply: oneshot::channel().0 };
        if commands.try_send(command).is_err() {
            tracing::info!(job = %work.job.id, lease = %work.lease, "a lease that nobody took will run out");
        }
    }
}
