//! What the parts of the watcher tell of themselves while they run, for its reports. Forgotten with the process.

use crate::intake::ItemId;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tweenfarm_protocol::Timestamp;

#[derive(Default)]
pub struct Board(Mutex<State>);

#[derive(Default)]
struct State {
    folders: BTreeMap<String, FolderNews>,
    progress: HashMap<ItemId, u8>,
}

/// How a rule's folder stands.
#[derive(Clone, Debug, Default)]
pub struct FolderNews {
    /// Why nothing is taken from it.
    pub trouble: Option<String>,
    pub scanned_at: Option<Timestamp>,
    pub settling: u64,
    /// The first of those that settle: path, size, since when.
    pub settling_first: Vec<(PathBuf, u64, Timestamp)>,
}

impl Board {
    pub fn set_folder(&self, rule: &str, news: FolderNews) {
        self.state().folders.insert(rule.to_owned(), news);
    }

    pub fn folder(&self, rule: &str) -> FolderNews {
        self.state().folders.get(rule).cloned().unwrap_or_default()
    }

    pub fn set_progress(&self, id: ItemId, percent: u8) {
        self.state().progress.insert(id, percent);
    }

    pub fn progress(&self, id: ItemId) -> Option<u8> {
        self.state().progress.get(&id).copied()
    }

    pub fn ended(&self, id: ItemId) {
        self.state().progress.remove(&id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
