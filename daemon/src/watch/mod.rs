//! tweenfarm-watch: folders whose clips are converted by the farm and given back.
//!
//! A client of the daemon's intake door, with rights of its own: it may reach the media folders and no store of the farm.
//! What is to be done is decided in `intake`; here it is done. It never touches a source whose result is not proven.

mod board;
pub mod config;
mod convert;
pub mod crash;
mod files;
mod folder;
mod guard;
mod hints;
mod journal;
mod link;
mod proof;
mod report;

use crate::{intake::RetryRules, systemd};
use anyhow::Context;
use board::Board;
use config::{Rule, WatchConfig};
use convert::Tools;
use folder::Folder;
use journal::Journal;
use link::Link;
use report::Reporter;
use std::{collections::BTreeMap, fs, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tweenfarm_protocol::{Timestamp, operator::WatchState};

/// Looks into files at once, of all rules.
const LOOKS_AT_ONCE: usize = 2;
/// What waits to be tried again is looked for this often.
const LOOK_FOR_DUE_EVERY: Duration = Duration::from_secs(1);
/// Steps under way end within this after a stop; what does not goes on at the next start.
pub const GRACE: Duration = Duration::from_secs(20);

/// What the watcher remembers, opened.
pub struct Opened(Journal);

/// Opens the state folder. Waits for the disk, so it comes before the runtime. `accept_folders`: they are taken as they
/// are found, wherever they are mounted.
pub fn open(config: &WatchConfig, accept_folders: bool) -> anyhow::Result<Opened> {
    let folder = &config.state_folder;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("create the state folder {}", folder.display()))?;
    let journal = Journal::open(&folder.join("journal"))?;
    if accept_folders {
        journal.forget_mounts()?;
    }
    Ok(Opened(journal))
}

/// Watches until `stop`, then ends in order. A configuration that comes by `changes` counts from then on: rules that did
/// not change go on undisturbed, of the others what is under way is gone on with by the new rule.
pub async fn run(
    config: WatchConfig,
    Opened(journal): Opened,
    mut changes: mpsc::Receiver<WatchConfig>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (journal, board, waiting) = (Arc::new(journal), Arc::new(Board::default()), Arc::new(Notify::new()));
    let tasks = TaskTracker::new();
    tasks.spawn(systemd::alive_while(stop.clone(), {
        let journal = journal.clone();
        move || journal.orders_done().is_ok()
    }));
    let looks = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
    let reporting = stop.child_token();
    let (running, ending) = (BTreeMap::new(), BTreeMap::new());
    let mut house = House { journal, board, waiting, looks, tasks, stop, shared: None, running, ending, reporting };
    house.follow(&config)?;
    systemd::ready();
    tracing::info!(rules = config.rules.len(), "watching");
    while let Some(Some(config)) = house.stop.run_until_cancelled(changes.recv()).await {
        house.follow(&config)?;
        tracing::info!(rules = config.rules.len(), "watching by the configuration as it is now");
    }
    house.stop.cancelled().await;
    systemd::stopping(GRACE);
    house.tasks.close();
    let in_order = tokio::time::timeout(GRACE, house.tasks.wait()).await.is_ok();
    tracing::info!(in_order, "stopped");
    Ok(())
}

/// What works by the configuration of the moment, and what outlives it.
struct House {
    journal: Arc<Journal>,
    board: Arc<Board>,
    waiting: Arc<Notify>,
    looks: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// `None` before the first configuration.
    shared: Option<Shared>,
    running: BTreeMap<String, Running>,
    /// Rules that no configuration names any more, and whose last steps may still end.
    ending: BTreeMap<String, Running>,
    /// Ends the reports, which name all rules.
    reporting: CancellationToken,
}

/// What all rules go by.
#[derive(PartialEq)]
struct Shared {
    socket: PathBuf,
    scan_every: Duration,
    retry: RetryRules,
}

/// A rule at work.
struct Running {
    rule: Arc<Rule>,
    stop: CancellationToken,
    work: TaskTracker,
}

impl House {
    /// Lets rules that are as they were go on, ends the others and begins what is new; a rule in place of one of its name
    /// begins when that has ended, because both go by one journal.
    fn follow(&mut self, config: &WatchConfig) -> anyhow::Result<()> {
        let link = Link::new(&config.socket)?;
        let shared = Some(Shared { socket: config.socket.clone(), scan_every: config.scan_every, retry: config.retry });
        let is_shared = self.shared == shared;
        let rules: Vec<Arc<Rule>> = config.rules.iter().cloned().map(Arc::new).collect();
        let mut old = std::mem::take(&mut self.running);
        for rule in &rules {
            let begun = match old.remove(&rule.name) {
                Some(same) if is_shared && same.rule == *rule => same,
                other => {
                    let other = other.or_else(|| self.ending.remove(&rule.name));
                    self.begin(rule.clone(), config, link.clone(), other)
                }
            };
            self.running.insert(rule.name.clone(), begun);
        }
        for (name, gone) in old {
            tracing::info!(rule = name, "no rule of this name is left: its folder is not watched any more");
            gone.stop.cancel();
            self.ending.insert(name, gone);
        }
        self.shared = shared;
        std::mem::replace(&mut self.reporting, self.stop.child_token()).cancel();
        let House { journal, board, waiting, .. } = &*self;
        let (journal, board, waiting) = (journal.clone(), board.clone(), waiting.clone());
        let reporter = Reporter { rules, journal, board, link, waiting, stop: self.reporting.clone() };
        self.tasks.spawn(reporter.run());
        Ok(())
    }

    fn begin(&self, rule: Arc<Rule>, config: &WatchConfig, link: Link, before: Option<Running>) -> Running {
        let (stop, work) = (self.stop.child_token(), TaskTracker::new());
        let folder = Folder {
            rule: rule.clone(),
            journal: self.journal.clone(),
            board: self.board.clone(),
            waiting: self.waiting.clone(),
            scan_every: config.scan_every,
            stop: stop.clone(),
        };
        let tools = Arc::new(Tools {
            rule: rule.clone(),
            journal: self.journal.clone(),
            board: self.board.clone(),
            link,
            retry: config.retry,
            looks: self.looks.clone(),
            stop: stop.clone(),
        });
        let (waiting, name, ends) = (self.waiting.clone(), rule.name.clone(), stop.clone());
        self.tasks.spawn(work.track_future(async move {
            if let Some(before) = before {
                before.stop.cancel();
                before.work.close();
                before.work.wait().await;
            }
            if ends.is_cancelled() {
                return;
            }
            // Not joined: one that hangs on a dead share must not hold up the end.
            let thread = std::thread::Builder::new().name(format!("folder {name}"));
            if let Err(cause) = thread.spawn(move || folder.run()) {
                tracing::error!(rule = name, %cause, "the folder is not watched: its thread could not be started");
            }
            turns(tools, waiting).await;
        }));
        Running { rule, stop, work }
    }
}

/// Converts what waits of one rule, in order, so many at once; first what an earlier run left at work.
async fn turns(tools: Arc<Tools>, waiting: Arc<Notify>) {
    let turns = Arc::new(Semaphore::new(tools.rule.in_flight_max));
    let under_way = TaskTracker::new();
    let rule = &tools.rule.name;
    let mut left = match tools.journal.list(rule, WatchState::Working, usize::MAX) {
        Ok(left) => left.into_iter().collect::<std::collections::VecDeque<_>>(),
        Err(error) => {
            return tracing::error!(error = &error as &dyn std::error::Error, rule, "the watcher's store fails");
        }
    };
    while !tools.stop.is_cancelled() {
        let turn = tools.stop.run_until_cancelled(turns.clone().acquire_owned()).await;
        let Some(Ok(turn)) = turn else { break };
        let next = match left.pop_front() {
            Some(item) => Ok(Some(item)),
            None => tools.journal.begin_next(rule, Timestamp::now(), tools.retry.wait_max),
        };
        match next {
            Ok(Some(item)) => {
                let tools = tools.clone();
                under_way.spawn(async move {
                    tools.convert(item).await;
                    drop(turn);
                });
            }
            Ok(None) => {
                drop(turn);
                tokio::select! {
                    () = waiting.notified() => {}
                    () = tokio::time::sleep(LOOK_FOR_DUE_EVERY) => {}
                    () = tools.stop.cancelled() => {}
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, rule, "the watcher's store fails");
                drop(turn);
                tools.stop.run_until_cancelled(tokio::time::sleep(LOOK_FOR_DUE_EVERY)).await;
            }
        }
    }
    under_way.close();
    under_way.wait().await;
}
