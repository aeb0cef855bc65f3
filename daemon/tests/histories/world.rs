//! The world around the farm: what happens when, agents with their workers, an operator, a clock that is not to be trusted.
//!
//! Discrete events: the next one in time is taken, does something to the farm, and brings others about. The farm is the
//! real one with its real writer; only the store is in memory, and nobody else talks to it, so that a seed is a history.

use crate::{
    dice::Dice,
    scene::{RULES, Scene, TestClock, done, hello, submission},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    time::Duration,
};
use tweenfarm_daemon::{
    farm::{FarmError, FarmRules, LeasedWork, Order, Piece},
    model::{Account, MediaFile, Weight},
    store::MemoryStore,
};
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId, SlotRange,
    service::{Receipt, Renewal},
    task::{Failure, FailureClass, Outcome, Progress},
};
use uuid::Uuid;

pub const SECOND: u64 = 1_000_000;
const RENEW_EVERY: u64 = 10 * SECOND;
const ASK_EVERY: u64 = 6 * SECOND;
const SWEEP_EVERY: u64 = 6 * SECOND;

pub const UNDO_RULES: FarmRules = FarmRules { undo_for: Duration::from_secs(600), ..RULES };

/// What a history is like.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    pub agents: u64,
    pub accounts: &'static [(&'static str, u32)],
    /// Of the first act, with all that goes wrong; afterwards all goes well until everything is done.
    pub trouble_seconds: u64,
    pub submits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    Submit,
    Ask {
        agent: usize,
        worker: u32,
        life: u32,
    },
    Renew {
        agent: usize,
        worker: u32,
        lease: LeaseId,
    },
    Finish {
        agent: usize,
        worker: u32,
        lease: LeaseId,
        ending: Ending,
    },
    /// A report that was sent before.
    Again {
        agent: usize,
        lease: LeaseId,
    },
    Dies {
        agent: usize,
    },
    Starts {
        agent: usize,
    },
    CutOff {
        agent: usize,
    },
    Reachable {
        agent: usize,
    },
    ClockJumps,
    DaemonRestarts,
    Sweep,
    Operator,
    Calm,
}

/// How a task ends for its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    Done,
    /// Said to be done, with a frame missing.
    Short,
    Fails(u8),
    GivenBack,
    /// The worker says nothing any more; its agent does not notice.
    Silent,
}

const CLASSES: [FailureClass; 4] =
    [FailureClass::Input, FailureClass::Resource, FailureClass::Worker, FailureClass::Internal];

#[derive(Default)]
pub struct SimAgent {
    pub id: u128,
    pub workers: u32,
    /// What each worker has in hand.
    in_hand: BTreeMap<u32, LeasedWork>,
    /// Reports that could not be sent.
    outbox: Vec<(LeaseId, Outcome)>,
    is_up: bool,
    is_cut_off: bool,
    /// One more at every start: what was to happen in an earlier life does not.
    life: u32,
    /// Slots each worker makes per second; a broken one fails everything.
    pace: u64,
    is_broken: bool,
}

impl SimAgent {
    pub fn agent(&self) -> AgentId {
        AgentId(Uuid::from_u128(self.id))
    }
}

pub struct World {
    pub dice: Dice,
    pub store: Arc<MemoryStore>,
    pub scene: Scene,
    pub accounts: Vec<(Account, MediaFile)>,
    pub agents: Vec<SimAgent>,
    pub jobs: Vec<JobId>,
    /// Slots of which a render was accepted.
    pub accepted: BTreeMap<JobId, Vec<SlotRange>>,
    pub joined: BTreeMap<JobId, u32>,
    pub marked: BTreeMap<JobId, u32>,
    pub undone: BTreeMap<JobId, u32>,
    /// How often each failed job was tried again.
    pub retried: BTreeMap<JobId, u32>,
    /// Every lease ever handed out.
    pub past: BTreeMap<LeaseId, LeasedWork>,
    /// A line for each thing that happened: two histories of one seed have the same.
    pub trace: Vec<String>,
    pub plot: Plot,
    now: u64,
    sequence: u64,
    happenings: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    is_calm: bool,
}

impl World {
    pub async fn new(seed: u64, plot: Plot) -> World {
        let store = Arc::new(MemoryStore::new());
        let scene = Scene::on(store.clone(), UNDO_RULES);
        let mut dice = Dice::new(seed);
        let mut accounts = Vec::new();
        for (name, weight) in plot.accounts {
            let account = scene.account(name, 200).await;
            scene.farm.weigh(account.id, Weight::new(*weight).unwrap()).await.unwrap();
            let clip = scene.clip(&account, 5).await;
            accounts.push((account, clip));
        }
        let agents = (1..=plot.agents).map(|number| SimAgent {
            id: 0xA000 + u128::from(number),
            workers: u32::try_from(1 + dice.below(2)).unwrap(),
            pace: 10 + dice.below(60),
            is_broken: plot.trouble_seconds > 0 && dice.once_in(5),
            ..SimAgent::default()
        });
        let agents: Vec<SimAgent> = agents.collect();
        let mut world = World {
            dice,
            store,
            scene,
            accounts,
            agents,
            jobs: Vec::new(),
            accepted: BTreeMap::new(),
            joined: BTreeMap::new(),
            marked: BTreeMap::new(),
            undone: BTreeMap::new(),
            retried: BTreeMap::new(),
            past: BTreeMap::new(),
            trace: Vec::new(),
            plot,
            now: 0,
            sequence: 0,
            happenings: BinaryHeap::new(),
            is_calm: plot.trouble_seconds == 0,
        };
        world.prepare();
        world
    }

    fn prepare(&mut self) {
        for agent in 0..self.agents.len() {
            self.within(5, Happening::Starts { agent });
        }
        for _ in 0..self.plot.submits {
            self.within((self.plot.trouble_seconds / 2).max(1), Happening::Submit);
        }
        self.after(SWEEP_EVERY, Happening::Sweep);
        if self.is_calm {
            return;
        }
        let trouble = self.plot.trouble_seconds;
        for _ in 0..1 + self.dice.below(6) {
            let agent = usize::try_from(self.dice.below(self.plot.agents)).unwrap();
            let happening = match self.dice.below(4) {
                0 => Happening::Dies { agent },
                1 => Happening::CutOff { agent },
                2 => Happening::ClockJumps,
                _ => Happening::DaemonRestarts,
            };
            self.within(trouble, happening);
        }
        for _ in 0..3 + self.dice.below(10) {
            self.within(trouble, Happening::Operator);
        }
        self.after(trouble * SECOND, Happening::Calm);
    }

    fn after(&mut self, micros: u64, happening: Happening) {
        self.sequence += 1;
        self.happenings.push(Reverse((self.now + micros, self.sequence, happening)));
    }

    fn within(&mut self, seconds: u64, happening: Happening) {
        let micros = self.dice.below(seconds * SECOND);
        self.after(micros, happening);
    }

    /// Until nothing is under way after the trouble is over. False when that takes longer than `limit_seconds`.
    pub async fn play(&mut self, limit_seconds: u64) -> bool {
        while let Some(Reverse((at, _, happening))) = self.happenings.pop() {
            self.scene.clock.advance(Duration::from_micros(at - self.now));
            self.now = at;
            if !matches!(happening, Happening::Sweep | Happening::Ask { .. } | Happening::Renew { .. }) {
                self.trace.push(format!("{at} {happening:?}"));
            }
            self.happen(happening).await;
            let all_came = self.is_calm && self.jobs.len() as u64 >= self.plot.submits.min(1);
            if all_came && self.scene.farm.jobs_open(1, None).is_empty() && self.no_submit_to_come() {
                return true;
            }
            if at > limit_seconds * SECOND {
                return false;
            }
        }
        true
    }

    fn no_submit_to_come(&self) -> bool {
        !self.happenings.iter().any(|Reverse((_, _, happening))| *happening == Happening::Submit)
    }

    async fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Submit => self.submit().await,
            Happening::Ask { agent, worker, life } => self.ask(agent, worker, life).await,
            Happening::Renew { agent, worker, lease } => self.renew(agent, worker, lease).await,
            Happening::Finish { agent, worker, lease, ending } => self.finish(agent, worker, lease, ending).await,
            Happening::Again { agent, lease } => self.report_again(agent, lease).await,
            Happening::Dies { agent } => self.dies(agent),
            Happening::Starts { agent } => self.starts(agent).await,
            Happening::CutOff { agent } => self.cut_off(agent),
            Happening::Reachable { agent } => self.reachable(agent).await,
            Happening::ClockJumps => self.jump(),
            Happening::DaemonRestarts => self.restart().await,
            Happening::Sweep => {
                self.scene.farm.expire_leases().await.unwrap();
                self.scene.farm.forget_cancelled().await.unwrap();
                self.after(SWEEP_EVERY, Happening::Sweep);
            }
            Happening::Operator => self.operate().await,
            Happening::Calm => self.calm().await,
        }
    }

    async fn submit(&mut self) {
        let which = usize::try_from(self.dice.below(self.accounts.len() as u64)).unwrap();
        let (_, clip) = self.accounts[which].clone();
        let mut submission = submission(&clip, 5, 1 + i64::try_from(self.dice.below(12)).unwrap());
        submission.watermark = self.dice.once_in(4);
        match self.scene.farm.submit(submission).await {
            Ok(submitted) => self.jobs.push(submitted.job.id),
            Err(FarmError::InsufficientXeconds { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }

    /// A long poll in short: asked now, and again soon.
    async fn ask(&mut self, agent: usize, worker: u32, life: u32) {
        let asking = &self.agents[agent];
        if !asking.is_up || asking.life != life {
            return;
        }
        self.after(ASK_EVERY, Happening::Ask { agent, worker, life });
        let asking = &self.agents[agent];
        if asking.is_cut_off || asking.in_hand.contains_key(&worker) {
            return;
        }
        let id = asking.agent();
        let Some(work) = self.scene.farm.lease_next(id, worker, Duration::ZERO).await.unwrap() else { return };
        self.check_handed_out(id, worker, &work);
        let earlier = self.past.insert(work.lease, work.clone());
        assert!(earlier.is_none(), "a lease was given twice");
        self.trace.push(format!("{} agent {agent} worker {worker} takes {} of {}", self.now, work.lease, work.job.id));
        let (ending, micros) = self.ending(agent, &work);
        let lease = work.lease;
        self.agents[agent].in_hand.insert(worker, work);
        self.after(RENEW_EVERY, Happening::Renew { agent, worker, lease });
        if ending != Ending::Silent {
            self.after(micros, Happening::Finish { agent, worker, lease, ending });
        }
    }

    fn ending(&mut self, agent: usize, work: &LeasedWork) -> (Ending, u64) {
        let slots = match &work.piece {
            Piece::Render(slots) => slots.len(),
            Piece::Join(_) | Piece::Mark(_) => 30,
        };
        let pace = self.agents[agent].pace;
        let usual = slots * SECOND / pace + SECOND;
        if self.is_calm {
            return (Ending::Done, usual);
        }
        if self.agents[agent].is_broken {
            return (Ending::Fails(2), SECOND);
        }
        match self.dice.below(30) {
            0 => (Ending::Fails(u8::try_from(self.dice.below(4)).unwrap()), usual / 2),
            1 => (Ending::Silent, 0),
            2 => (Ending::GivenBack, usual / 2),
            3 => (Ending::Short, usual),
            // Slow: far longer than a lease, which is renewed all the time.
            4 => (Ending::Done, usual * 20),
            _ => (Ending::Done, usual),
        }
    }

    async fn renew(&mut self, agent: usize, worker: u32, lease: LeaseId) {
        let of = &self.agents[agent];
        let holds = of.in_hand.get(&worker).is_some_and(|work| work.lease == lease);
        if !holds || !of.is_up {
            return;
        }
        if !of.is_cut_off {
            let progress = Progress { frames_done: self.dice.below(120), frames_total: 100 };
            if self.scene.farm.renew(lease, progress).await.unwrap() == Renewal::Lost {
                self.agents[agent].in_hand.remove(&worker);
                return;
            }
        }
        self.after(RENEW_EVERY, Happening::Renew { agent, worker, lease });
    }

    async fn finish(&mut self, agent: usize, worker: u32, lease: LeaseId, ending: Ending) {
        let of = &mut self.agents[agent];
        if of.in_hand.get(&worker).is_none_or(|work| work.lease != lease) {
            return;
        }
        let Some(work) = of.in_hand.remove(&worker) else { return };
        let outcome = match ending {
            Ending::Done => done(&work),
            Ending::Short => match done(&work) {
                Outcome::Done(mut delivered) => {
                    delivered.facts.frames -= 1;
                    Outcome::Done(delivered)
                }
                failed => failed,
            },
            Ending::Fails(class) => Outcome::Failed(Failure::new(CLASSES[usize::from(class)], "It broke.".into())),
            Ending::GivenBack if of.is_cut_off => return,
            Ending::GivenBack => {
                let held = self.held(|_, of| of == lease);
                self.scene.farm.give_back(lease).await.unwrap();
                self.check_costs_nothing(&held);
                return;
            }
            Ending::Silent => return,
        };
        if of.is_cut_off {
            of.outbox.push((lease, outcome));
            return;
        }
        self.report(lease, outcome).await;
        if !self.is_calm && self.dice.once_in(6) {
            self.within(90, Happening::Again { agent, lease });
        }
    }

    /// What a report changes is counted; of a lease that is over, nothing may change.
    async fn report(&mut self, lease: LeaseId, outcome: Outcome) {
        let work = self.past[&lease].clone();
        let is_current = self.scene.farm.holder(lease).is_some();
        let before = self.scene.state(work.job.id);
        let is_done = matches!(&outcome, Outcome::Done(delivered) if delivered.facts.frames == frames(&work));
        let receipt = self.scene.farm.report(lease, outcome).await.unwrap();
        assert_eq!(receipt == Receipt::Accepted, is_current, "a report under {lease}");
        if receipt == Receipt::Stale {
            assert_eq!(self.scene.state(work.job.id), before, "a late report changed something");
            return;
        }
        if is_done {
            match &work.piece {
                Piece::Render(slots) => self.accepted.entry(work.job.id).or_default().push(*slots),
                Piece::Join(_) => *self.joined.entry(work.job.id).or_default() += 1,
                Piece::Mark(_) => *self.marked.entry(work.job.id).or_default() += 1,
            }
        }
    }

    async fn report_again(&mut self, agent: usize, lease: LeaseId) {
        let work = self.past[&lease].clone();
        let failed = Outcome::Failed(Failure::new(FailureClass::Input, "late".into()));
        let outcome = if self.dice.once_in(2) { done(&work) } else { failed };
        if self.agents[agent].is_up && !self.agents[agent].is_cut_off {
            self.report(lease, outcome).await;
        }
    }

    /// `kill -9`: it says nothing, and what was in hand is forgotten; finished reports are on its disk.
    fn dies(&mut self, agent: usize) {
        let of = &mut self.agents[agent];
        if !of.is_up {
            return;
        }
        let id = of.agent();
        of.is_up = false;
        of.in_hand.clear();
        if !of.is_cut_off {
            self.scene.farm.agent_gone(id);
        }
        self.within(120, Happening::Starts { agent });
    }

    async fn starts(&mut self, agent: usize) {
        if self.agents[agent].is_up {
            return;
        }
        let of = &mut self.agents[agent];
        (of.is_up, of.is_cut_off, of.life) = (true, false, of.life + 1);
        let (life, workers) = (of.life, of.workers);
        self.says_hello(agent).await;
        for worker in 0..workers {
            self.after(SECOND, Happening::Ask { agent, worker, life });
        }
    }

    /// Hello, reports that waited, and leases back that nobody works on.
    async fn says_hello(&mut self, agent: usize) {
        let of = &self.agents[agent];
        let mut hello = hello(of.agent(), of.workers);
        // Measured, so that pieces are cut by who is there and how fast, and not all of one length.
        hello.workers.iter_mut().for_each(|facts| facts.inventory.pixels_per_second = of.pace * 64 * 48);
        let held = self.scene.farm.hello(hello).await.unwrap();
        let outbox = std::mem::take(&mut self.agents[agent].outbox);
        let kept: BTreeSet<LeaseId> = outbox.iter().map(|(lease, _)| *lease).collect();
        for (lease, outcome) in outbox {
            self.report(lease, outcome).await;
        }
        for lease in held {
            let in_hand = self.agents[agent].in_hand.values().any(|work| work.lease == lease);
            if !in_hand && !kept.contains(&lease) {
                self.scene.farm.give_back(lease).await.unwrap();
            }
        }
    }

    fn cut_off(&mut self, agent: usize) {
        let of = &mut self.agents[agent];
        if !of.is_up || of.is_cut_off {
            return;
        }
        of.is_cut_off = true;
        let id = of.agent();
        self.scene.farm.agent_gone(id);
        self.within(180, Happening::Reachable { agent });
    }

    async fn reachable(&mut self, agent: usize) {
        if self.agents[agent].is_up && self.agents[agent].is_cut_off {
            self.agents[agent].is_cut_off = false;
            self.says_hello(agent).await;
        }
    }

    fn jump(&mut self) {
        let span = Duration::from_secs(self.dice.below(1_800));
        if self.dice.once_in(2) { self.scene.clock.advance(span) } else { self.scene.clock.go_back(span) }
    }

    /// In order, killed, or without power: what was answered is there again.
    async fn restart(&mut self) {
        match self.dice.below(3) {
            0 => self.scene.farm.clone().close().await,
            1 => {}
            _ => self.store = Arc::new(self.store.crash()),
        }
        let clock: Arc<TestClock> = self.scene.clock.clone();
        self.scene = Scene::at(self.store.clone(), UNDO_RULES, clock);
        for agent in 0..self.agents.len() {
            if self.agents[agent].is_up && !self.agents[agent].is_cut_off {
                self.says_hello(agent).await;
            }
        }
    }

    /// Nothing goes wrong any more, and nothing is stopped.
    async fn calm(&mut self) {
        self.is_calm = true;
        let farm = self.scene.farm.clone();
        farm.pause_queue(false).await.unwrap();
        for job in farm.jobs_open(usize::MAX, None) {
            farm.pause_job(job.id, false).await.unwrap();
        }
        for agent in 0..self.agents.len() {
            self.agents[agent].is_broken = false;
            farm.order(self.agents[agent].agent(), Order::Work).await.unwrap();
            self.dies(agent);
            self.starts(agent).await;
        }
    }
}

/// Frames that a whole result has.
fn frames(work: &LeasedWork) -> u64 {
    match &work.piece {
        Piece::Render(slots) => slots.len(),
        Piece::Join(_) | Piece::Mark(_) => work.job.slot_count,
    }
}
