//! Which piece of which job a free worker gets next.
//!
//! Between accounts in turns, within an account by rank; what the worker cannot do, or does badly, is passed over.
//! A rule: it holds what it was told of jobs and accounts, and reads no clock.

use super::{
    breaker::{Breakers, Capability},
    fit::{Candidate, fit},
    order,
    turns::Turns,
    work,
};
use crate::model::{Account, Controls, FailedAttempt, Job, Segment, SegmentState, Spot, Weight};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

/// What one point of priority is worth: a head start in the queue. Bounded, so that nobody is overtaken for ever; two days
/// between the ends of the range are longer than most queues.
const HEAD_START: Duration = Duration::from_secs(15 * 60);
/// For this long after its pause a piece that failed waits for somebody who has not failed it.
const ELSEWHERE_FOR: Duration = Duration::from_secs(60);

/// A job's place within its account: the least is next.
type Rank = (i64, JobId);

/// The jobs that have something to hand out, by account.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    lines: BTreeMap<AccountId, BTreeSet<Rank>>,
    places: HashMap<JobId, Place>,
    /// Moments at which a piece that failed may be handed out, or to more workers than before.
    retries: BTreeSet<(Timestamp, JobId)>,
    turns: Turns,
    /// Of accounts with another weight than the usual.
    weights: HashMap<AccountId, Weight>,
}

#[derive(Clone, Debug)]
struct Place {
    account: AccountId,
    rank: Rank,
    retries: Vec<Timestamp>,
}

/// What there is besides the jobs.
pub struct Surroundings<'a> {
    pub controls: &'a Controls,
    pub breakers: &'a Breakers,
    /// All workers that are here and take work; asked for where that matters only.
    pub workers: &'a dyn Fn() -> Vec<Candidate<'a>>,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    pub job: JobId,
    pub spot: Spot,
    /// Where the account stood that was furthest behind.
    pub least: u128,
}

impl Queue {
    /// A job changed.
    pub fn put(&mut self, job: &Job) {
        self.remove(job.id);
        if job.paused_at.is_some() {
            return;
        }
        let (mut any, mut retries) = (false, Vec::new());
        for (_, piece) in job.state.pieces() {
            let SegmentState::Ready { not_before, .. } = piece.state else { continue };
            any = true;
            if !piece.failures.is_empty() {
                retries.extend([not_before, not_before.plus(ELSEWHERE_FOR)]);
            }
        }
        if any {
            let (account, rank) = (job.account, rank(job));
            self.retries.extend(retries.iter().map(|at| (*at, job.id)));
            self.lines.entry(account).or_default().insert(rank);
            self.places.insert(job.id, Place { account, rank, retries });
        }
    }

    fn remove(&mut self, job: JobId) {
        let Some(place) = self.places.remove(&job) else { return };
        for at in place.retries {
            self.retries.remove(&(at, job));
        }
        if let Some(line) = self.lines.get_mut(&place.account) {
            line.remove(&place.rank);
            if line.is_empty() {
                self.lines.remove(&place.account);
            }
        }
    }

    /// An account changed.
    pub fn weigh(&mut self, account: &Account) {
        if account.weight == Weight::default() {
            self.weights.remove(&account.id);
        } else {
            self.weights.insert(account.id, account.weight);
        }
    }

    pub fn weight(&self, account: AccountId) -> Weight {
        self.weights.get(&account).copied().unwrap_or_default()
    }

    /// The next piece for a worker, of all `jobs` that have not ended.
    pub fn next(&self, jobs: &BTreeMap<JobId, Job>, worker: &Candidate, around: &Surroundings) -> Option<Pick> {
        if around.controls.is_paused() || !around.controls.works(worker.agent) {
            return None;
        }
        let mut lines: Vec<_> = self.lines.iter().map(|(account, line)| (self.turns.of(*account), line)).collect();
        // Among equals whose next job is the oldest: priority counts within an account only.
        lines.sort_by_cached_key(|(stands, line)| {
            let next = line.first().and_then(|(_, job)| jobs.get(job));
            (*stands, next.map(Job::place))
        });
        let least = lines.first()?.0;
        let workers = Workers { around, list: OnceCell::new() };
        let ranks = lines.into_iter().flat_map(|(_, line)| line);
        let mut jobs = ranks.filter_map(|(_, job)| jobs.get(job));
        jobs.find_map(|job| Some(Pick { job: job.id, spot: ready(job, worker, &workers)?, least }))
    }

    /// The piece at `spot` was leased, or the part of it that was cut off.
    pub fn given(&mut self, job: &Job, spot: Spot, least: u128) {
        let weight = self.weight(job.account);
        self.turns.given(job.account, weight, work::of(job, spot), least);
    }

    /// A leased piece came back undone, through no fault of its job's.
    pub fn given_back(&mut self, job: &Job, spot: Spot) {
        let weight = self.weight(job.account);
        self.turns.given_back(job.account, weight, work::of(job, spot));
    }

    /// When something that waits now may be handed out.
    pub fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Timestamp(now.0.saturating_add(1)), JobId(uuid::Uuid::nil()));
        self.retries.range(later..).next().map(|(at, _)| *at)
    }
}

fn rank(job: &Job) -> Rank {
    let head_start = i64::try_from(HEAD_START.as_micros()).unwrap_or(i64::MAX);
    (job.created_at.0.saturating_sub(head_start.saturating_mul(i64::from(job.priority.get()))), job.id)
}

/// The workers around, listed when first asked for.
struct Workers<'a, 'b> {
    around: &'b Surroundings<'a>,
    list: OnceCell<Vec<Candidate<'a>>>,
}

impl<'a> Workers<'a, '_> {
    fn list(&self) -> &[Candidate<'a>] {
        self.list.get_or_init(self.around.workers)
    }

    fn can(&self, job: &Job, spot: Spot, worker: &Candidate) -> bool {
        let Surroundings { breakers, now, .. } = *self.around;
        let is_here = |engine: &str| self.list().iter().any(|other| other.facts.engine == engine);
        fit(job, spot, worker, is_here).is_ok()
            && breakers.admits((worker.agent, worker.worker), Capability::of(job, spot), now).is_ok()
    }
}

/// The piece of a job that the worker may have now, the one that is wanted first.
fn ready(job: &Job, worker: &Candidate, workers: &Workers) -> Option<Spot> {
    let now = workers.around.now;
    let mut found: Option<(u8, Spot)> = None;
    for (spot, piece) in job.state.pieces() {
        let SegmentState::Ready { not_before, .. } = piece.state else { continue };
        if not_before > now {
            continue;
        }
        // What is in the way of one piece is in the way of the others.
        if !workers.can(job, spot, worker) {
            return None;
        }
        let (early, _) = order::wanted(piece.slots, job.slot_count);
        if found.is_some_and(|(earliest, _)| earliest <= early) {
            continue;
        }
        let waits = now < not_before.plus(ELSEWHERE_FOR);
        if !waits || !is_better_elsewhere(job, spot, piece, worker, workers) {
            found = Some((early, spot));
        }
    }
    found.map(|(_, spot)| spot)
}

fn is_better_elsewhere(job: &Job, spot: Spot, piece: &Segment, worker: &Candidate, workers: &Workers) -> bool {
    let doubt = doubt(&piece.failures, worker);
    doubt > Doubt::None
        && workers
            .list()
            .iter()
            .any(|other| doubt > self::doubt(&piece.failures, other) && workers.can(job, spot, other))
}

/// How little is to be hoped of a worker where others failed. Another machine has another driver and another disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    None,
    AgentFailed,
    WorkerFailed,
}

fn doubt(failures: &[FailedAttempt], worker: &Candidate) -> Doubt {
    let own = failures.iter().filter(|failure| failure.agent == worker.agent);
    own.map(|failure| if failure.worker == worker.worker { Doubt::WorkerFailed } else { Doubt::AgentFailed })
        .max()
        .unwrap_or(Doubt::None)
}

#[cfg(test)]
mod tests;
