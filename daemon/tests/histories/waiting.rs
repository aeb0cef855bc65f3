//! Workers that wait in line, all the time: whatever happens to jobs, agents and controls, once it has been dealt with
//! nobody waits for something that they could have.
//!
//! Nothing here waits for the daemon's slow look: a wake that is missed is seen at once.

use crate::{
    dice::Dice,
    scene::{RULES, Scene, done, hello, submission},
};
use futures::future::BoxFuture;
use std::{collections::BTreeMap, task::Poll, time::Duration};
use tweenfarm_daemon::{
    farm::{FarmError, FarmRules, LeasedWork, Order},
    model::{Account, MediaFile, Priority},
};
use tweenfarm_protocol::{
    AgentId, JobId,
    output::Codec,
    service::{Availability, Condition, Hello},
    task::{Failure, FailureClass, Outcome},
};
use uuid::Uuid;

/// Longer than any history.
const LONG: Duration = Duration::from_secs(3600);
const ROOM_BYTES: u64 = 1 << 30;
const UNDO_RULES: FarmRules = FarmRules { undo_for: Duration::from_secs(600), ..RULES };

/// Each kind of agent there is, by what its workers encode, its engine, and streams that its card takes at once.
const KINDS: [(u32, &[&str], &str, Option<u32>); 4] = [
    (2, &["x264enc"], "flow 1", None),
    (1, &["x265enc"], "flow 1", None),
    (2, &["x264enc", "x265enc"], "flow 2", Some(1)),
    (1, &["x264enc", "x265enc"], "flow 1", None),
];

type Worker = (AgentId, u32);
type Wait = BoxFuture<'static, Result<Option<LeasedWork>, FarmError>>;

pub struct Waiting {
    dice: Dice,
    scene: Scene,
    clip: (Account, MediaFile),
    is_up: [bool; KINDS.len()],
    in_line: BTreeMap<Worker, Wait>,
    in_hand: BTreeMap<Worker, LeasedWork>,
    jobs: Vec<JobId>,
    /// How many pieces were handed to somebody who had waited in line.
    pub handed: u32,
}

fn agent(number: usize) -> AgentId {
    AgentId(Uuid::from_u128(0xB000 + number as u128))
}

fn says_hello(number: usize) -> Hello {
    let (count, encoders, engine, streams) = KINDS[number];
    let Hello { mut workers, .. } = hello(agent(number), count);
    for worker in &mut workers {
        worker.device_uuid = format!("{number:02}");
        worker.engine = engine.to_owned();
        worker.encoders = encoders.iter().map(|name| (*name).to_owned()).collect();
        worker.inventory.encoder_sessions =
            streams.map(|streams| ("x264enc".to_owned(), streams)).into_iter().collect();
    }
    Hello { workers, ..hello(agent(number), count) }
}

impl Waiting {
    pub async fn new(seed: u64) -> Waiting {
        let scene = Scene::with(UNDO_RULES);
        let account = scene.account("ada", 10_000).await;
        let clip = scene.clip(&account, 5).await;
        let (in_line, in_hand) = (BTreeMap::new(), BTreeMap::new());
        let is_up = [false; KINDS.len()];
        let clip = (account, clip);
        Waiting { dice: Dice::new(seed), scene, clip, is_up, in_line, in_hand, jobs: Vec::new(), handed: 0 }
    }

    pub async fn play(&mut self, steps: u32) {
        for _ in 0..steps {
            let step = self.step().await;
            self.settle(&step).await;
            self.check(&step).await;
        }
    }

    async fn step(&mut self) -> String {
        let farm = self.scene.farm.clone();
        let number = usize::try_from(self.dice.below(KINDS.len() as u64)).unwrap();
        let (job, is_on) = (self.dice.pick(&self.jobs), self.dice.once_in(3));
        let busy: Vec<Worker> = self.in_hand.keys().copied().collect();
        let busy = self.dice.pick(&busy);
        let roll = self.dice.below(24);
        match (roll, job, busy) {
            (0..=4, ..) => self.submit().await,
            (5..=7, _, Some(worker)) => {
                let work = self.in_hand.remove(&worker).unwrap();
                farm.report(work.lease, done(&work)).await.unwrap();
            }
            (8..=9, _, Some(worker)) => {
                let work = self.in_hand.remove(&worker).unwrap();
                let class = [FailureClass::Input, FailureClass::Worker][usize::from(is_on)];
                farm.report(work.lease, Outcome::Failed(Failure::new(class, "It broke.".into()))).await.unwrap();
            }
            (10, _, Some(worker)) => {
                let work = self.in_hand.remove(&worker).unwrap();
                farm.give_back(work.lease).await.unwrap();
            }
            (11..=13, ..) if !self.is_up[number] => {
                self.is_up[number] = true;
                farm.hello(says_hello(number)).await.unwrap();
            }
            (11, ..) => {
                self.is_up[number] = false;
                self.in_line.retain(|(of, _), _| *of != agent(number));
                self.in_hand.retain(|(of, _), _| *of != agent(number));
                farm.agent_gone(agent(number));
            }
            (14, ..) => {
                let asleep = Availability::Asleep { until: self.scene.farm.now() };
                let availability = if is_on { asleep } else { Availability::Ready };
                let room_bytes = if self.dice.once_in(3) { 10 } else { ROOM_BYTES };
                farm.says(agent(number), Condition { availability, room_bytes, devices: vec![] });
            }
            (15, ..) => drop(farm.pause_queue(is_on).await.unwrap()),
            (16, ..) => {
                let order = if is_on { Order::Pause } else { Order::Work };
                farm.order(agent(number), order).await.unwrap();
            }
            (17, Some(job), _) => drop(farm.pause_job(job, is_on).await),
            (18, Some(job), _) => drop(farm.prioritise(job, Priority::new(7).unwrap()).await),
            (19, Some(job), _) if is_on => drop(farm.cancel(job).await.unwrap()),
            (20, Some(job), _) => drop(farm.undo_cancel(job).await),
            _ => {
                let seconds = self.dice.below(70);
                self.scene.clock.advance(Duration::from_secs(seconds));
                farm.expire_leases().await.unwrap();
            }
        }
        format!("{roll} of agent {number}, {job:?}, {busy:?}")
    }

    async fn submit(&mut self) {
        let mut submission = submission(&self.clip.1, 5, 1);
        submission.format.codec = if self.dice.once_in(2) { Codec::H264 } else { Codec::Hevc };
        self.jobs.push(self.scene.farm.submit(submission).await.unwrap().job.id);
    }

    /// Until everybody who found something has it, and all others stand in line.
    async fn settle(&mut self, step: &str) {
        loop {
            for (number, kind) in KINDS.iter().enumerate().filter(|(number, _)| self.is_up[*number]) {
                for worker in (0..kind.0).map(|worker| (agent(number), worker)) {
                    // A worker whose lease is over has seen that long before the next step.
                    let is_lost = |work: &LeasedWork| self.scene.farm.holder(work.lease).is_none();
                    if self.in_hand.get(&worker).is_some_and(is_lost) {
                        self.in_hand.remove(&worker);
                    }
                    if !self.in_hand.contains_key(&worker) && !self.in_line.contains_key(&worker) {
                        let farm = self.scene.farm.clone();
                        let wait = async move { farm.lease_next(worker.0, worker.1, LONG).await };
                        self.in_line.insert(worker, Box::pin(wait));
                    }
                }
            }
            let before = self.in_hand.len();
            self.look_who_has_something(step).await;
            self.dealt_with().await;
            self.look_who_has_something(step).await;
            if self.in_hand.len() == before {
                return;
            }
        }
    }

    /// Whatever was sent to the farm before is done and answered: the first pulse may be answered with the group, the second
    /// is answered after it.
    async fn dealt_with(&self) {
        for _ in 0..2 {
            self.scene.farm.pulse().await.unwrap();
        }
    }

    async fn look_who_has_something(&mut self, step: &str) {
        let workers: Vec<Worker> = self.in_line.keys().copied().collect();
        for worker in workers {
            let Poll::Ready(answer) = futures::poll!(self.in_line.get_mut(&worker).unwrap()) else { continue };
            self.in_line.remove(&worker);
            let work = answer.unwrap();
            let work = work.unwrap_or_else(|| panic!("{worker:?} was sent away after {step}"));
            self.handed += 1;
            self.in_hand.insert(worker, work);
        }
    }

    /// Each worker in line asks once more, in haste: there must be nothing.
    async fn check(&mut self, step: &str) {
        let workers: Vec<Worker> = self.in_line.keys().copied().collect();
        for worker in workers {
            let found = self.scene.farm.lease_next(worker.0, worker.1, Duration::ZERO).await.unwrap();
            assert!(found.is_none(), "{worker:?} waited for what was there after {step}: {found:?}");
            self.in_line.remove(&worker);
        }
        self.settle(step).await;
    }
}
