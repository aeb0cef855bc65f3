//! The store in memory: the twin that tests run on. It forgets on `crash` what was never synced, as a disk does.

use super::{Copied, Store, StoreError, Tables, Write};
use crate::{
    model::{
        Account, Agent, ApiKey, Controls, FirstAnswer, Invite, Job, JobPlace, KeyHash, LedgerEntry, MediaFile,
        ObjectKey, Operator, Origin, Project, ShareToken, StoryLine, Webhook,
    },
    retention,
};
use std::{
    cmp::Reverse,
    ops::Bound,
    sync::{Mutex, PoisonError},
};
use tweenfarm_protocol::{AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, join::Fingerprint};

#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    committed: Tables,
    synced: Tables,
    /// Committed and not synced, in order.
    unsynced: Vec<Write>,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// What a machine finds after a power cut: everything synced, nothing else.
    pub fn crash(&self) -> MemoryStore {
        let synced = self.read(|state| state.synced.clone());
        MemoryStore { state: Mutex::new(State { committed: synced.clone(), synced, unsynced: Vec::new() }) }
    }

    fn read<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics while it holds the lock half-way through a change, so a poisoned lock guards whole state.
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tables<T>(&self, look: impl FnOnce(&Tables) -> T) -> Result<T, StoreError> {
        Ok(self.read(|state| look(&state.committed)))
    }
}

impl Store for MemoryStore {
    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.tables(|tables| tables.account(id))
    }

    fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, StoreError> {
        self.tables(|tables| tables.account_with_email(email))
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.tables(|tables| tables.accounts.values().cloned().collect())
    }

    fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.tables(|tables| tables.key(hash))
    }

    fn active_key(&self, account: AccountId) -> Result<Option<ApiKey>, StoreError> {
        self.tables(|tables| {
            let newest = tables.newest_key(account).and_then(|hash| tables.key(hash));
            newest.filter(|key| key.revoked_at.is_none())
        })
    }

    fn named_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, StoreError> {
        self.tables(|tables| {
            let own = tables.keys.values().filter(|key| key.account == account && key.label().is_some());
            let mut found: Vec<ApiKey> = own.cloned().collect();
            found.sort_by_key(|key| (key.created_at, key.hash));
            found
        })
    }

    fn accounts_after(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tables(|tables| {
            let behind = tables.accounts.range((from, Bound::Unbounded));
            behind.take(limit).map(|(_, account)| account.clone()).collect()
        })
    }

    fn key_used_at(&self, hash: KeyHash) -> Result<Option<Timestamp>, StoreError> {
        self.tables(|tables| tables.key_uses.get(&hash).copied())
    }

    fn totals(&self) -> Result<(u64, u64), StoreError> {
        self.tables(|tables| (tables.accounts.len() as u64, tables.jobs.len() as u64))
    }

    fn last_entry(&self, account: AccountId) -> Result<Option<LedgerEntry>, StoreError> {
        self.tables(|tables| tables.last_entry(account))
    }

    fn entries_before(
        &self,
        account: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.tables(|tables| {
            let own = tables.entries.range((account, 0)..(account, before.unwrap_or(u64::MAX)));
            own.rev().take(limit).map(|(_, entry)| entry.clone()).collect()
        })
    }

    fn entries(&self, account: AccountId) -> Result<Vec<LedgerEntry>, StoreError> {
        self.tables(|tables| {
            let own = tables.entries.range((account, 0)..=(account, u64::MAX));
            own.map(|(_, entry)| entry.clone()).collect()
        })
    }

    fn refund_of(&self, charge: EntryId) -> Result<Option<EntryId>, StoreError> {
        self.tables(|tables| tables.refund_of(charge))
    }

    fn payment(&self, event: &str) -> Result<Option<LedgerEntry>, StoreError> {
        self.tables(|tables| tables.payment(event))
    }

    fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.tables(|tables| tables.project(id))
    }

    fn default_project(&self, account: AccountId) -> Result<Option<ProjectId>, StoreError> {
        self.tables(|tables| tables.default_projects.get(&account).copied())
    }

    fn projects_of(
        &self,
        account: AccountId,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Project>, StoreError> {
        self.tables(|tables| {
            let own = tables
                .projects
                .values()
                .filter(|project| project.account == account && project.listed && !project.is_deleted());
            let mut found: Vec<Project> =
                own.filter(|project| before.is_none_or(|before| project.created_at < before)).cloned().collect();
            found.sort_by_key(|project| Reverse((project.created_at, project.id)));
            found.truncate(limit);
            found
        })
    }

    fn project_with_share(&self, token: ShareToken) -> Result<Option<Project>, StoreError> {
        self.tables(|tables| tables.projects.values().find(|project| project.share() == Some(token)).cloned())
    }

    fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, StoreError> {
        self.tables(|tables| {
            let mut found: Vec<_> = tables.files.values().filter(|file| file.project == project).cloned().collect();
            found.sort_by_key(|file| Reverse((file.created_at, file.id)));
            found
        })
    }

    fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, StoreError> {
        self.tables(|tables| newest_first(tables.jobs.values().filter(|job| job.project == project), usize::MAX))
    }

    fn file(&self, id: FileId) -> Result<Option<MediaFile>, StoreError> {
        self.tables(|tables| tables.file(id))
    }

    fn files_due(&self, now: Timestamp, after: Option<&MediaFile>, limit: usize) -> Result<Vec<MediaFile>, StoreError> {
        let place = |file: &MediaFile| (file.expires_at, file.id);
        self.tables(|tables| {
            let mut due: Vec<_> = tables.files.values().filter(|file| retention::is_due(file, now)).collect();
            due.sort_by_key(|file| place(file));
            due.retain(|file| after.is_none_or(|after| place(after) < place(file)));
            due.into_iter().take(limit).cloned().collect()
        })
    }

    fn file_with_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, StoreError> {
        self.tables(|tables| tables.file_with_key(key))
    }

    fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.tables(|tables| tables.job(id))
    }

    fn jobs_of(&self, account: AccountId, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        self.tables(|tables| {
            let own = tables.jobs.values().filter(|job| job.account == account);
            newest_first(own.filter(|job| after.is_none_or(|after| job.place() < after)), limit)
        })
    }

    fn origin(&self, job: JobId) -> Result<Option<Origin>, StoreError> {
        self.tables(|tables| tables.origins.get(&job).cloned())
    }

    fn jobs_recent(&self, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, StoreError> {
        self.tables(|tables| {
            newest_first(tables.jobs.values().filter(|job| after.is_none_or(|after| job.place() < after)), limit)
        })
    }

    fn open_jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.tables(|tables| tables.jobs.values().filter(|job| job.is_open()).cloned().collect())
    }

    fn story(&self, job: JobId) -> Result<Vec<StoryLine>, StoreError> {
        self.tables(|tables| tables.story.range((job, 0)..=(job, u32::MAX)).map(|(_, line)| line.clone()).collect())
    }

    fn story_length(&self, job: JobId) -> Result<u32, StoreError> {
        self.tables(|tables| {
            let last = tables.story.range((job, 0)..=(job, u32::MAX)).next_back();
            last.map_or(0, |(_, line)| line.sequence + 1)
        })
    }

    fn webhook(&self, job: JobId) -> Result<Option<Webhook>, StoreError> {
        self.tables(|tables| tables.webhook(job))
    }

    fn open_webhooks(&self) -> Result<Vec<JobId>, StoreError> {
        self.tables(|tables| tables.webhooks.values().filter(|hook| hook.is_open()).map(|hook| hook.job).collect())
    }

    fn answer(&self, account: AccountId, route: &str, key: &str) -> Result<Option<FirstAnswer>, StoreError> {
        self.tables(|tables| tables.answer(account, route, key))
    }

    fn answers_before(&self, cut: Timestamp) -> Result<Vec<FirstAnswer>, StoreError> {
        self.tables(|tables| tables.answers.values().filter(|answer| answer.at < cut).cloned().collect())
    }

    fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.tables(|tables| tables.agent(id))
    }

    fn agent_with_key(&self, key: Fingerprint) -> Result<Option<Agent>, StoreError> {
        self.tables(|tables| tables.agent_with_key(key))
    }

    fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.tables(|tables| tables.agents.values().cloned().collect())
    }

    fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.tables(|tables| tables.operators.values().cloned().collect())
    }

    fn invite(&self, name: &str) -> Result<Option<Invite>, StoreError> {
        self.tables(|tables| tables.invite(name))
    }

    fn controls(&self) -> Result<Controls, StoreError> {
        self.tables(|tables| tables.controls().unwrap_or_default())
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.read(|state| {
            writes.iter().cloned().for_each(|write| state.committed.apply(write));
            state.unsynced.extend_from_slice(writes);
        });
        Ok(())
    }

    /// A twin for tests has nothing on disk: its backup holds no record.
    fn copy(&self, _: Copied) -> Result<(), StoreError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.read(|state| std::mem::take(&mut state.unsynced).into_iter().for_each(|write| state.synced.apply(write)));
        Ok(())
    }
}

fn newest_first<'a>(jobs: impl Iterator<Item = &'a Job>, limit: usize) -> Vec<Job> {
    let mut jobs: Vec<Job> = jobs.cloned().collect();
    jobs.sort_by_key(|job| Reverse((job.created_at, job.id)));
    jobs.truncate(limit);
    jobs
}
