//! The one function that moves a segment from state to state.

use super::retry::{self, RetryRules};
use crate::model::{IllegalStep, SegmentEvent, SegmentState};
use tweenfarm_protocol::{Timestamp, task::Progress};

/// The state after `event`. An event that quotes another lease than the segment's current one is illegal: that is
/// what keeps a late worker from overwriting its successor.
pub fn step(
    state: SegmentState,
    event: SegmentEvent,
    rules: &RetryRules,
    now: Timestamp,
) -> Result<SegmentState, IllegalStep> {
    let (held, agent, worker, deadline, attempt, progress) = match state {
        SegmentState::Ready { attempt, not_before } => {
            return match event {
                SegmentEvent::Leased { lease, agent, worker, deadline } if not_before <= now => {
                    Ok(SegmentState::Leased { lease, agent, worker, deadline, attempt, progress: Progress::default() })
                }
                SegmentEvent::Leased { .. }
                | SegmentEvent::Renewed { .. }
                | SegmentEvent::Delivered { .. }
                | SegmentEvent::Failed { .. }
                | SegmentEvent::GivenBack { .. }
                | SegmentEvent::Expired { .. } => Err(IllegalStep),
            };
        }
        SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => return Err(IllegalStep),
        SegmentState::Leased { lease, agent, worker, deadline, attempt, progress } => {
            (lease, agent, worker, deadline, attempt, progress)
        }
    };
    match event {
        SegmentEvent::Renewed { lease, deadline: renewed, progress: reported } if lease == held => {
            Ok(SegmentState::Leased {
                lease,
                agent,
                worker,
                // A renewal that overtook another never shortens the lease or takes progress back.
                deadline: deadline.max(renewed),
                attempt,
                progress: if reported.frames_done >= progress.frames_done { reported } else { progress },
            })
        }
        SegmentEvent::Delivered { lease, output, size_bytes, sha256, facts } if lease == held => {
            Ok(SegmentState::Rendered { output, size_bytes, sha256, facts })
        }
        SegmentEvent::Failed { lease, failure } if lease == held => {
            Ok(retry::after_failure(attempt, failure, rules, now))
        }
        SegmentEvent::GivenBack { lease } if lease == held => Ok(SegmentState::Ready { attempt, not_before: now }),
        SegmentEvent::Expired { lease } if lease == held && deadline <= now => {
            Ok(retry::after_failure(attempt, retry::lost_worker(), rules, now))
        }
        SegmentEvent::Leased { .. }
        | SegmentEvent::Renewed { .. }
        | SegmentEvent::Delivered { .. }
        | SegmentEvent::Failed { .. }
        | SegmentEvent::GivenBack { .. }
        | SegmentEvent::Expired { .. } => Err(IllegalStep),
    }
}
