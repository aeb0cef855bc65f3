//! What the farm tells: committed state and who is there. Changes nothing.

use super::{
    error::FarmError,
    events::{EventReader, From},
    handle::Farm,
    leases,
    request::{Idempotency, Submitted},
    tally::{Instruments, Tally},
    view::{AgentView, Audit, InHand, JobView, LeasedWork, Load},
};
use crate::{
    ledger,
    model::*,
    schedule::{outlook::Outlook, progress, waiting::Waiting},
    store::Store,
};
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, LeaseId, ProjectId, Timestamp, Xeconds, join::Fingerprint, service::Hello,
};

/// Guessing looks at every open job: not for each of many consoles that ask at once.
const OUTLOOK_FOR: Duration = Duration::from_secs(1);

/// Reads: committed state, cheap, synchronous. A transaction may be seen a moment before it is durable.
impl Farm {
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, FarmError> {
        Ok(self.stored()?.account(id)?)
    }

    pub fn account_with_email(&self, email: &str) -> Result<Option<Account>, FarmError> {
        let store = self.stored()?;
        Ok(store.account_with_email(email)?.map(|id| store.account(id)).transpose()?.flatten())
    }

    pub fn accounts(&self) -> Result<Vec<Account>, FarmError> {
        Ok(self.stored()?.accounts()?)
    }

    /// In the order of their making, those behind `after`.
    pub fn accounts_after(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, FarmError> {
        Ok(self.stored()?.accounts_after(after, limit)?)
    }

    /// How many accounts and jobs there are; costs nothing.
    pub fn totals(&self) -> (u64, u64) {
        let totals = &self.shared.totals;
        (totals.accounts.load(Ordering::Relaxed), totals.jobs.load(Ordering::Relaxed))
    }

    /// Who comes with a key, if it is active; the key counts as used now.
    pub fn caller(&self, hash: KeyHash) -> Result<Option<(Account, ApiKey)>, FarmError> {
        let store = self.stored()?;
        let Some(key) = store.key(hash)?.filter(ApiKey::is_active) else { return Ok(None) };
        let Some(account) = store.account(key.account)? else { return Ok(None) };
        self.shared.key_uses().insert(hash, self.now());
        Ok(Some((account, key)))
    }

    /// The account's `afk` keys, active or revoked, oldest first.
    pub fn named_keys(&self, id: AccountId) -> Result<Vec<ApiKey>, FarmError> {
        Ok(self.stored()?.named_keys(id)?)
    }

    pub fn active_key(&self, id: AccountId) -> Result<Option<ApiKey>, FarmError> {
        Ok(self.stored()?.active_key(id)?)
    }

    pub fn key_used_at(&self, hash: KeyHash) -> Result<Option<Timestamp>, FarmError> {
        let noted = self.shared.key_uses().get(&hash).copied();
        Ok(if noted.is_some() { noted } else { self.stored()?.key_used_at(hash)? })
    }

    pub fn balance(&self, id: AccountId) -> Result<Xeconds, FarmError> {
        Ok(ledger::balance(self.stored()?.last_entry(id)?.as_ref()))
    }

    /// What the account has paid for packs, in cents of a dollar.
    pub fn spent_usd_cents(&self, id: AccountId) -> Result<i64, FarmError> {
        Ok(ledger::spent_usd_cents(&self.stored()?.entries(id)?))
    }

    /// What the account's jobs cost, less what was given back.
    pub fn spent(&self, id: AccountId) -> Result<Xeconds, FarmError> {
        Ok(ledger::spent(&self.stored()?.entries(id)?))
    }

    /// Newest first; only those of a sequence below `before`.
    pub fn entries_before(
        &self,
        id: AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LedgerEntry>, FarmError> {
        Ok(self.stored()?.entries_before(id, before, limit)?)
    }

    /// In sequence.
    pub fn entries(&self, id: AccountId) -> Result<Vec<LedgerEntry>, FarmError> {
        Ok(self.stored()?.entries(id)?)
    }

    /// Kept ones only.
    pub fn project(&self, id: ProjectId) -> Result<Option<Project>, FarmError> {
        Ok(self.stored()?.project(id)?.filter(|project| !project.is_deleted()))
    }

    /// A deleted project, for the sweep of its bytes.
    pub fn deleted_project(&self, id: ProjectId) -> Result<Option<Project>, FarmError> {
        Ok(self.stored()?.project(id)?.filter(Project::is_deleted))
    }

    /// Newest first; only kept projects created before `before`.
    pub fn projects_of(
        &self,
        id: AccountId,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Result<Vec<Project>, FarmError> {
        Ok(self.stored()?.projects_of(id, limit, before)?)
    }

    pub fn project_with_share(&self, token: ShareToken) -> Result<Option<Project>, FarmError> {
        Ok(self.stored()?.project_with_share(token)?)
    }

    /// Newest first, whatever their state.
    pub fn files_of(&self, project: ProjectId) -> Result<Vec<MediaFile>, FarmError> {
        Ok(self.stored()?.files_of(project)?)
    }

    /// Newest first.
    pub fn jobs_in(&self, project: ProjectId) -> Result<Vec<Job>, FarmError> {
        Ok(self.stored()?.jobs_in(project)?)
    }

    pub fn file(&self, id: FileId) -> Result<Option<MediaFile>, FarmError> {
        Ok(self.stored()?.file(id)?)
    }

    /// Files past their time that are not deleted, in order of its end, from the one after `after`.
    pub fn files_due(
        &self,
        now: Timestamp,
        after: Option<&MediaFile>,
        limit: usize,
    ) -> Result<Vec<MediaFile>, FarmError> {
        Ok(self.stored()?.files_due(now, after, limit)?)
    }

    /// The inputs of the jobs that have not ended.
    pub fn inputs_in_use(&self) -> Result<HashSet<FileId>, FarmError> {
        self.stored()?;
        Ok(self.shared.board().inputs().collect())
    }

    pub fn file_by_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, FarmError> {
        Ok(self.stored()?.file_with_key(key)?)
    }

    pub fn job(&self, id: JobId) -> Result<Option<JobView>, FarmError> {
        Ok(self.stored()?.job(id)?.map(|job| view(job, self.load())))
    }

    pub fn webhook(&self, job: JobId) -> Result<Option<Webhook>, FarmError> {
        Ok(self.stored()?.webhook(job)?)
    }

    /// Jobs whose webhook has something due, now or later.
    pub fn open_webhooks(&self) -> Result<Vec<JobId>, FarmError> {
        Ok(self.stored()?.open_webhooks()?)
    }

    /// Newest first, by time and then id; only jobs that come after `after` in that order.
    pub fn jobs_of(&self, id: AccountId, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, FarmError> {
        Ok(self.stored()?.jobs_of(id, limit, after)?)
    }

    /// How the surface it came by asked for a job, where it was noted.
    pub fn origin(&self, job: JobId) -> Result<Option<Origin>, FarmError> {
        Ok(self.stored()?.origin(job)?)
    }

    /// The job that a request with an `Idempotency-Key` was answered with before, if that is still remembered.
    pub fn first_answer(&self, account: AccountId, asked: &Idempotency) -> Result<Option<Submitted>, FarmError> {
        let store = self.stored()?;
        let Some(first) = store.answer(account, asked.route, &asked.key)? else { return Ok(None) };
        if first.at.plus(self.rules().idempotency_for) <= self.now() {
            return Ok(None);
        }
        if first.request != asked.request {
            return Err(FarmError::IdempotencyConflict);
        }
        let job = store.job(first.job)?.ok_or(FarmError::NotFound { what: "job" })?;
        Ok(Some(Submitted { job, balance_after: first.balance_after, replayed: true }))
    }

    /// Of all accounts, newest first, by time and then id; only jobs that come after `after` in that order.
    pub fn jobs_recent(&self, limit: usize, after: Option<JobPlace>) -> Result<Vec<Job>, FarmError> {
        Ok(self.stored()?.jobs_recent(limit, after)?)
    }

    /// The same of jobs that have not ended; asks no disk.
    pub fn jobs_open(&self, limit: usize, after: Option<JobPlace>) -> Vec<Job> {
        self.shared.board().open_jobs().newest(limit, after)
    }

    pub fn jobs_open_count(&self) -> u64 {
        self.shared.board().open_jobs().count()
    }

    /// Since when the oldest job waits of which nothing is leased or rendered.
    pub fn queue_since(&self) -> Option<Timestamp> {
        self.shared.board().open_jobs().untouched_since()
    }

    pub fn jobs_open_of(&self, account: AccountId) -> u64 {
        self.shared.board().open_jobs().count_of(account)
    }

    /// When the jobs under way will be done; a second old, at most.
    pub fn outlook(&self) -> Arc<Outlook> {
        let now = self.now();
        let mut kept = self.shared.outlook();
        if let Some((_, outlook)) = kept.as_ref().filter(|(at, _)| *at <= now && now.since(*at) < OUTLOOK_FOR) {
            return outlook.clone();
        }
        let (presence, board) = (self.shared.presence(), self.shared.board());
        let outlook = Arc::new(Outlook::of(&board.ahead(&presence, now), presence.pixels_per_second()));
        drop((presence, board));
        *kept = Some((now, outlook.clone()));
        outlook
    }

    pub fn load(&self) -> Load {
        let (presence, board) = (self.shared.presence(), self.shared.board());
        let busy = board.busy();
        let count = |workers: usize| u32::try_from(workers).unwrap_or(u32::MAX);
        Load {
            workers_idle: count(presence.asking(self.now()).filter(|worker| !busy.contains_key(worker)).count()),
            workers_running: count(busy.len()),
            queue_depth: board.open_jobs().count_untouched(),
        }
    }

    /// Every agent that said hello since the daemon started.
    pub fn agents(&self) -> Vec<AgentView> {
        // In the one order in which both are ever held together.
        let presence = self.shared.presence();
        let board = self.shared.board();
        let mut held: Vec<_> = board.leases().collect();
        held.sort_by_key(|(lease, held)| (held.worker, *lease));
        let rests = |agent: AgentId, hello: &Hello| {
            let workers = hello.workers.iter().map(move |facts| (agent, facts.worker));
            workers
                .flat_map(|at| board.rests(at).into_iter().map(move |(work, breaker)| (at.1, work, breaker)))
                .collect()
        };
        let agents = presence.agents().map(|(agent, present)| AgentView {
            hello: present.hello.clone(),
            connected: present.is_connected(),
            last_seen: present.last_seen,
            in_hand: held
                .iter()
                .filter(|(_, held)| held.agent == *agent)
                .filter_map(|(lease, held)| {
                    let (part, attempt, progress) = board.in_hand(held)?;
                    Some(InHand {
                        worker: held.worker,
                        lease: *lease,
                        job: held.job,
                        part,
                        attempt,
                        progress,
                        deadline: held.deadline,
                    })
                })
                .collect(),
            duty: board.controls().duties.get(agent).copied(),
            condition: present.condition.clone(),
            rests: rests(*agent, &present.hello),
        });
        agents.collect()
    }

    /// What the operator has stopped.
    pub fn controls(&self) -> Controls {
        self.shared.board().controls().clone()
    }

    /// Why nothing of a job is being worked on, where that is not for want of a free worker alone. Looks at every worker.
    pub fn waiting(&self, job: &Job) -> Option<Waiting> {
        let (presence, board) = (self.shared.presence(), self.shared.board());
        board.waiting(&presence, job, self.now())
    }

    /// Whether the agent said hello since the daemon started.
    pub fn knows(&self, agent: AgentId) -> bool {
        self.shared.presence().agents().any(|(known, _)| *known == agent)
    }

    /// An agent that joined and was not revoked.
    pub fn member(&self, agent: AgentId) -> Result<Option<Agent>, FarmError> {
        Ok(self.stored()?.agent(agent)?.filter(Agent::is_member))
    }

    pub fn member_with_key(&self, key: Fingerprint) -> Result<Option<Agent>, FarmError> {
        Ok(self.stored()?.agent_with_key(key)?.filter(Agent::is_member))
    }

    /// Every agent that ever joined, in the order of joining.
    pub fn joined_agents(&self) -> Result<Vec<Agent>, FarmError> {
        Ok(self.stored()?.agents()?)
    }

    /// Active and revoked ones, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, FarmError> {
        Ok(self.stored()?.operators()?)
    }

    /// Who holds a lease now, and with which worker.
    pub fn holder(&self, lease: LeaseId) -> Option<(AgentId, u32)> {
        self.shared.board().held(lease).map(|held| (held.agent, held.worker))
    }

    /// What happens from now on, or what happened a while ago, too.
    pub fn events(&self, from: From) -> EventReader {
        self.shared.events.reader(from)
    }

    /// What was counted since the daemon started.
    pub fn tally(&self) -> Tally {
        self.shared.events.tally()
    }

    pub fn instruments(&self) -> Instruments {
        self.shared.events.instruments.clone()
    }

    pub fn leases_count(&self) -> u64 {
        self.shared.board().leases().count() as u64
    }

    /// What the store takes on its disk.
    pub fn store_bytes(&self) -> Result<u64, FarmError> {
        Ok(self.stored()?.size_bytes()?)
    }

    /// The job's story, oldest first.
    pub fn story(&self, job: JobId) -> Result<Vec<StoryLine>, FarmError> {
        Ok(self.stored()?.story(job)?)
    }

    /// Reports under a lease that was over, since the daemon started.
    pub fn late_reports(&self) -> u64 {
        self.shared.late_reports.load(Ordering::Relaxed)
    }

    /// Adds every ledger up again.
    pub fn audit(&self) -> Result<Audit, FarmError> {
        let store = self.stored()?;
        let mut audit = Audit::default();
        for account in store.accounts()? {
            let entries = store.entries(account.id)?;
            audit.accounts += 1;
            audit.entries += entries.len() as u64;
            if !ledger::consistent(&entries) {
                audit.differences.push(account.id);
            }
        }
        Ok(audit)
    }

    /// What a lease is for, while it is the current one.
    pub fn leased(&self, lease: LeaseId) -> Result<Option<LeasedWork>, FarmError> {
        let Some(held) = self.shared.board().held(lease) else { return Ok(None) };
        let store = self.stored()?;
        let Some(job) = store.job(held.job)? else { return Ok(None) };
        let Some(input) = store.file(job.input)? else { return Ok(None) };
        let Some(piece) = leases::piece(&job, held.spot) else { return Ok(None) };
        Ok(Some(LeasedWork { lease, lease_for: self.rules().lease_for, job, input, piece }))
    }

    pub(super) fn stored(&self) -> Result<&dyn Store, FarmError> {
        if self.shared.may_write() { Ok(self.store.as_ref()) } else { Err(FarmError::Unavailable) }
    }
}

fn view(job: Job, load: Load) -> JobView {
    let progress_percent = progress::percent(&job);
    JobView { job, load, progress_percent }
}
