//! The one function that moves a segment from state to state.

use super::retry::{self, RetryRules};
use crate::model::{FailedAttempt, IllegalStep, Segment, SegmentEvent, SegmentState};
use tweenfarm_protocol::{Timestamp, task::Progress};

/// The segment after `event`: its state, and one more failure if it was one.
pub fn step(segment: Segment, event: SegmentEvent, rules: &RetryRules, now: Timestamp) -> Result<Segment, IllegalStep> {
    let Segment { slots, state, mut failures } = segment;
    let failed = match (&state, &event) {
        (SegmentState::Leased { agent, worker, .. }, SegmentEvent::Failed { failure, .. }) => {
            Some((*agent, *worker, failure.clone()))
        }
        (SegmentState::Leased { agent, worker, .. }, SegmentEvent::Expired { .. }) => {
            Some((*agent, *worker, retry::lost_worker()))
        }
        _ => None,
    };
    let state = state_after(state, &failures, event, rules, now)?;
    failures.extend(failed.map(|(agent, worker, failure)| FailedAttempt { agent, worker, at: now, failure }));
    Ok(Segment { slots, state, failures })
}

/// The state after `event`. An event that quotes another lease than the segment's current one is illegal: that is
/// what keeps a late worker from overwriting its successor.
fn state_after(
    state: SegmentState,
    failures: &[FailedAttempt],
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
        SegmentEvent::Failed { lease, failure, other_agent } if lease == held => {
            Ok(retry::after_failure(attempt, failure, failures, other_agent, rules, now))
        }
        SegmentEvent::GivenBack { lease } if lease == held => Ok(SegmentState::Ready { attempt, not_before: now }),
        SegmentEvent::Expired { lease } if lease == held && deadline <= now => {
            Ok(retry::after_failure(attempt, retry::lost_worker(), failures, true, rules, now))
        }
        SegmentEvent::Leased { .. }
        | SegmentEvent::Renewed { .. }
        | SegmentEvent::Delivered { .. }
        | SegmentEvent::Failed { .. }
        | SegmentEvent::GivenBack { .. }
        | SegmentEvent::Expired { .. } => Err(IllegalStep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Abandoned, ObjectKey};
    use proptest::prelude::*;
    use std::time::Duration;
    use tweenfarm_protocol::{
        AgentId, JobId, LeaseId, SlotRange,
        task::{Failure, FailureClass, RenderFacts},
    };
    use uuid::Uuid;

    const RULES: RetryRules = RetryRules { attempts_max: 3, retry_after: Duration::from_secs(5) };
    const NOW: Timestamp = Timestamp(1_000);

    fn lease(number: u128) -> LeaseId {
        LeaseId(Uuid::from_u128(number))
    }

    fn leased(by: u128, deadline: i64, frames_done: u64) -> SegmentState {
        SegmentState::Leased {
            lease: lease(by),
            agent: AgentId(Uuid::nil()),
            worker: 0,
            deadline: Timestamp(deadline),
            attempt: 2,
            progress: Progress { frames_done, frames_total: 10 },
        }
    }

    fn rendered() -> SegmentState {
        let output = ObjectKey::segment(JobId(Uuid::nil()), lease(1));
        SegmentState::Rendered { output, size_bytes: 1, sha256: "ab".into(), facts: RenderFacts::default() }
    }

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "It broke.".into())
    }

    fn take(by: u128) -> SegmentEvent {
        let agent = AgentId(Uuid::nil());
        SegmentEvent::Leased { lease: lease(by), agent, worker: 0, deadline: Timestamp(2_000) }
    }

    fn deliver(by: u128) -> SegmentEvent {
        let SegmentState::Rendered { output, size_bytes, sha256, facts } = rendered() else { panic!("rendered") };
        SegmentEvent::Delivered { lease: lease(by), output, size_bytes, sha256, facts }
    }

    fn renew(by: u128, deadline: i64, frames_done: u64) -> SegmentEvent {
        let progress = Progress { frames_done, frames_total: 10 };
        SegmentEvent::Renewed { lease: lease(by), deadline: Timestamp(deadline), progress }
    }

    #[test]
    fn a_segment_moves_as_its_current_lease_says() {
        let check = |state, event, expected: Result<SegmentState, IllegalStep>| {
            assert_eq!(state_after(state, &[], event, &RULES, NOW), expected);
        };
        let ready = |attempt, not_before| SegmentState::Ready { attempt, not_before: Timestamp(not_before) };
        let retried = SegmentState::Ready { attempt: 3, not_before: NOW.plus(RULES.retry_after * 2) };
        let failed = |class| SegmentEvent::Failed { lease: lease(1), failure: failure(class), other_agent: false };

        let SegmentState::Leased { agent, worker, deadline, .. } = leased(1, 2_000, 0) else { panic!("leased") };
        let fresh = SegmentState::Leased {
            lease: lease(1),
            agent,
            worker,
            deadline,
            attempt: 2,
            progress: Progress::default(),
        };
        check(ready(2, 1_000), take(1), Ok(fresh));
        check(ready(2, 1_001), take(1), Err(IllegalStep));
        check(leased(1, 1_500, 3), renew(1, 1_900, 5), Ok(leased(1, 1_900, 5)));
        check(leased(1, 1_500, 3), renew(1, 1_400, 2), Ok(leased(1, 1_500, 3)));
        check(leased(1, 1_500, 3), deliver(1), Ok(rendered()));
        check(leased(1, 1_500, 3), failed(FailureClass::Worker), Ok(retried.clone()));
        let last = failure(FailureClass::Input);
        let abandoned = SegmentState::Abandoned(Abandoned { attempts: 2, last });
        check(leased(1, 1_500, 3), failed(FailureClass::Input), Ok(abandoned.clone()));
        check(leased(1, 1_500, 3), SegmentEvent::GivenBack { lease: lease(1) }, Ok(ready(2, 1_000)));
        check(leased(1, 1_000, 3), SegmentEvent::Expired { lease: lease(1) }, Ok(retried));
        check(leased(1, 1_001, 3), SegmentEvent::Expired { lease: lease(1) }, Err(IllegalStep));
        check(leased(1, 1_500, 3), take(2), Err(IllegalStep));
        check(rendered(), deliver(1), Err(IllegalStep));
        check(abandoned, take(1), Err(IllegalStep));
    }

    fn any_event() -> impl Strategy<Value = SegmentEvent> {
        let class = prop_oneof![
            Just(FailureClass::Input),
            Just(FailureClass::Resource),
            Just(FailureClass::Worker),
            Just(FailureClass::Internal)
        ];
        let by = || 1_u128..5;
        prop_oneof![
            by().prop_map(take),
            by().prop_map(deliver),
            (by(), 0_i64..5_000, 0_u64..12).prop_map(|(by, deadline, frames)| renew(by, deadline, frames)),
            (by(), class, any::<bool>()).prop_map(|(by, class, other_agent)| {
                SegmentEvent::Failed { lease: lease(by), failure: failure(class), other_agent }
            }),
            by().prop_map(|by| SegmentEvent::GivenBack { lease: lease(by) }),
            by().prop_map(|by| SegmentEvent::Expired { lease: lease(by) }),
        ]
    }

    fn quoted(event: &SegmentEvent) -> LeaseId {
        match event {
            SegmentEvent::Leased { lease, .. }
            | SegmentEvent::Renewed { lease, .. }
            | SegmentEvent::Delivered { lease, .. }
            | SegmentEvent::Failed { lease, .. }
            | SegmentEvent::GivenBack { lease }
            | SegmentEvent::Expired { lease } => *lease,
        }
    }

    proptest! {
        /// Whatever comes in whatever order: only the current lease moves a segment, attempts never go back and stay
        /// within their limit, and what is rendered or given up stays so.
        #[test]
        fn only_the_current_lease_moves_a_segment(events in prop::collection::vec((any_event(), 0_i64..8_000_000), 1..60)) {
            let mut segment = Segment::new(SlotRange::new(0, 10), Timestamp(0));
            let mut now = Timestamp(0);
            let mut attempts = 1;
            for (event, later) in events {
                now = Timestamp(now.0 + later);
                let before = segment.state.clone();
                let Ok(stepped) = step(segment.clone(), event.clone(), &RULES, now) else { continue };
                let after = stepped.state.clone();
                prop_assert!(stepped.failures.starts_with(&segment.failures), "a failure was forgotten");
                prop_assert!(stepped.failures.len() <= RULES.attempts_max as usize);
                match &before {
                    SegmentState::Ready { .. } => {
                        prop_assert!(matches!(event, SegmentEvent::Leased { .. }), "a ready segment moved by itself");
                    }
                    SegmentState::Leased { lease, .. } => {
                        prop_assert_eq!(*lease, quoted(&event));
                    }
                    SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {
                        prop_assert!(false, "{:?} moved on {:?}", before, event);
                    }
                }
                if let SegmentState::Ready { attempt, .. } | SegmentState::Leased { attempt, .. } = &after {
                    prop_assert!(*attempt >= attempts && *attempt <= RULES.attempts_max);
                    attempts = *attempt;
                }
                segment = stepped;
            }
        }
    }
}
