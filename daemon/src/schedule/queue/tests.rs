//! The queue by examples, and that nothing in it waits for ever.

use super::*;
use crate::{
    model::{Duty, JobState, Priority},
    store::samples,
};
use proptest::prelude::*;
use tweenfarm_protocol::{
    AgentId, LeaseId, SlotRange,
    output::OutputFormat,
    service::{Inventory, WorkerFacts},
    task::{EncodeSettings, EncoderClass, Failure, FailureClass, Progress},
};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn ready() -> Segment {
    Segment::new(SlotRange::new(0, 50), Timestamp(0))
}

fn leased() -> Segment {
    let state = SegmentState::Leased {
        lease: LeaseId(Uuid::nil()),
        agent: agent(1),
        worker: 0,
        deadline: Timestamp(500),
        attempt: 1,
        progress: Progress::default(),
    };
    Segment { state, ..ready() }
}

/// Waits after it failed by this worker.
fn failed_by(agent: AgentId, worker: u32, not_before: Timestamp) -> Segment {
    let failure = Failure::new(FailureClass::Worker, "It crashed.".into());
    let failures = vec![FailedAttempt { agent, worker, at: NOW, failure }];
    Segment { state: SegmentState::Ready { attempt: 2, not_before }, failures, ..ready() }
}

fn agent(number: u128) -> AgentId {
    AgentId(Uuid::from_u128(number))
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// In 8-bit H.264 by x264, of an account that has its number.
fn job(number: u128, of: u128, seconds: u64, segments: Vec<Segment>) -> Job {
    Job {
        format: OutputFormat::default(),
        encode: EncodeSettings::default(),
        encoder: EncoderClass::X264,
        engine_version: String::new(),
        priority: Priority::default(),
        paused_at: None,
        ..samples::job(number, of, after(seconds).0, JobState::Rendering { segments })
    }
}

struct Scene {
    jobs: BTreeMap<JobId, Job>,
    queue: Queue,
    controls: Controls,
    breakers: Breakers,
    facts: WorkerFacts,
    /// All of them have the same facts.
    workers: Vec<(AgentId, u32)>,
}

impl Scene {
    fn of(jobs: Vec<Job>) -> Scene {
        let facts = WorkerFacts {
            worker: 0,
            device_uuid: "00".into(),
            device_name: "card".into(),
            engine: "flow 4".into(),
            encoders: vec!["x264enc".into()],
            inventory: Inventory::default(),
        };
        let mut scene = Scene {
            jobs: BTreeMap::new(),
            queue: Queue::default(),
            controls: Controls::default(),
            breakers: Breakers::default(),
            facts,
            workers: vec![(agent(1), 0)],
        };
        jobs.into_iter().for_each(|job| scene.put(job));
        scene
    }

    fn put(&mut self, job: Job) {
        self.queue.put(&job);
        self.jobs.insert(job.id, job);
    }

    fn candidate(&self, (agent, worker): (AgentId, u32)) -> Candidate<'_> {
        Candidate { agent, worker, facts: &self.facts, room_bytes: None, neighbours_busy: 0 }
    }

    fn pick(&self, worker: (AgentId, u32), now: Timestamp) -> Option<Pick> {
        let workers = || self.workers.iter().map(|worker| self.candidate(*worker)).collect();
        let is_here = |engine: &str| engine == self.facts.engine;
        let Scene { controls, breakers, .. } = self;
        let around = Surroundings { controls, breakers, workers: &workers, is_here: &is_here, now };
        self.queue.next(&self.jobs, &self.candidate(worker), &around)
    }

    /// For the first worker, now.
    fn chosen(&self) -> Option<(u128, Spot)> {
        self.pick((agent(1), 0), NOW).map(|pick| (pick.job.0.as_u128(), pick.spot))
    }

    /// Leases what is next and has it done.
    fn serve(&mut self, worker: (AgentId, u32)) -> Option<JobId> {
        let pick = self.pick(worker, NOW)?;
        let mut job = self.jobs[&pick.job].clone();
        self.queue.given(&job, pick.spot, pick.least);
        if let JobState::Rendering { segments } = &mut job.state {
            let Spot::Segment(position) = pick.spot else { panic!("segments only") };
            segments.remove(position);
        }
        self.put(job);
        Some(pick.job)
    }
}

const FIRST: Spot = Spot::Segment(0);

#[test]
fn within_an_account_the_oldest_jobs_first_ready_piece_comes_first() {
    let check = |jobs: Vec<Job>, expected| assert_eq!(Scene::of(jobs).chosen(), expected);
    let later = Segment { state: SegmentState::Ready { attempt: 1, not_before: after(1) }, ..ready() };
    check(vec![], None);
    check(vec![job(1, 1, 0, vec![leased()])], None);
    check(vec![job(1, 1, 0, vec![later.clone()])], None);
    check(vec![job(1, 1, 0, vec![leased(), later, ready()])], Some((1, Spot::Segment(2))));
    check(vec![job(1, 1, 20, vec![ready()]), job(2, 1, 10, vec![ready()])], Some((2, FIRST)));
    check(vec![job(2, 1, 10, vec![ready()]), job(1, 1, 10, vec![ready()])], Some((1, FIRST)));
    let joining = JobState::Joining { segments: vec![], join: ready() };
    check(vec![Job { state: joining, ..job(1, 1, 0, vec![]) }], Some((1, Spot::Join)));
}

#[test]
fn priority_is_a_head_start_within_the_account_and_nothing_between_accounts() {
    let with = |priority, job: Job| Job { priority: Priority::new(priority).unwrap(), ..job };
    let chosen = |jobs: [Job; 2]| Scene::of(jobs.into()).chosen().unwrap().0;
    let hour = 3600;
    let late = |seconds| job(2, 1, seconds, vec![ready()]);
    assert_eq!(chosen([job(1, 1, 0, vec![ready()]), with(5, late(hour))]), 2);
    assert_eq!(chosen([job(1, 1, 0, vec![ready()]), with(3, late(hour))]), 1, "45 minutes are no hour");
    assert_eq!(chosen([with(-100, job(1, 1, 0, vec![ready()])), late(hour)]), 2);
    let mut scene = Scene::of(vec![job(1, 1, 0, vec![ready()]), with(100, job(2, 2, 1, vec![ready()]))]);
    assert_eq!(scene.serve((agent(1), 0)), Some(JobId(Uuid::from_u128(1))));
}

#[test]
fn accounts_are_served_by_weight() {
    let many = |number, of| job(number, of, 0, vec![ready(); 100]);
    let mut scene = Scene::of(vec![many(1, 1), many(2, 2), many(3, 2)]);
    scene.queue.weigh(&Account { weight: Weight::new(3).unwrap(), ..samples::account(1, "ann@example.org") });
    let served: Vec<JobId> = (0..40).filter_map(|_| scene.serve((agent(1), 0))).collect();
    assert_eq!(served.iter().filter(|job| job.0.as_u128() == 1).count(), 30);
}

#[test]
fn nothing_is_handed_out_of_what_is_paused_nor_to_an_agent_that_does_not_work() {
    let mut scene = Scene::of(vec![job(1, 1, 0, vec![ready()])]);
    scene.controls.queue = crate::model::Queue::Paused { at: NOW };
    assert_eq!(scene.chosen(), None);
    scene.controls = Controls::default();
    for duty in [Duty::Paused { at: NOW }, Duty::Draining { at: NOW }] {
        scene.controls.duties.insert(agent(1), duty);
        assert_eq!(scene.chosen(), None);
        assert!(scene.pick((agent(2), 0), NOW).is_some());
    }
    scene.controls = Controls::default();
    scene.put(Job { paused_at: Some(NOW), ..scene.jobs[&JobId(Uuid::from_u128(1))].clone() });
    assert_eq!(scene.chosen(), None);
}

#[test]
fn a_worker_that_rests_or_does_not_fit_is_passed_over() {
    let mut scene = Scene::of(vec![job(1, 1, 0, vec![ready()])]);
    for position in 0..3 {
        let piece = (JobId(Uuid::nil()), SlotRange::new(position, position + 1));
        scene.breakers.failed((agent(1), 0), Capability::Render(EncoderClass::X264), piece, NOW);
    }
    assert_eq!((scene.chosen(), scene.pick((agent(1), 1), NOW).is_some()), (None, true));
    scene.facts.encoders.clear();
    assert_eq!(scene.pick((agent(1), 1), NOW), None);
}

#[test]
fn what_failed_is_tried_by_another_agent_then_another_worker_and_for_want_of_both_by_the_same() {
    let mut scene = Scene::of(vec![job(1, 1, 0, vec![failed_by(agent(1), 0, NOW)])]);
    let may = |scene: &Scene, of, worker, now| scene.pick((agent(of), worker), now).is_some();
    assert!(may(&scene, 1, 0, NOW), "there is nobody else");
    scene.workers = vec![(agent(1), 0), (agent(1), 1)];
    assert_eq!((may(&scene, 1, 0, NOW), may(&scene, 1, 1, NOW)), (false, true));
    scene.workers.push((agent(2), 0));
    assert_eq!((may(&scene, 1, 1, NOW), may(&scene, 2, 0, NOW)), (false, true));
    // Whoever is better may be busy for long: nothing waits for ever.
    assert_eq!(scene.queue.changes_at(NOW), Some(after(60)));
    assert!(may(&scene, 1, 0, after(60)));
    scene.facts.encoders.clear();
    assert!(!may(&scene, 1, 0, after(60)));
}

#[test]
fn the_next_retry_is_known() {
    let scene = Scene::of(vec![
        job(1, 1, 0, vec![leased(), failed_by(agent(1), 0, after(30))]),
        job(2, 1, 0, vec![failed_by(agent(1), 0, after(20)), ready()]),
    ]);
    assert_eq!(scene.queue.changes_at(NOW), Some(after(20)));
    assert_eq!(scene.queue.changes_at(after(20)), Some(after(30)));
    assert_eq!(Scene::of(vec![job(1, 1, 0, vec![ready()])]).queue.changes_at(NOW), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// New jobs come in faster than one worker does them, of other accounts and of the same with any priority: the job
    /// that was there first is done all the same, after a number of pieces that does not grow with the queue.
    #[test]
    fn nothing_that_fits_waits_for_ever(
        rivals in prop::collection::vec((1_u128..5, 1_u32..=3, -100_i32..=100, 1_usize..3), 2..6),
        priority in -100_i32..=100,
    ) {
        const EVERY: u64 = 5 * 3600;
        // Whoever comes more than 50 hours later cannot overtake; until then, each rival with a job of two pieces.
        const AHEAD: u64 = (50 * 3600 / EVERY + 1) * 5 * 2;
        // Three other accounts at three times the weight.
        const SHARE: u64 = 1 + 3 * 3;
        let mut scene = Scene::of(vec![Job { priority: Priority::new(priority).unwrap(), ..job(1, 1, 0, vec![ready()]) }]);
        let target = JobId(Uuid::from_u128(1));
        let (mut number, mut rounds) = (1, 0);
        while scene.jobs[&target].state.pieces().next().is_some() {
            for (of, weight, priority, pieces) in &rivals {
                number += 1;
                let weight = Weight::new(if *of == 1 { 1 } else { *weight }).unwrap();
                scene.queue.weigh(&Account { weight, ..samples::account(*of, "a@example.org") });
                let new = job(number, *of, rounds * EVERY, vec![ready(); *pieces]);
                scene.put(Job { priority: Priority::new(*priority).unwrap(), ..new });
            }
            prop_assert!(scene.serve((agent(1), 0)).is_some());
            rounds += 1;
            prop_assert!(rounds <= (AHEAD + 1) * SHARE + 1, "it waits and waits");
        }
    }
}
