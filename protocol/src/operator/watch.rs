//! Bodies about watch folders: what the watcher last told of its rules and files, and what an operator asks of it.

use crate::JobId;
use serde::{Deserialize, Serialize};

/// `GET /operator/watch`. As the watcher told it: files that it has in work, wait to be tried again or need somebody come
/// all, up to a bound; of those that settle, wait, were passed over or are done only the next or the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// `None`: no watcher has called since the daemon started.
    pub watcher: Option<WatcherRow>,
    pub rules: Vec<WatchRuleRow>,
    pub files: Vec<WatchFileRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherRow {
    /// Its release.
    pub version: String,
    pub started_at: String,
    /// When it last called.
    pub heard_at: String,
    /// It calls every few seconds: false means it is gone.
    pub connected: bool,
}

/// One rule of the watcher's configuration, and how many of its files stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRuleRow {
    pub rule: String,
    pub folder: String,
    /// In words: `60 fps`, `x2`, `next of 60, 120`.
    pub target: String,
    /// E-mail address of the account that pays.
    pub account: String,
    /// Why nothing is taken from the folder now: it is not mounted, cannot be read, …
    #[serde(default)]
    pub trouble: Option<String>,
    /// When the folder was last gone through to its end.
    #[serde(default)]
    pub scanned_at: Option<String>,
    /// Seen, not known to be whole yet.
    pub settling: u64,
    pub waiting: u64,
    pub working: u64,
    pub retrying: u64,
    pub quarantined: u64,
    pub skipped: u64,
    pub done: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchFileRow {
    /// What `release` and `retry` take: 32 hexadecimal digits.
    pub file: String,
    pub rule: String,
    /// Below the rule's folder; bytes that are no text are shown as U+FFFD.
    pub path: String,
    pub state: WatchState,
    /// Since when it is in this state.
    pub since: String,
    pub size_bytes: u64,
    /// What is being done with it: `upload`, `job`, `download`, … Only of those at work.
    #[serde(default)]
    pub doing: Option<String>,
    #[serde(default)]
    pub job: Option<JobId>,
    #[serde(default)]
    pub progress_percent: Option<u8>,
    /// How often it failed.
    pub tries: u32,
    /// Why it waits, was passed over or is in quarantine.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub retry_at: Option<String>,
    /// Where its result lies.
    #[serde(default)]
    pub output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchState {
    Settling,
    Waiting,
    Working,
    /// Something went wrong; it is tried again by itself.
    Retrying,
    /// It is not tried again unless somebody says so.
    Quarantined,
    /// Nothing is to be done: at the rate already, or the same content as another file.
    Skipped,
    Done,
}

impl WatchState {
    pub const ALL: [WatchState; 7] = [
        WatchState::Settling,
        WatchState::Waiting,
        WatchState::Working,
        WatchState::Retrying,
        WatchState::Quarantined,
        WatchState::Skipped,
        WatchState::Done,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            WatchState::Settling => "settling",
            WatchState::Waiting => "waiting",
            WatchState::Working => "working",
            WatchState::Retrying => "retrying",
            WatchState::Quarantined => "quarantined",
            WatchState::Skipped => "skipped",
            WatchState::Done => "done",
        }
    }
}

/// What an operator asks of the watcher for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchOrder {
    /// Out of quarantine, with all its tries.
    Release,
    /// Once more, now: also what is done or was passed over.
    Retry,
}

/// Answer of `POST /operator/watch/{file}/release` and `…/retry`: the watcher hears of it at its next call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchOrdered {
    pub file: String,
    pub order: WatchOrder,
}
