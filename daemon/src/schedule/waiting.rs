//! Why nothing of a job is being worked on: said so, where waiting alone would not help.

use super::{
    breaker::Capability,
    fit::{Misfit, fit},
    queue::Surroundings,
};
use crate::model::{Job, SegmentState};
use std::fmt;
use tweenfarm_protocol::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    JobPaused,
    QueuePaused,
    /// No agent is here that takes work.
    NoWorker,
    /// Every worker lacks something: what the one that comes nearest lacks.
    NothingFits(Misfit),
    /// Every worker that could do it failed again and again at such work.
    AllRest {
        until: Option<Timestamp>,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::JobPaused => f.write_str("the job is paused"),
            Waiting::QueuePaused => f.write_str("the queue is paused"),
            Waiting::NoWorker => f.write_str("no agent is here that takes work"),
            Waiting::NothingFits(misfit) => write!(f, "no worker has {misfit}"),
            Waiting::AllRest { until: Some(until) } => {
                let until = until.to_iso_seconds();
                write!(f, "every worker that could do it rests after failures, the first of them until {until}")
            }
            Waiting::AllRest { until: None } => {
                f.write_str("every worker that could do it failed before and tries itself on one piece first")
            }
        }
    }
}

/// None for a job that has ended, of which something is leased, or that any worker may take up when its turn comes.
pub fn why(job: &Job, around: &Surroundings) -> Option<Waiting> {
    let is_leased = |state: &SegmentState| matches!(state, SegmentState::Leased { .. });
    let waits = |state: &SegmentState| matches!(state, SegmentState::Ready { .. });
    if job.state.pieces().any(|(_, piece)| is_leased(&piece.state)) {
        return None;
    }
    let (spot, _) = job.state.pieces().find(|(_, piece)| waits(&piece.state))?;
    if job.paused_at.is_some() {
        return Some(Waiting::JobPaused);
    }
    if around.controls.is_paused() {
        return Some(Waiting::QueuePaused);
    }
    let workers = (around.workers)();
    let (mut misfits, mut rests) = (Vec::new(), Vec::new());
    for worker in &workers {
        match fit(job, spot, worker, around.is_here) {
            // Streams of a card are free again when a neighbour is done.
            Err(Misfit::Sessions(_)) => return None,
            Err(misfit) => misfits.push(misfit),
            Ok(()) => {
                let work = Capability::of(job, spot);
                match around.breakers.admits((worker.agent, worker.worker), work, around.now) {
                    Ok(()) => return None,
                    Err(until) => rests.push(until),
                }
            }
        }
    }
    if !rests.is_empty() {
        return Some(Waiting::AllRest { until: rests.into_iter().flatten().min() });
    }
    // Misfits are in the order in which a worker is looked at: who lacks the last of them has all before it.
    Some(misfits.into_iter().max().map_or(Waiting::NoWorker, Waiting::NothingFits))
}
