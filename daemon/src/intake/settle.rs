//! When a file is whole: two looks, a hold time apart, saw the same file of the same size and the same time of change, it
//! is not empty, and nobody is known to have it open for writing.
//!
//! Moments here are of a clock that only goes forward (time since the watcher's start), so that setting the machine's clock
//! makes nothing whole. Times of change are compared for equality alone: they may lie in the future.

use super::Stamp;
use std::time::Duration;

/// A file that has been looked at and is not known to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settling {
    pub stamp: Stamp,
    /// When it was first seen like this.
    pub since: Duration,
}

/// What is known of others who have the file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    Some,
    /// None, or none that can be seen from here.
    NoneSeen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Whole,
    NotYet(Settling),
}

/// `before` is what the last look left.
pub fn look(before: Option<Settling>, stamp: Stamp, writers: Writers, now: Duration, hold: Duration) -> Verdict {
    match before {
        Some(before) if before.stamp == stamp && writers == Writers::NoneSeen => {
            // Asked too early, or of another clock: what was seen stays.
            let held = now.checked_sub(before.since).is_some_and(|held| held >= hold);
            if held && stamp.size_bytes > 0 { Verdict::Whole } else { Verdict::NotYet(before) }
        }
        _ => Verdict::NotYet(Settling { stamp, since: now }),
    }
}

/// Somebody did something to the file: the hold starts again, whatever the next look sees.
pub fn touched(before: Settling, now: Duration) -> Settling {
    Settling { since: now, ..before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(size_bytes: u64, modified_ns: i64) -> Stamp {
        Stamp { device: 1, inode: 2, size_bytes, modified_ns }
    }

    proptest! {
        /// However the looks fall: a file that is called whole was seen unchanged, and never written to, for the hold.
        #[test]
        fn a_whole_file_was_the_same_for_the_whole_hold(
            looks in proptest::collection::vec((0_u64..8, 0_u64..3, 0_i64..2, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let hold = Duration::from_secs(10);
            let (mut now, mut before) = (Duration::ZERO, None);
            let mut same_since: Option<(Stamp, Duration)> = None;
            for (wait, size, modified, writes, event) in looks {
                now += Duration::from_secs(wait);
                let (stamp, writers) = (stamp(size, modified), if writes { Writers::Some } else { Writers::NoneSeen });
                if event {
                    before = before.map(|before| touched(before, now));
                    same_since = same_since.map(|(stamp, _)| (stamp, now));
                }
                let unchanged = same_since.is_some_and(|(seen, _)| seen == stamp) && !writes;
                if !unchanged {
                    same_since = Some((stamp, now));
                }
                let held = same_since.is_some_and(|(_, since)| now - since >= hold) && unchanged;
                match look(before, stamp, writers, now, hold) {
                    Verdict::Whole => {
                        prop_assert!(held && size > 0);
                        before = None;
                        same_since = None;
                    }
                    Verdict::NotYet(next) => {
                        prop_assert!(!(held && size > 0));
                        before = Some(next);
                    }
                }
            }
        }
    }

    #[test]
    fn one_look_is_never_enough_and_an_empty_file_never_whole() {
        let (first, hold) = (stamp(5, 7), Duration::ZERO);
        let Verdict::NotYet(seen) = look(None, first, Writers::NoneSeen, Duration::from_secs(99), hold) else {
            panic!("whole at first sight")
        };
        assert_eq!(look(Some(seen), first, Writers::NoneSeen, Duration::from_secs(99), hold), Verdict::Whole);
        let empty = Settling { stamp: stamp(0, 7), since: Duration::ZERO };
        let later = Duration::from_secs(1 << 40);
        assert_eq!(look(Some(empty), empty.stamp, Writers::NoneSeen, later, hold), Verdict::NotYet(empty));
    }

    #[test]
    fn a_clock_that_stands_before_the_last_look_makes_nothing_whole() {
        let seen = Settling { stamp: stamp(5, 7), since: Duration::from_secs(50) };
        let verdict = look(Some(seen), seen.stamp, Writers::NoneSeen, Duration::from_secs(1), Duration::ZERO);
        assert_eq!(verdict, Verdict::NotYet(seen));
    }
}
