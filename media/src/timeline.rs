//! The timeline: at which exact moment each source frame stands, read from timestamps that containers round.
//!
//! Owns the decision between constant and variable rate. Pure: it knows no file and no decoder.

use tweenfarm_protocol::Rational;

/// Timestamps are believed to this much, as a fraction of a second: Matroska, FLV and ASF count milliseconds,
/// and a shift of one millisecond is a sixteenth of a frame at 60 fps.
const JITTER_PER_SECOND: i128 = 1000;

/// Rates above this are not frame rates but clocks (90000/1 and the like).
const RATE_MAX: i64 = 480;

/// Frame times of a clip, relative to its first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Seconds per tick.
    tick: Rational,
    /// Ascending, the first is 0.
    ticks: Vec<i64>,
    duration: Rational,
    average_rate: Rational,
    constant: bool,
}

/// Why timestamps make no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    #[error("it has no frames")]
    Empty,
    #[error("{missing} of its {frames} frames carry no timestamp")]
    NoTimestamps { missing: usize, frames: usize },
    #[error("its timestamps are out of any sensible range")]
    Range,
}

/// What a container says of its frames.
#[derive(Clone, Debug, Default)]
pub struct Stamps<'a> {
    /// Presentation timestamp of each shown frame in file order, in ticks; `None` where the container has none.
    pub ticks: &'a [Option<i64>],
    /// Seconds per tick.
    pub time_base: Option<Rational>,
    /// Duration of the frame shown last, in ticks, where the container says it.
    pub last_ticks: Option<i64>,
    /// Rates the container claims, the most trusted first.
    pub claimed_rates: &'a [Rational],
}

impl Timeline {
    /// A clip of constant rate.
    pub fn constant(rate: Rational, frame_count: u64) -> Result<Timeline, TimelineError> {
        if frame_count == 0 {
            return Err(TimelineError::Empty);
        }
        let count = i64::try_from(frame_count).map_err(|_| TimelineError::Range)?;
        if !rate.is_positive() {
            return Err(TimelineError::Range);
        }
        let tick = exact(i128::from(rate.den()), i128::from(rate.num()))?;
        let duration = exact(i128::from(count) * i128::from(rate.den()), i128::from(rate.num()))?;
        Ok(Timeline { tick, ticks: (0..count).collect(), duration, average_rate: rate, constant: true })
    }

    /// Reads a container's timestamps. Order in the file does not matter; a timestamp that occurs twice counts once.
    pub fn from_stamps(stamps: &Stamps<'_>) -> Result<Timeline, TimelineError> {
        let claimed: Vec<Rational> = stamps.claimed_rates.iter().copied().filter(|rate| is_rate(*rate)).collect();
        let missing = stamps.ticks.iter().filter(|tick| tick.is_none()).count();
        let frames = stamps.ticks.len();
        let (Some(time_base), true) = (stamps.time_base.filter(|base| base.is_positive()), missing < frames) else {
            // A bare stream has an order and a claimed rate, nothing else.
            return match claimed.first() {
                _ if frames == 0 => Err(TimelineError::Empty),
                Some(rate) => Timeline::constant(*rate, frames as u64),
                None => Err(TimelineError::NoTimestamps { missing: frames, frames }),
            };
        };
        let known = filled(stamps.ticks).ok_or(TimelineError::NoTimestamps { missing, frames })?;
        let ticks = ascending_from_zero(known)?;
        if ticks.len() < 2 {
            return Timeline::constant(claimed.first().copied().unwrap_or(Rational::whole(25)), 1);
        }
        if let Some(rate) = constant_rate(&ticks, time_base, &claimed) {
            return Timeline::constant(rate, ticks.len() as u64);
        }
        if let Some(lattice) = claimed.iter().find_map(|rate| on_lattice(&ticks, time_base, *rate, stamps.last_ticks)) {
            return Ok(lattice);
        }
        let last_ticks = stamps.last_ticks.filter(|last| *last > 0).unwrap_or_else(|| median_gap(&ticks));
        Timeline::variable(ticks, time_base, last_ticks)
    }

    fn variable(ticks: Vec<i64>, tick: Rational, last_ticks: i64) -> Result<Timeline, TimelineError> {
        let end = i128::from(ticks[ticks.len() - 1]) + i128::from(last_ticks);
        let duration = exact(end * i128::from(tick.num()), i128::from(tick.den()))?;
        let average_rate = exact(ticks.len() as i128 * i128::from(duration.den()), i128::from(duration.num()))?;
        Ok(Timeline { tick, ticks, duration, average_rate, constant: false })
    }

    pub fn frame_count(&self) -> u64 {
        self.ticks.len() as u64
    }

    /// True when every frame stands on a grid of the average rate.
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// Frames per second over the whole clip; exact where the rate is constant.
    pub fn average_rate(&self) -> Rational {
        self.average_rate
    }

    /// From the first frame to the end of the last one, in seconds.
    pub fn duration(&self) -> Rational {
        self.duration
    }

    /// Seconds per tick.
    pub fn tick(&self) -> Rational {
        self.tick
    }

    /// Frame times in ticks: ascending, the first is 0.
    pub fn ticks(&self) -> &[i64] {
        &self.ticks
    }

    /// Time of a frame in nanoseconds, rounded; for matching decoded frames, never for deciding phases.
    pub fn nanoseconds(&self, frame: u64) -> Option<i64> {
        let ticks = *self.ticks.get(usize::try_from(frame).ok()?)?;
        let scaled = i128::from(ticks) * i128::from(self.tick.num()) * 2_000_000_000;
        let den = i128::from(self.tick.den());
        i64::try_from((scaled + den).div_euclid(2 * den)).ok()
    }

    /// The frame that stands nearest to `nanoseconds`, if it lies within half the distance to its neighbour there.
    pub fn frame_at(&self, nanoseconds: i64) -> Option<u64> {
        let after = self.first_frame_after(nanoseconds);
        let last = self.frame_count() - 1;
        let gap_at_end = |frame: u64, other: u64| Some(self.nanoseconds(frame)?.abs_diff(self.nanoseconds(other)?));
        match after {
            0 => {
                let reach = gap_at_end(0, 1.min(last))? / 2;
                (self.nanoseconds(0)?.abs_diff(nanoseconds) <= reach).then_some(0)
            }
            after if after > last => {
                let reach = gap_at_end(last, last.saturating_sub(1))? / 2;
                (self.nanoseconds(last)?.abs_diff(nanoseconds) <= reach).then_some(last)
            }
            after => {
                let (below, above) = (self.nanoseconds(after - 1)?, self.nanoseconds(after)?);
                Some(if nanoseconds.abs_diff(below) <= above.abs_diff(nanoseconds) { after - 1 } else { after })
            }
        }
    }

    fn first_frame_after(&self, nanoseconds: i64) -> u64 {
        let (mut low, mut high) = (0, self.frame_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.nanoseconds(middle).is_some_and(|time| time <= nanoseconds) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn exact(num: i128, den: i128) -> Result<Rational, TimelineError> {
    let divisor = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1);
    let divisor = i128::try_from(divisor).map_err(|_| TimelineError::Range)?;
    let num = i64::try_from(num / divisor).map_err(|_| TimelineError::Range)?;
    let den = i64::try_from(den / divisor).map_err(|_| TimelineError::Range)?;
    Rational::new(num, den).map_err(|_| TimelineError::Range)
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn is_rate(rate: Rational) -> bool {
    rate.is_positive() && rate <= Rational::whole(RATE_MAX)
}

/// Whole rates and the NTSC family n×1000/1001: what cameras and editors make.
fn is_customary(rate: Rational) -> bool {
    // No such rate has a larger denominator, and smaller ones cannot overflow below.
    let plain = rate.den() <= 1001;
    plain && is_rate(rate) && (rate.den() == 1 || rate.num() * 1001 % (rate.den() * 1000) == 0)
}

/// Timestamps with holes closed by even spacing. Only where the file order is the order of showing is it known
/// between which frames a frame without timestamp stands; else `None`.
fn filled(ticks: &[Option<i64>]) -> Option<Vec<i64>> {
    let known: Vec<(usize, i64)> = ticks.iter().enumerate().filter_map(|(at, tick)| Some((at, (*tick)?))).collect();
    if known.len() == ticks.len() {
        return Some(known.into_iter().map(|(_, tick)| tick).collect());
    }
    let (first, last) = (*known.first()?, *known.last()?);
    // More holes than timestamps is a guess, not a timeline; so is a hole at either end.
    let ordered = known.windows(2).all(|pair| pair[0].1 < pair[1].1);
    if !ordered || first.0 != 0 || last.0 != ticks.len() - 1 || known.len() * 2 < ticks.len() {
        return None;
    }
    let mut all = Vec::with_capacity(ticks.len());
    for pair in known.windows(2) {
        let steps = (pair[1].0 - pair[0].0) as i128;
        let span = i128::from(pair[1].1) - i128::from(pair[0].1);
        for step in 0..steps {
            all.push(i64::try_from(i128::from(pair[0].1) + span * step / steps).ok()?);
        }
    }
    all.push(last.1);
    Some(all)
}

fn ascending_from_zero(mut ticks: Vec<i64>) -> Result<Vec<i64>, TimelineError> {
    ticks.sort_unstable();
    ticks.dedup();
    let first = *ticks.first().ok_or(TimelineError::Empty)?;
    let last = ticks[ticks.len() - 1];
    // A clip of more than 2^53 ticks is a broken timestamp: at a nanosecond per tick that is a hundred days.
    if last.checked_sub(first).is_none_or(|span| span > 1 << 53) {
        return Err(TimelineError::Range);
    }
    for tick in &mut ticks {
        *tick -= first;
    }
    Ok(ticks)
}

fn median_gap(ticks: &[i64]) -> i64 {
    let mut gaps: Vec<i64> = ticks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(1)
}

/// The rate whose grid every frame keeps, if there is one. A claimed customary rate is taken first, then the customary
/// rate that fits best (a short clip in milliseconds fits several), then what the timestamps themselves give.
fn constant_rate(ticks: &[i64], time_base: Rational, claimed: &[Rational]) -> Option<Rational> {
    let span = i128::from(*ticks.last()?);
    let steps = ticks.len() as i128 - 1;
    let measured = exact(steps * i128::from(time_base.den()), span * i128::from(time_base.num())).ok()?;
    if !is_rate(measured) {
        return None;
    }
    let whole = measured.num() / measured.den();
    let near = (whole..=whole + 2).filter_map(|rate| Rational::new(rate * 1000, 1001).ok());
    let customary = (whole..=whole + 1).map(Rational::whole).chain(near).filter(|rate| is_customary(*rate));
    let first = claimed.iter().copied().filter(|rate| is_customary(*rate)).collect::<Vec<_>>();
    let last = claimed.iter().copied().chain([measured]).collect::<Vec<_>>();
    [first, customary.collect(), last].into_iter().find_map(|tier| {
        let fits = tier.into_iter().filter_map(|rate| Some((spread_on_grid(ticks, time_base, rate)?, rate)));
        fits.min_by_key(|((spread, den), _)| spread.saturating_mul(1_000_000_000) / den).map(|(_, rate)| rate)
    })
}

/// How far the frames stray from a grid of `rate`, as a fraction of a second, if it is little enough to be rounding.
fn spread_on_grid(ticks: &[i64], time_base: Rational, rate: Rational) -> Option<(i128, i128)> {
    spread_on(ticks.iter().copied().zip(0..), time_base, rate)
}

fn spread_on(placed: impl Iterator<Item = (i64, i128)>, time_base: Rational, rate: Rational) -> Option<(i128, i128)> {
    let (tick_num, tick_den) = (i128::from(time_base.num()), i128::from(time_base.den()));
    let (rate_num, rate_den) = (i128::from(rate.num()), i128::from(rate.den()));
    let den = tick_den.checked_mul(rate_num)?;
    let (mut lowest, mut highest) = (i128::MAX, i128::MIN);
    for (tick, index) in placed {
        let time = i128::from(tick).checked_mul(tick_num)?.checked_mul(rate_num)?;
        let off = time.checked_sub(index.checked_mul(rate_den)?.checked_mul(tick_den)?)?;
        lowest = lowest.min(off);
        highest = highest.max(off);
    }
    let spread = highest.checked_sub(lowest)?;
    // One tick or one millisecond, and never so much that neighbours could change places.
    let tick = tick_num.checked_mul(rate_num)?;
    let allowed = tick.max(den / JITTER_PER_SECOND).min(rate_den.checked_mul(tick_den)? / 4);
    (spread <= allowed).then_some((spread, den))
}

/// A clip of constant rate with frames left out: the frames that are there keep the grid.
fn on_lattice(ticks: &[i64], time_base: Rational, rate: Rational, last_ticks: Option<i64>) -> Option<Timeline> {
    if !is_customary(rate) {
        return None;
    }
    let index = |tick: i64| -> Option<i64> {
        let num = 2 * i128::from(tick) * i128::from(time_base.num()) * i128::from(rate.num());
        let den = i128::from(time_base.den()) * i128::from(rate.den());
        i64::try_from((num + den).div_euclid(2 * den)).ok()
    };
    let indices: Vec<i64> = ticks.iter().map(|tick| index(*tick)).collect::<Option<_>>()?;
    if indices.windows(2).any(|pair| pair[0] >= pair[1]) {
        return None;
    }
    spread_on(ticks.iter().copied().zip(indices.iter().map(|index| i128::from(*index))), time_base, rate)?;
    let last = last_ticks.and_then(index).unwrap_or(1).max(1);
    let tick = exact(i128::from(rate.den()), i128::from(rate.num())).ok()?;
    Timeline::variable(indices, tick, last).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(num: i64, den: i64) -> Rational {
        Rational::new(num, den).unwrap()
    }

    fn from(ticks: &[i64], time_base: Rational, claimed: &[Rational]) -> Timeline {
        let ticks: Vec<Option<i64>> = ticks.iter().copied().map(Some).collect();
        let stamps = Stamps { ticks: &ticks, time_base: Some(time_base), last_ticks: None, claimed_rates: claimed };
        Timeline::from_stamps(&stamps).unwrap()
    }

    fn in_milliseconds(rate: Rational, count: i64) -> Vec<i64> {
        (0..count).map(|k| (2000 * k * rate.den() + rate.num()) / (2 * rate.num())).collect()
    }

    #[test]
    fn millisecond_timestamps_give_the_exact_ntsc_rate() {
        let check = |num, den, count| {
            let exact = rate(num, den);
            let line = from(&in_milliseconds(exact, count), rate(1, 1000), &[]);
            assert_eq!((line.average_rate(), line.is_constant()), (exact, true), "{exact} over {count}");
            assert_eq!(line.duration(), rate(count * den, num));
        };
        check(24_000, 1001, 120);
        check(30_000, 1001, 300);
        check(60_000, 1001, 600);
        check(120_000, 1001, 2400);
        check(24, 1, 120);
        check(25, 1, 50);
        check(60, 1, 600);
    }

    #[test]
    fn a_claimed_rate_decides_where_a_short_clip_fits_several() {
        let ntsc = rate(60_000, 1001);
        let line = from(&in_milliseconds(ntsc, 20), rate(1, 1000), &[ntsc]);
        assert_eq!(line.average_rate(), ntsc);
        let line = from(&in_milliseconds(Rational::whole(60), 20), rate(1, 1000), &[Rational::whole(60)]);
        assert_eq!(line.average_rate(), Rational::whole(60));
    }

    #[test]
    fn a_wrong_claim_does_not_decide() {
        let ticks: Vec<i64> = (0..100).map(|k| k * 1001).collect();
        let line = from(&ticks, rate(1, 30_000), &[Rational::whole(30), rate(90_000, 1)]);
        assert_eq!(line.average_rate(), rate(30_000, 1001));
    }

    #[test]
    fn an_uncustomary_constant_rate_is_kept_exactly() {
        let ticks: Vec<i64> = (0..50).map(|k| k * 2).collect();
        let line = from(&ticks, rate(1, 25), &[]);
        assert_eq!((line.average_rate(), line.is_constant()), (rate(25, 2), true));
    }

    #[test]
    fn left_out_frames_leave_the_others_on_their_grid() {
        let all = in_milliseconds(rate(30_000, 1001), 60);
        let some: Vec<i64> = all.iter().enumerate().filter(|(at, _)| at % 5 != 2).map(|(_, tick)| *tick).collect();
        let line = from(&some, rate(1, 1000), &[rate(30_000, 1001)]);
        assert!(!line.is_constant());
        assert_eq!(line.tick(), rate(1001, 30_000));
        assert_eq!(&line.ticks()[..5], &[0, 1, 3, 4, 5]);
        assert_eq!(line.duration(), rate(60 * 1001, 30_000));
    }

    #[test]
    fn variable_timestamps_are_taken_as_they_are() {
        let line = from(&[5, 105, 138, 300, 301], rate(1, 1000), &[rate(90_000, 1)]);
        assert_eq!((line.ticks(), line.is_constant()), (&[0, 100, 133, 295, 296][..], false));
        assert_eq!(line.duration(), rate(296 + 100, 1000));
    }

    #[test]
    fn order_in_the_file_and_doubled_timestamps_do_not_matter() {
        let line = from(&[0, 3000, 1000, 2000, 2000, 4000], rate(1, 30_000), &[]);
        assert_eq!((line.frame_count(), line.average_rate()), (5, Rational::whole(30)));
    }

    #[test]
    fn a_stream_without_timestamps_keeps_its_claimed_rate() {
        let stamps = Stamps {
            ticks: &[None; 10],
            time_base: Some(rate(1, 1_200_000)),
            last_ticks: None,
            claimed_rates: &[rate(24, 1)],
        };
        let line = Timeline::from_stamps(&stamps).unwrap();
        assert_eq!((line.frame_count(), line.average_rate()), (10, rate(24, 1)));
        let stamps = Stamps { claimed_rates: &[], ..stamps };
        assert_eq!(Timeline::from_stamps(&stamps), Err(TimelineError::NoTimestamps { missing: 10, frames: 10 }));
    }

    #[test]
    fn holes_are_closed_in_order_and_refused_out_of_order() {
        let check = |ticks: &[Option<i64>], expected: Option<&[i64]>| assert_eq!(filled(ticks).as_deref(), expected);
        check(&[Some(0), None, Some(20), Some(30)], Some(&[0, 10, 20, 30]));
        check(&[Some(0), Some(30), None, Some(10), Some(20)], None);
        check(&[None, Some(10), Some(20)], None);
        check(&[Some(0), None, None, None, Some(40)], None);
    }

    #[test]
    fn absurd_timestamps_are_refused() {
        let ticks = [Some(0), Some(i64::MAX)];
        let stamps = Stamps { ticks: &ticks, time_base: Some(rate(1, 1000)), last_ticks: None, claimed_rates: &[] };
        assert_eq!(Timeline::from_stamps(&stamps), Err(TimelineError::Range));
    }

    #[test]
    fn a_decoded_time_finds_its_frame_and_a_stray_one_finds_none() {
        let line = Timeline::constant(Rational::whole(25), 4).unwrap();
        let check = |milliseconds: i64, expected| assert_eq!(line.frame_at(milliseconds * 1_000_000), expected);
        check(0, Some(0));
        check(-15, Some(0));
        check(-25, None);
        check(38, Some(1));
        check(61, Some(2));
        check(125, Some(3));
        check(150, None);
    }

    proptest! {
        #[test]
        fn every_customary_rate_survives_a_containers_rounding(
            whole in 10_i64..240, ntsc in any::<bool>(), count in 300_i64..2000, base in prop_oneof![Just(1000_i64), Just(90_000), Just(600)]
        ) {
            let exact = if ntsc { rate(whole * 1000, 1001) } else { rate(whole, 1) };
            let ticks: Vec<i64> = (0..count).map(|k| (2 * base * k * exact.den() + exact.num()) / (2 * exact.num())).collect();
            // Such a coarse clock cannot hold such a rate at all.
            prop_assume!(ticks.windows(2).all(|pair| pair[1] > pair[0]) && base > 4 * whole);
            prop_assert_eq!(from(&ticks, rate(1, base), &[]).average_rate(), exact);
        }

        #[test]
        fn every_frame_is_found_at_its_own_time(gaps in proptest::collection::vec(1_i64..500, 1..60)) {
            let ticks: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let line = from(&ticks, rate(1, 1000), &[]);
            for frame in 0..line.frame_count() {
                prop_assert_eq!(line.frame_at(line.nanoseconds(frame).unwrap()), Some(frame));
            }
        }
    }
}
