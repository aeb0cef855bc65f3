//! Which agents are here and which of their workers ask for work. In memory only: an agent says hello again.

use crate::schedule::fit::Candidate;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
    /// Workers that ask for work or asked a while ago.
    asking: BTreeMap<(AgentId, u32), Asking>,
    /// Agents that have a worker with such an engine.
    engines: HashMap<String, BTreeSet<AgentId>>,
    /// The workers of each device.
    devices: HashMap<String, BTreeSet<(AgentId, u32)>>,
}

#[derive(Debug)]
pub(super) struct Present {
    pub(super) hello: Hello,
    /// More than one for a moment, when an agent comes back before its old connection is seen to be closed.
    connections: u32,
    pub(super) last_seen: Timestamp,
    /// None until it said so, and of an agent of protocol 2.
    pub(super) condition: Option<Condition>,
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

    fn is_here(&self) -> bool {
        self.is_connected() && self.takes_work()
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
        let connections = match self.agents.remove(&agent) {
            Some(before) => {
                self.forget_workers(agent, &before.hello.workers);
                before.connections
            }
            None => 0,
        };
        for facts in &hello.workers {
            self.engines.entry(facts.engine.clone()).or_default().insert(agent);
            self.devices.entry(facts.device_uuid.clone()).or_default().insert((agent, facts.worker));
        }
        let present = Present { hello, connections: connections + 1, last_seen: now, condition: None };
        self.agents.insert(agent, present);
    }

    fn forget_workers(&mut self, agent: AgentId, workers: &[WorkerFacts]) {
        for facts in workers {
            remove_from(&mut self.engines, &facts.engine, &agent);
            remove_from(&mut self.devices, &facts.device_uuid, &(agent, facts.worker));
        }
    }

    /// One of its connections closed.
    pub(super) fn gone(&mut self, agent: AgentId, now: Timestamp) {
        if let Some(present) = self.agents.get_mut(&agent) {
            present.connections = present.connections.saturating_sub(1);
            present.last_seen = now;
            if !present.is_connected() {
                let own: Vec<_> =
                    self.asking.range((agent, 0)..=(agent, u32::MAX)).map(|(worker, _)| *worker).collect();
                for worker in own {
                    self.asking.remove(&worker);
                }
            }
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

    /// Tells whether that is news.
    pub(super) fn says(&mut self, agent: AgentId, condition: Condition, now: Timestamp) -> bool {
        let Some(present) = self.agents.get_mut(&agent) else { return false };
        present.last_seen = now;
        let before = present.condition.replace(condition);
        before != present.condition
    }

    /// A worker of an agent that has been introduced.
    pub(super) fn candidate(&self, (agent, worker): (AgentId, u32)) -> Option<Candidate<'_>> {
        let present = self.agents.get(&agent)?;
        present.candidates(agent).find(|candidate| candidate.worker == worker)
    }

    /// The same of an agent that takes work.
    pub(super) fn ready_candidate(&self, worker: (AgentId, u32)) -> Option<Candidate<'_>> {
        let takes_work = self.agents.get(&worker.0).is_some_and(Present::takes_work);
        if takes_work { self.candidate(worker) } else { None }
    }

    /// Workers of all connected agents that take work.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> {
        let here = self.agents.iter().filter(|(_, present)| present.is_here());
        here.flat_map(|(agent, present)| present.candidates(*agent))
    }

    /// Connected agents that take work and have a worker with such an engine.
    pub(super) fn with_engine(&self, engine: &str) -> impl Iterator<Item = AgentId> {
        let agents = self.engines.get(engine).into_iter().flatten();
        agents.copied().filter(|agent| self.agents.get(agent).is_some_and(Present::is_here))
    }

    /// The workers of one device, whosever they are.
    pub(super) fn on_device(&self, device_uuid: &str) -> impl Iterator<Item = (AgentId, u32)> {
        self.devices.get(device_uuid).into_iter().flatten().copied()
    }

    /// False when the agent, or this worker of it, has not been introduced.
    pub(super) fn asks(&mut self, agent: AgentId, worker: u32, now: Timestamp) -> bool {
        let Some(present) = self.agents.get_mut(&agent) else { return false };
        if !present.hello.workers.iter().any(|facts| facts.worker == worker) {
            return false;
        }
        present.last_seen = now;
        let asking = self.asking.entry((agent, worker)).or_default();
        asking.pending += 1;
        asking.last = now;
        true
    }

    pub(super) fn asked(&mut self, agent: AgentId, worker: u32, now: Timestamp) {
        let Some(present) = self.agents.get_mut(&agent) else { return };
        present.last_seen = now;
        if let Some(asking) = self.asking.get_mut(&(agent, worker)) {
            asking.pending = asking.pending.saturating_sub(1);
            asking.last = now;
        }
    }

    /// Workers of connected agents that wait for work or asked for it a moment ago.
    pub(super) fn asking(&self, now: Timestamp) -> impl Iterator<Item = (AgentId, u32)> {
        let recent = move |asking: &Asking| asking.pending > 0 || now.since(asking.last) < ASKED_RECENTLY;
        self.asking.iter().filter(move |(_, asking)| recent(asking)).map(|(worker, _)| *worker)
    }

    /// Of all workers that are here, as far as they were measured.
    pub(super) fn pixels_per_second(&self) -> u64 {
        let connected = self.agents.values().filter(|present| present.is_connected());
        connected.flat_map(|present| &present.hello.workers).map(|facts| facts.inventory.pixels_per_second).sum()
    }

    /// Pixels per second of one worker; 0 where that was never measured.
    pub(super) fn speed(&self, worker: (AgentId, u32)) -> u64 {
        self.candidate(worker).map_or(0, |candidate| candidate.facts.inventory.pixels_per_second)
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = (&AgentId, &Present)> {
        self.agents.iter()
    }
}

fn remove_from<Of: Ord>(sets: &mut HashMap<String, BTreeSet<Of>>, key: &str, what: &Of) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(what);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
