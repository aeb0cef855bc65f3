//! Bodies about the schedule: weights, priorities, what is paused, what waits and why, cancelling undone.

use crate::{AccountId, AgentId, JobId, LeaseId, SlotRange};
use serde::{Deserialize, Serialize};

/// `PUT /operator/users/{account}/weight`, and its answer's second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetWeight {
    /// 1 to 1000; of the farm's work, beside the other accounts'.
    pub weight: u32,
}

/// Answer of `PUT` and `GET /operator/users/{account}/weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightRow {
    pub account: AccountId,
    pub weight: u32,
}

/// `PUT /operator/jobs/{job}/priority`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPriority {
    /// -100 to 100; among the account's own jobs, each point a quarter of an hour's head start.
    pub priority: i32,
}

/// How a job stands in the schedule: `GET /operator/jobs/{job}/schedule`, and the answer of `PUT …/priority`,
/// `POST …/pause`, `POST …/resume`, `POST …/undo` and `POST …/retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSchedule {
    pub job: JobId,
    pub priority: i32,
    pub paused_at: Option<String>,
    /// Why nothing of it is being worked on, where that is not for want of a free worker alone: completes "waiting: …".
    pub waiting: Option<String>,
    /// Engine and version of whoever began it; empty before.
    pub engine_version: String,
    /// Until when its cancelling can be undone.
    pub undo_until: Option<String>,
    /// What failed of the pieces in work, oldest first of each.
    pub failures: Vec<FailureRow>,
    /// Of a job that failed: the last lines of the log of the worker that failed last.
    pub log: Vec<String>,
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// `segment`, `join` or `mark`.
    pub piece: String,
    pub slots: SlotRange,
    pub agent: AgentId,
    pub worker: u32,
    pub at: String,
    /// `input`, `resource`, `worker` or `internal`.
    pub class: String,
    pub message: String,
    /// The last lines of the worker's log.
    pub log: Vec<String>,
}

/// `GET /operator/queue`, and the answer of `POST /operator/queue/pause` and `…/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Since when nothing new is handed out.
    pub paused_at: Option<String>,
    /// Agents that were paused or told to drain.
    pub stopped_agents: u32,
}

/// What an agent does: one row of `GET /operator/duties`, and the answer of `POST /operator/agents/{agent}/pause`,
/// `…/drain` and `…/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyRow {
    pub agent: AgentId,
    pub name: String,
    pub connected: bool,
    pub duty: DutyKind,
    /// When it was paused or told to drain.
    pub since: Option<String>,
    /// Whether it takes work by itself: `ready`, `asleep`, `in use`; empty of an agent of the release before.
    pub availability: String,
    /// Until when it sleeps, or why it is in use.
    pub detail: Option<String>,
    pub in_hand: Vec<LeaseId>,
    /// What workers of it rest from after failures.
    pub rests: Vec<RestRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DutyKind {
    Working,
    Paused,
    /// Finishes what it has in hand.
    Draining,
    /// Has nothing in hand any more.
    Drained,
}

impl DutyKind {
    pub const fn name(self) -> &'static str {
        match self {
            DutyKind::Working => "working",
            DutyKind::Paused => "paused",
            DutyKind::Draining => "draining",
            DutyKind::Drained => "drained",
        }
    }
}

/// A worker that failed again and again at one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestRow {
    pub worker: u32,
    /// `render x264`, `join`, `mark x264` …
    pub work: String,
    /// None while it is tried with one piece.
    pub until: Option<String>,
}
