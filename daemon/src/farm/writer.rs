//! The one writer: takes the commands that wait, applies each, makes all durable with one sync, then answers.

use super::{
    accounts, agents,
    board::Held,
    clock::Clock,
    command::{Command, Reply},
    controls::{self, Order},
    crash,
    error::FarmError,
    hand_out::Lookout,
    handle::{Effect, FarmRules, Shared},
    jobs, leases, money, operators, projects,
    stories::Stories,
    transaction::Transaction,
    uploads,
    view::LeaseSweep,
    webhooks,
};
use crate::{
    backup,
    live::Live,
    model::{Agent, Duty, Event, Spot},
    store::{Store, Write},
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId,
    service::{Receipt, Renewal},
    task::{FailureClass, Outcome},
};

/// Commands made durable by one sync, at most: keeps the first one's wait short when many arrive.
const GROUP_MAX: usize = 128;

pub(super) struct Writer {
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Live<FarmRules>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) effects: mpsc::Sender<Effect>,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// The way back for a lease that nobody takes.
    pub(super) back: mpsc::WeakSender<Command>,
    /// Waits for the next command or the next moment at which there is something to do.
    pub(super) sleep: tokio::runtime::Runtime,
    pub(super) lookout: Lookout,
    pub(super) group: Group,
    pub(super) stories: Stories,
}

/// What the commands of one group ask for once they are durable.
#[derive(Default)]
pub(super) struct Group {
    answers: Vec<Answer>,
    effects: Vec<Effect>,
    events: Vec<Event>,
    needs_sync: bool,
    works: Vec<&'static str>,
}

/// Sends a reply that has waited for the sync; told whether the sync succeeded.
type Answer = Box<dyn FnOnce(bool) + Send>;

enum Next {
    Command(Command),
    /// Not yet, but a moment that was waited for is there.
    Nothing,
    End,
}

/// Whether the reply to a command is a promise that a power cut may not break.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    Durable,
    /// Losing it costs nothing: leases get their full time again after a restart, and when a key was last used is known
    /// to the minute.
    Cheap,
}

impl Writer {
    /// The thread's body. Says on `started` that leases have their full time again, then serves until it is closed.
    pub(super) fn start(mut self, started: std::sync::mpsc::SyncSender<Result<(), FarmError>>) {
        let (reply, mut extended) = oneshot::channel();
        self.apply(Command::ExtendLeases { reply });
        let (reply, mut recovered) = oneshot::channel();
        self.apply(Command::RecoverNews { reply });
        self.settle();
        let mut taken = [extended.try_recv(), recovered.try_recv()].into_iter();
        let extended = taken.try_for_each(|result| result.unwrap_or(Err(FarmError::Unavailable)));
        let serves = extended.is_ok();
        // Nobody listens when opening was abandoned; then every handle is gone and `run` ends at once.
        let _ = started.send(extended);
        if serves {
            self.run();
        }
    }

    fn run(mut self) {
        let mut is_busy = false;
        loop {
            let first = match self.next_command(is_busy) {
                Next::Command(command) => Some(command),
                Next::Nothing => None,
                // Every handle is gone.
                Next::End => return self.close(oneshot::channel().0),
            };
            let mut waiting: Vec<Command> = first.into_iter().collect();
            while waiting.len() < GROUP_MAX
                && let Ok(next) = self.commands.try_recv()
            {
                waiting.push(next);
            }
            let mut closed = None;
            for command in waiting {
                match command {
                    // Whatever waits behind it is dropped, and its callers learn that the farm is closing.
                    Command::Close { reply } => {
                        self.shared.closing.store(true, Ordering::SeqCst);
                        closed = Some(reply);
                        break;
                    }
                    command => self.apply(command),
                }
            }
            is_busy = closed.is_none() && self.hand_out();
            self.settle();
            if let Some(reply) = closed {
                return self.close(reply);
            }
        }
    }

    /// Waits for it, but not past the moment at which something may be handed out; not at all while work is left over.
    fn next_command(&mut self, is_busy: bool) -> Next {
        let alarm = if is_busy { Some(Duration::ZERO) } else { self.alarm() };
        let commands = &mut self.commands;
        let received = self.sleep.block_on(async {
            match alarm {
                Some(alarm) => tokio::time::timeout(alarm, commands.recv()).await.ok(),
                None => Some(commands.recv().await),
            }
        });
        match received {
            Some(Some(command)) => Next::Command(command),
            Some(None) => Next::End,
            None => Next::Nothing,
        }
    }

    fn close(mut self, reply: Reply<()>) {
        self.commands.close();
        let synced = self.store.sync().map_err(FarmError::from);
        // Whoever waits for work hears that the farm is closed.
        self.shared.closing.store(true, Ordering::SeqCst);
        drop(self.commands);
        drop(self.lookout);
        drop(self.store);
        // Who asked may have given up waiting; the store is closed either way.
        let _ = reply.send(synced);
    }

    /// One sync for the whole group, then its effects and replies.
    fn settle(&mut self) {
        let group = std::mem::take(&mut self.group);
        let durable = !group.needs_sync || self.shared.may_write() && self.sync();
        group.works.iter().for_each(|work| crash::reach(Some(work), "synced"));
        // Who has an answer finds what it did among the events, and its effects under way.
        if durable {
            self.shared.events.tell(group.events);
            for effect in group.effects {
                // When the queue is full, the sweep of orphans does what this effect would have done.
                if let Err(error) = self.effects.try_send(effect) {
                    tracing::debug!(%error, "an effect is left to the sweep");
                }
            }
        }
        for answer in group.answers {
            answer(durable);
        }
        group.works.iter().for_each(|work| crash::reach(Some(work), "answered"));
    }

    fn sync(&self) -> bool {
        let started = std::time::Instant::now();
        let synced = self.store.sync();
        self.shared.events.instruments.sync_seconds.observe(started.elapsed().as_secs_f64());
        if let Err(error) = &synced {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the store could not be made durable: the farm takes no more commands until it is restarted"
            );
            self.shared.fail();
        }
        synced.is_ok()
    }

    fn apply(&mut self, command: Command) {
        let rules = *self.rules.now();
        match command {
            Command::AddAccount { new, reply } => self.answer(reply, |tx| accounts::add(tx, new)),
            Command::SignIn { user, reply } => self.answer(reply, |tx| accounts::sign_in(tx, user)),
            Command::Grant { account, amount, reason, credit, reply } => {
                self.answer(reply, |tx| money::grant(tx, account, amount, reason, credit));
            }
            Command::Adjust { account, change, reason, reply } => {
                self.answer(reply, |tx| money::adjust(tx, account, change, reason));
            }
            Command::Buy { payment, reply } => self.answer(reply, |tx| money::buy(tx, payment)),
            Command::Reverse { back, reply } => self.answer(reply, |tx| money::reverse(tx, back)),
            Command::RotateKey { account, new, reply } => {
                self.answer(reply, |tx| accounts::rotate_key(tx, account, new));
            }
            Command::RevokeKey { account, reply } => self.answer(reply, |tx| accounts::revoke_key(tx, account)),
            Command::AddNamedKey { account, new, reply } => {
                self.answer(reply, |tx| accounts::add_named_key(tx, account, new));
            }
            Command::RevokeNamedKey { account, key, reply } => {
                self.answer(reply, |tx| accounts::revoke_named_key(tx, account, key));
            }
            Command::SaveKeyUses { uses, reply } => {
                let result = self.change(Promise::Cheap, |tx| {
                    uses.into_iter().for_each(|(key, at)| tx.put(Write::PutKeyUse { key, at }));
                    Ok(())
                });
                self.reply_once_durable(reply, result);
            }
            Command::BackUp { state_folder, reply } => {
                let made = backup::make(&*self.store, &state_folder).map_err(|error| {
                    tracing::error!(error = &error as &dyn std::error::Error, "no backup could be made");
                    FarmError::Unavailable
                });
                self.reply_once_durable(reply, made);
            }
            Command::AddProject { account, name, reply } => {
                self.answer(reply, |tx| projects::add(tx, account, name));
            }
            Command::Share { account, project, new, reply } => {
                self.answer(reply, |tx| projects::share(tx, account, project, new));
            }
            Command::Unshare { account, project, reply } => {
                self.answer(reply, |tx| projects::unshare(tx, account, project));
            }
            Command::DeleteProject { account, project, reply } => {
                self.answer(reply, |tx| projects::delete(tx, account, project));
            }
            Command::NewUpload { upload, reply } => self.answer(reply, |tx| uploads::announce(tx, &rules, upload)),
            Command::UploadStored { key, size_bytes, sha256, reply } => {
                self.answer(reply, |tx| uploads::stored(tx, &key, size_bytes, sha256));
            }
            Command::RememberFacts { file, facts, reply } => {
                self.answer(reply, |tx| uploads::remember_facts(tx, file, *facts));
            }
            Command::Submit { submission, reply } => {
                let open_jobs = self.shared.board().open_jobs().count();
                self.answer(reply, |tx| jobs::submit(tx, &rules, open_jobs, *submission));
            }
            Command::Cancel { job, reply } => self.answer(reply, |tx| jobs::cancel(tx, &rules, job)),
            Command::UndoCancel { job, reply } => self.answer(reply, |tx| jobs::undo_cancel(tx, job)),
            Command::Retry { job, reply } => {
                let open_jobs = self.shared.board().open_jobs().count();
                self.answer(reply, |tx| jobs::retry(tx, &rules, open_jobs, job));
            }
            Command::ForgetCancelled { reply } => {
                let due = self.shared.board().kept_until(self.clock.now());
                self.answer(reply, |tx| jobs::forget_cancelled(tx, due));
            }
            Command::PauseQueue { paused, reply } => self.answer(reply, |tx| controls::pause_queue(tx, paused)),
            Command::PauseJob { job, paused, reply } => self.answer(reply, |tx| controls::pause_job(tx, job, paused)),
            Command::Prioritise { job, priority, reply } => {
                self.answer(reply, |tx| controls::prioritise(tx, job, priority));
            }
            Command::Weigh { account, weight, reply } => {
                self.answer(reply, |tx| controls::weigh(tx, account, weight));
            }
            Command::Order { agent, order, reply } => self.order(agent, order, reply),
            Command::LeaseNext { agent, worker, is_in_haste, reply } => {
                self.lookout.join((agent, worker), is_in_haste, reply);
            }
            // Those that wait are looked at after the commands.
            Command::Look => {}
            Command::Renew { lease, progress, reply } => {
                let found = self.find(lease);
                let result = self.change(Promise::Cheap, |tx| leases::renew(tx, &rules, found, lease, progress));
                if matches!(result, Ok(Renewal::Lost)) {
                    tracing::debug!(%lease, "a renewal came for a lease that is over");
                }
                self.reply_once_durable(reply, result);
            }
            Command::Report { lease, outcome, reply } => {
                let found = self.find(lease);
                let is_of_clip = matches!(&*outcome, Outcome::Failed(failure) if failure.class == FailureClass::Input);
                let other_agent = is_of_clip && self.could_another_agent(lease);
                let result =
                    self.change(Promise::Durable, |tx| leases::report(tx, &rules, found, lease, *outcome, other_agent));
                if matches!(result, Ok(Receipt::Stale)) {
                    self.shared.late_reports.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(%lease, "a report came under a lease that is over: nothing changed");
                }
                self.reply_once_durable(reply, result);
            }
            Command::GiveBack { lease, reply } => {
                let found = self.find(lease);
                self.answer(reply, |tx| leases::give_back(tx, &rules, found, lease));
            }
            Command::ExpireLeases { reply } => {
                self.lookout.forget_gone();
                self.expire_leases(reply);
            }
            Command::ExtendLeases { reply } => {
                let leased = self.shared.board().leased_jobs();
                self.answer(reply, |tx| leased.into_iter().try_for_each(|job| leases::extend(tx, &rules, job)));
            }
            Command::ClaimNews { job, reply } => self.answer(reply, |tx| webhooks::claim(tx, job)),
            Command::SettleNews { job, news, outcome, reply } => {
                self.answer(reply, |tx| webhooks::settle(tx, rules.webhooks, job, news, outcome));
            }
            Command::RecoverNews { reply } => self.answer(reply, |tx| webhooks::recover(tx, rules.webhooks)),
            Command::ExpireFiles { files, reply } => self.answer(reply, |tx| uploads::expire(tx, &files)),
            Command::Pin { file, pinned, reply } => self.answer(reply, |tx| uploads::pin(tx, file, pinned)),
            Command::AddOperator { name, role, token, reply } => {
                self.answer(reply, |tx| operators::add(tx, name, role, token));
            }
            Command::RevokeOperator { name, reply } => self.answer(reply, |tx| operators::revoke(tx, &name)),
            Command::ForgetAnswers { reply } => self.answer(reply, |tx| jobs::forget_answers(tx, &rules)),
            Command::Invite { name, secret, valid_for, reply } => {
                self.answer(reply, |tx| agents::invite(tx, name, secret, valid_for));
            }
            Command::Join { name, secret, key, reply } => {
                self.answer(reply, |tx| agents::join(tx, &name, secret, key));
            }
            Command::Revoke { agent, reply } => self.revoke(agent, reply),
            Command::Prove { agent, device, reply } => self.answer(reply, |tx| agents::prove(tx, agent, device)),
            Command::Pulse { reply } => {
                let result = self.change(Promise::Cheap, |_| Ok(()));
                self.reply_once_durable(reply, result);
            }
            Command::Close { .. } => unreachable!("run() ends at a close"),
        }
    }

    fn find(&self, lease: LeaseId) -> Option<(JobId, Spot)> {
        self.shared.board().held(lease).map(|held| (held.job, held.spot))
    }

    /// Whether an agent besides the one that holds a lease could do what it is for.
    fn could_another_agent(&self, lease: LeaseId) -> bool {
        let (presence, board) = (self.shared.presence(), self.shared.board());
        board.could_another_agent(&presence, lease, self.clock.now())
    }

    fn order(&mut self, agent: AgentId, order: Order, reply: Reply<Option<Duty>>) {
        let rules = *self.rules.now();
        let held = self.held_by(agent);
        self.answer(reply, |tx| controls::order(tx, &rules, agent, order, held));
    }

    fn held_by(&self, agent: AgentId) -> Vec<(LeaseId, Held)> {
        let mut held: Vec<_> = self.shared.board().leases().filter(|(_, held)| held.agent == agent).collect();
        held.sort_by_key(|(lease, _)| *lease);
        held
    }

    /// Whoever serves the agent hears of it once it is durable, and ends the connection.
    fn revoke(&mut self, agent: AgentId, reply: Reply<Agent>) {
        let rules = *self.rules.now();
        let held = self.held_by(agent);
        let result = self.change(Promise::Durable, |tx| agents::revoke(tx, &rules, agent, held));
        let shared = self.shared.clone();
        self.group.answers.push(Box::new(move |durable| {
            shared.revoked.notify_waiters();
            deliver(reply, result, durable);
        }));
    }

    /// Each lease in a transaction of its own: a job that cannot be read does not keep the others waiting.
    fn expire_leases(&mut self, reply: Reply<LeaseSweep>) {
        let rules = *self.rules.now();
        let overdue = self.shared.board().overdue(self.clock.now());
        let mut sweep = LeaseSweep::default();
        let mut failed = None;
        for (lease, held) in overdue {
            let at = (held.job, held.spot);
            match self.change(Promise::Durable, |tx| leases::expire(tx, &rules, at, lease)) {
                Ok(Some(job)) => {
                    sweep.expired += 1;
                    sweep.jobs_failed += u32::from(job.has_ended());
                }
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        let result = failed.map_or(Ok(sweep), Err);
        self.reply_once_durable(reply, result);
    }

    fn answer<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        work: impl FnOnce(&mut Transaction) -> Result<T, FarmError>,
    ) {
        let result = self.change(Promise::Durable, work);
        self.reply_once_durable(reply, result);
    }

    pub(super) fn reply_once_durable<T: Send + 'static>(&mut self, reply: Reply<T>, result: Result<T, FarmError>) {
        self.group.answers.push(Box::new(move |durable| deliver(reply, result, durable)));
    }

    /// Who a step was done by is said by name, as far as it is known.
    fn name_workers(&self, events: &mut [Event]) {
        for event in events.iter_mut().filter(|event| event.what.is_story()) {
            let (Some(agent), Some(worker)) = (event.about.agent, event.about.worker) else { continue };
            if let Some(name) = self.shared.presence().name(agent) {
                event.text.push_str(&format!(" [{name}, worker {worker}]"));
            }
        }
    }

    /// Runs `work` as one transaction: all of its writes are committed, or none.
    pub(super) fn change<T>(
        &mut self,
        promise: Promise,
        work: impl FnOnce(&mut Transaction) -> Result<T, FarmError>,
    ) -> Result<T, FarmError> {
        if !self.shared.may_write() {
            return Err(FarmError::Unavailable);
        }
        let mut tx = Transaction::new(self.store.as_ref(), self.clock.as_ref());
        let value = work(&mut tx)?;
        let Transaction { mut writes, effects, mut events, verdicts, made, now, .. } = tx;
        if writes.is_empty() {
            return Ok(value);
        }
        self.name_workers(&mut events);
        writes.extend(self.stories.lines(self.store.as_ref(), &events)?);
        let work = crash::work(&writes);
        crash::reach(work, "decided");
        if let Err(error) = self.store.commit(&writes) {
            // Whether the write is in the store is unknown: go no further on a guess.
            self.shared.fail();
            return Err(error.into());
        }
        crash::reach(work, "committed");
        self.group.works.extend(work);
        self.shared.board().observe(writes, verdicts, now);
        self.shared.totals.add(made);
        self.group.effects.extend(effects);
        self.group.events.extend(events);
        self.group.needs_sync |= promise == Promise::Durable;
        Ok(value)
    }
}

/// A caller that is gone loses its reply, nothing else.
fn deliver<T>(reply: Reply<T>, result: Result<T, FarmError>, durable: bool) {
    let _ = reply.send(if durable { result } else { Err(FarmError::Unavailable) });
}
