//! Which piece of which job a free worker gets next.
//!
//! Between accounts in turns, within an account by rank; what the worker cannot do, or does badly, is passed over.
//! A rule: it holds what it was told of jobs and accounts, and reads no clock.

use super::{
    breaker::{Breakers, Capability},
    fit::{Candidate, fit},
    need::Need,
    order,
    turns::Turns,
    work,
};
use crate::model::{Account, Controls, FailedAttempt, Job, JobPlace, Segment, SegmentState, Spot, Weight};
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
pub type Rank = (i64, JobId);

/// The jobs that have something to hand out, by account and by what they ask of a worker.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    lines: HashMap<AccountId, Line>,
    places: HashMap<JobId, Place>,
    /// Everything that is asked for, by how many jobs.
    needs: BTreeMap<Need, usize>,
    /// Moments at which a piece that failed may be handed out, or to more workers than before.
    retries: BTreeSet<(Timestamp, JobId)>,
    turns: Turns,
    /// Of accounts with another weight than the usual.
    weights: HashMap<AccountId, Weight>,
}

/// Of one account.
type Line = BTreeMap<Need, BTreeSet<Rank>>;

#[derive(Clone, Debug)]
struct Place {
    account: AccountId,
    need: Need,
    rank: Rank,
    among_equals: JobPlace,
    retries: Vec<Timestamp>,
}

/// What there is besides the jobs.
pub struct Surroundings<'a> {
    pub controls: &'a Controls,
    pub breakers: &'a Breakers,
    /// All workers that are here and take work; asked for where that matters only.
    pub workers: &'a dyn Fn() -> Vec<Candidate<'a>>,
    /// Whether any of them has an engine of this version.
    pub is_here: &'a dyn Fn(&str) -> bool,
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
    /// A job changed. Says whether it had nothing to hand out before and has now.
    pub fn put(&mut self, job: &Job) -> bool {
        let was_there = self.remove(job.id);
        let (mut first, mut retries) = (None, Vec::new());
        for (spot, piece) in job.state.pieces() {
            let SegmentState::Ready { not_before, .. } = piece.state else { continue };
            first = first.or(Some(spot));
            if !piece.failures.is_empty() {
                retries.extend([not_before, not_before.plus(ELSEWHERE_FOR)]);
            }
        }
        let first = first.filter(|_| job.paused_at.is_none());
        if let Some(spot) = first {
            let (account, need, rank) = (job.account, Need::of(job, spot), rank(job));
            self.retries.extend(retries.iter().map(|at| (*at, job.id)));
            *self.needs.entry(need.clone()).or_default() += 1;
            self.lines.entry(account).or_default().entry(need.clone()).or_default().insert(rank);
            self.places.insert(job.id, Place { account, need, rank, among_equals: job.place(), retries });
            self.stand(account);
        }
        first.is_some() && !was_there
    }

    fn remove(&mut self, job: JobId) -> bool {
        let Some(Place { account, need, rank, retries, .. }) = self.places.remove(&job) else { return false };
        for at in retries {
            self.retries.remove(&(at, job));
        }
        if let Some(count) = self.needs.get_mut(&need) {
            *count -= 1;
            if *count == 0 {
                self.needs.remove(&need);
            }
        }
        if let Some(line) = self.lines.get_mut(&account) {
            if let Some(ranks) = line.get_mut(&need) {
                ranks.remove(&rank);
                if ranks.is_empty() {
                    line.remove(&need);
                }
            }
            if line.is_empty() {
                self.lines.remove(&account);
            }
        }
        self.stand(account);
        true
    }

    /// The line of an account changed. Among equals whose next job is the oldest comes first: priority counts within an
    /// account only.
    fn stand(&mut self, account: AccountId) {
        let firsts = self.lines.get(&account).into_iter().flat_map(BTreeMap::values);
        let next = firsts.filter_map(BTreeSet::first).min();
        let place = next.and_then(|(_, job)| self.places.get(job)).map(|place| place.among_equals);
        self.turns.has_work(account, place);
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

    /// Whether there is nothing to hand out, to whomever.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The next piece for a worker, of all `jobs` that have not ended. Costs about as much as there are accounts before
    /// the one whose job it is, times kinds of things that jobs ask for; not more where there are more jobs.
    pub fn next(&self, jobs: &BTreeMap<JobId, Job>, worker: &Candidate, around: &Surroundings) -> Option<Pick> {
        if around.controls.is_paused() || !around.controls.works(worker.agent) {
            return None;
        }
        let is_met = |need: &&Need| need.is_met(worker, around.is_here, around.breakers, around.now);
        let met: Vec<&Need> = self.needs.keys().filter(is_met).collect();
        if met.is_empty() {
            return None;
        }
        let mut accounts = self.turns.in_turn().peekable();
        let (least, _) = *accounts.peek()?;
        let workers = Workers { around, list: OnceCell::new() };
        let lines = accounts.filter_map(|(_, account)| self.lines.get(&account));
        let mut jobs = lines.flat_map(|line| ranked(line, &met)).filter_map(|job| jobs.get(&job));
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

    /// Of what jobs ask for, that which one of these workers has; what keeps it from being had just now does not count.
    pub fn needs_met(&self, workers: &[Candidate], around: &Surroundings) -> BTreeSet<&Need> {
        let no_rests = Breakers::default();
        let is_met = |need: &&Need| {
            workers.iter().any(|worker| {
                let idle = Candidate { neighbours_busy: 0, ..*worker };
                need.is_met(&idle, around.is_here, &no_rests, around.now)
            })
        };
        self.needs.keys().filter(is_met).collect()
    }

    /// What the pieces of a job ask for that are to be handed out; none where there are none.
    pub fn need_of(&self, job: JobId) -> Option<&Need> {
        self.places.get(&job).map(|place| &place.need)
    }

    /// When something that waits now may be handed out.
    pub fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Timestamp(now.0.saturating_add(1)), JobId(uuid::Uuid::nil()));
        self.retries.range(later..).next().map(|(at, _)| *at)
    }
}

/// Where a job stands among those of its account.
pub fn rank(job: &Job) -> Rank {
    let head_start = i64::try_from(HEAD_START.as_micros()).unwrap_or(i64::MAX);
    (job.created_at.0.saturating_sub(head_start.saturating_mul(i64::from(job.priority.get()))), job.id)
}

/// Those jobs of a line that ask for any of what is `met`, by rank.
fn ranked<'a>(line: &'a Line, met: &[&Need]) -> impl Iterator<Item = JobId> + use<'a> {
    let sets = met.iter().filter_map(|need| line.get(*need));
    let mut heads: Vec<_> = sets.map(|ranks| ranks.iter()).map(|mut ranks| (ranks.next(), ranks)).collect();
    std::iter::from_fn(move || {
        let (head, behind) = heads.iter_mut().filter(|(head, _)| head.is_some()).min_by_key(|(head, _)| *head)?;
        std::mem::replace(head, behind.next()).map(|(_, job)| *job)
    })
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
        let Surroundings { breakers, is_here, now, .. } = *self.around;
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
