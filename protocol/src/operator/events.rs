//! The body of `GET /operator/events`: what happens in the farm, as it happens.

use crate::{AccountId, AgentId, JobId, LeaseId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One event; in the stream its kind is also the SSE `event` and its id the SSE `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// For `Last-Event-ID`; grows, and means nothing else.
    pub id: String,
    pub at: String,
    pub kind: EventKind,
    /// What happened, a word: `accepted`, `leased`, `failed` … of each kind in docs/operator-api.md.
    pub what: String,
    pub level: Level,
    /// A sentence for people.
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worker: Option<u32>,
    /// `segment 0..120`, `join` or `mark`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub piece: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease: Option<LeaseId>,
    /// Of the job, where it changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress_percent: Option<u8>,
}

/// SSE event `lost`: events are missing here, because the reader was slower than the farm or the daemon was restarted.
/// What is shown should be read anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostEvents {
    /// None: of a daemon that has been restarted, nobody knows.
    pub count: Option<u64>,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    Job,
    /// A piece of a job, join and mark included: rendered, failed.
    Segment,
    /// Handed out, given back, run out.
    Lease,
    Agent,
    Ledger,
    Sweep,
    /// Settings that an operator changed, and operators.
    Config,
}

impl EventKind {
    pub const ALL: [EventKind; 7] = [
        EventKind::Job,
        EventKind::Segment,
        EventKind::Lease,
        EventKind::Agent,
        EventKind::Ledger,
        EventKind::Sweep,
        EventKind::Config,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Job => "job",
            EventKind::Segment => "segment",
            EventKind::Lease => "lease",
            EventKind::Agent => "agent",
            EventKind::Ledger => "ledger",
            EventKind::Sweep => "sweep",
            EventKind::Config => "config",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is of the kind job, segment, lease, agent, ledger, sweep or config")]
pub struct NoEventKind;

impl FromStr for EventKind {
    type Err = NoEventKind;

    fn from_str(text: &str) -> Result<EventKind, NoEventKind> {
        EventKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or(NoEventKind)
    }
}

/// How much a line or an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}
