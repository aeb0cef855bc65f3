//! The times of a stream whose frames are not known beforehand: each is put back on the grid of the rate that the
//! stream claims, if it was rounded from there; else its own time counts.

use tweenfarm_protocol::Rational;

const NS: i64 = 1_000_000_000;
/// Containers round to a millisecond at worst.
const ROUNDED_NS: i64 = 1_000_000;
/// Nothing is moved by more than this part of a frame's distance, however fast the stream.
const MOVED_PART: i64 = 4;

/// Tells ticks of frames, one after the other. A tick is a nanosecond divided by the rate's numerator, so that the grid
/// and every nanosecond beside it are whole numbers of ticks.
#[derive(Clone, Debug)]
pub struct StreamTimes {
    ticks_per_ns: i64,
    /// Distance of the grid.
    grid: Option<i64>,
    last: Option<i64>,
    /// Distance of the last two frames.
    gap: Option<i64>,
}

impl StreamTimes {
    /// `rate` is what the stream claims; a variable rate claims none.
    pub fn new(rate: Option<Rational>) -> StreamTimes {
        let rate = rate.filter(|rate| rate.is_positive() && rate.num() <= i64::from(i32::MAX));
        let grid = rate.and_then(|rate| rate.den().checked_mul(NS));
        StreamTimes { ticks_per_ns: rate.map_or(1, |rate| rate.num()), grid, last: None, gap: None }
    }

    /// Seconds per tick.
    pub fn tick(&self) -> Rational {
        Rational::new(1, self.ticks_per_ns * NS).expect("a tick is longer than nothing")
    }

    /// Ticks of the next frame, `since_first_ns` after the first one; a frame without a time is one distance after the
    /// last. `None` for a frame that does not go forward: it is passed over.
    pub fn next(&mut self, since_first_ns: Option<i64>) -> Option<i64> {
        let ahead = |ticks: &i64| self.last.is_none_or(|last| *ticks > last);
        let ticks = match (since_first_ns, self.last) {
            (None, None) => 0,
            (None, Some(last)) => last.saturating_add(self.distance()?),
            (Some(time_ns), _) => {
                let own = time_ns.saturating_mul(self.ticks_per_ns);
                self.on_grid(own).filter(ahead).unwrap_or(own)
            }
        };
        if !ahead(&ticks) {
            return None;
        }
        self.gap = self.last.map(|last| ticks - last);
        self.last = Some(ticks);
        Some(ticks)
    }

    /// How long a frame lasts, in ticks: as the rate claims, else as the one before.
    pub fn distance(&self) -> Option<i64> {
        self.grid.or(self.gap)
    }

    fn on_grid(&self, own: i64) -> Option<i64> {
        let grid = self.grid?;
        let nearest = own.saturating_add(grid / 2).div_euclid(grid).saturating_mul(grid);
        let reach = (ROUNDED_NS.saturating_mul(self.ticks_per_ns)).min(grid / MOVED_PART);
        (nearest.abs_diff(own) <= reach.unsigned_abs()).then_some(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn check(rate: Option<(i64, i64)>, times_ns: &[Option<i64>], expected: &[Option<i64>]) {
        let rate = rate.map(|(num, den)| Rational::new(num, den).unwrap());
        let mut times = StreamTimes::new(rate);
        let found: Vec<_> = times_ns.iter().map(|time| times.next(*time)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn rounded_times_are_put_back_on_the_grid() {
        // 1001/24000 s each, told in whole milliseconds; a tick is 1/24000 ns.
        let frame = 1001 * NS;
        let told = [Some(0), Some(42 * MS), Some(83 * MS), Some(125 * MS)];
        check(Some((24_000, 1001)), &told, &[Some(0), Some(frame), Some(2 * frame), Some(3 * frame)]);
    }

    #[test]
    fn a_time_off_the_grid_is_its_own() {
        check(Some((25, 1)), &[Some(0), Some(50 * MS)], &[Some(0), Some(25 * 50 * MS)]);
        check(None, &[Some(0), Some(33 * MS), Some(70 * MS)], &[Some(0), Some(33 * MS), Some(70 * MS)]);
    }

    #[test]
    fn a_frame_that_does_not_go_forward_is_passed_over() {
        check(None, &[Some(0), Some(40), Some(40), Some(20), Some(50)], &[Some(0), Some(40), None, None, Some(50)]);
    }

    #[test]
    fn frames_without_time_follow_each_other() {
        check(Some((25, 1)), &[None, None, None], &[Some(0), Some(NS), Some(2 * NS)]);
        check(None, &[None, None], &[Some(0), None]);
    }
}
