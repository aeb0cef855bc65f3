//! The agents' service: agents dial in, the daemon answers. Control only, pixels never pass here.

use crate::{
    AgentId, LeaseId,
    task::{Outcome, Progress, Task},
};
use serde::{Deserialize, Serialize};

/// Versions of this service that a build understands; `hello` refuses ranges that do not meet.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u32> = 1..=1;

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
    pub encoders: Vec<String>,
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
    #[error("the daemon is shutting down or its store is unavailable: try again in a few seconds")]
    Unavailable,
}
