//! One watched folder, on a thread of its own: goes through it on a slow clock, looks sooner at what events name, and hands
//! on what is whole. A share that hangs holds up its own rule and no other.

use super::{
    board::{Board, FolderNews},
    config::{Afterwards, Rule},
    files, guard,
    hints::Hints,
    journal::{Journal, item_id},
};
use crate::{
    intake::{
        Item, ItemState, Seen, Stamp, name,
        place::Output,
        settle::{self, Settling, Verdict, Writers},
    },
    store::StoreError,
};
use std::{
    collections::{BTreeMap, HashSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::{Timestamp, operator::WatchState};
use walkdir::WalkDir;

/// Files that settle at once. Others are taken up when these are whole: a scan comes by again.
const SETTLING_MAX: usize = 20_000;
const SHOWN: usize = 100;
/// How soon a stop is heard.
const TICK: Duration = Duration::from_millis(500);
/// Names of results that are gone are looked for this often, and what is over and whose file is gone.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// What is over is shown at least this long after its file is gone.
const SHOWN_FOR: Duration = Duration::from_secs(7 * 86_400);

pub struct Folder {
    pub rule: Arc<Rule>,
    pub journal: Arc<Journal>,
    pub board: Arc<Board>,
    /// Told when something waits to be converted.
    pub waiting: Arc<Notify>,
    pub scan_every: Duration,
    pub stop: CancellationToken,
}

/// What a pass over the folder goes by.
struct Pass {
    started: Instant,
    settling: BTreeMap<PathBuf, Settling>,
    /// Wall clock at the start, for people.
    began: Timestamp,
    scanned_at: Option<Timestamp>,
}

impl Folder {
    /// Until it is told to stop.
    pub fn run(self) {
        let mut pass =
            Pass { started: Instant::now(), settling: BTreeMap::new(), began: Timestamp::now(), scanned_at: None };
        let (mut hints, mut next_scan, mut next_prune) = (None::<Hints>, Duration::ZERO, PRUNE_EVERY);
        let mut told = None::<String>;
        while !self.stop.is_cancelled() {
            let now = pass.started.elapsed();
            let result = self.guarded().and_then(|()| {
                let hints = hints.get_or_insert_with(|| Hints::start(&self.rule.folder, self.rule.recursive));
                if now >= next_scan || hints.missed() {
                    self.scan(&mut pass)?;
                    next_scan = pass.started.elapsed() + self.scan_every;
                }
                if now >= next_prune {
                    self.prune()?;
                    next_prune = now + PRUNE_EVERY;
                }
                self.look_at_settling(&mut pass)
            });
            let trouble = result.err().map(|trouble| trouble.to_string());
            if trouble.is_some() {
                // When it comes back it is another folder: watched anew, gone through at once.
                hints = None;
                next_scan = Duration::ZERO;
            }
            if trouble != told {
                match &trouble {
                    Some(trouble) => {
                        tracing::warn!(rule = self.rule.name, %trouble, "nothing is taken from this folder")
                    }
                    None => tracing::info!(rule = self.rule.name, "the folder is there again"),
                }
                told.clone_from(&trouble);
            }
            if self.stop.is_cancelled() {
                return;
            }
            self.tell(&pass, trouble);
            match &hints {
                None => std::thread::sleep(TICK),
                Some(hints) => {
                    let named = hints.next(TICK);
                    if !hints.are_there() {
                        std::thread::sleep(TICK);
                    }
                    self.hear(&mut pass, named);
                }
            }
        }
    }

    /// The watched folder and that of the results are there, as they were.
    fn guarded(&self) -> Result<(), Trouble> {
        let rule = &self.rule;
        self.guard(&rule.folder, rule.marker.as_deref())?;
        match &rule.output {
            Output::Beside => {}
            Output::Mirror(folder) => self.guard(folder, None)?,
        }
        match &rule.source {
            Afterwards::Keep | Afterwards::Delete => Ok(()),
            Afterwards::Move(folder) => self.guard(folder, None),
        }
    }

    fn guard(&self, folder: &Path, marker: Option<&Path>) -> Result<(), Trouble> {
        let was = self.journal.mount(folder)?;
        let is = guard::check(folder, marker, was.as_deref())?;
        if was.as_ref() != Some(&is) {
            self.journal.set_mount(folder, &is)?;
        }
        Ok(())
    }

    fn scan(&self, pass: &mut Pass) -> Result<(), Trouble> {
        let rule = &self.rule;
        let depth = if rule.recursive { usize::MAX } else { 1 };
        let walk = WalkDir::new(&rule.folder).follow_links(false).max_depth(depth).min_depth(1);
        let enters = |entry: &walkdir::DirEntry| {
            !name::is_passed_over(entry.file_name().as_bytes()) && !self.is_a_place_of_ours(entry.path())
        };
        let (mut seen, mut new) = (HashSet::new(), Vec::new());
        for entry in walk.into_iter().filter_entry(enters) {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let entry = match entry {
                Ok(entry) => entry,
                // One folder that may not be read keeps nobody from the others.
                Err(cause) if cause.depth() > 0 => {
                    tracing::info!(rule = rule.name, %cause, "passed over");
                    continue;
                }
                Err(cause) => return Err(Trouble::Scan(cause)),
            };
            let stamp = entry.metadata().ok().as_ref().and_then(files::stamp_of);
            let Some((path, stamp)) = self.below(entry.path()).zip(stamp) else { continue };
            if self.is_wanted(&path)? && self.is_news(&path, stamp)? {
                seen.insert(path.clone());
                if !pass.settling.contains_key(&path) && pass.settling.len() + new.len() < SETTLING_MAX {
                    new.push((path, stamp));
                }
            }
        }
        // From one moment on, so that what was dropped at once is whole at once, and taken in order.
        let now = pass.started.elapsed();
        for (path, stamp) in new {
            self.first_look(pass, path, stamp, now);
        }
        // What settled and is gone, was renamed, or is known by now.
        pass.settling.retain(|path, _| seen.contains(path));
        pass.scanned_at = Some(Timestamp::now());
        Ok(())
    }

    /// Somebody did something to these.
    fn hear(&self, pass: &mut Pass, named: Vec<PathBuf>) {
        for path in named {
            let Some(below) = self.below(&path) else { continue };
            if let Some(settling) = pass.settling.get_mut(&below) {
                *settling = settle::touched(*settling, pass.started.elapsed());
                continue;
            }
            let hidden = |part: &std::ffi::OsStr| name::is_passed_over(part.as_bytes());
            if below.iter().any(hidden)
                || self.is_a_place_of_ours(&path)
                || (!self.rule.recursive && below.iter().count() > 1)
            {
                continue;
            }
            let Ok(Some(stamp)) = files::stamp_at(&path) else { continue };
            // A store that cannot be read is told of by the next scan.
            if self.is_wanted(&below).unwrap_or(false) && self.is_news(&below, stamp).unwrap_or(false) {
                let now = pass.started.elapsed();
                self.first_look(pass, below, stamp, now);
            }
        }
    }

    fn first_look(&self, pass: &mut Pass, path: PathBuf, stamp: Stamp, now: Duration) {
        if pass.settling.len() < SETTLING_MAX {
            pass.settling.entry(path).or_insert(Settling { stamp, since: now });
        }
    }

    /// Looks again at all whose hold may be over.
    fn look_at_settling(&self, pass: &mut Pass) -> Result<(), Trouble> {
        let (now, hold) = (pass.started.elapsed(), self.rule.hold);
        let due = pass.settling.iter().filter(|(_, settling)| now.saturating_sub(settling.since) >= hold);
        let mut due: Vec<(PathBuf, Settling)> = due.map(|(path, settling)| (path.clone(), *settling)).collect();
        due.sort_by_key(|(_, settling)| settling.stamp.modified_ns);
        if due.is_empty() {
            return Ok(());
        }
        let written = files::open_for_writing();
        let mut taken = 0;
        for (path, before) in due {
            // What another rule takes its place for is that rule's to take.
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let Ok(Some(stamp)) = files::stamp_at(&self.rule.folder.join(&path)) else {
                pass.settling.remove(&path);
                continue;
            };
            let writers =
                if written.contains(&(stamp.device, stamp.inode)) { Writers::Some } else { Writers::NoneSeen };
            match settle::look(Some(before), stamp, writers, now, hold) {
                Verdict::NotYet(settling) => _ = pass.settling.insert(path, settling),
                Verdict::Whole => {
                    self.take(&path, stamp)?;
                    pass.settling.remove(&path);
                    taken += 1;
                }
            }
        }
        if taken > 0 {
            tracing::info!(rule = self.rule.name, taken, "whole, waiting for their turn");
            self.waiting.notify_waiters();
        }
        Ok(())
    }

    fn take(&self, path: &Path, stamp: Stamp) -> Result<(), Trouble> {
        let (id, now) = (item_id(&self.rule.name, path), Timestamp::now());
        match self.journal.item(id)? {
            None => self.journal.put(&Item::new(id, &self.rule.name, path.to_owned(), stamp, now))?,
            Some(_) => {
                let renewed = |item: Item| (item.seen(stamp) == Seen::Changed).then(|| item.renewed(stamp, now));
                self.journal.change(id, renewed)?;
            }
        }
        Ok(())
    }

    /// Whether the rule is about a file of this name at all.
    fn is_wanted(&self, path: &Path) -> Result<bool, StoreError> {
        let name = path.file_name().unwrap_or_default();
        let rule = &self.rule;
        Ok(!name::is_passed_over(name.as_bytes())
            && rule.marker.as_deref() != Some(path)
            && rule.include.is_match(path)
            && !rule.ignore.is_match(path))
    }

    /// Whether it is a file that nobody has taken like this, and none that was made here.
    fn is_news(&self, path: &Path, stamp: Stamp) -> Result<bool, StoreError> {
        let item = self.journal.item(item_id(&self.rule.name, path))?;
        let known = item.is_some_and(|item| item.seen(stamp) != Seen::Changed);
        Ok(!known && !self.journal.is_output(&self.rule.folder.join(path), &stamp)?)
    }

    /// Folders within the watched one that results and sources go to.
    fn is_a_place_of_ours(&self, path: &Path) -> bool {
        let mirror = match &self.rule.output {
            Output::Mirror(folder) if *folder != self.rule.folder => Some(folder),
            Output::Mirror(_) | Output::Beside => None,
        };
        let moved = match &self.rule.source {
            Afterwards::Move(folder) => Some(folder),
            Afterwards::Keep | Afterwards::Delete => None,
        };
        mirror.into_iter().chain(moved).any(|folder| path.starts_with(folder))
    }

    fn below(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.rule.folder).ok().filter(|path| path.file_name().is_some()).map(Path::to_owned)
    }

    /// Forgets what is over and whose file is gone, and the names of results that are gone.
    fn prune(&self) -> Result<(), Trouble> {
        let gone = |path: &Path| matches!(files::stamp_at(path), Ok(None));
        let old = Timestamp::now().minus(SHOWN_FOR);
        for state in [WatchState::Done, WatchState::Skipped, WatchState::Quarantined] {
            for item in self.journal.list(&self.rule.name, state, SETTLING_MAX)? {
                let is_over = !matches!(item.state, ItemState::Working(_)) && item.since < old;
                if is_over && gone(&self.rule.folder.join(&item.path)) {
                    self.journal.forget(item.id)?;
                }
            }
        }
        let root = match &self.rule.output {
            Output::Beside => &self.rule.folder,
            Output::Mirror(folder) => folder,
        };
        Ok(self.journal.prune_outputs(|path| path.starts_with(root) && gone(path))?)
    }

    fn tell(&self, pass: &Pass, trouble: Option<String>) {
        let shown = pass.settling.iter().take(SHOWN);
        let settling_first =
            shown.map(|(path, settling)| (path.clone(), settling.stamp.size_bytes, pass.began.plus(settling.since)));
        let news = FolderNews {
            trouble,
            scanned_at: pass.scanned_at,
            settling: pass.settling.len() as u64,
            settling_first: settling_first.collect(),
        };
        self.board.set_folder(&self.rule.name, news);
    }
}

/// Why nothing is taken from a folder for now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Absent(#[from] guard::Absent),
    #[error("{0}")]
    Scan(walkdir::Error),
    #[error("the watcher's own store: {0}")]
    Store(#[from] StoreError),
}
