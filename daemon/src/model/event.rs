//! What happens in the farm, as it is told: to who looks on, to the log, and to the story of the job it is about.

use super::{Segment, Spot};
use std::fmt;
use tweenfarm_protocol::{
    AccountId, AgentId, JobId, LeaseId, SlotRange, Timestamp, Xeconds,
    operator::{EventKind, Level},
    task::FailureClass,
};

/// One event. Told once what it tells of is durable, and never in place of it: who missed it reads the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Timestamp,
    pub what: What,
    pub about: About,
    /// A sentence for people.
    pub text: String,
    /// What a worker's log said of it, oldest first; for the job's story only.
    pub lines: Vec<String>,
}

/// Whom and what an event concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub job: Option<JobId>,
    pub account: Option<AccountId>,
    pub agent: Option<AgentId>,
    pub worker: Option<u32>,
    pub part: Option<Part>,
    pub lease: Option<LeaseId>,
}

/// The part of a job that a piece of its work is; by its slots, because a segment's position changes when others are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Segment(SlotRange),
    Join,
    Mark,
}

impl Part {
    pub fn of(spot: Spot, piece: &Segment) -> Part {
        match spot {
            Spot::Segment(_) => Part::Segment(piece.slots),
            Spot::Join => Part::Join,
            Spot::Mark => Part::Mark,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Segment(slots) => write!(f, "segment {slots}"),
            Part::Join => f.write_str("join"),
            Part::Mark => f.write_str("mark"),
        }
    }
}

/// What happened, with the facts that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    JobAccepted,
    JobProgress {
        percent: u8,
    },
    JobJoining,
    JobMarking,
    JobDone,
    JobFailed,
    JobCancelled,
    /// An operator changed something about it: `paused`, `resumed` …
    JobChanged(&'static str),
    /// Its webhook was sent, or could not be.
    JobTold {
        delivered: bool,
    },
    Leased,
    /// How far a leased piece is, at every renewal.
    Renewed {
        frames: u64,
    },
    GivenBack,
    LeaseExpired,
    Rendered {
        frames: u64,
        frames_made: u64,
        elapsed_ms: u64,
    },
    PieceFailed(FailureClass),
    AgentHello,
    AgentGone,
    AgentInvited,
    AgentJoined,
    AgentRevoked,
    AgentProven,
    AgentChanged(&'static str),
    Booked {
        kind: &'static str,
        change: Xeconds,
    },
    Swept {
        sweep: &'static str,
        ok: bool,
        deleted: u64,
        deleted_bytes: u64,
        elapsed_ms: u64,
    },
    /// Settings and operators.
    Configured(&'static str),
}

impl Event {
    pub fn new(at: Timestamp, what: What, about: About, text: impl Into<String>) -> Event {
        Event { at, what, about, text: text.into(), lines: Vec::new() }
    }
}

impl What {
    pub fn kind(self) -> EventKind {
        match self {
            What::JobAccepted
            | What::JobProgress { .. }
            | What::JobJoining
            | What::JobMarking
            | What::JobDone
            | What::JobFailed
            | What::JobCancelled
            | What::JobChanged(_)
            | What::JobTold { .. } => EventKind::Job,
            What::Rendered { .. } | What::PieceFailed(_) => EventKind::Segment,
            What::Leased | What::Renewed { .. } | What::GivenBack | What::LeaseExpired => EventKind::Lease,
            What::AgentHello
            | What::AgentGone
            | What::AgentInvited
            | What::AgentJoined
            | What::AgentRevoked
            | What::AgentProven
            | What::AgentChanged(_) => EventKind::Agent,
            What::Booked { .. } => EventKind::Ledger,
            What::Swept { .. } => EventKind::Sweep,
            What::Configured(_) => EventKind::Config,
        }
    }

    /// A word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            What::JobAccepted => "accepted",
            What::JobProgress { .. } => "progress",
            What::JobJoining => "joining",
            What::JobMarking => "marking",
            What::JobDone => "done",
            What::JobFailed | What::PieceFailed(_) => "failed",
            What::JobCancelled => "cancelled",
            What::JobTold { .. } => "webhook",
            What::JobChanged(word) | What::AgentChanged(word) | What::Configured(word) => word,
            What::Leased => "leased",
            What::Renewed { .. } => "renewed",
            What::GivenBack => "given_back",
            What::LeaseExpired => "expired",
            What::Rendered { .. } => "rendered",
            What::AgentHello => "hello",
            What::AgentGone => "gone",
            What::AgentInvited => "invited",
            What::AgentJoined => "joined",
            What::AgentRevoked => "revoked",
            What::AgentProven => "proven",
            What::Booked { kind, .. } => kind,
            What::Swept { sweep, .. } => sweep,
        }
    }

    pub fn level(self) -> Level {
        match self {
            What::JobProgress { .. } | What::Renewed { .. } => Level::Debug,
            What::JobFailed
            | What::PieceFailed(_)
            | What::LeaseExpired
            | What::AgentRevoked
            | What::JobTold { delivered: false }
            | What::Swept { ok: false, .. } => Level::Warn,
            What::JobAccepted
            | What::JobJoining
            | What::JobMarking
            | What::JobDone
            | What::JobCancelled
            | What::JobChanged(_)
            | What::JobTold { delivered: true }
            | What::Leased
            | What::GivenBack
            | What::Rendered { .. }
            | What::AgentHello
            | What::AgentGone
            | What::AgentInvited
            | What::AgentJoined
            | What::AgentProven
            | What::AgentChanged(_)
            | What::Booked { .. }
            | What::Swept { ok: true, .. }
            | What::Configured(_) => Level::Info,
        }
    }

    /// Whether it is a line of the story of the job it concerns: all but how far it is.
    pub fn is_story(self) -> bool {
        self.level() > Level::Debug
    }
}

/// One line of a job's story, kept as long as the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    pub job: JobId,
    /// Position in the story, from 0 without gaps.
    pub sequence: u32,
    pub at: Timestamp,
    pub level: Level,
    /// Whether the agent's worker said it; the daemon did otherwise.
    pub by_worker: bool,
    pub agent: Option<AgentId>,
    pub worker: Option<u32>,
    pub part: Option<Part>,
    pub lease: Option<LeaseId>,
    pub text: String,
}
