//! The jobs under way and who holds which lease, in memory: made from the store at start, kept by the writer.

use crate::{
    model::{Job, JobPlace, JobState, Part, SegmentState, Spot},
    schedule::{
        outlook::Ahead,
        progress,
        queue::{self, Turns},
        share::{Ask, Hand},
    },
    store::Write,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};
use tweenfarm_protocol::{AccountId, AgentId, FileId, JobId, LeaseId, Timestamp, task::Progress};

#[derive(Debug, Default)]
pub(super) struct Board {
    jobs: BTreeMap<JobId, Job>,
    leases: HashMap<LeaseId, Held>,
    turns: Turns,
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
    pub(super) fn new(open_jobs: Vec<Job>) -> Board {
        let mut board = Board::default();
        open_jobs.into_iter().for_each(|job| board.put(job));
        board
    }

    /// Follows what a transaction committed.
    pub(super) fn observe(&mut self, writes: Vec<Write>) {
        for write in writes {
            if let Write::PutJob(job) = write {
                self.put(job);
            }
        }
    }

    fn put(&mut self, job: Job) {
        if let Some(before) = self.jobs.remove(&job.id) {
            for (lease, _) in leases_of(&before) {
                self.leases.remove(&lease);
            }
        }
        self.leases.extend(leases_of(&job));
        if !job.has_ended() {
            self.jobs.insert(job.id, job);
        }
    }

    pub(super) fn served(&mut self, account: AccountId) {
        self.turns.served(account);
    }

    pub(super) fn next(&self, now: Timestamp) -> Option<(JobId, Spot)> {
        queue::next(self.jobs.values(), &self.turns, now)
    }

    pub(super) fn next_ready_at(&self) -> Option<Timestamp> {
        queue::next_ready_at(self.jobs.values())
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

    /// What the jobs under way are made of.
    pub(super) fn inputs(&self) -> impl Iterator<Item = FileId> {
        self.jobs.values().map(|job| job.input)
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
            weight: 1,
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
