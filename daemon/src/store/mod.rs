//! The store: everything the farm has promised to remember, in domain words.
//!
//! One writer (`farm`) commits; anyone reads. `sled` keeps it on disk, `memory` is its twin for tests; both pass the
//! suite in `contract`. What `commit` wrote survives a power cut once `sync` has returned, not before.

#[cfg(test)]
mod contract;
pub mod memory;
mod record;
#[cfg(test)]
pub(crate) mod samples;
pub mod sled;
mod tables;

pub use memory::MemoryStore;
pub use tables::Tables;

use crate::model::{
    Account, Agent, ApiKey, Controls, FirstAnswer, Invite, Job, JobPlace, KeyHash, LedgerEntry, MediaFile, ObjectKey,
    Operator, Origin, Project, ShareToken, StoryLine, Webhook,
};
use std::io;
use tweenfarm_protocol::{AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, join::Fingerprint};

/// Why the store could not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store in {folder} is in use by another process: stop that one, or give this daemon a folder of its own"
    )]
    InUse { folder: String },
    #[error("could not {doing} the store")]
    Io {
        doing: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the store's record {key} cannot be read: restore the store from a backup, or export what is readable")]
    Corrupt {
        key: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the store has format {found}, this release reads format {known}: run the release that wrote it")]
    Format { found: String, known: u32 },
}

/// One change. The indexes that the getters of `Store` need follow from it.
#[derive(Clone, Debug, PartialEq)]
// Nearly every write is of a job, the largest of them: boxes would cost more than they save.
#[allow(clippy::large_enum_variant)]
pub enum Write {
    /// An e-mail address leads to the account that had it first, and to nobody once that one has another.
    PutAccount(Account),
    /// An active `rfx` key becomes its account's newest one.
    PutKey(ApiKey),
    /// When a key was last used.
    PutKeyUse {
        key: KeyHash,
        at: Timestamp,
    },
    /// Appended at its account and sequence; a refund is found by its charge, a reversal by its purchase, both it and the
    /// purchase by their payment events.
    PutEntry(LedgerEntry),
    /// One that is kept and not listed is its account's default project.
    PutProject(Project),
    PutOrigin(Origin),
    PutFile(MediaFile),
    PutJob(Job),
    PutWebhook(Webhook),
    /// At its job and sequence.
    PutStoryLine(StoryLine),
    PutAnswer(FirstAnswer),
    /// Found by its key, too.
    PutAgent(Agent),
    /// The only one of its name.
    PutInvite(Invite),
    /// The only one of its name.
    PutOperator(Operator),
    /// The only ones there are.
    PutControls(Controls),
    ForgetAnswer {
        account: AccountId,
        route: String,
        key: String,
    },
}

/// Takes a key and a record of a backup, one after the other.
pub type Copied<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> io::Result<()>;

pub trait Store: Send + Sync + 'static {
    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// By address as stored; the caller has brought it to one form.
    fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, StoreError>;
    /// In order of id, which is the order of creation.
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;
    /// In the same order, those behind `after`.
    fn accounts_after(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, StoreError>;

    /// Active or revoked.
    fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError>;
    /// The `rfx` key the account was given last, if it has not been revoked since.
    fn active_key(&self, account: AccountId) -> Result<Option<ApiKey>, StoreError>;
    /// The account's `afk` keys, active or revoked, oldest first.
    fn named_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError>;
    fn key_used_at(&self, hash: KeyHash) -> Result<Option<Timestamp>, StoreError>;

    /// How many accounts and jobs there are; looks at every key once.
    fn totals(&self) -> Result<(u64, u64), StoreError>;

    fn last_entry(&self, account: AccountId) -> Result<Option<LedgerEntry>, StoreError>;
    /// Newest first; only those of a sequence below `before`.
    fn entries_before(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError>;
    /// In sequence.
    fn entries(&self, account: AccountId) -> Result<Vec<LedgerEntry>, StoreError>;
    /// The entry that refunded a charge, or took a purchase back.
    fn refund_of(&self, charge: EntryId) -> Result<Option<EntryId>, StoreError>;

    /// The entry that a payment provider's event made.
    fn payment(&self, event: &str) -> Result<Option<LedgerEntry>, StoreError>;

    /// Kept or deleted.
    fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError>;
    /// The kept project that an account's jobs without one are in.
    fn default_project(&self, account: AccountId) -> Result<Option<ProjectId>, StoreError>;
    /// Newest first; listed and kept ones only; only those created before `before`.
    fn projects_of(
        &self,
        account: AccountId,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Project>, StoreError>;
    /// The project that the token opens now.
    fn project_with_share(&self, token: ShareToken) -> Result<Option<Project>, StoreError>;
    /// Newest first, whatever their state.
    fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, StoreError>;
    /// Newest first.
    fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, StoreError>;
    fn file(&self, id: FileId) -> Result<Option<MediaFile>, StoreError>;
    /// Files past their time that are not deleted, in order of its end, from the one after `after`.
    fn files_due(&self, now: Timestamp, after: Option<&MediaFile>, limit: usize) -> Result<Vec<MediaFile>, StoreError>;
    fn file_with_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, StoreError>;

    fn job(&self, id: JobId) -> Result<Option<Job>, StoreError>;
    /// Newest first, by time and then id; only jobs that come after `after` in that order.
    fn jobs_of(&self, account: AccountId, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError>;
    /// How the surface it came by asked for a job, where it was noted.
    fn origin(&self, job: JobId) -> Result<Option<Origin>, StoreError>;
    /// Of all accounts, newest first, by time and then id; only jobs that come after `after` in that order.
    fn jobs_recent(&self, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError>;
    /// Jobs that have not ended and cancelled ones that can be undone, in order of id.
    fn open_jobs(&self) -> Result<Vec<Job>, StoreError>;

    /// In sequence.
    fn story(&self, job: JobId) -> Result<Vec<StoryLine>, StoreError>;
    /// How many lines it has; looks at the last one only.
    fn story_length(&self, job: JobId) -> Result<u32, StoreError>;

    fn webhook(&self, job: JobId) -> Result<Option<Webhook>, StoreError>;
    /// Jobs whose webhook has something due or being sent.
    fn open_webhooks(&self) -> Result<Vec<JobId>, StoreError>;

    fn answer(&self, account: AccountId, route: &str, key: &str) -> Result<Option<FirstAnswer>, StoreError>;
    fn answers_before(&self, cut: Timestamp) -> Result<Vec<FirstAnswer>, StoreError>;

    /// Members and revoked ones.
    fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError>;
    fn agent_with_key(&self, key: Fingerprint) -> Result<Option<Agent>, StoreError>;
    /// In order of id, which is the order of joining.
    fn agents(&self) -> Result<Vec<Agent>, StoreError>;
    /// By name, active and revoked ones.
    fn operators(&self) -> Result<Vec<Operator>, StoreError>;
    /// The last one for a name.
    fn invite(&self, name: &str) -> Result<Option<Invite>, StoreError>;
    /// As they were put last; at first nothing is stopped.
    fn controls(&self) -> Result<Controls, StoreError>;

    /// On its disk; 0 where there is none.
    fn size_bytes(&self) -> Result<u64, StoreError>;

    /// Applies all writes, in order, or none. Only the farm's writer calls it.
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;
    /// Every record as it lies on disk, for a backup. Only the farm's writer calls it, between two commits.
    fn copy(&self, record: Copied) -> Result<(), StoreError>;
    /// Returns once everything committed before survives a power cut.
    fn sync(&self) -> Result<(), StoreError>;
}
