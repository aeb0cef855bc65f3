//! Plans a job: cuts its slots into segments, and says whether frames are made for them.

use tweenfarm_protocol::{Rational, SlotRange, task::EngineSettings};

/// How the frames of a job are made, where `usual` is how the farm makes them. A job that `drops_frames` gets source
/// frames alone, unless its rate is above the source's.
pub fn engine(usual: EngineSettings, drops_frames: bool, source: Rational, target: Rational) -> EngineSettings {
    if drops_frames && target <= source { usual.with_source_frames_only() } else { usual }
}

/// Ranges that partition `[0, slot_count)` in order, as few as `slots_max` per range allows and as even as can be:
/// lengths differ by at most one, so that the last segment is not a sliver everybody waits for.
pub fn segments(slot_count: u64, slots_max: u64) -> Vec<SlotRange> {
    let count = slot_count.div_ceil(slots_max.max(1));
    let border = |position: u64| {
        let exact = u128::from(slot_count) * u128::from(position) / u128::from(count.max(1));
        u64::try_from(exact).expect("a border lies within the job")
    };
    (0..count).map(|position| SlotRange::new(border(position), border(position + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_are_few_and_even() {
        let check = |slot_count, slots_max, expected: &[u64]| {
            let lengths: Vec<u64> = segments(slot_count, slots_max).iter().map(|range| range.len()).collect();
            assert_eq!(lengths, expected, "{slot_count} slots by {slots_max}");
        };
        check(0, 100, &[]);
        check(1, 100, &[1]);
        check(100, 100, &[100]);
        check(101, 100, &[50, 51]);
        check(7, 2, &[1, 2, 2, 2]);
        check(3, 0, &[1, 1, 1]);
    }

    #[test]
    fn frames_are_dropped_where_that_is_asked_for_and_the_rate_is_not_above_the_sources() {
        let usual = EngineSettings { dedupe: true, ..EngineSettings::default() };
        let check = |drops_frames, (num, den), target, expected: bool| {
            let source = Rational::new(num, den).unwrap();
            let engine = engine(usual, drops_frames, source, Rational::whole(target));
            assert_eq!(engine.nearest, expected, "{source} to {target}");
            assert_eq!(EngineSettings { nearest: false, dedupe: true, ..engine }, usual);
            assert_eq!(engine.dedupe, !expected, "no drawing moves where no frame is made");
        };
        check(true, (60, 1), 24, true);
        check(true, (24, 1), 24, true);
        check(true, (60_000, 1001), 60, false);
        check(true, (30_000, 1001), 24, true);
        check(true, (24, 1), 60, false);
        check(false, (60, 1), 24, false);
        check(false, (24, 1), 24, false);
    }

    proptest! {
        #[test]
        fn segments_partition_the_whole_job(slot_count in 0_u64..200_000, slots_max in 1_u64..5_000) {
            let ranges = segments(slot_count, slots_max);
            let mut reached = 0;
            for range in &ranges {
                prop_assert_eq!(range.first, reached);
                prop_assert!(!range.is_empty() && range.len() <= slots_max);
                reached = range.end;
            }
            prop_assert_eq!(reached, slot_count);
            let lengths = || ranges.iter().map(|range| range.len());
            prop_assert!(lengths().max().unwrap_or(0) - lengths().min().unwrap_or(0) <= 1);
        }
    }
}
