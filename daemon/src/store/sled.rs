//! The store on disk, in one sled tree. This file and its folder alone know sled.
//!
//! What sled 0.34 does decides what stands here; how it is opened and synced is in `tree`. Keys sort as bytes: integers in
//! keys are big-endian. A batch applies whole or not at all, but a reader that takes two steps may see one in between.

mod keys;
mod tree;
mod write;

pub use tree::Tree;

use keys::{answer_key, due_key, job_in_key, key, kind, of_owner, shown, time_bytes};

use write::add;

use super::{
    Copied, Store, StoreError, Write,
    record::{self, JobRecord, SegmentRecord, Stored},
};
use crate::model::{
    Account, Agent, ApiKey, Controls, FirstAnswer, Invite, Job, JobPlace, KeyHash, LedgerEntry, MediaFile, ObjectKey,
    Operator, Origin, Project, ShareToken, StoryLine, Webhook,
};
use ::sled::{Batch, Db, IVec};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, ops::Bound, path::Path};
use tweenfarm_protocol::{AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, join::Fingerprint};
use uuid::Uuid;

/// Written under `FORMAT_KEY` when a store is made; another release's layout is refused, not guessed at.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
/// Which indexes there are: stores of earlier releases are indexed again when they are opened.
const INDEXES_KEY: &[u8] = b"format-indexes";
/// Empty stood for those of projects; 2: and of files that are due.
const INDEXES: &[u8] = &[2];

pub struct SledStore {
    db: Db,
    tree: Tree,
}

/// Opens the store in `folder`, making it if there is none.
pub fn open(folder: &Path) -> Result<SledStore, StoreError> {
    let tree = Tree::open(folder)?;
    let store = SledStore { db: tree.db().clone(), tree };
    store.check_format()?;
    store.index()?;
    store.sync()?;
    Ok(store)
}

fn io_error(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Io { doing, source: Box::new(source) }
}

impl SledStore {
    fn check_format(&self) -> Result<(), StoreError> {
        match self.bytes(FORMAT_KEY)? {
            Some(found) if found == FORMAT.to_be_bytes() => Ok(()),
            Some(found) => {
                let number = <[u8; 4]>::try_from(found.as_ref()).map(u32::from_be_bytes);
                let found = number.map_or_else(|_| "unknown".into(), |number| number.to_string());
                Err(StoreError::Format { found, known: FORMAT })
            }
            None if self.db.is_empty() => {
                let written = self.db.insert(FORMAT_KEY, &FORMAT.to_be_bytes());
                written.map(|_| ()).map_err(|source| io_error("write", source))
            }
            None => Err(StoreError::Format { found: "unknown".into(), known: FORMAT }),
        }
    }

    /// Adds the index entries of projects, files and jobs that were written before there were any.
    fn index(&self) -> Result<(), StoreError> {
        if self.bytes(INDEXES_KEY)?.is_some_and(|indexes| indexes == INDEXES) {
            return Ok(());
        }
        let mut batch = Batch::default();
        for project in self.records(&[kind::PROJECT])? {
            add(&mut batch, &Write::PutProject(project))?;
        }
        for file in self.records::<MediaFile>(&[kind::FILE])? {
            self.add_due(&mut batch, &file)?;
            add(&mut batch, &Write::PutFile(file))?;
        }
        for job in self.jobs_recent(usize::MAX, None)? {
            batch.insert(job_in_key(&job), &[]);
        }
        batch.insert(INDEXES_KEY, INDEXES);
        self.db.apply_batch(batch).map_err(|source| io_error("index", source))?;
        self.sync()
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.db.get(key).map_err(|source| io_error("read", source))
    }

    fn record<T: Stored>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.bytes(key)?.map(|bytes| read(key, &bytes)).transpose()
    }

    /// The id that an index entry holds.
    fn id(&self, key: &[u8]) -> Result<Option<Uuid>, StoreError> {
        self.bytes(key)?.map(|bytes| Uuid::from_slice(&bytes).map_err(|cause| corrupt(key, cause))).transpose()
    }

    fn records<T: Stored>(&self, prefix: &[u8]) -> Result<Vec<T>, StoreError> {
        self.db.scan_prefix(prefix).map(read_item).collect()
    }

    fn read_range<T: Stored>(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        self.db.range(range).take(limit).map(read_item).collect()
    }

    /// What the ids in the last 16 bytes of these index keys lead to.
    fn indexed<T: Stored>(
        &self,
        kind: u8,
        keys: impl Iterator<Item = ::sled::Result<IVec>>,
    ) -> Result<Vec<T>, StoreError> {
        keys.filter_map(|at| {
            let found = at.map_err(|source| io_error("read", source)).and_then(|at| {
                let id = at.len().checked_sub(16).and_then(|start| at.get(start..)).unwrap_or_default();
                self.record(&key(kind, &[id]))
            });
            found.transpose()
        })
        .collect()
    }

    /// The jobs that the last 16 bytes of these index keys name.
    fn jobs_at(&self, keys: impl Iterator<Item = ::sled::Result<IVec>>) -> Result<Vec<Job>, StoreError> {
        keys.map(|key| {
            let key = key.map_err(|source| io_error("read", source))?;
            let id = key.len().checked_sub(16).and_then(|start| key.get(start..)).unwrap_or_default();
            let id = Uuid::from_slice(id).map_err(|cause| corrupt(&key, cause))?;
            let dangling = || corrupt(&key, io::Error::other("it names a job that is not there"));
            self.job(JobId(id))?.ok_or_else(dangling)
        })
        .collect()
    }
}

fn read_item<T: Stored>(item: ::sled::Result<(IVec, IVec)>) -> Result<T, StoreError> {
    let (key, bytes) = item.map_err(|source| io_error("read", source))?;
    read(&key, &bytes)
}

fn read<T: Stored>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    T::from_record(decode(key, bytes)?).map_err(|source| StoreError::Corrupt { key: shown(key), source })
}

fn decode<R: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<R, StoreError> {
    record::decode(bytes).map_err(|source| StoreError::Corrupt { key: shown(key), source })
}

fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, StoreError> {
    record::encode(record).map_err(|source| StoreError::Io { doing: "write a record of", source })
}

fn corrupt(key: &[u8], cause: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt { key: shown(key), source: Box::new(cause) }
}

impl Store for SledStore {
    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.record(&key(kind::ACCOUNT, &[id.as_bytes()]))
    }

    fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, StoreError> {
        Ok(self.id(&key(kind::EMAIL, &[email.as_bytes()]))?.map(AccountId))
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.records(&[kind::ACCOUNT])
    }

    fn accounts_after(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        let from = after.map_or(Bound::Included(vec![kind::ACCOUNT]), |after| {
            Bound::Excluded(key(kind::ACCOUNT, &[after.as_bytes()]))
        });
        self.read_range((from, Bound::Excluded(vec![kind::ACCOUNT + 1])), limit)
    }

    fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.record(&key(kind::KEY, &[&hash.0]))
    }

    fn active_key(&self, account: AccountId) -> Result<Option<ApiKey>, StoreError> {
        let at = key(kind::NEWEST_KEY, &[account.as_bytes()]);
        let Some(bytes) = self.bytes(&at)? else { return Ok(None) };
        let hash = <[u8; 32]>::try_from(bytes.as_ref()).map_err(|cause| corrupt(&at, cause))?;
        Ok(Store::key(self, KeyHash(hash))?.filter(|key| key.revoked_at.is_none()))
    }

    fn named_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        let own = self.db.range(of_owner(kind::KEY_OF, account.as_bytes(), None)).keys();
        own.filter_map(|at| {
            let found = at.map_err(|source| io_error("read", source)).and_then(|at| {
                let hash = at.len().checked_sub(32).and_then(|start| at.get(start..)).unwrap_or_default();
                self.record(&key(kind::KEY, &[hash]))
            });
            found.transpose()
        })
        .collect()
    }

    fn key_used_at(&self, hash: KeyHash) -> Result<Option<Timestamp>, StoreError> {
        let at = key(kind::KEY_USED, &[&hash.0]);
        let Some(bytes) = self.bytes(&at)? else { return Ok(None) };
        let micros = <[u8; 8]>::try_from(bytes.as_ref()).map_err(|cause| corrupt(&at, cause))?;
        Ok(Some(Timestamp(i64::from_be_bytes(micros))))
    }

    fn totals(&self) -> Result<(u64, u64), StoreError> {
        let count = |kind: u8| {
            let mut keys = self.db.scan_prefix([kind]).keys();
            let counted = keys.try_fold(0_u64, |sum, key| key.map(|_| sum + 1));
            counted.map_err(|source| io_error("read", source))
        };
        Ok((count(kind::ACCOUNT)?, count(kind::JOB_BY_TIME)?))
    }

    fn last_entry(&self, account: AccountId) -> Result<Option<LedgerEntry>, StoreError> {
        let newest = self.db.scan_prefix(key(kind::ENTRY, &[account.as_bytes()])).next_back();
        let Some(item) = newest else { return Ok(None) };
        let (key, bytes) = item.map_err(|source| io_error("read", source))?;
        read(&key, &bytes).map(Some)
    }

    fn entries_before(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let at = |sequence: u64| key(kind::ENTRY, &[account.as_bytes(), &sequence.to_be_bytes()]);
        let entries = self.db.range(at(0)..at(before.unwrap_or(u64::MAX))).rev().take(limit);
        entries.map(read_item).collect()
    }

    fn entries(&self, account: AccountId) -> Result<Vec<LedgerEntry>, StoreError> {
        self.records(&key(kind::ENTRY, &[account.as_bytes()]))
    }

    fn refund_of(&self, charge: EntryId) -> Result<Option<EntryId>, StoreError> {
        Ok(self.id(&key(kind::REFUND, &[charge.as_bytes()]))?.map(EntryId))
    }

    fn payment(&self, event: &str) -> Result<Option<LedgerEntry>, StoreError> {
        let entry = self.bytes(&key(kind::PAYMENT, &[event.as_bytes()]))?;
        entry.map(|entry| self.record(&key(kind::ENTRY, &[&entry]))).transpose().map(Option::flatten)
    }

    fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.record(&key(kind::PROJECT, &[id.as_bytes()]))
    }

    fn default_project(&self, account: AccountId) -> Result<Option<ProjectId>, StoreError> {
        Ok(self.id(&key(kind::DEFAULT_PROJECT, &[account.as_bytes()]))?.map(ProjectId))
    }

    fn projects_of(
        &self,
        account: AccountId,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Project>, StoreError> {
        let own = of_owner(kind::PROJECT_OF, account.as_bytes(), before);
        let mut found: Vec<Project> = self.indexed(kind::PROJECT, self.db.range(own).keys().rev().take(limit))?;
        // One may have been deleted between the two steps.
        found.retain(|project| !project.is_deleted());
        Ok(found)
    }

    fn project_with_share(&self, token: ShareToken) -> Result<Option<Project>, StoreError> {
        let found = self.id(&key(kind::SHARE, &[&token.0]))?;
        let project = found.map(|id| self.project(ProjectId(id))).transpose()?.flatten();
        Ok(project.filter(|project| project.share() == Some(token)))
    }

    fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, StoreError> {
        let own = of_owner(kind::FILE_OF, project.as_bytes(), None);
        self.indexed(kind::FILE, self.db.range(own).keys().rev())
    }

    fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, StoreError> {
        self.jobs_at(self.db.range(of_owner(kind::JOB_IN, project.as_bytes(), None)).keys().rev())
    }

    fn file(&self, id: FileId) -> Result<Option<MediaFile>, StoreError> {
        self.record(&key(kind::FILE, &[id.as_bytes()]))
    }

    fn files_due(&self, now: Timestamp, after: Option<&MediaFile>, limit: usize) -> Result<Vec<MediaFile>, StoreError> {
        let from = after.map_or(Bound::Included(vec![kind::FILE_DUE]), |after| Bound::Excluded(due_key(after)));
        let end = Bound::Excluded(key(kind::FILE_DUE, &[&time_bytes(Timestamp(now.0.saturating_add(1)))]));
        self.indexed(kind::FILE, self.db.range((from, end)).keys().take(limit))
    }

    fn file_with_key(&self, object: &ObjectKey) -> Result<Option<MediaFile>, StoreError> {
        let found = self.id(&key(kind::OBJECT, &[object.as_str().as_bytes()]))?;
        found.map(|id| self.file(FileId(id))).transpose().map(Option::flatten)
    }

    fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let at = key(kind::JOB, &[id.as_bytes()]);
        loop {
            let Some(bytes) = self.bytes(&at)? else { return Ok(None) };
            let head: JobRecord = decode(&at, &bytes)?;
            let mut segments: Vec<SegmentRecord> = Vec::new();
            if head.segment_count() > 0 {
                for item in self.db.scan_prefix(key(kind::SEGMENT, &[id.as_bytes()])) {
                    let (key, bytes) = item.map_err(|source| io_error("read", source))?;
                    segments.push(decode(&key, &bytes)?);
                }
            }
            // The job moved on while its segments were read: look again.
            if self.bytes(&at)?.as_ref() == Some(&bytes) {
                let united = record::unite(head, segments);
                return united.map(Some).map_err(|source| StoreError::Corrupt { key: shown(&at), source });
            }
        }
    }

    fn jobs_of(&self, account: AccountId, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        let mut own = of_owner(kind::JOB_OF, account.as_bytes(), None);
        if let Some(JobPlace { created_at, id }) = after {
            own.end = key(kind::JOB_OF, &[account.as_bytes(), &time_bytes(created_at), id.as_bytes()]);
        }
        self.jobs_at(self.db.range(own).keys().rev().take(limit))
    }

    fn origin(&self, job: JobId) -> Result<Option<Origin>, StoreError> {
        self.record(&key(kind::ORIGIN, &[job.as_bytes()]))
    }

    fn jobs_recent(&self, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        let end = after.map_or(vec![kind::JOB_BY_TIME + 1], |JobPlace { created_at, id }| {
            key(kind::JOB_BY_TIME, &[&time_bytes(created_at), id.as_bytes()])
        });
        self.jobs_at(self.db.range(vec![kind::JOB_BY_TIME]..end).keys().rev().take(limit))
    }

    fn open_jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.jobs_at(self.db.scan_prefix([kind::OPEN_JOB]).keys())
    }

    fn story(&self, job: JobId) -> Result<Vec<StoryLine>, StoreError> {
        self.records(&key(kind::STORY, &[job.as_bytes()]))
    }

    fn story_length(&self, job: JobId) -> Result<u32, StoreError> {
        let last = self.db.scan_prefix(key(kind::STORY, &[job.as_bytes()])).next_back();
        let last: Option<StoryLine> = last.map(read_item).transpose()?;
        Ok(last.map_or(0, |line| line.sequence.saturating_add(1)))
    }

    fn webhook(&self, job: JobId) -> Result<Option<Webhook>, StoreError> {
        self.record(&key(kind::WEBHOOK, &[job.as_bytes()]))
    }

    fn open_webhooks(&self) -> Result<Vec<JobId>, StoreError> {
        let open = self.db.scan_prefix([kind::OPEN_WEBHOOK]).keys();
        open.map(|at| {
            let at = at.map_err(|source| io_error("read", source))?;
            let id = at.get(1..).unwrap_or_default();
            Uuid::from_slice(id).map(JobId).map_err(|cause| corrupt(&at, cause))
        })
        .collect()
    }

    fn answer(&self, account: AccountId, route: &str, name: &str) -> Result<Option<FirstAnswer>, StoreError> {
        self.record(&answer_key(account, route, name))
    }

    fn answers_before(&self, cut: Timestamp) -> Result<Vec<FirstAnswer>, StoreError> {
        let mut answers: Vec<FirstAnswer> = self.records(&[kind::ANSWER])?;
        answers.retain(|answer| answer.at < cut);
        Ok(answers)
    }

    fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.record(&key(kind::AGENT, &[id.as_bytes()]))
    }

    fn agent_with_key(&self, of: Fingerprint) -> Result<Option<Agent>, StoreError> {
        let found = self.id(&key(kind::AGENT_KEY, &[&of.0]))?;
        found.map(|id| self.agent(AgentId(id))).transpose().map(Option::flatten)
    }

    fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.records(&[kind::AGENT])
    }

    fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.records(&[kind::OPERATOR])
    }

    fn invite(&self, name: &str) -> Result<Option<Invite>, StoreError> {
        self.record(&key(kind::INVITE, &[name.as_bytes()]))
    }

    fn controls(&self) -> Result<Controls, StoreError> {
        Ok(self.record(&[kind::CONTROLS])?.unwrap_or_default())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.db.size_on_disk().map_err(|source| io_error("measure", source))
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write(writes)
    }

    fn copy(&self, record: Copied) -> Result<(), StoreError> {
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(|source| io_error("read", source))?;
            record(&key, &value).map_err(|source| io_error("copy", source))?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.tree.sync()
    }
}
