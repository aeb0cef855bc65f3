//! How far a job has come, in the steps that clients are told apart.

use crate::model::{Job, JobEnd, JobState, Segment, SegmentState};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody has taken any of it.
    Waiting,
    /// A worker has taken a piece and not made a frame yet.
    Claimed,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl Stage {
    pub fn of(job: &Job) -> Stage {
        match &job.state {
            JobState::Ended { end: JobEnd::Done { .. }, .. } => Stage::Done,
            JobState::Ended { end: JobEnd::Failed { .. }, .. } => Stage::Failed,
            JobState::Ended { end: JobEnd::Cancelled { .. }, .. } => Stage::Cancelled,
            JobState::Joining { .. } | JobState::Marking { .. } => Stage::Running,
            JobState::Rendering { segments } => segments.iter().map(Stage::of_segment).max().unwrap_or(Stage::Waiting),
        }
    }

    fn of_segment(segment: &Segment) -> Stage {
        match &segment.state {
            SegmentState::Ready { .. } | SegmentState::Abandoned(_) => Stage::Waiting,
            // No frame yet: the worker still fetches the source and starts its engine.
            SegmentState::Leased { progress, .. } if progress.frames_done == 0 => Stage::Claimed,
            SegmentState::Leased { .. } | SegmentState::Rendered { .. } => Stage::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use tweenfarm_protocol::{AgentId, LeaseId, SlotRange, Timestamp, task::Progress};

    fn leased(frames_done: u64) -> SegmentState {
        SegmentState::Leased {
            lease: LeaseId(uuid::Uuid::nil()),
            agent: AgentId(uuid::Uuid::nil()),
            worker: 0,
            deadline: Timestamp(0),
            attempt: 1,
            progress: Progress { frames_done, frames_total: 10 },
        }
    }

    #[test]
    fn the_piece_that_is_furthest_says_how_far_a_job_is() {
        let ready = || SegmentState::Ready { attempt: 1, not_before: Timestamp(0) };
        let check = |states: Vec<SegmentState>, expected: Stage| {
            let segments = states.into_iter();
            let segments =
                segments.map(|state| Segment { slots: SlotRange::new(0, 10), state, failures: vec![] }).collect();
            let job = samples::job(1, 1, 1, JobState::Rendering { segments });
            assert_eq!(Stage::of(&job), expected);
        };
        check(vec![ready()], Stage::Waiting);
        check(vec![leased(0)], Stage::Claimed);
        check(vec![leased(0), ready()], Stage::Claimed);
        check(vec![ready(), leased(1), leased(0)], Stage::Running);
        assert_eq!(Stage::of(&samples::job(1, 1, 1, samples::cancelled())), Stage::Cancelled);
    }
}
