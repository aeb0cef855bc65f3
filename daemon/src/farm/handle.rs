//! The farm's handle: what `http`, `rpc` and `sweep` call. Cheap to clone; commands return once their transaction is
//! durable. What it tells without changing anything is in `read`.

use super::{
    accounts,
    board::Board,
    command::{Command, Handed, Reply},
    events::Events,
    hand_out::Lookout,
    presence::Presence,
    stories::Stories,
    transaction::Made,
    writer::{Group, Writer},
};
pub use super::{
    clock::{Clock, SystemClock},
    error::FarmError,
    request::{
        Asked, Bought, Home, Idempotency, MoneyBack, NewAccount, NewKey, NewUpload, NewWebhook, Payer, Payment,
        Reversed, SignedIn, Submission, Submitted,
    },
    view::{AgentView, Audit, ClaimedNews, JobView, LeaseSweep, LeasedWork, Load, Piece},
};
use crate::{
    live::Live,
    model::*,
    retention::Lifetimes,
    schedule::{RetryRules, outlook::Outlook},
    store::Store,
};
use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, KeyId, LeaseId, ProjectId, Timestamp, Xeconds,
    join::{Fingerprint, JoinRefusal},
    operator::Role,
    service::{Condition, Hello, Receipt, Renewal},
    task::{EncodeSettings, EngineSettings, Outcome, Progress},
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
    /// How their frames between are made.
    pub engine: EngineSettings,
    /// Jobs that have not ended, of all accounts together.
    pub queue_jobs_max: u64,
    /// How long the first answer under an `Idempotency-Key` is given again.
    pub idempotency_for: Duration,
    pub keep: Lifetimes,
    pub webhooks: WebhookRules,
    /// How long a cancelled job's finished pieces are kept, so that it can go on; zero keeps nothing.
    pub undo_for: Duration,
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
    /// There is something to be said to the webhook of this job.
    TellWebhook(JobId),
    /// The project was deleted: delete what was uploaded to it and rendered in it.
    DeleteProject(ProjectId),
}

#[derive(Clone)]
pub struct Farm {
    commands: mpsc::Sender<Command>,
    pub(super) store: Arc<dyn Store>,
    rules: Live<FarmRules>,
    clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
    opened_at: Timestamp,
}

/// What the writer and the handles both look at.
#[derive(Default)]
pub(super) struct Shared {
    board: Mutex<Board>,
    presence: Mutex<Presence>,
    /// Those that wait for work are to be looked at for another reason than a command.
    pub(super) nudged: AtomicBool,
    /// An agent was revoked: whoever serves one looks whether it is theirs.
    pub(super) revoked: Notify,
    pub(super) events: Arc<Events>,
    pub(super) late_reports: AtomicU64,
    pub(super) totals: Totals,
    pub(super) closing: AtomicBool,
    /// Memory and disk may differ since a failed write: nothing is promised any more.
    failed: AtomicBool,
    /// When keys were last used, as far as the store does not know yet: a request costs no write.
    key_uses: Mutex<HashMap<KeyHash, Timestamp>>,
    /// When it was made, and what it says.
    outlook: Mutex<Option<(Timestamp, Arc<Outlook>)>>,
}

/// How much there is: counted once when the farm is opened, then kept.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) accounts: AtomicU64,
    pub(super) jobs: AtomicU64,
}

impl Totals {
    pub(super) fn add(&self, made: Made) {
        self.accounts.fetch_add(made.accounts, Ordering::Relaxed);
        self.jobs.fetch_add(made.jobs, Ordering::Relaxed);
    }
}

impl Shared {
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outlook(&self) -> MutexGuard<'_, Option<(Timestamp, Arc<Outlook>)>> {
        self.outlook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key_uses(&self) -> MutexGuard<'_, HashMap<KeyHash, Timestamp>> {
        self.key_uses.lock().unwrap_or_else(PoisonError::into_inner)
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
        let board = Mutex::new(Board::new(store.open_jobs()?, &store.accounts()?, store.controls()?));
        let shared = Arc::new(Shared { board, ..Shared::default() });
        let (accounts, jobs) = store.totals()?;
        shared.totals.add(Made { accounts, jobs });
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let sleep = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let sleep = sleep.map_err(|error| no_thread(&error))?;
        let rules = Live::new(rules);
        let writer = Writer {
            store: store.clone(),
            rules: rules.clone(),
            clock: clock.clone(),
            effects,
            shared: shared.clone(),
            commands: inbox,
            back: commands.downgrade(),
            sleep,
            lookout: Lookout::default(),
            group: Group::default(),
            stories: Stories::default(),
        };
        let (reply, extended) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("farm-writer".into());
        let started = thread.spawn(move || writer.start(reply));
        started.map_err(|error| no_thread(&error))?;
        extended.recv().unwrap_or(Err(FarmError::Unavailable))?;
        let opened_at = clock.now();
        Ok(Farm { commands, store, rules, clock, shared, opened_at })
    }

    /// As they are now.
    pub fn rules(&self) -> FarmRules {
        *self.rules.now()
    }

    /// For every command from now on; leases keep the deadline that they have.
    pub fn set_rules(&self, rules: FarmRules) {
        self.rules.set(rules);
    }

    /// When this life of the farm began.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Commands: they return when their transaction is durable. A dropped future loses the reply only.
impl Farm {
    /// Answers with the account and its balance.
    pub async fn add_account(&self, new: NewAccount) -> Result<(Account, Xeconds), FarmError> {
        self.send(|reply| Command::AddAccount { new, reply }).await
    }

    /// The account of a user whose token was verified; made at first sight, with the trial grant. However many ask at
    /// once, one account is made. Writes only when the token tells something new.
    pub async fn sign_in(&self, user: SignedIn) -> Result<Account, FarmError> {
        if let Some(known) = self.account(user.account)? {
            let reached = self.stored()?.account_with_email(&known.email)?;
            if !accounts::tells_news(&known, reached, &accounts::in_one_form(&user.email), user.issued_at) {
                return Ok(known);
            }
        }
        self.send(|reply| Command::SignIn { user, reply }).await
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

    /// Takes a purchase back whose money was returned; the same event again is answered as at first.
    pub async fn reverse(&self, back: MoneyBack) -> Result<Reversed, FarmError> {
        self.send(|reply| Command::Reverse { back, reply }).await
    }

    /// The account's earlier key stops working in the same transaction.
    pub async fn rotate_key(&self, id: AccountId, new: KeyHash) -> Result<(), FarmError> {
        self.send(|reply| Command::RotateKey { account: id, new, reply }).await
    }

    /// False when there was no active key.
    pub async fn revoke_key(&self, id: AccountId) -> Result<bool, FarmError> {
        self.send(|reply| Command::RevokeKey { account: id, reply }).await
    }

    /// One more `afk` key.
    pub async fn add_named_key(&self, account: AccountId, new: NewKey) -> Result<ApiKey, FarmError> {
        self.send(|reply| Command::AddNamedKey { account, new, reply }).await
    }

    /// It stops working at once. False when it was revoked before.
    pub async fn revoke_named_key(&self, account: AccountId, key: KeyId) -> Result<bool, FarmError> {
        self.send(|reply| Command::RevokeNamedKey { account, key, reply }).await
    }

    /// Writes down when keys were last used.
    pub async fn save_key_uses(&self) -> Result<(), FarmError> {
        let uses: Vec<_> = std::mem::take(&mut *self.shared.key_uses()).into_iter().collect();
        if uses.is_empty() {
            return Ok(());
        }
        self.send(|reply| Command::SaveKeyUses { uses, reply }).await
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
        let text = format!("{} said hello: release {}, {} workers", hello.name, hello.version, hello.workers.len());
        self.shared.presence().hello(hello, self.now());
        self.nudge();
        self.tell(What::AgentHello, About { agent: Some(agent), ..About::default() }, text);
        let board = self.shared.board();
        let mut leases: Vec<_> = board.leases().filter(|(_, held)| held.agent == agent).map(|(id, _)| id).collect();
        leases.sort_unstable();
        Ok(leases)
    }

    /// Tells of something that no transaction of the farm's is about: who came, what a sweep did.
    pub fn tell(&self, what: What, about: About, text: impl Into<String>) {
        self.shared.events.tell([Event::new(self.now(), what, about, text)]);
    }

    /// How an agent says it is.
    pub fn says(&self, agent: AgentId, condition: Condition) {
        if self.shared.presence().says(agent, condition, self.now()) {
            self.nudge();
        }
    }

    /// Something changed for those that wait for work. A writer that has no room for one more command is awake, and looks.
    fn nudge(&self) {
        self.shared.nudged.store(true, Ordering::SeqCst);
        let _ = self.commands.try_send(Command::Look);
    }

    /// How fast a worker's last render was.
    pub fn measured(&self, agent: AgentId, worker: u32, pixels_per_second: u64) {
        self.shared.presence().measured(agent, worker, pixels_per_second);
    }

    /// One connection of the agent closed.
    pub fn agent_gone(&self, agent: AgentId) {
        let mut presence = self.shared.presence();
        presence.gone(agent, self.now());
        self.nudge();
        if let Some(name) = presence.name(agent).filter(|_| !presence.is_connected(agent)) {
            let text = format!("{name} is gone: its connection closed");
            drop(presence);
            self.tell(What::AgentGone, About { agent: Some(agent), ..About::default() }, text);
        }
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
        self.stored()?;
        let is_in_haste = wait.is_zero();
        let handed = self.send(|reply| Command::LeaseNext { agent, worker, is_in_haste, reply });
        let handed = match is_in_haste {
            true => handed.await?,
            // The writer sees that nobody listens any more; what it sent in that very moment is given back.
            false => tokio::time::timeout(wait, handed).await.unwrap_or(Ok(None))?,
        };
        Ok(handed.map(Handed::take))
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

    /// Takes what is to be said to a job's webhook now; whoever takes it sends it, and says what became of it.
    pub async fn claim_news(&self, job: JobId) -> Result<Option<ClaimedNews>, FarmError> {
        self.send(|reply| Command::ClaimNews { job, reply }).await
    }

    /// `outcome`: the status of the answer, or why there was none.
    pub async fn settle_news(
        &self,
        job: JobId,
        news: News,
        outcome: Result<u16, String>,
    ) -> Result<Webhook, FarmError> {
        self.send(|reply| Command::SettleNews { job, news, outcome, reply }).await
    }

    /// The bytes of these files are gone: those past their time are marked deleted; how many there were.
    pub async fn expire_files(&self, files: Vec<FileId>) -> Result<u64, FarmError> {
        self.send(|reply| Command::ExpireFiles { files, reply }).await
    }

    /// By the operator: a file is kept past its time, or not any more.
    pub async fn pin(&self, file: FileId, pinned: bool) -> Result<MediaFile, FarmError> {
        self.send(|reply| Command::Pin { file, pinned, reply }).await
    }

    /// None when somebody who may use the operator API has the name.
    pub async fn add_operator(
        &self,
        name: String,
        role: Role,
        token: SecretHash,
    ) -> Result<Option<Operator>, FarmError> {
        self.send(|reply| Command::AddOperator { name, role, token, reply }).await
    }

    /// False when there was none, or it was revoked before.
    pub async fn revoke_operator(&self, name: String) -> Result<bool, FarmError> {
        self.send(|reply| Command::RevokeOperator { name, reply }).await
    }

    /// A new invitation; an earlier one for the same name opens nothing any more.
    pub async fn invite(&self, name: String, secret: SecretHash, valid_for: Duration) -> Result<Invite, FarmError> {
        self.send(|reply| Command::Invite { name, secret, valid_for, reply }).await
    }

    /// The agent whose key this is, from now on. However many come with one invitation, one gets in.
    pub async fn join(
        &self,
        name: String,
        secret: SecretHash,
        key: Fingerprint,
    ) -> Result<Result<Agent, JoinRefusal>, FarmError> {
        self.send(|reply| Command::Join { name, secret, key, reply }).await
    }

    /// It is out from now on: its leases go to others, its connections end.
    pub async fn revoke(&self, agent: AgentId) -> Result<Agent, FarmError> {
        self.send(|reply| Command::Revoke { agent, reply }).await
    }

    /// A device of an agent on probation rendered the probe rightly.
    pub async fn prove(&self, agent: AgentId, device: String) -> Result<Agent, FarmError> {
        self.send(|reply| Command::Prove { agent, device, reply }).await
    }

    /// Ends once this agent is no member any more.
    pub async fn until_revoked(&self, agent: AgentId) {
        loop {
            let changed = self.shared.revoked.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.member(agent) {
                Ok(Some(_)) => changed.await,
                // A store that cannot be read tells nobody that an agent is still a member.
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Forgets the first answers of idempotency keys that are past their time; says how many.
    pub async fn forget_answers(&self) -> Result<u64, FarmError> {
        self.send(|reply| Command::ForgetAnswers { reply }).await
    }

    /// Answered when the writer is at work, after the commands before it.
    pub async fn pulse(&self) -> Result<(), FarmError> {
        self.send(|reply| Command::Pulse { reply }).await
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

    /// Store and keys in one file, consistent whatever goes on; see `backup`. Commands wait while the store is copied.
    pub async fn back_up(&self, state_folder: PathBuf) -> Result<File, FarmError> {
        self.send(|reply| Command::BackUp { state_folder, reply }).await
    }

    pub(super) async fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, FarmError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Why the writer does not answer.
    fn gone(&self) -> FarmError {
        if self.shared.closing.load(Ordering::SeqCst) { FarmError::Closing } else { FarmError::Unavailable }
    }
}

fn no_thread(error: &std::io::Error) -> FarmError {
    tracing::error!(%error, "the writer's thread could not be started");
    FarmError::Unavailable
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
