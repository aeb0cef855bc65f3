//! The agents' service: agents dial in, the daemon answers. Control only, pixels never pass here.

use crate::{
    AgentId, LeaseId, Timestamp,
    join::Certificate,
    task::{Outcome, Presigned, Progress, Task},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Versions of this service that a build understands; `hello` refuses ranges that do not meet.
///
/// This release and the one before work together. What 3 added has a `*_SINCE` beside it.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
/// From this version on an agent says whether it takes work, and how much room it has.
pub const CONDITION_SINCE: u32 = 3;
/// From this version on a condition tells how warm and how busy devices are.
pub const READINGS_SINCE: u32 = 3;
/// From this version on a daemon says how a finished result is to be delivered; before, the URL of its task has to do.
pub const PLACEMENTS_SINCE: u32 = 3;

/// How long the daemon holds a `next_task` open when there is nothing to do, at most.
pub const NEXT_TASK_WAIT_MS_MAX: u64 = 20_000;

#[tarpc::service]
pub trait Farm {
    /// Introduces an agent and its workers; called once per connection, before anything else.
    async fn hello(hello: Hello) -> Result<Welcome, Refusal>;
    /// Long poll: the next task for one worker, or none after `wait_ms`.
    async fn next_task(agent: AgentId, worker: u32, wait_ms: u64) -> Result<Option<Task>, Refusal>;
    /// Keeps a lease alive and says how far it is.
    async fn renew(lease: LeaseId, progress: Progress) -> Result<Renewal, Refusal>;
    /// Ends a lease with an outcome. Idempotent: a doubled or late report changes nothing.
    async fn report(lease: LeaseId, outcome: Outcome) -> Result<Receipt, Refusal>;
    /// Gives a lease back unfinished, without counting an attempt (shutdown, drain).
    async fn give_back(lease: LeaseId) -> Result<Receipt, Refusal>;
    /// Whether this agent takes work, and its room: after each hello, when it changes, and now and then.
    async fn condition(agent: AgentId, condition: Condition) -> Result<(), Refusal>;
    /// How to deliver a finished result whose size and SHA-256 (lowercase hex) are known.
    async fn place(lease: LeaseId, size_bytes: u64, sha256: String) -> Result<Placement, Refusal>;
    /// Makes the parts of a delivery one object; `etags` are the store's answers, in the order of the parts.
    async fn put_together(lease: LeaseId, upload: String, etags: Vec<String>) -> Result<(), Refusal>;
    /// A fresh certificate for the key that this connection was made with; PKCS #10, PEM, signed by that key.
    async fn renew_certificate(request: String) -> Result<Certificate, Refusal>;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Lowest and highest protocol version the agent speaks.
    pub protocol: (u32, u32),
    pub agent: AgentId,
    /// Host name or configured name, for people.
    pub name: String,
    pub version: String,
    pub workers: Vec<WorkerFacts>,
    /// Bytes free on the disk of the agent's state folder; 0 where that is not known.
    #[serde(default)]
    pub free_disk_bytes: u64,
}

/// How an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub availability: Availability,
    /// Bytes that one task may use of the state folder's disk: what is free above the reserve, and what the cache can let go.
    pub room_bytes: u64,
    /// Of its devices, as far as the machine tells; empty of an agent that does not look.
    #[serde(default)]
    pub devices: Vec<DeviceReading>,
}

/// How one device is, of what its machine tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReading {
    pub device_uuid: String,
    pub celsius: Option<u32>,
    /// 0..=100, whoever keeps it busy.
    pub busy_percent: Option<u8>,
}

/// Whether an agent takes work; one that does not has given back what it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    Ready,
    /// By its schedule.
    Asleep {
        until: Timestamp,
    },
    /// Somebody else needs the machine; the reason is a sentence for the operator.
    InUse {
        reason: String,
    },
}

/// One GPU slot of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerFacts {
    /// Index within the agent, stable while it runs.
    pub worker: u32,
    /// Vulkan device UUID, lowercase hex: devices are named by it, never by index.
    pub device_uuid: String,
    pub device_name: String,
    pub engine: String,
    /// Those that truly encoded a frame when the worker started.
    pub encoders: Vec<String>,
    #[serde(default)]
    pub inventory: Inventory,
}

/// What a worker can do, as it was found out on its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// Of the device's own memory; of a device that shares the machine's, of that.
    pub memory_bytes: u64,
    /// Driver and its version, as Vulkan names them.
    pub driver: String,
    /// Streams that each working encoder took at once when that was tried, by element name.
    pub encoder_sessions: BTreeMap<String, u32>,
    /// Pixels of output per second of the last renders; 0 before the first.
    pub pixels_per_second: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub protocol: u32,
    pub daemon_version: String,
    /// Renew a lease this often.
    pub renew_every_ms: u64,
    /// Leases this agent still holds, as the daemon sees it; the agent gives back those it no longer works on.
    pub leases: Vec<LeaseId>,
}

/// How one result is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// The store has these bytes already: report them.
    There,
    /// The lease is over: nobody waits for the result.
    Over,
    /// In one request.
    Whole(Presigned),
    /// In parts of `part_bytes` each but the last, then `put_together`. Who asks again while the upload is under way is
    /// given the same `upload`, and the parts that arrived count.
    Parts { upload: String, part_bytes: u64, parts: Vec<Presigned> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Renewal {
    Kept,
    /// The lease is over (expired, cancelled, reported): drop the work.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    Accepted,
    /// The lease was no longer the current one; nothing changed, the result can be deleted.
    Stale,
}

/// Why the daemon did not do what an agent asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error(
        "the daemon speaks protocol {daemon_lowest} to {daemon_highest}, this agent {agent_lowest} to {agent_highest}: bring both to the same release"
    )]
    Protocol { daemon_lowest: u32, daemon_highest: u32, agent_lowest: u32, agent_highest: u32 },
    #[error("say hello first: the daemon does not know agent {0} (it may have restarted)")]
    UnknownAgent(AgentId),
    #[error("the delivered bytes are not there or differ from the report: deliver them again")]
    NotDelivered,
    #[error("this certificate is of agent {yours}, not of {said}: an agent speaks for itself only")]
    NotYourself { yours: AgentId, said: AgentId },
    #[error("the certificate request cannot be used: {0}")]
    Request(String),
    #[error("the daemon is shutting down or its store is unavailable: try again in a few seconds")]
    Unavailable,
}
