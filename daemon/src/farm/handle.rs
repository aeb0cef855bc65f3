//! The farm's handle: what `http`, `rpc` and `sweep` call. Cheap to clone; reads see committed state, commands
//! return once their transaction is durable.

use super::{
    board::Board,
    command::{Command, NextWork, Reply},
    leases,
    presence::Presence,
    writer::{Group, Writer},
};
pub use super::{
    clock::{Clock, SystemClock},
    error::FarmError,
    request::{Bought, Idempotency, NewAccount, NewUpload, Payer, Payment, Submission, Submitted},
    view::{AgentView, Audit, JobView, LeaseSweep, LeasedWork, Load, Piece},
};
use crate::{
    ledger,
    model::*,
    retention::Lifetimes,
    schedule::{RetryRules, progress},
    store::Store,
};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, LeaseId, ProjectId, Timestamp, Xeconds,
    service::{Hello, Receipt, Renewal},
    task::{EncodeSettings, Outcome, Progress},
};

/// Commands that may wait for the writer. When it is full, callers wait; their servers' own limits turn more away.
const COMMANDS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarmRules {
    /// A lease ends this long after it was handed out or last renewed.
    pub lease_for: Duration,
    /// Attempts of one segment before its job fails; the first one counts.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled for each one after it.
    pub retry_after: Duration,
    pub segment_slots_max: u64,
    /// How the outputs of jobs submitted from now on are encoded.
    pub encode: EncodeSettings,
    /// Jobs that have not ended, of all accounts together.
    pub queue_jobs_max: u64,
    /// How long the first answer under an `Idempotency-Key` is given again.
    pub idempotency_for: Duration,
    pub keep: Lifetimes,
}

impl FarmRules {
    pub(super) fn retry(&self) -> RetryRules {
        RetryRules { attempts_max: self.attempts_max, retry_after: self.retry_after }
    }
}

/// What is to be done outside the store after a transaction is durable. Doing it twice is harmless, and what a crash
/// kept from being done is found by a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The job ended: delete its `work/{job}/`.
    DeleteWork(JobId),
    /// The project was deleted: delete what was uploaded to it and rendered in it.
    DeleteProject(ProjectId),
}

#[derive(Clone)]
pub struct Farm {
    commands: mpsc::Sender<Command>,
    store: Arc<dyn Store>,
    rules: FarmRules,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

/// What the writer and the handles both look at.
#[derive(Default)]
pub(super) struct Shared {
    board: Mutex<Board>,
    presence: Mutex<Presence>,
    /// Workers that wait for work are woken here.
    pub(super) work: Notify,
    pub(super) late_reports: AtomicU64,
    pub(super) closing: AtomicBool,
    /// Memory and disk may differ since a failed write: nothing is promised any more.
    failed: AtomicBool,
}

impl Shared {
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn may_write(&self) -> bool {
        !self.failed.load(Ordering::SeqCst)
    }
}

impl Farm {
    /// Reads the jobs under way and starts the writer's thread. Every lease gets its full time again, since its
    /// agent could not renew it while no daemon ran. Not from async code: it waits for the disk.
    pub fn open(
        store: Arc<dyn Store>,
        rules: FarmRules,
        clock: Arc<dyn Clock>,
        effects: mpsc::Sender<Effect>,
    ) -> Result<Farm, FarmError> {
        let board = Mutex::new(Board::new(store.open_jobs()?));
        let shared = Arc::new(Shared { board, ..Shared::default() });
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let writer = Writer {
            store: store.clone(),
            rules,
            clock: clock.clone(),
            effects,
            shared: shared.clone(),
            commands: inbox,
            group: Group::default(),
        };
        let (reply, extended) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("farm-writer".into());
        let started = thread.spawn(move || writer.start(reply));
        started.map_err(|error| {
            tracing::error!(%error, "the writer's thread could not be started");
            FarmError::Unavailable
        })?;
        extended.recv().unwrap_or(Err(FarmError::Unavailable))?;
        Ok(Farm { commands, store, rules, clock, shared })
    }

    pub fn rules(&self) -> &FarmRules {
        &self.rules
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Reads: committed state, cheap, synchronous. A transaction may be seen a moment before it is durable.
impl Farm {
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, FarmError> {
        Ok(self.stored()?.account(id)?)
    }

    pub fn accounts(&self) -> Result<Vec<Account>, FarmError> {
        Ok(self.stored()?.accounts()?)
    }

    /// Active keys only.
    pub fn account_of_key(&self, hash: KeyHash) -> Result<Option<Account>, FarmError> {
        let store = self.stored()?;
        let active = store.key(hash)?.filter(|key| key.revoked_at.is_none());
        Ok(active.map(|key| store.account(key.account)).transpose()?.flatten())
    }

    pub fn active_key_hash(&self, id: AccountId) -> Result<Option<KeyHash>, FarmError> {
        Ok(self.stored()?.active_key(id)?.map(|key| key.hash))
    }

    pub fn balance(&self, id: AccountId) -> Result<Xeconds, FarmError> {
        Ok(ledger::balance(self.stored()?.last_entry(id)?.as_ref()))
    }

    /// What the account has paid for packs, in cents of a dollar.
    pub fn spent_usd_cents(&self, id: AccountId) -> Result<i64, FarmError> {
        Ok(ledger::spent_usd_cents(&self.stored()?.entries(id)?))
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

    /// In order of id, from the one after `after`.
    pub fn files(&self, after: Option<FileId>, limit: usize) -> Result<Vec<MediaFile>, FarmError> {
        Ok(self.stored()?.files(after, limit)?)
    }

    /// The inputs of the jobs that have not ended.
    pub fn inputs_in_use(&self) -> Result<HashSet<FileId>, FarmError> {
        Ok(self.stored()?.open_jobs()?.into_iter().map(|job| job.input).collect())
    }

    pub fn file_by_key(&self, key: &ObjectKey) -> Result<Option<MediaFile>, FarmError> {
        Ok(self.stored()?.file_with_key(key)?)
    }

    pub fn job(&self, id: JobId) -> Result<Option<JobView>, FarmError> {
        Ok(self.stored()?.job(id)?.map(|job| view(job, self.load())))
    }

    /// Newest first; only jobs created before `before`.
    pub fn jobs_of(&self, id: AccountId, limit: usize, before: Option<Timestamp>) -> Result<Vec<Job>, FarmError> {
        Ok(self.stored()?.jobs_of(id, limit, before)?)
    }

    /// Of all accounts, newest first.
    pub fn jobs_recent(&self, limit: usize) -> Result<Vec<JobView>, FarmError> {
        let load = self.load();
        Ok(self.stored()?.jobs_recent(limit)?.into_iter().map(|job| view(job, load)).collect())
    }

    pub fn load(&self) -> Load {
        let asking: Vec<(AgentId, u32)> = self.shared.presence().asking(self.now()).collect();
        let board = self.shared.board();
        let busy: HashSet<(AgentId, u32)> = board.leases().map(|(_, held)| (held.agent, held.worker)).collect();
        let count = |workers: usize| u32::try_from(workers).unwrap_or(u32::MAX);
        Load {
            workers_idle: count(asking.iter().filter(|worker| !busy.contains(worker)).count()),
            workers_running: count(busy.len()),
            queue_depth: board.untouched_jobs(),
        }
    }

    /// Every agent that said hello since the daemon started.
    pub fn agents(&self) -> Vec<AgentView> {
        let mut held: Vec<_> = self.shared.board().leases().collect();
        held.sort_by_key(|(lease, held)| (held.worker, *lease));
        let presence = self.shared.presence();
        let agents = presence.agents().map(|(agent, present)| AgentView {
            hello: present.hello.clone(),
            connected: present.is_connected(),
            last_seen: present.last_seen,
            in_hand: held
                .iter()
                .filter(|(_, held)| held.agent == *agent)
                .map(|(lease, held)| (held.worker, *lease, held.job))
                .collect(),
        });
        agents.collect()
    }

    /// Whether the agent said hello since the daemon started.
    pub fn knows(&self, agent: AgentId) -> bool {
        self.shared.presence().agents().any(|(known, _)| *known == agent)
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
        Ok(Some(LeasedWork { lease, lease_for: self.rules.lease_for, job, input, piece }))
    }

    fn stored(&self) -> Result<&dyn Store, FarmError> {
        if self.shared.may_write() { Ok(self.store.as_ref()) } else { Err(FarmError::Unavailable) }
    }
}

/// Commands: they return when their transaction is durable. A dropped future loses the reply only.
impl Farm {
    /// Answers with the account and its balance.
    pub async fn add_account(&self, new: NewAccount) -> Result<(Account, Xeconds), FarmError> {
        self.send(|reply| Command::AddAccount { new, reply }).await
    }

    /// The account of a user whose token was verified; made at first sight, with the trial grant. However many ask at
    /// once, one account is made.
    pub async fn sign_in(&self, id: AccountId, email: &str) -> Result<Account, FarmError> {
        if let Some(known) = self.account(id)? {
            return Ok(known);
        }
        let email = email.to_owned();
        self.send(|reply| Command::SignIn { account: id, email, reply }).await
    }

    /// By the operator; paid credit makes the tier paid. Answers with the new balance.
    pub async fn grant(
        &self,
        id: AccountId,
        amount: Xeconds,
        reason: String,
        credit: Credit,
    ) -> Result<Xeconds, FarmError> {
        self.send(|reply| Command::Grant { account: id, amount, reason, credit, reply }).await
    }

    /// A correction by the operator, up or down to 0. Answers with the new balance.
    pub async fn adjust(&self, id: AccountId, change: Xeconds, reason: String) -> Result<Xeconds, FarmError> {
        self.send(|reply| Command::Adjust { account: id, change, reason, reply }).await
    }

    /// Books a payment; the same event again is answered as at first.
    pub async fn buy(&self, payment: Payment) -> Result<Bought, FarmError> {
        self.send(|reply| Command::Buy { payment, reply }).await
    }

    /// The account's earlier key stops working in the same transaction.
    pub async fn rotate_key(&self, id: AccountId, new: KeyHash) -> Result<(), FarmError> {
        self.send(|reply| Command::RotateKey { account: id, new, reply }).await
    }

    /// False when there was no active key.
    pub async fn revoke_key(&self, id: AccountId) -> Result<bool, FarmError> {
        self.send(|reply| Command::RevokeKey { account: id, reply }).await
    }

    pub async fn add_project(&self, account: AccountId, name: String) -> Result<Project, FarmError> {
        self.send(|reply| Command::AddProject { account, name, reply }).await
    }

    /// Answers with the token that opens the project: the one it had, or `new`.
    pub async fn share(
        &self,
        account: AccountId,
        project: ProjectId,
        new: ShareToken,
    ) -> Result<ShareToken, FarmError> {
        self.send(|reply| Command::Share { account, project, new, reply }).await
    }

    /// False when the project was not shared.
    pub async fn unshare(&self, account: AccountId, project: ProjectId) -> Result<bool, FarmError> {
        self.send(|reply| Command::Unshare { account, project, reply }).await
    }

    /// Jobs under way fail and are refunded; files and share are gone.
    pub async fn delete_project(&self, account: AccountId, project: ProjectId) -> Result<(), FarmError> {
        self.send(|reply| Command::DeleteProject { account, project, reply }).await
    }

    pub async fn new_upload(&self, upload: NewUpload) -> Result<MediaFile, FarmError> {
        self.send(|reply| Command::NewUpload { upload, reply }).await
    }

    /// The bytes are in the blob store; `Pinned` when a job has used the earlier ones.
    pub async fn upload_stored(&self, key: ObjectKey, size_bytes: u64, sha256: String) -> Result<MediaFile, FarmError> {
        self.send(|reply| Command::UploadStored { key, size_bytes, sha256, reply }).await
    }

    pub async fn remember_facts(&self, id: FileId, facts: SourceFacts) -> Result<(), FarmError> {
        self.send(|reply| Command::RememberFacts { file: id, facts: Box::new(facts), reply }).await
    }

    pub async fn submit(&self, submission: Submission) -> Result<Submitted, FarmError> {
        self.send(|reply| Command::Submit { submission: Box::new(submission), reply }).await
    }

    /// By the operator: refunds in full. A job that has ended stays as it is.
    pub async fn cancel(&self, id: JobId) -> Result<Job, FarmError> {
        self.send(|reply| Command::Cancel { job: id, reply }).await
    }

    /// Answers with the leases the agent still holds. Each hello is to be followed by one `agent_gone`.
    pub async fn hello(&self, hello: Hello) -> Result<Vec<LeaseId>, FarmError> {
        self.stored()?;
        let agent = hello.agent;
        self.shared.presence().hello(hello, self.now());
        let board = self.shared.board();
        let mut leases: Vec<_> = board.leases().filter(|(_, held)| held.agent == agent).map(|(id, _)| id).collect();
        leases.sort_unstable();
        Ok(leases)
    }

    /// One connection of the agent closed.
    pub fn agent_gone(&self, agent: AgentId) {
        self.shared.presence().gone(agent, self.now());
    }

    /// The next piece of work for a worker, or none after `wait`. `NotFound` when the agent or this worker of it has
    /// not been introduced.
    pub async fn lease_next(
        &self,
        agent: AgentId,
        worker: u32,
        wait: Duration,
    ) -> Result<Option<LeasedWork>, FarmError> {
        if !self.shared.presence().asks(agent, worker, self.now()) {
            return Err(FarmError::NotFound { what: "worker" });
        }
        let _asking = Asking { farm: self, agent, worker };
        let until = tokio::time::Instant::now() + wait;
        loop {
            // Registered before asking, so that work that arrives between the answer and the wait is not missed.
            let woken = self.shared.work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let back = self.commands.downgrade();
            let ready_at = match self.send(|reply| Command::LeaseNext { agent, worker, back, reply }).await? {
                NextWork::Work(handed) => return Ok(Some(handed.take())),
                NextWork::Nothing { ready_at } => ready_at,
            };
            let retry_at = ready_at.map(|ready_at| tokio::time::Instant::now() + ready_at.since(self.now()));
            let sleep_until = retry_at.map_or(until, |retry_at| retry_at.min(until));
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep_until(sleep_until) => {
                    if tokio::time::Instant::now() >= until {
                        return Ok(None);
                    }
                }
            }
        }
    }

    pub async fn renew(&self, lease: LeaseId, progress: Progress) -> Result<Renewal, FarmError> {
        self.seen_holding(lease);
        self.send(|reply| Command::Renew { lease, progress, reply }).await
    }

    /// Ends a lease with an outcome; `rpc` has compared the delivered object with the report before.
    pub async fn report(&self, lease: LeaseId, outcome: Outcome) -> Result<Receipt, FarmError> {
        self.seen_holding(lease);
        self.send(|reply| Command::Report { lease, outcome: Box::new(outcome), reply }).await
    }

    /// Unfinished and without blame: the piece is ready again at once and the attempt does not count.
    pub async fn give_back(&self, lease: LeaseId) -> Result<Receipt, FarmError> {
        self.seen_holding(lease);
        self.send(|reply| Command::GiveBack { lease, reply }).await
    }

    /// Pieces whose lease ran out go back to ready, or fail their job.
    pub async fn expire_leases(&self) -> Result<LeaseSweep, FarmError> {
        self.send(|reply| Command::ExpireLeases { reply }).await
    }

    /// The bytes of these files are gone: those past their time are marked deleted; how many there were.
    pub async fn expire_files(&self, files: Vec<FileId>) -> Result<u64, FarmError> {
        self.send(|reply| Command::ExpireFiles { files, reply }).await
    }

    /// Forgets the first answers of idempotency keys that are past their time; says how many.
    pub async fn forget_answers(&self) -> Result<u64, FarmError> {
        self.send(|reply| Command::ForgetAnswers { reply }).await
    }

    /// Finishes the commands before it, makes them durable and ends the writer; whatever comes after is `Closing`.
    pub async fn close(self) {
        if let Err(error) = self.send(|reply| Command::Close { reply }).await {
            tracing::warn!(%error, "the farm was closed already, or not cleanly");
        }
    }

    fn seen_holding(&self, lease: LeaseId) {
        let held = self.shared.board().held(lease);
        if let Some(held) = held {
            self.shared.presence().seen(held.agent, self.now());
        }
    }

    async fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, FarmError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Why the writer does not answer.
    fn gone(&self) -> FarmError {
        if self.shared.closing.load(Ordering::SeqCst) { FarmError::Closing } else { FarmError::Unavailable }
    }
}

/// A worker that waits for work; it stops waiting when its call is dropped, too.
struct Asking<'a> {
    farm: &'a Farm,
    agent: AgentId,
    worker: u32,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.farm.shared.presence().asked(self.agent, self.worker, self.farm.now());
    }
}

fn view(job: Job, load: Load) -> JobView {
    let progress_percent = progress::percent(&job);
    JobView { job, load, progress_percent }
}
