//! How much of a job a worker takes at once: little enough that to lose it costs seconds, and such a share of what is
//! left that all who take part end at about the same time. Pure.

/// A worker is given about this much work at once: what is lost with it. To look into the clip, to seek and to start
/// an encoder takes half a second, a twentieth of this.
const SEGMENT_MS: u64 = 10_000;
/// Less is not worth to be handed to one more worker: the same half second is a quarter of it.
const SEGMENT_MS_MIN: u64 = 2_000;
/// Pixels per second of a worker of whom nothing is known: 25 frames of 720x480, what two cores make. A faster one
/// is found out with its first, small segment.
const UNKNOWN_SPEED: u64 = 8_000_000;
/// Segments of one job, at most about: its record names them all, and is written again with each step of one.
const SEGMENTS_MAX: u64 = 400;

/// A worker besides the one that asks: idle, or with a part of the same job in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand {
    /// Pixels of output that it makes per second; 0 where that was never measured.
    pub pixels_per_second: u64,
    /// Pixels of output that it has yet to make before it can take more.
    pub pixels_left: u64,
}

/// A worker asks for a part of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub slot_count: u64,
    /// Slots that nobody has taken.
    pub slots_ready: u64,
    /// Pixels of one frame of the output.
    pub frame_pixels: u64,
    /// Of who asks; 0 where that was never measured.
    pub pixels_per_second: u64,
    pub others: Vec<Hand>,
}

impl Ask {
    /// Adds idle workers by their speeds (0 where never measured), as many as could have all that is left done in the
    /// least time that is worth while: how many more there are makes no difference.
    pub fn add_idle(&mut self, speeds: impl Iterator<Item = u64>) {
        let usual = speed_or(self.pixels_per_second, UNKNOWN_SPEED);
        let left = u128::from(self.slots_ready) * u128::from(self.frame_pixels);
        let mut missing = 1000 * left / u128::from(SEGMENT_MS_MIN);
        for pixels_per_second in speeds {
            if missing == 0 {
                break;
            }
            self.others.push(Hand { pixels_per_second, pixels_left: 0 });
            missing = missing.saturating_sub(u128::from(speed_or(pixels_per_second, usual)));
        }
    }
}

/// What a worker should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// About so many slots: there is more than one round of work for everybody.
    About(u64),
    /// So many slots: the others take the rest in the same time.
    Exactly(u64),
}

/// The slots that who asks should take, at least 1.
pub fn share(ask: &Ask) -> Share {
    let speed = speed_or(ask.pixels_per_second, usual_speed(ask));
    let frame = u128::from(ask.frame_pixels.max(1));
    let end_ms = end_ms(ask);
    let slots = u128::from(end_ms.max(SEGMENT_MS_MIN)) * u128::from(speed) / (1000 * frame);
    let slots = u64::try_from(slots).unwrap_or(u64::MAX).max(ask.slot_count / SEGMENTS_MAX).max(1);
    if end_ms < SEGMENT_MS { Share::Exactly(slots) } else { Share::About(slots) }
}

/// When the job could be over if what is left were shared evenly from now on; `SEGMENT_MS` where that is later.
fn end_ms(ask: &Ask) -> u64 {
    let usual = usual_speed(ask);
    let asks = Hand { pixels_per_second: ask.pixels_per_second, pixels_left: 0 };
    let left = u128::from(ask.slots_ready) * u128::from(ask.frame_pixels);
    // What a hand adds until then, in thousandths of pixels.
    let until = |ms: u64| -> u128 {
        let adds = |hand: &Hand| {
            let made = u128::from(speed_or(hand.pixels_per_second, usual)) * u128::from(ms);
            made.saturating_sub(1000 * u128::from(hand.pixels_left))
        };
        ask.others.iter().chain([&asks]).map(adds).sum()
    };
    let (mut low, mut high) = (0, SEGMENT_MS);
    while low < high {
        let middle = low + (high - low) / 2;
        if until(middle) >= 1000 * left { high = middle } else { low = middle + 1 }
    }
    low
}

fn speed_or(measured: u64, usual: u64) -> u64 {
    if measured == 0 { usual } else { measured }
}

/// A worker that was not measured is taken for one like the others.
fn usual_speed(ask: &Ask) -> u64 {
    let speeds = ask.others.iter().map(|hand| hand.pixels_per_second).chain([ask.pixels_per_second]);
    let (sum, count) = speeds
        .filter(|speed| *speed > 0)
        .fold((0_u128, 0_u128), |(sum, count), speed| (sum + u128::from(speed), count + 1));
    sum.checked_div(count).and_then(|mean| u64::try_from(mean).ok()).unwrap_or(UNKNOWN_SPEED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Hand = Hand { pixels_per_second: 1000, pixels_left: 0 };

    /// A job of 1000 slots of 10 pixels; a worker of the usual speed makes 100 of them per second.
    fn ask(slots_ready: u64, others: &[Hand]) -> Ask {
        Ask { slot_count: 1000, slots_ready, frame_pixels: 10, pixels_per_second: 1000, others: others.to_vec() }
    }

    #[test]
    fn a_share_follows_from_speed_and_from_who_else_is_there() {
        let check = |ask: Ask, expected: Share| assert_eq!(share(&ask), expected, "{ask:?}");
        use Share::{About, Exactly};
        // Ten seconds of work for one, however much there is.
        check(Ask { slot_count: 90_000, ..ask(90_000, &[]) }, About(1000));
        check(ask(990, &[]), Exactly(990));
        check(ask(1000, &[IDLE]), Exactly(500));
        check(ask(1000, &[IDLE; 3]), Exactly(250));
        // One that is three times as fast takes three of four parts.
        check(Ask { pixels_per_second: 3000, ..ask(1000, &[IDLE]) }, Exactly(750));
        check(ask(1000, &[Hand { pixels_per_second: 3000, ..IDLE }]), Exactly(250));
        // The first of two has taken its half: the second takes the other, not a half of it.
        check(ask(500, &[Hand { pixels_left: 5000, ..IDLE }]), Exactly(500));
        // One that is soon done will take its part of the rest.
        check(ask(500, &[Hand { pixels_left: 1000, ..IDLE }]), Exactly(300));
        // Two seconds at least.
        check(ask(1000, &[IDLE; 50]), Exactly(200));
    }

    #[test]
    fn more_hands_than_enough_are_not_looked_at() {
        // Five make 500 slots a second, and 1000 are left.
        let check = |idle: usize, expected| {
            let mut ask = ask(1000, &[]);
            ask.add_idle(std::iter::repeat_n(1000, idle));
            assert_eq!((ask.others.len(), share(&ask)), expected, "{idle}");
        };
        check(0, (0, Share::About(1000)));
        check(4, (4, Share::Exactly(200)));
        check(5, (5, Share::Exactly(200)));
        check(500, (5, share(&ask(1000, &[IDLE; 500]))));
    }

    #[test]
    fn a_worker_that_was_never_measured_is_taken_for_one_like_the_others() {
        let unknown =
            |frame_pixels, others: &[Hand]| share(&Ask { pixels_per_second: 0, frame_pixels, ..ask(1000, others) });
        assert_eq!(unknown(10, &[IDLE]), Share::Exactly(500));
        assert_eq!(unknown(1920 * 1080, &[]), Share::About(38));
    }

    #[test]
    fn a_long_job_is_not_cut_into_thousands() {
        let slow = Ask { frame_pixels: 1_000_000, slot_count: 40_000, ..ask(40_000, &[]) };
        assert_eq!(share(&slow), Share::About(100));
        let nothing = Ask { frame_pixels: 0, slot_count: 0, slots_ready: 0, pixels_per_second: 1, others: vec![] };
        assert_eq!(share(&nothing), Share::Exactly(2));
    }
}
