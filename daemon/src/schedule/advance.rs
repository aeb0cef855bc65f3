//! What a job does after one of its segments moved: go on, start the join or the mark, finish or fail.

use crate::model::{Abandoned, JobState, Master, Segment, SegmentState};
use tweenfarm_protocol::{SlotRange, Timestamp, task::RenderFacts};

/// Where a job goes from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Advance {
    /// Still under way, in this state.
    Go(JobState),
    /// Everything is rendered and joined, and marked where it must be: the output is there.
    Finish(Outputs),
    /// One piece was given up, and the job with it.
    Fail(Abandoned),
}

/// What a job has made when it is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    pub master: Master,
    pub marked: Option<Marked>,
}

/// The marked copy of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub size_bytes: u64,
    pub sha256: String,
}

pub fn advance(state: JobState, watermarked: bool, now: Timestamp) -> Advance {
    let given_up = state.pieces().find_map(|(_, piece)| match &piece.state {
        SegmentState::Abandoned(abandoned) => Some(abandoned.clone()),
        SegmentState::Ready { .. } | SegmentState::Leased { .. } | SegmentState::Rendered { .. } => None,
    });
    if let Some(abandoned) = given_up {
        return Advance::Fail(abandoned);
    }
    match state {
        JobState::Rendering { segments } if segments.iter().all(is_rendered) => {
            let slots = SlotRange::new(0, segments.last().map_or(0, |last| last.slots.end));
            let join = Segment::new(slots, now);
            Advance::Go(JobState::Joining { segments, join })
        }
        JobState::Joining {
            segments,
            join: Segment { slots, state: SegmentState::Rendered { size_bytes, sha256, facts, .. }, .. },
        } => {
            let master = Master { size_bytes, sha256, facts: with_makers(facts, &segments) };
            if !watermarked {
                return Advance::Finish(Outputs { master, marked: None });
            }
            let mark = Segment::new(slots, now);
            Advance::Go(JobState::Marking { master: Box::new(master), mark })
        }
        JobState::Marking {
            master,
            mark: Segment { state: SegmentState::Rendered { size_bytes, sha256, .. }, .. },
        } => Advance::Finish(Outputs { master: *master, marked: Some(Marked { size_bytes, sha256 }) }),
        under_way => Advance::Go(under_way),
    }
}

/// A join makes no frames: who made them, and how many, is told by the segments. Where they differ, by the first.
fn with_makers(join: RenderFacts, segments: &[Segment]) -> RenderFacts {
    let facts = |segment: &Segment| match &segment.state {
        SegmentState::Rendered { facts, .. } => Some(facts.clone()),
        SegmentState::Ready { .. } | SegmentState::Leased { .. } | SegmentState::Abandoned(_) => None,
    };
    let frames_made = segments.iter().filter_map(facts).map(|facts| facts.frames_made).sum();
    match segments.iter().find_map(facts) {
        Some(RenderFacts { device, engine, settings_hash, encoder, .. }) => {
            RenderFacts { frames_made, device, engine, settings_hash, encoder, ..join }
        }
        None => join,
    }
}

fn is_rendered(segment: &Segment) -> bool {
    matches!(segment.state, SegmentState::Rendered { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectKey;
    use tweenfarm_protocol::{JobId, LeaseId};
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp(100);

    fn rendered(size_bytes: u64, facts: RenderFacts) -> Segment {
        let output = ObjectKey::segment(JobId(Uuid::nil()), LeaseId(Uuid::nil()));
        let state = SegmentState::Rendered { output, size_bytes, sha256: "ab".into(), facts };
        Segment { slots: SlotRange::new(0, 9), state, failures: vec![] }
    }

    fn joined() -> JobState {
        let made = RenderFacts { frames_made: 5, engine: "flow 1".into(), ..RenderFacts::default() };
        let join = rendered(20, RenderFacts { frames: 9, ..RenderFacts::default() });
        JobState::Joining { segments: vec![rendered(1, made)], join }
    }

    #[test]
    fn only_a_job_that_is_to_be_marked_goes_on_after_its_join() {
        let Advance::Finish(Outputs { master, marked: None }) = advance(joined(), false, NOW) else {
            panic!("expected the end")
        };
        assert_eq!((master.size_bytes, master.facts.frames, master.facts.frames_made), (20, 9, 5));
        let Advance::Go(JobState::Marking { master: kept, mark }) = advance(joined(), true, NOW) else {
            panic!("expected the mark")
        };
        assert_eq!(*kept, master, "who made the frames is told here, too");
        assert_eq!(mark, Segment::new(SlotRange::new(0, 9), NOW));
        let waiting = JobState::Marking { master: kept.clone(), mark };
        assert_eq!(advance(waiting.clone(), true, NOW), Advance::Go(waiting));
        let marking = JobState::Marking { master: kept, mark: rendered(30, RenderFacts::default()) };
        let marked = Some(Marked { size_bytes: 30, sha256: "ab".into() });
        assert_eq!(advance(marking, true, NOW), Advance::Finish(Outputs { master, marked }));
    }
}
