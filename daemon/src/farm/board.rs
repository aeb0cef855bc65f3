//! The jobs under way and who holds which lease, in memory: made from the store at start, kept by the writer.

use super::{open_jobs::OpenJobs, presence::Presence};
use crate::{
    model::{Account, Controls, Job, Part, SegmentState, Spot},
    schedule::{
        breaker::{Breaker, Breakers, Capability},
        fit::{Candidate, fit},
        outlook::Ahead,
        progress,
        queue::{self, Pick, Queue, Surroundings},
        share::{Ask, Hand},
        waiting::{self, Waiting},
    },
    store::Write,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use tweenfarm_protocol::{AgentId, FileId, JobId, LeaseId, SlotRange, Timestamp, task::Progress};

#[derive(Debug, Default)]
pub(super) struct Board {
    jobs: OpenJobs,
    /// Cancelled jobs that can be undone.
    kept: BTreeMap<JobId, Job>,
    leases: HashMap<LeaseId, Held>,
    /// How many leases each worker holds.
    in_hand: HashMap<(AgentId, u32), u32>,
    /// Somebody who found nothing may find something now.
    is_stirred: bool,
    queue: Queue,
    breakers: Breakers,
    controls: Controls,
}

/// How a lease ended, as its holder's breaker and its account's share see it.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) lease: LeaseId,
    pub(super) held: Held,
    pub(super) slots: SlotRange,
    pub(super) work: Capability,
    pub(super) ended: LeaseEnd,
}

#[derive(Clone, Debug)]
pub(super) enum LeaseEnd {
    Done,
    /// Whether that speaks against the worker.
    Failed {
        blames: bool,
    },
    /// With the job as it was, whose work it is.
    GivenBack(Box<Job>),
}

/// One current lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) job: JobId,
    pub(super) spot: Spot,
    pub(super) agent: AgentId,
    pub(super) worker: u32,
    pub(super) deadline: Timestamp,
}

impl Board {
    pub(super) fn new(open_jobs: Vec<Job>, accounts: &[Account], controls: Controls) -> Board {
        let mut board = Board { controls, ..Board::default() };
        accounts.iter().for_each(|account| board.queue.weigh(account));
        open_jobs.into_iter().for_each(|job| board.put(job, Timestamp(0)));
        board
    }

    /// Follows what a transaction committed.
    pub(super) fn observe(&mut self, writes: Vec<Write>, verdicts: Vec<Verdict>, now: Timestamp) {
        for write in writes {
            match write {
                Write::PutJob(job) => self.put(job, now),
                Write::PutAccount(account) => self.queue.weigh(&account),
                Write::PutControls(controls) => (self.controls, self.is_stirred) = (controls, true),
                _ => {}
            }
        }
        verdicts.into_iter().for_each(|verdict| self.judge(verdict, now));
    }

    fn put(&mut self, job: Job, now: Timestamp) {
        if let Some(before) = self.jobs.remove(job.id) {
            let still_held: HashSet<_> = leases_of(&job).into_iter().map(|(lease, _)| lease).collect();
            for (lease, held) in leases_of(&before) {
                self.leases.remove(&lease);
                self.lays_down((held.agent, held.worker));
                // A piece that is being tried stays that.
                if !still_held.contains(&lease) {
                    self.is_stirred = true;
                    let work = Capability::of(&before, held.spot);
                    self.breakers.undecided((held.agent, held.worker), work, lease, now);
                }
            }
        }
        for (lease, held) in leases_of(&job) {
            self.leases.insert(lease, held);
            *self.in_hand.entry((held.agent, held.worker)).or_default() += 1;
        }
        self.is_stirred |= self.queue.put(&job);
        self.kept.remove(&job.id);
        if !job.has_ended() {
            self.jobs.insert(job);
        } else if job.kept().is_some() {
            self.kept.insert(job.id, job);
        }
    }

    fn lays_down(&mut self, worker: (AgentId, u32)) {
        if let Some(leases) = self.in_hand.get_mut(&worker) {
            *leases -= 1;
            if *leases == 0 {
                self.in_hand.remove(&worker);
            }
        }
    }

    fn judge(&mut self, verdict: Verdict, now: Timestamp) {
        let Verdict { lease, held, slots, work, ended } = verdict;
        let worker = (held.agent, held.worker);
        match ended {
            LeaseEnd::Done => self.breakers.done(worker, work),
            LeaseEnd::Failed { blames: false } => {}
            LeaseEnd::Failed { blames: true } => {
                if let Some(until) = self.breakers.failed(worker, work, (held.job, slots), now) {
                    let (job, agent, worker, until) = (held.job, held.agent, held.worker, until.to_iso_seconds());
                    tracing::warn!(%job, %lease, %agent, worker, ?work, until, "a worker failed again and again, it rests");
                }
            }
            LeaseEnd::GivenBack(job) => self.queue.given_back(&job, held.spot),
        }
    }

    /// A piece was leased.
    pub(super) fn given(&mut self, job: &Job, pick: Pick, lease: LeaseId) {
        let Some(held) = self.leases.get(&lease).copied() else { return };
        self.queue.given(job, held.spot, pick.least);
        self.breakers.leased((held.agent, held.worker), Capability::of(job, held.spot), lease);
    }

    /// The next piece for a worker that is here and takes work.
    pub(super) fn next(&self, presence: &Presence, worker: (AgentId, u32), now: Timestamp) -> Option<Pick> {
        let candidate = self.candidate(presence, presence.ready_candidate(worker)?);
        self.looked_at(presence, now, |around| self.queue.next(self.jobs.all(), &candidate, around))
    }

    /// Whether nobody could be given anything, whoever asks.
    pub(super) fn has_nothing(&self) -> bool {
        self.queue.is_empty() || self.controls.is_paused()
    }

    /// Whether something may be found since this was last asked that was not there before.
    pub(super) fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.is_stirred)
    }

    /// What a share of a piece is decided by, for the worker that asks: others are those that are idle and could take a
    /// part of it, and those that have a part of its job in hand.
    pub(super) fn ask(
        &self,
        presence: &Presence,
        (id, spot): (JobId, Spot),
        asking: (AgentId, u32),
        now: Timestamp,
    ) -> Option<Ask> {
        let job = self.jobs.get(id)?;
        let frame_pixels = job.output_pixels();
        // A worker asks for more while what it has made is on its way here: it is one hand, whatever it holds.
        let (mut slots_ready, mut left) = (0, HashMap::<(AgentId, u32), u64>::new());
        for (_, piece) in job.state.pieces() {
            match &piece.state {
                SegmentState::Ready { .. } => slots_ready += piece.slots.len(),
                SegmentState::Leased { agent, worker, .. } if (*agent, *worker) != asking => {
                    *left.entry((*agent, *worker)).or_default() += progress::slots_left_of(piece);
                }
                SegmentState::Leased { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {}
            }
        }
        let hand = |(worker, slots)| Hand {
            pixels_per_second: presence.speed(worker),
            pixels_left: frame_pixels.saturating_mul(slots),
        };
        let others = left.into_iter().map(hand).collect();
        let pixels_per_second = presence.speed(asking);
        let mut ask = Ask { slot_count: job.slot_count, slots_ready, frame_pixels, pixels_per_second, others };
        let idle = presence.asking(now).filter(|worker| *worker != asking && !self.in_hand.contains_key(worker));
        self.looked_at(presence, now, |around| {
            let fitting = idle.filter(|worker| self.could_take(presence, (job, spot), *worker, around));
            ask.add_idle(fitting.map(|worker| presence.speed(worker)));
        });
        Some(ask)
    }

    fn could_take(
        &self,
        presence: &Presence,
        (job, spot): (&Job, Spot),
        worker: (AgentId, u32),
        around: &Surroundings,
    ) -> bool {
        let candidate = presence.ready_candidate(worker).filter(|_| self.controls.works(worker.0));
        candidate.is_some_and(|candidate| {
            fit(job, spot, &self.candidate(presence, candidate), around.is_here).is_ok()
                && self.breakers.admits(worker, Capability::of(job, spot), around.now).is_ok()
        })
    }

    /// Looks at the queue with all that is around it.
    fn looked_at<T>(&self, presence: &Presence, now: Timestamp, look: impl FnOnce(&Surroundings) -> T) -> T {
        let workers = || self.workers(presence);
        let is_here = |engine: &str| presence.with_engine(engine).any(|agent| self.controls.works(agent));
        let Board { controls, breakers, .. } = self;
        look(&Surroundings { controls, breakers, workers: &workers, is_here: &is_here, now })
    }

    /// All workers that are here and may be given something.
    fn workers<'a>(&self, presence: &'a Presence) -> Vec<Candidate<'a>> {
        let here = presence.candidates().filter(|worker| self.controls.works(worker.agent));
        here.map(|worker| self.candidate(presence, worker)).collect()
    }

    /// With what its neighbours have in hand, where that is limited.
    fn candidate<'a>(&self, presence: &Presence, worker: Candidate<'a>) -> Candidate<'a> {
        if worker.facts.inventory.encoder_sessions.is_empty() {
            return worker;
        }
        let neighbours = presence.on_device(&worker.facts.device_uuid);
        let neighbours = neighbours.filter(|other| *other != (worker.agent, worker.worker));
        let neighbours_busy = neighbours.filter_map(|other| self.in_hand.get(&other)).sum();
        Candidate { neighbours_busy, ..worker }
    }

    /// Whether an agent besides the holder of a lease is here that could do the same piece.
    pub(super) fn could_another_agent(&self, presence: &Presence, lease: LeaseId, now: Timestamp) -> bool {
        let Some(held) = self.leases.get(&lease) else { return false };
        let Some(job) = self.jobs.get(held.job) else { return false };
        let mut others = presence.candidates().filter(|other| other.agent != held.agent);
        self.looked_at(presence, now, |around| {
            others.any(|other| self.could_take(presence, (job, held.spot), (other.agent, other.worker), around))
        })
    }

    /// When something that waits now may be handed out.
    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        [self.queue.changes_at(now), self.breakers.changes_at(now)].into_iter().flatten().min()
    }

    /// Why nothing of a job is being worked on, where that is not for want of a free worker alone.
    pub(super) fn waiting(&self, presence: &Presence, job: &Job, now: Timestamp) -> Option<Waiting> {
        self.looked_at(presence, now, |around| waiting::why(job, around))
    }

    pub(super) fn controls(&self) -> &Controls {
        &self.controls
    }

    /// What a worker rests from.
    pub(super) fn rests(&self, worker: (AgentId, u32)) -> Vec<(Capability, Breaker)> {
        let own = self.breakers.not_closed(worker);
        own.map(|(work, breaker)| (work, breaker.clone())).collect()
    }

    /// Cancelled jobs whose time to be undone is over, in a fixed order.
    pub(super) fn kept_until(&self, now: Timestamp) -> Vec<JobId> {
        let due = self.kept.values().filter(|job| job.kept().is_some_and(|kept| kept.until <= now));
        due.map(|job| job.id).collect()
    }

    /// What the jobs under way are made of, and cancelled ones that can be undone.
    pub(super) fn inputs(&self) -> impl Iterator<Item = FileId> {
        self.jobs.all().values().chain(self.kept.values()).map(|job| job.input)
    }

    /// What a lease is of, at which attempt, and how far it is.
    pub(super) fn in_hand(&self, held: &Held) -> Option<(Part, u32, Progress)> {
        let piece = self.jobs.get(held.job)?.state.piece(held.spot)?;
        let SegmentState::Leased { attempt, progress, .. } = piece.state else { return None };
        Some((Part::of(held.spot, piece), attempt, progress))
    }

    pub(super) fn open_jobs(&self) -> &OpenJobs {
        &self.jobs
    }

    /// Workers that hold a lease.
    pub(super) fn busy(&self) -> &HashMap<(AgentId, u32), u32> {
        &self.in_hand
    }

    /// What is left of the open jobs, those of an account in the order in which they are worked on.
    pub(super) fn ahead(&self, presence: &Presence, now: Timestamp) -> Vec<Ahead> {
        self.looked_at(presence, now, |around| {
            let met = self.queue.needs_met(&(around.workers)(), around);
            let goes_on = |job: &Job| {
                let is_met = self.queue.need_of(job.id).is_none_or(|need| met.contains(need));
                is_met && job.paused_at.is_none() && !self.controls.is_paused()
            };
            let mut jobs: Vec<&Job> = self.jobs.all().values().collect();
            jobs.sort_by_cached_key(|job| queue::rank(job));
            let ahead = jobs.into_iter().map(|job| Ahead {
                job: job.id,
                account: job.account,
                weight: self.queue.weight(job.account).get(),
                pixels_left: progress::slots_left(job).saturating_mul(job.output_pixels()),
                leased: leases_of(job).len() as u32,
                goes_on: goes_on(job),
            });
            ahead.collect()
        })
    }

    pub(super) fn held(&self, lease: LeaseId) -> Option<Held> {
        self.leases.get(&lease).copied()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (LeaseId, Held)> {
        self.leases.iter().map(|(lease, held)| (*lease, *held))
    }

    /// Leases whose deadline has passed, in a fixed order.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<(LeaseId, Held)> {
        let mut overdue: Vec<_> = self.leases().filter(|(_, held)| held.deadline <= now).collect();
        overdue.sort_by_key(|(lease, _)| *lease);
        overdue
    }

    /// Jobs that somebody holds a lease of.
    pub(super) fn leased_jobs(&self) -> Vec<JobId> {
        let mut jobs: Vec<_> = self.leases.values().map(|held| held.job).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }
}

fn leases_of(job: &Job) -> Vec<(LeaseId, Held)> {
    let held = job.state.pieces().filter_map(|(spot, piece)| match piece.state {
        SegmentState::Leased { lease, agent, worker, deadline, .. } => {
            Some((lease, Held { job: job.id, spot, agent, worker, deadline }))
        }
        SegmentState::Ready { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => None,
    });
    held.collect()
}
