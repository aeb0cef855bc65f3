//! The retimer: for every slot the source frame it shows, or the pair of frames and the phase between them.
//!
//! Times are compared as exact fractions of absolute indices, so nothing drifts however long the clip, and a slot gets
//! the same answer whichever segment asks. Knows neither decoder nor engine.

use super::FrameTimes;
use tweenfarm_protocol::{Rational, SlotRange};

/// A whole frame distance in phase units.
const WHOLE_Q16: i128 = 65_536;
/// A slot this near to a source frame shows that frame: 1/512 of the distance, at 24 fps 0.08 ms. Nobody sees the
/// difference, and rounded timestamps then do not turn passed frames into made ones.
const COINCIDES_Q16: i128 = WHOLE_Q16 / 512;
/// A distance this many times the usual one is a pause, not motion: nothing is made up inside it.
const PAUSE_GAPS: i128 = 4;
/// A distance beyond half a second is a pause in any clip.
const PAUSE_PER_SECOND: i128 = 2;

/// What one slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shot {
    /// A source frame as it is.
    Source { frame: u64 },
    /// A frame made between two source frames, at `phase_q16` / 65536 of their distance; never 0 or 65536.
    Between { first: u64, second: u64, phase_q16: u32 },
}

/// Answers for the slots of one segment.
#[derive(Clone, Debug)]
pub struct Retimer {
    times: FrameTimes,
    rate: Rational,
    slots: SlotRange,
    /// Distances above this many ticks are pauses.
    pause_ticks: i128,
}

impl Retimer {
    /// `rate` is the target rate and positive; slot *i* stands at *i* / `rate` after the first frame.
    pub fn new(times: FrameTimes, rate: Rational, slots: SlotRange) -> Retimer {
        let pause_ticks = pause_ticks(&times);
        Retimer { times, rate, slots, pause_ticks }
    }

    /// For a stream: its frames are told by `hear`, its end by `end_after`. `distance_ticks` is the usual one of its
    /// frames, where it claims one.
    pub fn stream(tick: Rational, rate: Rational, distance_ticks: Option<i64>) -> Retimer {
        let half_second = half_second_ticks(tick);
        let pause_ticks = distance_ticks.map_or(half_second, |usual| half_second.min(PAUSE_GAPS * i128::from(usual)));
        Retimer { times: FrameTimes::stream(tick), rate, slots: SlotRange::new(0, u64::MAX), pause_ticks }
    }

    /// With `nearest` every distance is a pause: each slot shows the source frame nearest to it, and none is made.
    pub fn nearest(self, nearest: bool) -> Retimer {
        let pause_ticks = if nearest { 0 } else { self.pause_ticks };
        Retimer { pause_ticks, ..self }
    }

    /// Takes the next frame of a stream; gives its number.
    pub fn hear(&mut self, ticks: i64) -> u64 {
        self.times.push(ticks)
    }

    /// The stream ends `distance_ticks` after its last frame: its slots are as many as those of a clip of that length.
    pub fn end_after(&mut self, distance_ticks: i64) {
        let last = self.times.frame_count().saturating_sub(1);
        let end = i128::from(self.times.ticks(last)) + i128::from(distance_ticks);
        let tick = self.times.tick();
        let num = end * i128::from(tick.num()) * i128::from(self.rate.num());
        let den = i128::from(tick.den()) * i128::from(self.rate.den());
        let count = u64::try_from((2 * num + den).div_euclid(2 * den)).unwrap_or(0);
        self.slots = SlotRange::new(0, count.max(1));
    }

    pub fn frame_count(&self) -> u64 {
        self.times.frame_count()
    }

    pub fn slots(&self) -> SlotRange {
        self.slots
    }

    /// The frame that the segment needs first: the last one that does not stand after its first slot.
    pub fn first_frame(&self) -> u64 {
        self.frame_at(self.slots.first)
    }

    fn frame_at(&self, slot: u64) -> u64 {
        let (mut low, mut high) = (0, self.times.frame_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.since_frame(slot, middle) >= 0 { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }

    /// What a slot shows when every frame of the timeline is there.
    pub fn shot(&self, slot: u64) -> Shot {
        let first = self.frame_at(slot);
        if first + 1 < self.times.frame_count() {
            self.shot_between(slot, first, first + 1)
        } else {
            Shot::Source { frame: first }
        }
    }

    /// Every slot of the segment with what it shows, in order.
    pub fn plan(&self) -> impl Iterator<Item = (u64, Shot)> {
        (self.slots.first..self.slots.end).map(|slot| (slot, self.shot(slot)))
    }

    /// What a slot shows between two frames that were decoded one after the other. They are neighbours in the timeline
    /// unless the decoder lost frames between them.
    pub fn shot_between(&self, slot: u64, first: u64, second: u64) -> Shot {
        let span = i128::from(self.ticks(second)) - i128::from(self.ticks(first));
        let (into, unit) = (self.since_frame(slot, first), self.tick_in_slot_units());
        let whole = span * unit;
        if whole <= 0 || into <= 0 {
            return Shot::Source { frame: first };
        }
        let phase_q16 = (2 * WHOLE_Q16 * into + whole).div_euclid(2 * whole);
        // As near to both is the earlier one.
        let nearer = if 2 * into <= whole { first } else { second };
        let coincides = phase_q16 <= COINCIDES_Q16 || phase_q16 >= WHOLE_Q16 - COINCIDES_Q16;
        match u32::try_from(phase_q16) {
            Ok(phase_q16) if !coincides && span <= self.pause_ticks => Shot::Between { first, second, phase_q16 },
            _ => Shot::Source { frame: nearer },
        }
    }

    /// The segment's slots from the time of `frame` on and before the time of `next`; without `next`, all that follow.
    pub fn slots_from(&self, frame: u64, next: Option<u64>) -> SlotRange {
        let first = self.first_slot_at(frame).clamp(self.slots.first, self.slots.end);
        let end = next.map_or(self.slots.end, |next| self.first_slot_at(next).min(self.slots.end));
        SlotRange::new(first, end)
    }

    /// The first slot that does not stand before `frame`.
    fn first_slot_at(&self, frame: u64) -> u64 {
        let tick = self.times.tick();
        let num = i128::from(self.ticks(frame)) * i128::from(tick.num()) * i128::from(self.rate.num());
        let den = i128::from(tick.den()) * i128::from(self.rate.den());
        // Rounded up.
        u64::try_from(-(-num).div_euclid(den)).unwrap_or(0)
    }

    fn ticks(&self, frame: u64) -> i64 {
        self.times.ticks(frame)
    }

    /// Time from a frame to a slot, in units of 1 / (rate numerator × tick denominator) second.
    fn since_frame(&self, slot: u64, frame: u64) -> i128 {
        let slot_time = i128::from(slot) * i128::from(self.rate.den()) * i128::from(self.times.tick().den());
        slot_time - i128::from(self.ticks(frame)) * self.tick_in_slot_units()
    }

    fn tick_in_slot_units(&self) -> i128 {
        i128::from(self.times.tick().num()) * i128::from(self.rate.num())
    }
}

fn pause_ticks(times: &FrameTimes) -> i128 {
    let mut gaps: Vec<i64> = times.gaps().collect();
    gaps.sort_unstable();
    let half_second = half_second_ticks(times.tick());
    let usual = gaps.get(gaps.len() / 2).map_or(half_second, |gap| PAUSE_GAPS * i128::from(*gap));
    usual.min(half_second)
}

fn half_second_ticks(tick: Rational) -> i128 {
    i128::from(tick.den()) / (PAUSE_PER_SECOND * i128::from(tick.num())).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tweenfarm_media::{Stamps, Timeline};

    fn rate(num: i64, den: i64) -> Rational {
        Rational::new(num, den).unwrap()
    }

    fn constant(source: Rational, frames: u64, target: Rational, slots: SlotRange) -> Retimer {
        Retimer::new(FrameTimes::of(&Timeline::constant(source, frames).unwrap()), target, slots)
    }

    fn variable(ticks: &[i64], target: Rational, slots: SlotRange) -> Retimer {
        let ticks: Vec<Option<i64>> = ticks.iter().copied().map(Some).collect();
        let stamps = Stamps { ticks: &ticks, time_base: Some(rate(1, 1000)), last_ticks: None, claimed_rates: &[] };
        Retimer::new(FrameTimes::of(&Timeline::from_stamps(&stamps).unwrap()), target, slots)
    }

    fn shots(retimer: &Retimer) -> Vec<Shot> {
        retimer.plan().map(|(_, shot)| shot).collect()
    }

    fn source(frame: u64) -> Shot {
        Shot::Source { frame }
    }

    fn between(first: u64, phase_q16: u32) -> Shot {
        Shot::Between { first, second: first + 1, phase_q16 }
    }

    #[test]
    fn a_doubled_rate_passes_every_frame_and_makes_one_between() {
        let all = shots(&constant(rate(30, 1), 3, rate(60, 1), SlotRange::new(0, 6)));
        assert_eq!(all, [source(0), between(0, 32_768), source(1), between(1, 32_768), source(2), source(2)]);
    }

    #[test]
    fn film_to_sixty_meets_every_second_frame() {
        let all = shots(&constant(rate(24, 1), 3, rate(60, 1), SlotRange::new(0, 7)));
        let expected = [
            source(0),
            between(0, 26_214),
            between(0, 52_429),
            between(1, 13_107),
            between(1, 39_322),
            source(2),
            source(2),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn ntsc_film_to_sixty_never_drifts() {
        // 5005 slots of 1/60 s are 2000 frames of 1001/24000 s.
        let retimer = constant(rate(24_000, 1001), 10_000, rate(60, 1), SlotRange::new(0, 25_000));
        assert_eq!(retimer.shot(5005), source(2000));
        assert_eq!(retimer.shot(20_020), source(8000));
        assert_eq!(retimer.shot(5006), between(2000, 26_188));
    }

    #[test]
    fn ntsc_film_to_ntsc_sixty_is_the_plain_pattern() {
        let retimer = constant(rate(24_000, 1001), 2400, rate(60_000, 1001), SlotRange::new(0, 6000));
        for slot in 0..5990 {
            let plain = constant(rate(24, 1), 2400, rate(60, 1), SlotRange::new(0, 6000)).shot(slot);
            assert_eq!(retimer.shot(slot), plain);
        }
    }

    #[test]
    fn thirty_to_two_hundred_forty_makes_seven_of_eight() {
        let all = shots(&constant(rate(30, 1), 60, rate(240, 1), SlotRange::new(0, 472)));
        for (slot, shot) in (0_u64..).zip(all) {
            let expected = if slot % 8 == 0 { source(slot / 8) } else { between(slot / 8, (slot % 8 * 8192) as u32) };
            assert_eq!(shot, expected);
        }
    }

    #[test]
    fn the_last_frame_is_repeated_to_the_end() {
        let retimer = constant(rate(25, 1), 5, rate(50, 1), SlotRange::new(0, 10));
        assert_eq!((retimer.shot(8), retimer.shot(9), retimer.shot(500)), (source(4), source(4), source(4)));
    }

    #[test]
    fn a_pause_shows_the_nearer_frame() {
        // 100 ms apart, then 500 ms of pause: five times the usual distance.
        let retimer = variable(&[0, 100, 200, 700, 800, 900], rate(20, 1), SlotRange::new(0, 20));
        assert_eq!(retimer.shot(5), source(2));
        // As near to both.
        assert_eq!(retimer.shot(9), source(2));
        assert_eq!(retimer.shot(10), source(3));
        assert_eq!(retimer.shot(15), between(3, 32_768));
    }

    #[test]
    fn where_no_frame_is_made_a_lower_rate_drops_frames() {
        let dropped = constant(rate(60, 1), 10, rate(24, 1), SlotRange::new(0, 4)).nearest(true);
        // Slot 1 stands at 2.5 frames, slot 3 at 7.5.
        assert_eq!(shots(&dropped), [source(0), source(2), source(5), source(7)]);
        let same = constant(rate(30_000, 1001), 90, rate(30_000, 1001), SlotRange::new(0, 90)).nearest(true);
        assert_eq!(shots(&same), (0..90).map(source).collect::<Vec<_>>());
    }

    #[test]
    fn half_a_second_is_a_pause_even_in_a_slow_clip() {
        let slow = variable(&[0, 600, 1203, 1800], rate(30, 1), SlotRange::new(0, 60));
        assert!(shots(&slow).iter().all(|shot| matches!(shot, Shot::Source { .. })));
        let brisk = variable(&[0, 400, 803, 1200], rate(30, 1), SlotRange::new(0, 36));
        assert!(shots(&brisk).iter().any(|shot| matches!(shot, Shot::Between { .. })));
    }

    #[test]
    fn a_slot_next_to_a_frame_is_that_frame() {
        // 1/600 of the distance away is the frame, 1/400 is not.
        let near = variable(&[0, 600, 1203, 1800], rate(1000, 1), SlotRange::new(0, 10));
        let near = Retimer { pause_ticks: i128::MAX, ..near };
        assert_eq!((near.shot(1), near.shot(599)), (source(0), source(1)));
        let far = variable(&[0, 400, 803, 1200], rate(1000, 1), SlotRange::new(0, 10));
        assert_eq!(far.shot(1), between(0, 164));
    }

    #[test]
    fn a_lost_frame_widens_the_pair_around_it() {
        let retimer = constant(rate(30, 1), 5, rate(60, 1), SlotRange::new(0, 10));
        assert_eq!(retimer.slots_from(1, Some(3)), SlotRange::new(2, 6));
        assert_eq!(retimer.shot_between(3, 1, 3), Shot::Between { first: 1, second: 3, phase_q16: 16_384 });
    }

    #[test]
    fn a_stream_shows_what_the_clip_of_its_frames_shows() {
        let clip = constant(rate(24_000, 1001), 10, rate(60, 1), SlotRange::new(0, 25));
        let mut times = crate::retime::StreamTimes::new(Some(rate(24_000, 1001)));
        let mut stream = Retimer::stream(times.tick(), rate(60, 1), times.distance());
        let mut shown = Vec::new();
        for frame in 0..10 {
            // Told in whole milliseconds, as Matroska does.
            let told_ns = i64::from(frame) * 1_001_000 / 24_000 * 1_000_000;
            let number = stream.hear(times.next(Some(told_ns)).unwrap());
            if let Some(first) = number.checked_sub(1) {
                let slots = stream.slots_from(first, Some(number));
                shown.extend((slots.first..slots.end).map(|slot| (slot, stream.shot_between(slot, first, number))));
            }
        }
        stream.end_after(times.distance().unwrap());
        // 10 frames of 1001/24000 s are 25.025 slots of 1/60 s.
        assert_eq!(stream.slots(), SlotRange::new(0, 25));
        let rest = stream.slots_from(9, None);
        shown.extend((rest.first..rest.end).map(|slot| (slot, source(9))));
        assert_eq!(shown, clip.plan().collect::<Vec<_>>());
    }

    /// Ascending milliseconds.
    fn any_ticks() -> impl Strategy<Value = Vec<i64>> {
        proptest::collection::vec(1_i64..200, 1..80).prop_map(|gaps| {
            let mut at = 0;
            let later = gaps.into_iter().map(move |gap| {
                at += gap;
                at
            });
            std::iter::once(0).chain(later).collect()
        })
    }

    proptest! {
        #[test]
        fn segments_together_give_the_plan_of_the_whole(
            ticks in any_ticks(), num in 24_i64..240, ntsc in any::<bool>(), cuts in proptest::collection::vec(0_u64..500, 0..6)
        ) {
            let target = if ntsc { rate(num * 1000, 1001) } else { rate(num, 1) };
            let whole = variable(&ticks, target, SlotRange::new(0, 500));
            let mut borders = cuts;
            borders.extend([0, 500]);
            borders.sort_unstable();
            let parts: Vec<(u64, Shot)> = borders
                .windows(2)
                .flat_map(|pair| variable(&ticks, target, SlotRange::new(pair[0], pair[1])).plan().collect::<Vec<_>>())
                .collect();
            prop_assert_eq!(parts, whole.plan().collect::<Vec<_>>());
        }

        #[test]
        fn where_no_frame_is_made_every_slot_shows_the_source_frame_nearest_to_it(ticks in any_ticks(), fps in 1_i64..240) {
            let retimer = variable(&ticks, rate(fps, 1), SlotRange::new(0, 300)).nearest(true);
            // `min_by_key` gives the first of equals.
            let frames: Vec<i64> = (0..retimer.frame_count()).map(|frame| retimer.ticks(frame)).collect();
            let tick = retimer.times.tick();
            let away = |slot: u64, ticks: i64| {
                let slot = i128::from(slot) * i128::from(tick.den());
                (slot - i128::from(ticks) * i128::from(tick.num()) * i128::from(fps)).abs()
            };
            for (slot, shot) in retimer.plan() {
                let expected = (0..retimer.frame_count()).min_by_key(|frame| away(slot, frames[*frame as usize])).unwrap();
                prop_assert_eq!(shot, source(expected));
            }
            prop_assert_eq!(retimer.plan().count(), 300);
            prop_assert_eq!(retimer.shot(0), source(0));
        }

        #[test]
        fn slots_go_forward_through_the_source(ticks in any_ticks(), num in 24_i64..240) {
            let retimer = variable(&ticks, rate(num, 1), SlotRange::new(0, 600));
            let place = |shot| match shot {
                Shot::Source { frame } => (frame, 0),
                Shot::Between { first, phase_q16, .. } => (first, phase_q16),
            };
            let places: Vec<_> = shots(&retimer).into_iter().map(place).collect();
            prop_assert_eq!(places.len(), 600);
            prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]));
        }

        #[test]
        fn pairs_decoded_in_turn_cover_every_slot_once_with_the_planned_shot(
            ticks in any_ticks(), num in 24_i64..240, first in 0_u64..300, length in 0_u64..300
        ) {
            let retimer = variable(&ticks, rate(num, 1), SlotRange::new(first, first + length));
            let last = retimer.times.frame_count() - 1;
            let mut served = Vec::new();
            for frame in 0..last {
                let slots = retimer.slots_from(frame, Some(frame + 1));
                served.extend((slots.first..slots.end).map(|slot| (slot, retimer.shot_between(slot, frame, frame + 1))));
            }
            let rest = retimer.slots_from(last, None);
            served.extend((rest.first..rest.end).map(|slot| (slot, Shot::Source { frame: last })));
            prop_assert_eq!(served, retimer.plan().collect::<Vec<_>>());
        }

        #[test]
        fn a_slot_that_coincides_is_that_very_frame(frames in 2_u64..200, factor in 1_i64..8, num in 10_i64..30, ntsc in any::<bool>()) {
            let den = if ntsc { 1001 } else { 1 };
            let scale = if ntsc { 1000 } else { 1 };
            let (from, to) = (rate(num * scale, den), rate(num * scale * factor, den));
            let retimer = constant(from, frames, to, SlotRange::new(0, frames * factor as u64));
            for frame in 0..frames {
                prop_assert_eq!(retimer.shot(frame * factor as u64), Shot::Source { frame });
            }
        }
    }
}
