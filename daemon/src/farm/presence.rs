//! Which agents are here and which of their workers ask for work. In memory only: an agent says hello again.

use crate::schedule::fit::Candidate;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tweenfarm_protocol::{
    AgentId, Timestamp,
    service::{Availability, Condition, Hello, WorkerFacts},
};

/// A worker counts as idle this long after it last asked: it asks again at once, so longer means it is gone.
const ASKED_RECENTLY: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Presence {
    agents: BTreeMap<AgentId, Present>,
}

#[derive(Debug)]
pub(super) struct Present {
    pub(super) hello: Hello,
    /// More than one for a moment, when an agent comes back before its old connection is seen to be closed.
    connections: u32,
    pub(super) last_seen: Timestamp,
    /// None until it said so, and of an agent of protocol 2.
    pub(super) condition: Option<Condition>,
    asking: HashMap<u32, Asking>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asking {
    pending: u32,
    last: Timestamp,
}

impl Present {
    pub(super) fn is_connected(&self) -> bool {
        self.connections > 0
    }

    fn takes_work(&self) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.availability == Availability::Ready)
    }

    fn candidates(&self, agent: AgentId) -> impl Iterator<Item = Candidate<'_>> {
        let room_bytes = self.condition.as_ref().map(|condition| condition.room_bytes);
        let workers = self.hello.workers.iter();
        workers.map(move |facts| Candidate { agent, worker: facts.worker, facts, room_bytes, neighbours_busy: 0 })
    }
}

impl Presence {
    pub(super) fn hello(&mut self, hello: Hello, now: Timestamp) {
        let agent = hello.agent;
        let before = self.agents.remove(&agent);
        let (connections, asking) = before.map_or_else(Default::default, |before| (before.connections, before.asking));
        let present = Present { hello, connections: connections + 1, last_seen: now, condition: None, asking };
        self.agents.insert(agent, present);
    }

    /// One of its connections closed.
    pub(super) fn gone(&mut self, agent: AgentId, now: Timestamp) {
        if let Some(present) = self.agents.get_mut(&agent) {
            present.connections = present.connections.saturating_sub(1);
            present.last_seen = now;
        }
    }

    pub(super) fn name(&self, agent: AgentId) -> Option<String> {
        self.agents.get(&agent).map(|present| present.hello.name.clone())
    }

    pub(super) fn is_connected(&self, agent: AgentId) -> bool {
        self.agents.get(&agent).is_some_and(Present::is_connected)
    }

    pub(super) fn seen(&mut self, agent: AgentId, now: Timestamp) {
        if let Some(present) = self.agents.get_mut(&agent) {
            present.last_seen = now;
        }
    }

    pub(super) fn measured(&mut self, agent: AgentId, worker: u32, pixels_per_second: u64) {
        let Some(present) = self.agents.get_mut(&agent) else { return };
        if let Some(facts) = present.hello.workers.iter_mut().find(|facts| facts.worker == worker) {
            facts.inventory.pixels_per_second = pixels_per_second;
        }
    }

    pub(super) fn says(&mut self, agent: AgentId, condition: Condition, now: Timestamp) {
        if let Some(present) = self.agents.get_mut(&agent) {
            (present.condition, present.last_seen) = (Some(condition), now);
        }
    }

    /// A worker of an agent that has been introduced.
    pub(super) fn candidate(&self, (agent, worker): (AgentId, u32)) -> Option<Candidate<'_>> {
        let present = self.agents.get(&agent)?;
        present.candidates(agent).find(|candidate| candidate.worker == worker)
    }

    /// Workers of all connected agents that take work.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> {
        let here = self.agents.iter().filter(|(_, present)| present.is_connected() && present.takes_work());
        here.flat_map(|(agent, present)| present.candidates(*agent))
    }

    /// False when the agent, or this worker of it, has not been introduced.
    pub(super) fn asks(&mut self, agent: AgentId, worker: u32, now: Timestamp) -> bool {
        let Some(present) = self.agents.get_mut(&agent) else { return false };
        if !present.hello.workers.iter().any(|facts| facts.worker == worker) {
            return false;
        }
        present.last_seen = now;
        let asking = present.asking.entry(worker).or_default();
        asking.pending += 1;
        asking.last = now;
        true
    }

    pub(super) fn asked(&mut self, agent: AgentId, worker: u32, now: Timestamp) {
        let Some(present) = self.agents.get_mut(&agent) else { return };
        present.last_seen = now;
        if let Some(asking) = present.asking.get_mut(&worker) {
            asking.pending = asking.pending.saturating_sub(1);
            asking.last = now;
        }
    }

    /// Workers of connected agents that wait for work or asked for it a moment ago.
    pub(super) fn asking(&self, now: Timestamp) -> impl Iterator<Item = (AgentId, u32)> {
        let connected = self.agents.iter().filter(|(_, present)| present.is_connected());
        connected.flat_map(move |(agent, present)| {
            let recent = move |asking: &Asking| asking.pending > 0 || now.since(asking.last) < ASKED_RECENTLY;
            let workers = present.asking.iter().filter(move |(_, asking)| recent(asking));
            workers.map(|(worker, _)| (*agent, *worker))
        })
    }

    /// Of all workers that are here, as far as they were measured.
    pub(super) fn pixels_per_second(&self) -> u64 {
        let connected = self.agents.values().filter(|present| present.is_connected());
        connected.flat_map(|present| &present.hello.workers).map(|facts| facts.inventory.pixels_per_second).sum()
    }

    /// Pixels per second of every worker that was ever measured.
    pub(super) fn speeds(&self) -> HashMap<(AgentId, u32), u64> {
        let of_agent = |(agent, present): (&AgentId, &Present)| {
            let agent = *agent;
            let measured = |facts: &WorkerFacts| ((agent, facts.worker), facts.inventory.pixels_per_second);
            present.hello.workers.iter().map(measured).collect::<Vec<_>>()
        };
        self.agents.iter().flat_map(of_agent).filter(|(_, speed)| *speed > 0).collect()
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = (&AgentId, &Present)> {
        self.agents.iter()
    }
}
