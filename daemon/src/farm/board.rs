//! The jobs under way and who holds which lease, in memory: made from the store at start, kept by the writer.

use super::presence::Presence;
use crate::{
    model::{Account, Controls, Job, JobPlace, JobState, Part, SegmentState, Spot},
    schedule::{
        breaker::{Breaker, Breakers, Capability},
        fit::{Candidate, fit},
        outlook::Ahead,
        progress,
        queue::{Pick, Queue, Surroundings},
        share::{Ask, Hand},
        waiting::{self, Waiting},
    },
    store::Write,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};
use tweenfarm_protocol::{AccountId, AgentId, FileId, JobId, LeaseId, SlotRange, Timestamp, task::Progress};

#[derive(Debug, Default)]
pub(super) struct Board {
    jobs: BTreeMap<JobId, Job>,
    /// Cancelled jobs that can be undone.
    kept: BTreeMap<JobId, Job>,
    leases: HashMap<LeaseId, Held>,
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
                Write::PutControls(controls) => self.controls = controls,
                _ => {}
            }
        }
        verdicts.into_iter().for_each(|verdict| self.judge(verdict, now));
    }

    fn put(&mut self, job: Job, now: Timestamp) {
        if let Some(before) = self.jobs.remove(&job.id) {
            let still_held: HashSet<_> = leases_of(&job).into_iter().map(|(lease, _)| lease).collect();
            for (lease, held) in leases_of(&before) {
                self.leases.remove(&lease);
                // A piece that is being tried stays that.
                if !still_held.contains(&lease) {
                    let work = Capability::of(&before, held.spot);
                    self.breakers.undecided((held.agent, held.worker), work, lease, now);
                }
            }
        }
        self.leases.extend(leases_of(&job));
        self.queue.put(&job);
        self.kept.remove(&job.id);
        if !job.has_ended() {
            self.jobs.insert(job.id, job);
        } else if job.kept().is_some() {
            self.kept.insert(job.id, job);
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
                    let (agent, worker, until) = (held.agent, held.worker, until.to_iso_seconds());
                    tracing::warn!(%lease, %agent, worker, ?work, until, "a worker failed again and again, it rests");
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

    /// The next piece for a worker that is here.
    pub(super) fn next(&self, presence: &Presence, worker: (AgentId, u32), now: Timestamp) -> Option<Pick> {
        let candidate = self.candidate(presence, presence.candidate(worker)?);
        let workers = || self.workers(presence);
        let around = Surroundings { controls: &self.controls, breakers: &self.breakers, workers: &workers, now };
        self.queue.next(&self.jobs, &candidate, &around)
    }

    /// What a share of a job is decided by, for the worker that asks: others are those that are idle, and those that
    /// have a part of this job in hand.
    pub(super) fn ask(
        &self,
        job: JobId,
        asking: (AgentId, u32),
        idle: &[(AgentId, u32)],
        speeds: &HashMap<(AgentId, u32), u64>,
    ) -> Option<Ask> {
        let job = self.jobs.get(&job)?;
        let frame_pixels = job.output_pixels();
        let speed = |worker: &(AgentId, u32)| speeds.get(worker).copied().unwrap_or(0);
        let busy: HashSet<_> = self.leases.values().map(|held| (held.agent, held.worker)).collect();
        let idle = idle.iter().filter(|worker| **worker != asking && !busy.contains(worker));
        let mut others: Vec<Hand> =
            idle.map(|worker| Hand { pixels_per_second: speed(worker), pixels_left: 0 }).collect();
        let mut slots_ready = 0;
        for (_, piece) in job.state.pieces() {
            match &piece.state {
                SegmentState::Ready { .. } => slots_ready += piece.slots.len(),
                SegmentState::Leased { agent, worker, .. } => others.push(Hand {
                    pixels_per_second: speed(&(*agent, *worker)),
                    pixels_left: frame_pixels.saturating_mul(progress::slots_left_of(piece)),
                }),
                SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {}
            }
        }
        let (slot_count, pixels_per_second) = (job.slot_count, speed(&asking));
        Some(Ask { slot_count, slots_ready, frame_pixels, pixels_per_second, others })
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
        let on_its_device = |held: &&Held| {
            (held.agent, held.worker) != (worker.agent, worker.worker)
                && presence
                    .candidate((held.agent, held.worker))
                    .is_some_and(|other| other.facts.device_uuid == worker.facts.device_uuid)
        };
        let neighbours_busy = self.leases.values().filter(on_its_device).count();
        Candidate { neighbours_busy: u32::try_from(neighbours_busy).unwrap_or(u32::MAX), ..worker }
    }

    /// Whether an agent besides the holder of a lease is here that could do the same piece.
    pub(super) fn could_another_agent(&self, presence: &Presence, lease: LeaseId, now: Timestamp) -> bool {
        let Some(held) = self.leases.get(&lease) else { return false };
        let Some(job) = self.jobs.get(&held.job) else { return false };
        let workers = self.workers(presence);
        let is_here = |engine: &str| workers.iter().any(|worker| worker.facts.engine == engine);
        let work = Capability::of(job, held.spot);
        workers.iter().filter(|other| other.agent != held.agent).any(|other| {
            fit(job, held.spot, other, is_here).is_ok()
                && self.breakers.admits((other.agent, other.worker), work, now).is_ok()
        })
    }

    /// When something that waits now may be handed out.
    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.queue.changes_at(now)
    }

    /// Why nothing of a job is being worked on, where that is not for want of a free worker alone.
    pub(super) fn waiting(&self, presence: &Presence, job: &Job, now: Timestamp) -> Option<Waiting> {
        let workers = || self.workers(presence);
        let around = Surroundings { controls: &self.controls, breakers: &self.breakers, workers: &workers, now };
        waiting::why(job, &around)
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
        self.jobs.values().chain(self.kept.values()).map(|job| job.input)
    }

    /// What a lease is of, at which attempt, and how far it is.
    pub(super) fn in_hand(&self, held: &Held) -> Option<(Part, u32, Progress)> {
        let piece = self.jobs.get(&held.job)?.state.piece(held.spot)?;
        let SegmentState::Leased { attempt, progress, .. } = piece.state else { return None };
        Some((Part::of(held.spot, piece), attempt, progress))
    }

    /// Newest first, by time and then id; those that come after `after` in that order.
    pub(super) fn newest(&self, limit: usize, after: Option<JobPlace>) -> Vec<Job> {
        let behind = self.jobs.values().filter(|job| after.is_none_or(|after| job.place() < after));
        let mut found: Vec<&Job> = behind.collect();
        found.sort_by_key(|job| Reverse(job.place()));
        found.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn open_jobs_of(&self, account: AccountId) -> u64 {
        self.jobs.values().filter(|job| job.account == account).count() as u64
    }

    /// What is left of the open jobs, in the order of their making.
    pub(super) fn ahead(&self) -> Vec<Ahead> {
        let jobs = self.jobs.values().map(|job| Ahead {
            job: job.id,
            account: job.account,
            weight: self.queue.weight(job.account).get(),
            pixels_left: progress::slots_left(job).saturating_mul(job.output_pixels()),
            leased: leases_of(job).len() as u32,
        });
        jobs.collect()
    }

    pub(super) fn open_jobs(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// Jobs of which nothing is leased or rendered.
    pub(super) fn untouched_jobs(&self) -> u64 {
        self.jobs.values().filter(|job| is_untouched(job)).count() as u64
    }

    /// Since when the oldest of them waits.
    pub(super) fn untouched_since(&self) -> Option<Timestamp> {
        self.jobs.values().filter(|job| is_untouched(job)).map(|job| job.created_at).min()
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

fn is_untouched(job: &Job) -> bool {
    match &job.state {
        JobState::Rendering { segments } => {
            segments.iter().all(|segment| matches!(segment.state, SegmentState::Ready { .. }))
        }
        JobState::Joining { .. } | JobState::Marking { .. } | JobState::Ended { .. } => false,
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
