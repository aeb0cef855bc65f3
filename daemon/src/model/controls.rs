//! What the operator has stopped: the queue as a whole, and single agents. A job that is paused says so itself.

use std::collections::BTreeMap;
use tweenfarm_protocol::{AgentId, Timestamp};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    pub queue: Queue,
    /// Agents that are not here work.
    pub duties: BTreeMap<AgentId, Duty>,
}

/// Whether anything new is handed out at all; what is leased goes on either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queue {
    #[default]
    Running,
    Paused {
        at: Timestamp,
    },
}

/// Why an agent is given nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// What it had in hand was taken from it, without blame.
    Paused { at: Timestamp },
    /// It finishes what it has in hand; with nothing left it is drained.
    Draining { at: Timestamp },
}

impl Controls {
    pub fn is_paused(&self) -> bool {
        matches!(self.queue, Queue::Paused { .. })
    }

    /// Whether this agent may be given something new.
    pub fn works(&self, agent: AgentId) -> bool {
        !self.duties.contains_key(&agent)
    }
}
