//! One file of a watched folder, from when it is known to be whole, and the stages of its way to a result.
//!
//! What a stage holds is all that going on takes after a crash. A stage is entered once what it says has happened.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};
use tweenfarm_protocol::{JobId, Timestamp};

/// Of a rule and a path: the same file has the same id after any restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub [u8; 16]);

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size_bytes: u64,
    /// Time of the last change of the content, in nanoseconds since 1970.
    pub modified_ns: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub id: ItemId,
    pub rule: String,
    /// Below the rule's folder.
    pub path: PathBuf,
    pub stamp: Stamp,
    /// How often it was begun anew; part of the name of the next submission, which must not be answered with an old job.
    pub attempt: u32,
    /// Failures that count towards quarantine.
    pub tries: u32,
    /// Failures in a row that were not the clip's.
    pub waits: u32,
    /// It is to be made although the same content has been made.
    pub again: bool,
    /// Since when it is in its state.
    pub since: Timestamp,
    pub state: ItemState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemState {
    Waiting,
    Working(Stage),
    Retrying { from: Stage, not_before: Timestamp, reason: String },
    Quarantined { reason: String },
    Skipped { reason: String },
    Done { output: PathBuf },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has left this machine.
    Taken,
    /// The farm has the bytes.
    Uploaded { promise: Promise, place: Place },
    /// The farm has charged for the job and works on it.
    Submitted { promise: Promise, job: JobId },
    /// The result lies under its partial name, synced, and was found right.
    Proven { promise: Promise, job: JobId, result: [u8; 32] },
    /// The result has its name: what is left is what becomes of the source.
    Published { promise: Promise, job: JobId },
}

/// What the result has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// SHA-256 of the source.
    pub source: [u8; 32],
    pub fps: u32,
    pub frames: u64,
    pub output: PathBuf,
}

/// An upload: the key of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub String);

/// What a scan makes of a file that has an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// As it was when it was taken: nothing to do.
    Known,
    /// Its work is under way; a change is noticed there.
    AtWork,
    /// Another file than the one that was taken: it has to settle anew.
    Changed,
}

impl Item {
    pub fn new(id: ItemId, rule: &str, path: PathBuf, stamp: Stamp, now: Timestamp) -> Item {
        let rule = rule.to_owned();
        Item {
            id,
            rule,
            path,
            stamp,
            attempt: 0,
            tries: 0,
            waits: 0,
            again: false,
            since: now,
            state: ItemState::Waiting,
        }
    }

    pub fn seen(&self, stamp: Stamp) -> Seen {
        match &self.state {
            ItemState::Working(_) => Seen::AtWork,
            // Paid work is brought to its end first: its source is proven to be what was paid for, or left alone.
            ItemState::Retrying {
                from: Stage::Submitted { .. } | Stage::Proven { .. } | Stage::Published { .. },
                ..
            } => Seen::AtWork,
            _ if self.stamp == stamp => Seen::Known,
            _ => Seen::Changed,
        }
    }

    /// The file is another one now, and whole.
    pub fn renewed(self, stamp: Stamp, now: Timestamp) -> Item {
        Item { stamp, tries: 0, waits: 0, again: false, since: now, state: ItemState::Waiting, ..self }
    }

    /// Moves on; what failed before no longer counts against the next stage's waits.
    pub fn at(self, stage: Stage, now: Timestamp) -> Item {
        Item { waits: 0, since: now, state: ItemState::Working(stage), ..self }
    }

    pub fn ended(self, state: ItemState, now: Timestamp) -> Item {
        Item { since: now, again: false, state, ..self }
    }

    /// Goes on where it was: at the start, after a restart, or when its wait is over. `None`: nothing is to be done.
    pub fn begun(self, now: Timestamp, longest_wait: Duration) -> Option<Item> {
        let stage = match &self.state {
            ItemState::Waiting => Stage::Taken,
            ItemState::Working(stage) => stage.clone(),
            // A wait longer than any was begun before the clock was set back.
            ItemState::Retrying { from, not_before, .. }
                if *not_before <= now || *not_before > now.plus(longest_wait) =>
            {
                from.clone()
            }
            ItemState::Retrying { .. }
            | ItemState::Quarantined { .. }
            | ItemState::Skipped { .. }
            | ItemState::Done { .. } => {
                return None;
            }
        };
        Some(Item { since: now, state: ItemState::Working(stage), ..self })
    }

    /// An operator lets it out of quarantine, with all its tries.
    pub fn released(self, now: Timestamp) -> Option<Item> {
        matches!(self.state, ItemState::Quarantined { .. }).then(|| self.anew(now))
    }

    /// An operator wants it once more, now.
    pub fn retried(self, now: Timestamp) -> Option<Item> {
        match self.state {
            ItemState::Waiting | ItemState::Working(_) => None,
            ItemState::Retrying { from, reason, .. } => {
                Some(Item { state: ItemState::Retrying { from, not_before: now, reason }, ..self })
            }
            ItemState::Quarantined { .. } => Some(self.anew(now)),
            ItemState::Skipped { .. } | ItemState::Done { .. } => Some(Item { again: true, ..self.anew(now) }),
        }
    }

    fn anew(self, now: Timestamp) -> Item {
        let attempt = self.attempt.saturating_add(1);
        Item { attempt, tries: 0, waits: 0, since: now, state: ItemState::Waiting, ..self }
    }

    /// What the result is to be, where that is known.
    pub fn promise(&self) -> Option<&Promise> {
        match &self.state {
            ItemState::Working(stage) | ItemState::Retrying { from: stage, .. } => stage.promise(),
            _ => None,
        }
    }

    pub fn stage(&self) -> Option<&Stage> {
        match &self.state {
            ItemState::Working(stage) | ItemState::Retrying { from: stage, .. } => Some(stage),
            _ => None,
        }
    }
}

impl Stage {
    pub fn promise(&self) -> Option<&Promise> {
        match self {
            Stage::Taken => None,
            Stage::Uploaded { promise, .. }
            | Stage::Submitted { promise, .. }
            | Stage::Proven { promise, .. }
            | Stage::Published { promise, .. } => Some(promise),
        }
    }

    pub fn job(&self) -> Option<JobId> {
        match self {
            Stage::Taken | Stage::Uploaded { .. } => None,
            Stage::Submitted { job, .. } | Stage::Proven { job, .. } | Stage::Published { job, .. } => Some(*job),
        }
    }

    /// What is done next, in a word.
    pub const fn doing(&self) -> &'static str {
        match self {
            Stage::Taken => "upload",
            Stage::Uploaded { .. } => "submit",
            Stage::Submitted { .. } => "job",
            Stage::Proven { .. } => "publish",
            Stage::Published { .. } => "source",
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no file of a watch folder: `tweenfarm watch list` shows their 32 digits")]
pub struct ItemIdError(String);

impl FromStr for ItemId {
    type Err = ItemIdError;

    fn from_str(text: &str) -> Result<ItemId, ItemIdError> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| ItemIdError(text.chars().take(40).collect()))?;
        Ok(ItemId(id))
    }
}
