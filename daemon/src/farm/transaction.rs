//! One command's changes: reads see the store and what the command has written; dropped without effect if it fails.

use super::{board::Verdict, clock::Clock, error::FarmError, handle::Effect, request::MoneyBack, story};
use crate::{
    ledger::{self, Booking, RefundDue, ReversalDue},
    model::*,
    schedule::progress,
    store::{Store, Tables, Write},
};
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, ProjectId, Timestamp, Xeconds, join::Fingerprint,
};
use uuid::Uuid;

/// What a transaction adds for good: counted, so that nobody has to count what is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Made {
    pub(super) accounts: u64,
    pub(super) jobs: u64,
}

pub(super) struct Transaction<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    written: Tables,
    pub(super) writes: Vec<Write>,
    pub(super) effects: Vec<Effect>,
    /// How leases ended.
    pub(super) verdicts: Vec<Verdict>,
    /// Told once the writes are durable.
    pub(super) events: Vec<Event>,
    pub(super) made: Made,
    pub(super) now: Timestamp,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a dyn Store, clock: &'a dyn Clock) -> Transaction<'a> {
        Transaction {
            store,
            clock,
            written: Tables::default(),
            writes: Vec::new(),
            effects: Vec::new(),
            verdicts: Vec::new(),
            events: Vec::new(),
            made: Made::default(),
            now: clock.now(),
        }
    }

    pub(super) fn fresh_id(&self) -> Uuid {
        self.clock.fresh_id()
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn put(&mut self, write: Write) {
        self.written.apply(write.clone());
        self.writes.push(write);
    }

    /// Stores a job with its progress brought up to date, and what its webhook is to tell of it.
    pub(super) fn put_job(&mut self, mut job: Job) -> Result<Job, FarmError> {
        let before = job.progress_percent;
        job.progress_percent = progress::percent(&job);
        if job.progress_percent > before && !job.has_ended() {
            self.tell(story::progress(&job, self.now));
        }
        self.put(Write::PutJob(job.clone()));
        if let Some(mut webhook) = self.webhook(job.id)?
            && webhook.follow(&job, self.now)
        {
            self.effects.push(Effect::TellWebhook(job.id));
            self.put(Write::PutWebhook(webhook));
        }
        Ok(job)
    }

    pub(super) fn account(&self, id: AccountId) -> Result<Account, FarmError> {
        let found = self.written.account(id).map_or_else(|| self.store.account(id), |own| Ok(Some(own)))?;
        found.ok_or(FarmError::NotFound { what: "account" })
    }

    pub(super) fn put_account(&mut self, account: Account) {
        self.put(Write::PutAccount(account));
    }

    pub(super) fn controls(&self) -> Result<Controls, FarmError> {
        Ok(self.written.controls().map_or_else(|| self.store.controls(), Ok)?)
    }

    pub(super) fn put_controls(&mut self, controls: Controls) {
        self.put(Write::PutControls(controls));
    }

    pub(super) fn account_with_email(&self, email: &str) -> Result<Option<AccountId>, FarmError> {
        let own = self.written.account_with_email(email);
        Ok(own.map_or_else(|| self.store.account_with_email(email), |own| Ok(Some(own)))?)
    }

    pub(super) fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>, FarmError> {
        Ok(self.written.key(hash).map_or_else(|| self.store.key(hash), |own| Ok(Some(own)))?)
    }

    pub(super) fn active_key(&self, account: AccountId) -> Result<Option<ApiKey>, FarmError> {
        let newest = match self.written.newest_key(account) {
            Some(hash) => self.key(hash)?,
            None => match self.store.active_key(account)? {
                Some(stored) => self.key(stored.hash)?,
                None => None,
            },
        };
        Ok(newest.filter(|key| key.revoked_at.is_none()))
    }

    /// As they were before this command.
    pub(super) fn named_keys(&self, account: AccountId) -> Result<Vec<ApiKey>, FarmError> {
        Ok(self.store.named_keys(account)?)
    }

    pub(super) fn project(&self, id: ProjectId) -> Result<Project, FarmError> {
        let found = self.written.project(id).map_or_else(|| self.store.project(id), |own| Ok(Some(own)))?;
        found.filter(|project| !project.is_deleted()).ok_or(FarmError::NotFound { what: "project" })
    }

    /// As it was before this command.
    pub(super) fn default_project(&self, account: AccountId) -> Result<Option<ProjectId>, FarmError> {
        Ok(self.store.default_project(account)?)
    }

    /// As they were before this command.
    pub(super) fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, FarmError> {
        Ok(self.store.files_of(project)?)
    }

    /// As they were before this command.
    pub(super) fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, FarmError> {
        Ok(self.store.jobs_in(project)?)
    }

    pub(super) fn file(&self, id: FileId) -> Result<MediaFile, FarmError> {
        let found = self.written.file(id).map_or_else(|| self.store.file(id), |own| Ok(Some(own)))?;
        found.ok_or(FarmError::NotFound { what: "file" })
    }

    pub(super) fn file_with_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, FarmError> {
        let own = self.written.file_with_key(key);
        Ok(own.map_or_else(|| self.store.file_with_key(key), |own| Ok(Some(own)))?)
    }

    pub(super) fn job(&self, id: JobId) -> Result<Job, FarmError> {
        let found = self.written.job(id).map_or_else(|| self.store.job(id), |own| Ok(Some(own)))?;
        found.ok_or(FarmError::NotFound { what: "job" })
    }

    pub(super) fn webhook(&self, job: JobId) -> Result<Option<Webhook>, FarmError> {
        Ok(self.written.webhook(job).map_or_else(|| self.store.webhook(job), |own| Ok(Some(own)))?)
    }

    /// As they were before this command.
    pub(super) fn open_webhooks(&self) -> Result<Vec<JobId>, FarmError> {
        Ok(self.store.open_webhooks()?)
    }

    pub(super) fn payment(&self, event: &str) -> Result<Option<LedgerEntry>, FarmError> {
        Ok(self.written.payment(event).map_or_else(|| self.store.payment(event), |own| Ok(Some(own)))?)
    }

    pub(super) fn answer(&self, account: AccountId, route: &str, key: &str) -> Result<Option<FirstAnswer>, FarmError> {
        let own = self.written.answer(account, route, key);
        Ok(own.map_or_else(|| self.store.answer(account, route, key), |own| Ok(Some(own)))?)
    }

    pub(super) fn answers_before(&self, cut: Timestamp) -> Result<Vec<FirstAnswer>, FarmError> {
        Ok(self.store.answers_before(cut)?)
    }

    pub(super) fn agent(&self, id: AgentId) -> Result<Option<Agent>, FarmError> {
        Ok(self.written.agent(id).map_or_else(|| self.store.agent(id), |own| Ok(Some(own)))?)
    }

    pub(super) fn agent_with_key(&self, key: Fingerprint) -> Result<Option<Agent>, FarmError> {
        let own = self.written.agent_with_key(key);
        Ok(own.map_or_else(|| self.store.agent_with_key(key), |own| Ok(Some(own)))?)
    }

    /// As it was before this command.
    pub(super) fn member_called(&self, name: &str) -> Result<Option<Agent>, FarmError> {
        Ok(self.store.agents()?.into_iter().find(|agent| agent.is_member() && agent.name == name))
    }

    pub(super) fn put_agent(&mut self, agent: Agent) {
        self.put(Write::PutAgent(agent));
    }

    pub(super) fn operator(&self, name: &str) -> Result<Option<Operator>, FarmError> {
        if let Some(own) = self.written.operator(name) {
            return Ok(Some(own));
        }
        Ok(self.store.operators()?.into_iter().find(|operator| operator.name == name))
    }

    pub(super) fn invite(&self, name: &str) -> Result<Option<Invite>, FarmError> {
        Ok(self.written.invite(name).map_or_else(|| self.store.invite(name), |own| Ok(Some(own)))?)
    }

    pub(super) fn put_invite(&mut self, invite: Invite) {
        self.put(Write::PutInvite(invite));
    }

    /// Books a grant, a purchase or an adjustment; paid credit makes the account a paying one.
    pub(super) fn book(
        &mut self,
        mut account: Account,
        kind: EntryKind,
        change: Xeconds,
    ) -> Result<LedgerEntry, FarmError> {
        let booking = Booking { id: EntryId(self.fresh_id()), account: account.id, kind, change, at: self.now };
        let entry = ledger::book(self.last_entry(account.id)?.as_ref(), booking)?;
        if entry.kind.is_paid_credit() && account.tier == Tier::Free {
            account.tier = Tier::Paid;
            self.put(Write::PutAccount(account));
        }
        Ok(self.put_entry(entry))
    }

    pub(super) fn charge(&mut self, account: AccountId, job: JobId, price: Xeconds) -> Result<LedgerEntry, FarmError> {
        let ids = (EntryId(self.fresh_id()), account, job);
        let entry = ledger::charge(self.last_entry(account)?.as_ref(), ids, price, self.now)?;
        Ok(self.put_entry(entry))
    }

    /// Gives a job's charge back in full.
    pub(super) fn refund(&mut self, job: &Job) -> Result<LedgerEntry, FarmError> {
        let refunded_by = self.refunded_by(job.charge)?;
        let due =
            RefundDue { charge: job.charge, account: job.account, job: job.id, charged: job.charged, refunded_by };
        let last = self.last_entry(job.account)?;
        let entry = ledger::refund(last.as_ref(), EntryId(self.fresh_id()), due, self.now)?;
        Ok(self.put_entry(entry))
    }

    /// Takes a purchase back; who has no paid credit besides is on trial again.
    pub(super) fn reverse(&mut self, purchase: &LedgerEntry, back: MoneyBack) -> Result<LedgerEntry, FarmError> {
        let mut account = self.account(purchase.account)?;
        let due = ReversalDue {
            account: account.id,
            purchase: purchase.id,
            given: purchase.change,
            event: back.event,
            reason: back.reason,
            reversed_by: self.refunded_by(purchase.id)?,
        };
        let last = self.last_entry(account.id)?;
        let entry = ledger::reverse(last.as_ref(), EntryId(self.fresh_id()), due, self.now)?;
        let mut entries = self.store.entries(account.id)?;
        entries.push(entry.clone());
        if account.tier == Tier::Paid && !ledger::has_paid_credit(&entries) {
            account.tier = Tier::Free;
            self.put(Write::PutAccount(account));
        }
        Ok(self.put_entry(entry))
    }

    fn refunded_by(&self, entry: EntryId) -> Result<Option<EntryId>, FarmError> {
        Ok(self.written.refund_of(entry).map_or_else(|| self.store.refund_of(entry), |own| Ok(Some(own)))?)
    }

    fn put_entry(&mut self, entry: LedgerEntry) -> LedgerEntry {
        self.tell(story::booked(&entry));
        self.put(Write::PutEntry(entry.clone()));
        entry
    }

    fn last_entry(&self, account: AccountId) -> Result<Option<LedgerEntry>, FarmError> {
        let own = self.written.last_entry(account);
        Ok(own.map_or_else(|| self.store.last_entry(account), |own| Ok(Some(own)))?)
    }
}
