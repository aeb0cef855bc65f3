//! What a job does after one of its segments moved: go on, start the join, finish or fail.

use crate::model::{Abandoned, JobState, ObjectKey, Segment, SegmentState};
use tweenfarm_protocol::{SlotRange, Timestamp, task::RenderFacts};

/// Where a job goes from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Advance {
    /// Still under way, in this state.
    Go(JobState),
    /// Everything is rendered and joined: the output is there.
    Finish { output: ObjectKey, size_bytes: u64, sha256: String, facts: RenderFacts },
    /// One piece was given up, and the job with it.
    Fail(Abandoned),
}

pub fn advance(state: JobState, now: Timestamp) -> Advance {
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
            let join = Segment { slots, state: SegmentState::Ready { attempt: 1, not_before: now } };
            Advance::Go(JobState::Joining { segments, join })
        }
        JobState::Joining {
            segments,
            join: Segment { state: SegmentState::Rendered { output, size_bytes, sha256, facts }, .. },
        } => Advance::Finish { output, size_bytes, sha256, facts: with_makers(facts, &segments) },
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
