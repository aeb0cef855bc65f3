//! Plans a job: cuts its slots into segments as workers take them, and says whether frames are made for them.
//!
//! Nothing is cut before it is taken: who is there, and how fast, is known best then.

use super::{order, share::Share};
use crate::model::Segment;
use tweenfarm_protocol::{Rational, SlotRange, Timestamp, task::EngineSettings};

/// How the frames of a job are made, where `usual` is how the farm makes them. A job that `drops_frames` gets source
/// frames alone, unless its rate is above the source's.
pub fn engine(usual: EngineSettings, drops_frames: bool, source: Rational, target: Rational) -> EngineSettings {
    if drops_frames && target <= source { usual.with_source_frames_only() } else { usual }
}

/// A rest of less than this part of a share is not left over for somebody.
const SLIVER_PART: u64 = 8;

/// The first segments of a job: all of it as one, which is cut as workers take from it.
pub fn uncut(slot_count: u64, now: Timestamp) -> Vec<Segment> {
    Some(Segment::new(SlotRange::new(0, slot_count), now))
        .into_iter()
        .filter(|segment| !segment.slots.is_empty())
        .collect()
}

/// Cuts the segment at `position`, which nobody has taken, so that a share of it (never more than `slots_max`) stands
/// alone, the one that `order` wants first. Gives its position; what is left before and after it are segments like it.
pub fn cut(segments: &mut Vec<Segment>, position: usize, share: Share, slots_max: u64) -> usize {
    let slot_count = segments.last().map_or(0, |last| last.slots.end);
    let Some(whole) = segments.get(position).cloned() else { return position };
    let (_, wanted) = order::wanted(whole.slots, slot_count);
    let taken = part(whole.slots, share, slots_max.max(1), wanted);
    let before = SlotRange::new(whole.slots.first, taken.first);
    let after = SlotRange::new(taken.end, whole.slots.end);
    let parts = [before, taken, after].into_iter().filter(|part| !part.is_empty());
    segments.splice(position..=position, parts.map(|slots| Segment { slots, ..whole.clone() }));
    position + usize::from(!before.is_empty())
}

/// The part of `range` that holds `slot`.
fn part(range: SlotRange, share: Share, slots_max: u64, slot: u64) -> SlotRange {
    match share {
        Share::Exactly(slots) if slots <= slots_max => exact_part(range, slots.max(1), slots_max, slot),
        Share::Exactly(slots) | Share::About(slots) => even_part(range, slots.clamp(1, slots_max), slot),
    }
}

/// Where the range is dealt out `slots` at a time. A rest that is a sliver goes with the part before it.
fn exact_part(range: SlotRange, slots: u64, slots_max: u64, slot: u64) -> SlotRange {
    let first = range.first + (slot - range.first) / slots * slots;
    let end = (first + slots).min(range.end);
    let with_rest = SlotRange::new(first, range.end);
    let is_sliver = range.end - end < slots / SLIVER_PART;
    if is_sliver && with_rest.len() <= slots_max { with_rest } else { SlotRange::new(first, end) }
}

/// Where the range is shared into parts of at most `slots`, as few and as even as can be: their lengths differ by at
/// most one.
fn even_part(range: SlotRange, slots: u64, slot: u64) -> SlotRange {
    let length = u128::from(range.len());
    let parts = length.div_ceil(u128::from(slots)).max(1);
    let border =
        |part: u128| range.first + u64::try_from(length * part / parts).expect("a border lies within the range");
    // The last part that does not begin after the slot.
    let part = ((u128::from(slot - range.first) + 1) * parts).div_ceil(length.max(1)) - 1;
    SlotRange::new(border(part), border(part + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ObjectKey, SegmentState};
    use proptest::prelude::*;
    use tweenfarm_protocol::{JobId, LeaseId, task::RenderFacts};
    use uuid::Uuid;

    /// What workers take one after the other, when each is to take such a share.
    fn taken(slot_count: u64, share: Share, slots_max: u64) -> (Vec<SlotRange>, Vec<Segment>) {
        let mut segments = uncut(slot_count, Timestamp(0));
        let mut taken = Vec::new();
        loop {
            let ready = segments.iter().enumerate().filter(|(_, segment)| segment.state != rendered());
            let next = ready.min_by_key(|(_, segment)| order::wanted(segment.slots, slot_count)).map(|(at, _)| at);
            let Some(position) = next else { return (taken, segments) };
            let position = cut(&mut segments, position, share, slots_max);
            taken.push(segments[position].slots);
            segments[position].state = rendered();
        }
    }

    fn rendered() -> SegmentState {
        let output = ObjectKey::segment(JobId(Uuid::nil()), LeaseId(Uuid::nil()));
        SegmentState::Rendered { output, size_bytes: 1, sha256: "ab".into(), facts: RenderFacts::default() }
    }

    #[test]
    fn segments_are_few_and_the_first_the_middle_and_the_last_come_early() {
        let check = |slot_count, share, slots_max, expected: &[(u64, u64)]| {
            let expected: Vec<_> = expected.iter().map(|(first, end)| SlotRange::new(*first, *end)).collect();
            assert_eq!(taken(slot_count, share, slots_max).0, expected, "{slot_count} slots, {share:?}");
        };
        let tens = [(0, 10), (50, 60), (90, 100), (10, 20), (20, 30), (30, 40), (40, 50), (60, 70), (70, 80), (80, 90)];
        use Share::{About, Exactly};
        check(0, About(100), 100, &[]);
        check(1, About(100), 100, &[(0, 1)]);
        check(100, About(100), 100, &[(0, 100)]);
        check(101, About(100), 1200, &[(0, 50), (50, 101)]);
        check(7, About(2), 1200, &[(0, 1), (3, 5), (5, 7), (1, 3)]);
        check(3, About(0), 0, &[(0, 1), (1, 2), (2, 3)]);
        check(100, About(10), 1200, &tens);
        check(100, About(1200), 10, &tens);
        check(100, Exactly(10), 1200, &tens);
        check(100, Exactly(1200), 10, &tens);
        check(100, Exactly(75), 1200, &[(0, 75), (75, 100)]);
        check(100, Exactly(95), 1200, &[(0, 100)]);
        check(100, Exactly(95), 99, &[(0, 95), (95, 100)]);
    }

    #[test]
    fn what_is_cut_off_stays_what_it_was() {
        let state = SegmentState::Ready { attempt: 2, not_before: Timestamp(7) };
        let mut segments = vec![Segment { state: state.clone(), ..Segment::new(SlotRange::new(0, 90), Timestamp(0)) }];
        assert_eq!(cut(&mut segments, 0, Share::About(30), 100), 0);
        assert!(segments.len() == 2 && segments.iter().all(|segment| segment.state == state));
        assert_eq!(cut(&mut segments, 9, Share::About(30), 100), 9, "there is no such segment");
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
        fn whatever_is_taken_the_segments_partition_the_job(
            slot_count in 0_u64..20_000, slots in 0_u64..5_000, is_exact in any::<bool>(), slots_max in 1_u64..5_000
        ) {
            prop_assume!(slot_count / slots.clamp(1, slots_max) < 500);
            let share = if is_exact { Share::Exactly(slots) } else { Share::About(slots) };
            let (taken, segments) = taken(slot_count, share, slots_max);
            let mut reached = 0;
            for segment in &segments {
                prop_assert_eq!(segment.slots.first, reached);
                prop_assert!(!segment.slots.is_empty() && segment.slots.len() <= slots_max);
                reached = segment.slots.end;
            }
            prop_assert_eq!(reached, slot_count);
            prop_assert_eq!(taken.len(), segments.len(), "each is taken once");
        }

        #[test]
        fn a_part_holds_its_slot_and_is_no_more_than_was_asked_for(
            first in 0_u64..1 << 40, length in 1_u64..50_000, slots in 1_u64..5_000, at in 0_u64..50_000
        ) {
            let range = SlotRange::new(first, first + length);
            let slot = first + at % length;
            let even = even_part(range, slots, slot);
            let exact = exact_part(range, slots, u64::MAX, slot);
            for part in [even, exact] {
                prop_assert!(part.contains(slot) && part.first >= range.first && part.end <= range.end);
            }
            prop_assert!(even.len() <= slots && (even.len() == length || 2 * even.len() + 1 >= slots));
            prop_assert!(exact.len() <= slots + slots / SLIVER_PART);
        }
    }
}
