//! Events of the file system, as hints: what they name is looked at sooner, and its hold begins anew. Nothing rests on them.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

/// More that happens at once is found by going through the folder.
const HINTS_MAX: usize = 4096;

pub struct Hints {
    /// Ends the events with its drop. `None`: the scans have to do.
    watcher: Option<RecommendedWatcher>,
    paths: Receiver<PathBuf>,
    /// Keeps the channel open where no watcher holds its other end.
    _sender: SyncSender<PathBuf>,
    missed: Arc<AtomicBool>,
}

impl Hints {
    pub fn start(folder: &Path, recursive: bool) -> Hints {
        let (sender, paths) = sync_channel(HINTS_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        let (tell, overrun) = (sender.clone(), missed.clone());
        let heard = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return overrun.store(true, Ordering::Relaxed) };
            // What was in a new folder before it was watched, and what the system dropped, told nothing of itself.
            if event.need_rescan() || matches!(event.kind, EventKind::Create(notify::event::CreateKind::Folder)) {
                overrun.store(true, Ordering::Relaxed);
            }
            // Opening and reading change nothing, our own looks among them.
            if matches!(event.kind, EventKind::Access(kind) if !matches!(kind, notify::event::AccessKind::Close(notify::event::AccessMode::Write)))
            {
                return;
            }
            for path in event.paths {
                if tell.try_send(path).is_err() {
                    overrun.store(true, Ordering::Relaxed);
                }
            }
        };
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let watcher =
            notify::recommended_watcher(heard).and_then(|mut watcher| watcher.watch(folder, mode).map(|()| watcher));
        if let Err(cause) = &watcher {
            tracing::info!(folder = %folder.display(), %cause, "no events of this folder: its clips are found by its scans");
        }
        Hints { watcher: watcher.ok(), paths, _sender: sender, missed }
    }

    /// Waits for the first hint up to `limit`; all that are there by then.
    pub fn next(&self, limit: Duration) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.paths.recv_timeout(limit).into_iter().collect();
        paths.extend(self.paths.try_iter().take(HINTS_MAX));
        paths
    }

    /// Whether something happened that no hint names.
    pub fn missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    pub fn are_there(&self) -> bool {
        self.watcher.is_some()
    }
}
