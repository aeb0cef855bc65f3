//! What becomes of a file after a failure: whose failure it was decides whether it is tried again, and from where.

use super::{Item, ItemState, Stage};
use std::time::Duration;
use tweenfarm_protocol::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Failures of a file until it goes to quarantine.
    pub tries_max: u32,
    /// Doubled with each failure, up to `wait_max`.
    pub wait: Duration,
    pub wait_max: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Of the clip or of its place: another try ends the same.
    Clip(String),
    /// The job ended without a result: begun anew, under a new name.
    Job(String),
    /// This step, which may go better next time.
    Step(String),
    /// Neither the clip's nor the job's: the daemon is away, the disk full, the balance too low. Not counted.
    Elsewhere(String),
    /// The source is another file than the one that was taken. What it is now will be looked at when it settles.
    Changed,
}

/// The item after the failure of what it was at. `None`: it is to be forgotten, a scan finds what is there now.
pub fn after(item: Item, failure: Failure, rules: &RetryRules, now: Timestamp) -> Option<Item> {
    let from = item.stage().cloned().unwrap_or(Stage::Taken);
    let (reason, from, attempt, tries, waits) = match failure {
        Failure::Changed => return None,
        Failure::Clip(reason) => return Some(item.ended(ItemState::Quarantined { reason }, now)),
        Failure::Job(reason) => (reason, Stage::Taken, item.attempt.saturating_add(1), item.tries.saturating_add(1), 0),
        Failure::Step(reason) => (reason, from, item.attempt, item.tries.saturating_add(1), 0),
        Failure::Elsewhere(reason) => (reason, from, item.attempt, item.tries, item.waits.saturating_add(1)),
    };
    let item = Item { attempt, tries, waits, ..item };
    if waits == 0 && tries >= rules.tries_max {
        let reason = format!("tried {tries} times, last: {reason}");
        return Some(item.ended(ItemState::Quarantined { reason }, now));
    }
    let not_before = now.plus(wait(rules, if waits == 0 { tries } else { waits }));
    Some(Item { since: now, state: ItemState::Retrying { from, not_before, reason }, ..item })
}

fn wait(rules: &RetryRules, failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    rules.wait.saturating_mul(doubled).min(rules.wait_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{ItemId, Place, Promise, Stamp};
    use proptest::prelude::*;
    use std::path::PathBuf;
    use tweenfarm_protocol::JobId;
    use uuid::Uuid;

    const RULES: RetryRules =
        RetryRules { tries_max: 3, wait: Duration::from_secs(10), wait_max: Duration::from_secs(60) };

    fn item(state: ItemState) -> Item {
        let stamp = Stamp { device: 1, inode: 2, size_bytes: 3, modified_ns: 4 };
        Item { state, ..Item::new(ItemId([7; 16]), "clips", PathBuf::from("a.mov"), stamp, Timestamp(0)) }
    }

    fn promise() -> Promise {
        Promise { source: [1; 32], fps: 60, frames: 120, output: "/out/a.mp4".into() }
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        let job = JobId(Uuid::from_u128(9));
        prop_oneof![
            Just(Stage::Taken),
            Just(Stage::Uploaded { promise: promise(), place: Place("uploads/x".into()) }),
            Just(Stage::Submitted { promise: promise(), job }),
            Just(Stage::Proven { promise: promise(), job, result: [2; 32] }),
            Just(Stage::Published { promise: promise(), job }),
        ]
    }

    fn any_failure() -> impl Strategy<Value = Failure> {
        let reason = || "x".to_owned();
        prop_oneof![Just(Failure::Job(reason())), Just(Failure::Step(reason())), Just(Failure::Elsewhere(reason())),]
    }

    proptest! {
        /// Whatever fails: a file is tried as often as the rules say and no more, waits no longer than they say, and
        /// is never begun anew once the farm works on it, unless the job itself failed.
        #[test]
        fn tries_are_bounded_and_paid_work_is_kept(failures in proptest::collection::vec((any_stage(), any_failure()), 1..40)) {
            let (mut now, mut counted) = (Timestamp(0), 0);
            let mut current = item(ItemState::Waiting);
            for (stage, failure) in failures {
                now = now.plus(Duration::from_secs(1000));
                let before = current.attempt;
                counted += u32::from(!matches!(failure, Failure::Elsewhere(_)));
                let next = after(current.at(stage.clone(), now), failure.clone(), &RULES, now).unwrap();
                match &next.state {
                    ItemState::Quarantined { .. } => {
                        prop_assert_eq!(counted, RULES.tries_max);
                        return Ok(());
                    }
                    ItemState::Retrying { from, not_before, .. } => {
                        prop_assert!(counted < RULES.tries_max);
                        prop_assert!(*not_before > now && *not_before <= now.plus(RULES.wait_max));
                        let job_failed = matches!(failure, Failure::Job(_));
                        prop_assert_eq!(from, if job_failed { &Stage::Taken } else { &stage });
                        prop_assert_eq!(next.attempt, before + u32::from(job_failed));
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                current = next;
            }
        }
    }

    #[test]
    fn waits_double_up_to_their_longest() {
        let seconds = |failures| wait(&RULES, failures).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 40, u32::MAX].map(seconds), [10, 20, 40, 60, 60, 60, 60]);
    }

    #[test]
    fn a_wait_ends_in_its_time_and_when_the_clock_was_set_back() {
        let state =
            ItemState::Retrying { from: Stage::Taken, not_before: Timestamp(1_000_000_000), reason: "x".into() };
        let check = |now: i64, expected| {
            assert_eq!(item(state.clone()).begun(Timestamp(now), RULES.wait_max).is_some(), expected, "{now}");
        };
        check(1_000_000_000, true);
        check(999_999_999, false);
        check(940_000_000, false);
        check(939_999_999, true);
        check(0, true);
    }

    #[test]
    fn a_fault_of_the_clip_ends_its_tries_at_once_and_only_an_operator_begins_it_anew() {
        let stuck =
            after(item(ItemState::Working(Stage::Taken)), Failure::Clip("no video".into()), &RULES, Timestamp(1));
        let stuck = stuck.unwrap();
        assert!(stuck.clone().begun(Timestamp(i64::MAX), RULES.wait_max).is_none());
        let released = stuck.released(Timestamp(2)).unwrap();
        assert_eq!((released.attempt, released.tries, &released.state), (1, 0, &ItemState::Waiting));
        assert!(released.released(Timestamp(3)).is_none());
    }

    #[test]
    fn what_is_done_is_made_again_only_when_somebody_asks_and_under_a_new_name() {
        let done = item(ItemState::Done { output: "/out/a.mp4".into() });
        assert!(done.clone().released(Timestamp(2)).is_none());
        let again = done.retried(Timestamp(2)).unwrap();
        assert!(again.again && again.attempt == 1 && again.state == ItemState::Waiting);
        assert!(item(ItemState::Working(Stage::Taken)).retried(Timestamp(2)).is_none());
    }
}
