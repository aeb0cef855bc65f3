//! Circuit breakers: a worker that fails again and again at one kind of work rests from it, longer each time.
//!
//! Three failures in a row of different pieces open a breaker. When its time is over it lets one piece through: done, it
//! is closed; failed, it rests twice as long. In memory only: after a restart a worker is tried again.

use crate::model::{Job, Spot};
use std::{collections::HashMap, time::Duration};
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId, SlotRange, Timestamp,
    task::{EncoderClass, FailureClass},
};

const FAILURES_MAX: usize = 3;
const REST: Duration = Duration::from_secs(30);
const REST_MAX: Duration = Duration::from_secs(30 * 60);

/// Kinds of work that break apart from each other: a card whose encoder is broken still joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    Render(EncoderClass),
    Join,
    Mark(EncoderClass),
}

impl Capability {
    pub fn of(job: &Job, spot: Spot) -> Capability {
        match spot {
            Spot::Segment(_) => Capability::Render(job.encoder),
            Spot::Join => Capability::Join,
            Spot::Mark => Capability::Mark(job.encoder),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Breakers {
    /// Those without a failure are not here.
    of: HashMap<(AgentId, u32, Capability), Breaker>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Pieces that failed since the last one that was done.
    Closed {
        failed: Vec<(JobId, SlotRange)>,
    },
    Open {
        until: Timestamp,
        times: u32,
    },
    /// One piece is tried, under this lease.
    HalfOpen {
        lease: LeaseId,
        times: u32,
    },
}

impl Breakers {
    /// Whether this worker may be given such work, and if not, until when; none while a piece is being tried.
    pub fn admits(&self, worker: (AgentId, u32), work: Capability, now: Timestamp) -> Result<(), Option<Timestamp>> {
        match self.of.get(&(worker.0, worker.1, work)) {
            None | Some(Breaker::Closed { .. }) => Ok(()),
            Some(Breaker::Open { until, .. }) if *until <= now => Ok(()),
            Some(Breaker::Open { until, .. }) => Err(Some(*until)),
            Some(Breaker::HalfOpen { .. }) => Err(None),
        }
    }

    pub fn leased(&mut self, worker: (AgentId, u32), work: Capability, lease: LeaseId) {
        if let Some(breaker) = self.of.get_mut(&(worker.0, worker.1, work))
            && let Breaker::Open { times, .. } = *breaker
        {
            *breaker = Breaker::HalfOpen { lease, times };
        }
    }

    pub fn done(&mut self, worker: (AgentId, u32), work: Capability) {
        self.of.remove(&(worker.0, worker.1, work));
    }

    /// A lease ended without a verdict on the worker: given back, or its job was cancelled.
    pub fn undecided(&mut self, worker: (AgentId, u32), work: Capability, lease: LeaseId, now: Timestamp) {
        if let Some(breaker) = self.of.get_mut(&(worker.0, worker.1, work))
            && let Breaker::HalfOpen { lease: tried, times } = *breaker
            && tried == lease
        {
            *breaker = Breaker::Open { until: now, times };
        }
    }

    /// Says whether it opened.
    pub fn failed(
        &mut self,
        worker: (AgentId, u32),
        work: Capability,
        piece: (JobId, SlotRange),
        now: Timestamp,
    ) -> Option<Timestamp> {
        let breaker = self.of.entry((worker.0, worker.1, work)).or_insert(Breaker::Closed { failed: Vec::new() });
        let times = match breaker {
            Breaker::Closed { failed } => {
                if !failed.contains(&piece) {
                    failed.push(piece);
                }
                if failed.len() < FAILURES_MAX {
                    return None;
                }
                0
            }
            // Open: what was leased before it opened failed, too.
            Breaker::Open { until, .. } if *until > now => return None,
            Breaker::Open { times, .. } | Breaker::HalfOpen { times, .. } => *times + 1,
        };
        let until = now.plus(REST.saturating_mul(1 << times.min(16)).min(REST_MAX));
        *breaker = Breaker::Open { until, times };
        Some(until)
    }

    /// When somebody's rest is over.
    pub fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        let rests = self.of.values().filter_map(|breaker| match breaker {
            Breaker::Open { until, .. } => Some(*until),
            Breaker::Closed { .. } | Breaker::HalfOpen { .. } => None,
        });
        rests.filter(|until| *until > now).min()
    }

    /// Every breaker of a worker that is not closed.
    pub fn not_closed(&self, worker: (AgentId, u32)) -> impl Iterator<Item = (Capability, &Breaker)> {
        let own = self.of.iter().filter(move |((agent, number, _), _)| (*agent, *number) == worker);
        own.filter(|(_, breaker)| !matches!(breaker, Breaker::Closed { .. }))
            .map(|((_, _, work), breaker)| (*work, breaker))
    }
}

/// Whether a failure speaks against the worker. Not where the clip itself is wrong; and not where the job failed on another
/// worker, too: then it is the job that is suspect, and it must not take one worker after the other out.
pub fn blames(class: FailureClass, job: &Job, worker: (AgentId, u32)) -> bool {
    let elsewhere = || {
        let mut failures = job.state.pieces().flat_map(|(_, piece)| &piece.failures);
        failures.any(|failure| (failure.agent, failure.worker) != worker)
    };
    match class {
        FailureClass::Input => false,
        FailureClass::Resource | FailureClass::Worker | FailureClass::Internal => !elsewhere(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use uuid::Uuid;

    const ANN: (AgentId, u32) = (AgentId(Uuid::nil()), 0);
    const RENDER: Capability = Capability::Render(EncoderClass::X264);
    const LEASE: LeaseId = LeaseId(Uuid::nil());

    fn piece(number: u64) -> (JobId, SlotRange) {
        (JobId(Uuid::nil()), SlotRange::new(number, number + 1))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn opened() -> Breakers {
        let mut breakers = Breakers::default();
        assert_eq!(breakers.failed(ANN, RENDER, piece(1), at(0)), None);
        assert_eq!(breakers.failed(ANN, RENDER, piece(1), at(0)), None, "the same piece once more says nothing new");
        assert_eq!(breakers.failed(ANN, RENDER, piece(2), at(0)), None);
        assert_eq!(breakers.failed(ANN, RENDER, piece(3), at(0)), Some(at(30)));
        breakers
    }

    #[test]
    fn three_failures_in_a_row_open_it_for_this_kind_of_work_alone() {
        let breakers = opened();
        assert_eq!(breakers.admits(ANN, RENDER, at(29)), Err(Some(at(30))));
        assert_eq!(breakers.admits(ANN, Capability::Join, at(29)), Ok(()));
        assert_eq!(breakers.admits((ANN.0, 1), RENDER, at(29)), Ok(()));
        assert_eq!(breakers.not_closed(ANN).count(), 1);
        assert_eq!((breakers.changes_at(at(29)), breakers.changes_at(at(30))), (Some(at(30)), None));
        let mut breakers = Breakers::default();
        for number in 0..9 {
            assert_eq!(breakers.failed(ANN, RENDER, piece(number), at(0)), None);
            breakers.done(ANN, RENDER);
        }
    }

    #[test]
    fn one_piece_is_tried_when_the_rest_is_over_and_the_next_rest_is_longer() {
        let mut breakers = opened();
        let mut now = at(30);
        for rest in [60, 120, 240, 480, 960, 1800, 1800] {
            assert_eq!(breakers.admits(ANN, RENDER, now), Ok(()));
            breakers.leased(ANN, RENDER, LEASE);
            assert_eq!(breakers.admits(ANN, RENDER, now), Err(None), "one, and not two");
            let until = now.plus(Duration::from_secs(rest));
            assert_eq!(breakers.failed(ANN, RENDER, piece(7), now), Some(until));
            now = until;
        }
        breakers.leased(ANN, RENDER, LEASE);
        breakers.undecided(ANN, RENDER, LEASE, now);
        assert_eq!(breakers.admits(ANN, RENDER, now), Ok(()), "another one may be tried");
        breakers.leased(ANN, RENDER, LEASE);
        breakers.done(ANN, RENDER);
        assert_eq!((breakers.admits(ANN, RENDER, now), breakers.not_closed(ANN).count()), (Ok(()), 0));
    }

    #[test]
    fn a_job_that_fails_everywhere_is_to_blame_itself() {
        // One of its pieces failed on worker 1 of agent 9.
        let job = samples::job(1, 1, 1, samples::rendering());
        let there = (AgentId(samples::id(9)), 1);
        assert!(blames(FailureClass::Worker, &job, there));
        assert!(!blames(FailureClass::Worker, &job, ANN));
        assert!(!blames(FailureClass::Input, &job, there));
        assert!(blames(FailureClass::Resource, &samples::job(1, 1, 1, samples::cancelled()), ANN));
    }
}
