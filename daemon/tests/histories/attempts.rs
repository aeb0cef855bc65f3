//! What holds of every piece that is handed out, and what an attempt is: a failure costs one and there are only so many;
//! a piece that is handed back costs none, whoever hands it back.

use crate::world::{UNDO_RULES, World};
use std::collections::BTreeSet;
use tweenfarm_daemon::{
    farm::{LeasedWork, Piece},
    model::{SegmentState, Spot},
    schedule::breaker::{Breaker, Capability},
};
use tweenfarm_protocol::{AgentId, JobId, LeaseId};

/// A piece that somebody holds, its attempt, and how often it failed before.
pub struct Held {
    job: JobId,
    spot: Spot,
    attempt: u32,
    failures: usize,
}

impl World {
    pub fn check_handed_out(&self, agent: AgentId, worker: u32, work: &LeasedWork) {
        // Nobody else talks to the farm: what is so now was so before.
        let controls = self.scene.farm.controls();
        assert!(!controls.is_paused(), "handed out while the queue is paused");
        assert!(controls.works(agent), "handed out to an agent that does not work");
        assert_eq!(work.job.paused_at, None, "a piece of a paused job was handed out");
        let capability = match work.piece {
            Piece::Render(_) => Capability::Render(work.job.encoder),
            Piece::Join(_) => Capability::Join,
            Piece::Mark(_) => Capability::Mark(work.job.encoder),
        };
        let rests = self.rests(agent, worker, work.lease);
        assert!(!rests.contains(&capability), "handed out to a worker that rests from such work");
        let held = self.held(|of, lease| of == agent && lease == work.lease);
        let [Held { attempt, failures, .. }] = held[..] else { panic!("one piece has lease {}", work.lease) };
        assert_eq!(
            usize::try_from(attempt).unwrap(),
            failures + 1,
            "an attempt that nobody failed, or a forgotten one"
        );
        assert!(attempt <= UNDO_RULES.attempts_max, "attempt {attempt} of a piece");
    }

    /// What a worker rests from: it may be given none of it, nor while one piece of it, under another lease, is being tried.
    fn rests(&self, agent: AgentId, worker: u32, given: LeaseId) -> BTreeSet<Capability> {
        let now = self.scene.farm.now();
        let views = self.scene.farm.agents();
        let view = views.iter().find(|view| view.hello.agent == agent);
        let rests = view.into_iter().flat_map(|view| &view.rests).filter(|(of, _, _)| *of == worker);
        rests
            .filter(|(_, _, breaker)| match breaker {
                Breaker::Open { until, .. } => *until > now,
                Breaker::HalfOpen { lease, .. } => *lease != given,
                Breaker::Closed { .. } => false,
            })
            .map(|(_, work, _)| *work)
            .collect()
    }

    /// The pieces whose holder and lease are these.
    pub fn held(&self, is_wanted: impl Fn(AgentId, LeaseId) -> bool) -> Vec<Held> {
        let mut found = Vec::new();
        for job in self.scene.farm.jobs_open(usize::MAX, None) {
            for (spot, piece) in job.state.pieces() {
                if let SegmentState::Leased { lease, agent, attempt, .. } = piece.state
                    && is_wanted(agent, lease)
                {
                    found.push(Held { job: job.id, spot, attempt, failures: piece.failures.len() });
                }
            }
        }
        found
    }

    /// What was held and has been handed back is as it was before it was leased.
    pub fn check_costs_nothing(&self, handed_back: &[Held]) {
        for Held { job, spot, attempt, failures } in handed_back {
            let state = self.scene.state(*job);
            let piece = state.piece(*spot).expect("the piece is still there");
            let SegmentState::Ready { attempt: now, .. } = piece.state else { panic!("{job} is not to be had again") };
            assert_eq!((now, piece.failures.len()), (*attempt, *failures), "what was handed back counts as a failure");
        }
    }
}
