//! What a write puts into a batch: records, and the index entries that follow from them.

use super::{
    SledStore, StoreError, Write, encode, io_error,
    keys::{answer_key, due_key, job_in_key, key, kind, segment_key, time_bytes},
    record::{self, Stored},
};
use crate::{
    model::{Account, EntryKind, FileState, Job, KeyKind, MediaFile},
    store::Store,
};
use ::sled::Batch;
use std::collections::HashMap;
use tweenfarm_protocol::{AccountId, FileId, JobId};

/// What a batch has changed so far of who has which address.
#[derive(Default)]
struct Addresses<'a> {
    of: HashMap<AccountId, &'a str>,
    owners: HashMap<String, Option<AccountId>>,
}

impl SledStore {
    /// Applies all writes, in order, or none.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        // Only a job's last state counts, and only what it changed of the stored one is written.
        let mut jobs: HashMap<JobId, &Job> = HashMap::new();
        let mut files: HashMap<FileId, &MediaFile> = HashMap::new();
        let mut addresses = Addresses::default();
        for write in writes {
            match write {
                Write::PutJob(job) => {
                    jobs.insert(job.id, job);
                }
                Write::PutAccount(account) => self.add_account(&mut batch, &mut addresses, account)?,
                write => add(&mut batch, write)?,
            }
            if let Write::PutFile(file) = write {
                files.insert(file.id, file);
            }
        }
        for file in files.into_values() {
            self.add_due(&mut batch, file)?;
        }
        for job in jobs.into_values() {
            self.add_job(&mut batch, job)?;
        }
        self.db.apply_batch(batch).map_err(|source| io_error("write", source))
    }

    /// Adds an account; its address, unless another account had it first, in place of the one it had before.
    fn add_account<'a>(
        &self,
        batch: &mut Batch,
        addresses: &mut Addresses<'a>,
        account: &'a Account,
    ) -> Result<(), StoreError> {
        let at = key(kind::ACCOUNT, &[account.id.as_bytes()]);
        let before = match addresses.of.insert(account.id, &account.email) {
            Some(before) => Some(before.to_owned()),
            None => self.record(&at)?.map(|before: Account| before.email),
        };
        let address = |email: &str| key(kind::EMAIL, &[email.as_bytes()]);
        if let Some(before) = before.filter(|before| *before != account.email)
            && self.address_owner(addresses, &before)? == Some(account.id)
        {
            batch.remove(address(&before));
            addresses.owners.insert(before, None);
        }
        if self.address_owner(addresses, &account.email)?.is_none() {
            batch.insert(address(&account.email), account.id.as_bytes());
            addresses.owners.insert(account.email.clone(), Some(account.id));
        }
        put(batch, at, account)
    }

    fn address_owner(&self, addresses: &Addresses, email: &str) -> Result<Option<AccountId>, StoreError> {
        addresses.owners.get(email).map_or_else(|| self.account_with_email(email), |owner| Ok(*owner))
    }

    /// Adds when the bytes of a file are due, in place of when they were.
    pub(super) fn add_due(&self, batch: &mut Batch, file: &MediaFile) -> Result<(), StoreError> {
        if let Some(before) = Store::file(self, file.id)? {
            batch.remove(due_key(&before));
        }
        if !matches!(file.state, FileState::Deleted { .. }) {
            batch.insert(due_key(file), &[]);
        }
        Ok(())
    }

    /// Adds a job and those of its segments that changed. Its segments are removed once nobody needs them any more.
    fn add_job(&self, batch: &mut Batch, job: &Job) -> Result<(), StoreError> {
        let (id, at) = (job.id.as_bytes(), time_bytes(job.created_at));
        batch.insert(key(kind::JOB_OF, &[job.account.as_bytes(), &at, id]), &[]);
        batch.insert(key(kind::JOB_BY_TIME, &[&at, id]), &[]);
        batch.insert(job_in_key(job), &[]);
        let open = key(kind::OPEN_JOB, &[id]);
        if !job.is_open() {
            batch.remove(open)
        } else {
            batch.insert(open, &[])
        }
        let (head, segments) = record::split(job);
        for (position, segment) in (0_u64..).zip(&segments) {
            let (at, bytes) = (segment_key(job.id, position), encode(segment)?);
            if self.bytes(&at)?.is_none_or(|stored| stored != bytes) {
                batch.insert(at, bytes);
            }
        }
        let left_over = self.db.range(segment_key(job.id, segments.len() as u64)..=segment_key(job.id, u64::MAX));
        for at in left_over.keys() {
            batch.remove(at.map_err(|source| io_error("read", source))?);
        }
        batch.insert(key(kind::JOB, &[id]), encode(&head)?);
        Ok(())
    }
}

/// A write and the index entries that follow from it.
pub(super) fn add(batch: &mut Batch, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::PutKey(api_key) => {
            let (account, hash) = (api_key.account.as_bytes(), &api_key.hash.0);
            match api_key.kind {
                KeyKind::Rfx if api_key.is_active() => batch.insert(key(kind::NEWEST_KEY, &[account]), hash),
                KeyKind::Rfx => {}
                KeyKind::Afk(_) => {
                    batch.insert(key(kind::KEY_OF, &[account, &time_bytes(api_key.created_at), hash]), &[]);
                }
            }
            put(batch, key(kind::KEY, &[&api_key.hash.0]), api_key)
        }
        Write::PutKeyUse { key: used, at } => {
            batch.insert(key(kind::KEY_USED, &[&used.0]), &at.0.to_be_bytes());
            Ok(())
        }
        Write::PutEntry(entry) => {
            let place: [&[u8]; 2] = [entry.account.as_bytes(), &entry.sequence.to_be_bytes()];
            match &entry.kind {
                EntryKind::Refund { charge, .. } => {
                    batch.insert(key(kind::REFUND, &[charge.as_bytes()]), entry.id.as_bytes());
                }
                EntryKind::Purchase(purchase) => {
                    batch.insert(key(kind::PAYMENT, &[purchase.event.as_bytes()]), place.concat());
                }
                EntryKind::Reversal(reversal) => {
                    batch.insert(key(kind::REFUND, &[reversal.purchase.as_bytes()]), entry.id.as_bytes());
                    batch.insert(key(kind::PAYMENT, &[reversal.event.as_bytes()]), place.concat());
                }
                EntryKind::TrialGrant
                | EntryKind::OperatorGrant { .. }
                | EntryKind::Adjustment { .. }
                | EntryKind::Charge { .. } => {}
            }
            put(batch, key(kind::ENTRY, &place), entry)
        }
        Write::PutProject(project) => {
            let (id, at) = (project.id.as_bytes(), time_bytes(project.created_at));
            let account = project.account.as_bytes();
            let (found_at, holds): (_, &[u8]) = match project.listed {
                true => (key(kind::PROJECT_OF, &[account, &at, id]), &[]),
                false => (key(kind::DEFAULT_PROJECT, &[account]), id),
            };
            if project.is_deleted() {
                batch.remove(found_at)
            } else {
                batch.insert(found_at, holds)
            }
            if let Some(token) = project.share() {
                batch.insert(key(kind::SHARE, &[&token.0]), id);
            }
            put(batch, key(kind::PROJECT, &[id]), project)
        }
        Write::PutOrigin(origin) => put(batch, key(kind::ORIGIN, &[origin.job.as_bytes()]), origin),
        Write::PutFile(file) => {
            batch.insert(key(kind::OBJECT, &[file.key.as_str().as_bytes()]), file.id.as_bytes());
            let (project, at) = (file.project.as_bytes(), time_bytes(file.created_at));
            batch.insert(key(kind::FILE_OF, &[project, &at, file.id.as_bytes()]), &[]);
            put(batch, key(kind::FILE, &[file.id.as_bytes()]), file)
        }
        // `add_account` and `add_job` do these: they look at what is stored.
        Write::PutAccount(_) | Write::PutJob(_) => Ok(()),
        Write::PutWebhook(webhook) => {
            let (id, open) = (webhook.job.as_bytes(), key(kind::OPEN_WEBHOOK, &[webhook.job.as_bytes()]));
            if webhook.is_open() {
                batch.insert(open, &[]);
            } else {
                batch.remove(open);
            }
            put(batch, key(kind::WEBHOOK, &[id]), webhook)
        }
        Write::PutStoryLine(line) => {
            put(batch, key(kind::STORY, &[line.job.as_bytes(), &line.sequence.to_be_bytes()]), line)
        }
        Write::PutAgent(agent) => {
            batch.insert(key(kind::AGENT_KEY, &[&agent.key.0]), agent.id.as_bytes());
            put(batch, key(kind::AGENT, &[agent.id.as_bytes()]), agent)
        }
        Write::PutOperator(operator) => put(batch, key(kind::OPERATOR, &[operator.name.as_bytes()]), operator),
        Write::PutInvite(invite) => put(batch, key(kind::INVITE, &[invite.name.as_bytes()]), invite),
        Write::PutControls(controls) => put(batch, vec![kind::CONTROLS], controls),
        Write::PutAnswer(answer) => put(batch, answer_key(answer.account, &answer.route, &answer.key), answer),
        Write::ForgetAnswer { account, route, key } => {
            batch.remove(answer_key(*account, route, key));
            Ok(())
        }
    }
}

fn put<T: Stored>(batch: &mut Batch, at: Vec<u8>, value: &T) -> Result<(), StoreError> {
    batch.insert(at, encode(&value.to_record())?);
    Ok(())
}
