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

use crate::systemd;
use anyhow::Context;
use board::Board;
use config::{Rule, WatchConfig};
use convert::Tools;
use folder::Folder;
use journal::Journal;
use link::Link;
use report::Reporter;
use std::{fs, os::unix::fs::DirBuilderExt, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};
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

/// Watches until `stop`, then ends in order.
pub async fn run(config: WatchConfig, Opened(journal): Opened, stop: CancellationToken) -> anyhow::Result<()> {
    let (journal, board, waiting) = (Arc::new(journal), Arc::new(Board::default()), Arc::new(Notify::new()));
    let link = Link::new(&config.socket)?;
    let looks = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
    let rules: Vec<Arc<Rule>> = config.rules.iter().cloned().map(Arc::new).collect();
    let tasks = TaskTracker::new();
    for rule in &rules {
        let folder = Folder {
            rule: rule.clone(),
            journal: journal.clone(),
            board: board.clone(),
            waiting: waiting.clone(),
            scan_every: config.scan_every,
            stop: stop.clone(),
        };
        // Not joined: one that hangs on a dead share must not hold up the end.
        std::thread::Builder::new().name(format!("folder {}", rule.name)).spawn(move || folder.run())?;
        let tools = Arc::new(Tools {
            rule: rule.clone(),
            journal: journal.clone(),
            board: board.clone(),
            link: link.clone(),
            retry: config.retry,
            looks: looks.clone(),
            stop: stop.clone(),
        });
        tasks.spawn(turns(tools, waiting.clone()));
    }
    let reporter = Reporter { rules, journal: journal.clone(), board, link, waiting, stop: stop.clone() };
    tasks.spawn(reporter.run());
    tasks.spawn(systemd::alive_while(stop.clone(), move || journal.orders_done().is_ok()));
    systemd::ready();
    tracing::info!(rules = config.rules.len(), "watching");
    stop.cancelled().await;
    systemd::stopping(GRACE);
    tasks.close();
    let in_order = tokio::time::timeout(GRACE, tasks.wait()).await.is_ok();
    tracing::info!(in_order, "stopped");
    Ok(())
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
