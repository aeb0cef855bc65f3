//! Which failures are tried again, and when.

use crate::model::{Abandoned, FailedAttempt, SegmentState};
use std::time::Duration;
use tweenfarm_protocol::{
    Timestamp,
    task::{Failure, FailureClass},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Attempts of one segment before its job fails; the first one counts.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled for each one after it.
    pub retry_after: Duration,
}

/// No wait grows beyond this, however many attempts an operator allows.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10 * 60);

/// What becomes of a segment whose attempt number `attempt` failed, after those of `before`.
///
/// A clip that an agent finds wrong was found right by the daemon's own look into it: with a broken decoder, one agent
/// would fail every job it is given. So an agent on another machine is asked, too, where there is one (`other_agent`), and
/// at once; what two found, or the only one, ends the job.
pub fn after_failure(
    attempt: u32,
    failure: Failure,
    before: &[FailedAttempt],
    other_agent: bool,
    rules: &RetryRules,
    now: Timestamp,
) -> SegmentState {
    let is_input = |failure: &Failure| failure.class == FailureClass::Input;
    let another_may_do = match failure.class {
        FailureClass::Input => other_agent && !before.iter().any(|earlier| is_input(&earlier.failure)),
        FailureClass::Resource | FailureClass::Worker | FailureClass::Internal => true,
    };
    if !another_may_do || attempt >= rules.attempts_max {
        return SegmentState::Abandoned(Abandoned { attempts: attempt, last: failure });
    }
    if is_input(&failure) {
        return SegmentState::Ready { attempt: attempt.saturating_add(1), not_before: now };
    }
    let doublings = attempt.saturating_sub(1).min(16);
    let wait = rules.retry_after.saturating_mul(1 << doublings).min(RETRY_AFTER_MAX);
    SegmentState::Ready { attempt: attempt.saturating_add(1), not_before: now.plus(wait) }
}

/// What a worker that stopped answering is taken to have said.
pub fn lost_worker() -> Failure {
    Failure::new(FailureClass::Worker, "The worker stopped answering.".into())
}

/// What a job's owner reads about a segment that was given up.
pub fn sentence(abandoned: &Abandoned) -> String {
    let message = abandoned.last.message.trim();
    match (abandoned.last.class, abandoned.attempts) {
        // The clip itself: what the worker found is all there is to say.
        (FailureClass::Input, _) => message.to_owned(),
        (_, 0 | 1) => format!("The clip could not be rendered: {message}"),
        (_, attempts) => format!("The clip could not be rendered in {attempts} attempts. The last one: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RetryRules = RetryRules { attempts_max: 3, retry_after: Duration::from_secs(10) };
    const NOW: Timestamp = Timestamp(1_000_000);

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "It broke.".into())
    }

    #[test]
    fn a_failure_is_tried_again_unless_the_clip_itself_is_wrong_or_attempts_are_used_up() {
        let check = |class, attempt, expected_seconds: Option<u64>| {
            let expected = match expected_seconds {
                Some(seconds) => {
                    SegmentState::Ready { attempt: attempt + 1, not_before: NOW.plus(Duration::from_secs(seconds)) }
                }
                None => SegmentState::Abandoned(Abandoned { attempts: attempt, last: failure(class) }),
            };
            let after = after_failure(attempt, failure(class), &[], false, &RULES, NOW);
            assert_eq!(after, expected, "{class:?} at attempt {attempt}");
        };
        check(FailureClass::Input, 1, None);
        check(FailureClass::Worker, 1, Some(10));
        check(FailureClass::Worker, 2, Some(20));
        check(FailureClass::Worker, 3, None);
        check(FailureClass::Resource, 1, Some(10));
        check(FailureClass::Internal, 2, Some(20));
        check(FailureClass::Internal, 3, None);
    }

    #[test]
    fn a_clip_that_one_agent_finds_wrong_is_looked_at_by_another_if_there_is_one() {
        let found = |before: &[FailedAttempt], other_agent| {
            after_failure(1, failure(FailureClass::Input), before, other_agent, &RULES, NOW)
        };
        let of = |class| {
            let agent = tweenfarm_protocol::AgentId(uuid::Uuid::nil());
            FailedAttempt { agent, worker: 0, at: NOW, failure: failure(class) }
        };
        let again = SegmentState::Ready { attempt: 2, not_before: NOW };
        assert_eq!(found(&[], true), again);
        assert_eq!(found(&[of(FailureClass::Worker)], true), again);
        assert!(matches!(found(&[], false), SegmentState::Abandoned(_)));
        assert!(matches!(found(&[of(FailureClass::Input)], true), SegmentState::Abandoned(_)), "two found the same");
    }

    #[test]
    fn the_wait_stays_within_its_limit() {
        let patient = RetryRules { attempts_max: u32::MAX, retry_after: Duration::from_secs(60) };
        let after = after_failure(1_000, failure(FailureClass::Worker), &[], true, &patient, NOW);
        assert_eq!(after, SegmentState::Ready { attempt: 1_001, not_before: NOW.plus(RETRY_AFTER_MAX) });
    }

    #[test]
    fn a_clips_own_failure_is_told_as_the_worker_told_it() {
        let told = |class, attempts| sentence(&Abandoned { attempts, last: failure(class) });
        assert_eq!(told(FailureClass::Input, 1), "It broke.");
        assert_eq!(
            told(FailureClass::Worker, 3),
            "The clip could not be rendered in 3 attempts. The last one: It broke."
        );
    }
}
