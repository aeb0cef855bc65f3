//! Bodies about agents: invited, listed, revoked.

use crate::{AgentId, JobId, LeaseId, service::Inventory};
use serde::{Deserialize, Serialize};

/// `POST /operator/invitations`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// What the agent will be called.
    pub name: String,
    /// How long the line can be used, in seconds.
    pub valid_seconds: u64,
}

/// Answer of `POST /operator/invitations`: the line is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    pub name: String,
    /// For `tweenfarm-agent join`.
    pub line: String,
    pub expires_at: String,
}

/// One row of `GET /operator/agents`: those that joined, in the order of joining, then those of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    pub agent: AgentId,
    pub name: String,
    pub standing: Standing,
    /// The release it runs; empty until it has said hello to this daemon.
    pub version: String,
    pub connected: bool,
    pub last_seen: Option<String>,
    pub free_disk_bytes: u64,
    pub workers: Vec<WorkerRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// On the daemon's own machine, by its socket.
    Local,
    Member,
    /// A member with a device that has yet to render the probe rightly.
    Probation,
    Revoked,
}

impl Standing {
    pub const fn name(self) -> &'static str {
        match self {
            Standing::Local => "local",
            Standing::Member => "member",
            Standing::Probation => "probation",
            Standing::Revoked => "revoked",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRow {
    pub worker: u32,
    pub device_name: String,
    pub device_uuid: String,
    pub engine: String,
    pub encoders: Vec<String>,
    pub inventory: Inventory,
    /// Of the device, where its machine tells.
    #[serde(default)]
    pub celsius: Option<u32>,
    /// Of the device, whoever keeps it busy: 0..=100.
    #[serde(default)]
    pub load_percent: Option<u8>,
    /// The job in hand, if any.
    pub job: Option<JobId>,
    #[serde(default)]
    pub in_hand: Option<InHand>,
    /// Since the daemon started.
    #[serde(default)]
    pub counts: WorkerCounts,
    /// Why the device did not leave probation at its last try.
    pub probe_failure: Option<String>,
}

/// The piece that a worker has in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InHand {
    pub job: JobId,
    /// `segment 0..120`, `join` or `mark`.
    pub piece: String,
    pub lease: LeaseId,
    pub attempt: u32,
    pub frames_done: u64,
    pub frames_total: u64,
    pub deadline: String,
}

/// What became of the pieces a worker was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCounts {
    pub finished: u64,
    pub failed: u64,
    /// Leases that ran out.
    pub lost: u64,
    pub frames: u64,
    /// Of the last five minutes: 0..=100.
    pub busy_percent: u8,
    /// The last failure of this worker.
    pub last_failure: Option<String>,
    pub last_failure_at: Option<String>,
}

/// Answer of `DELETE /operator/agents/{agent}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedAgent {
    pub agent: AgentId,
    pub name: String,
}
