//! The placer: which frame of the timeline a decoded picture is.
//!
//! Decoders round times and drop or repeat pictures; the timeline was read from the file itself and decides.

use std::sync::Arc;
use tweenfarm_media::Timeline;

/// Places decoded pictures one after the other.
pub struct Placer {
    timeline: Arc<Timeline>,
    /// The frame that the first picture is.
    first_frame: u64,
    /// The decoder's time of the timeline's first frame.
    origin_ns: Option<i64>,
    last: Option<u64>,
}

impl Placer {
    pub fn new(timeline: Arc<Timeline>, first_frame: u64) -> Placer {
        Placer { timeline, first_frame, origin_ns: None, last: None }
    }

    /// The frame that a picture shown at `time_ns` is; a picture without a time is the one after the last. `None` for
    /// a picture that was placed already, goes backward, or stands where the timeline has no frame.
    pub fn place(&mut self, time_ns: Option<i64>) -> Option<u64> {
        let next = self.last.map_or(self.first_frame, |last| last + 1);
        let frame = match time_ns {
            None => Some(next).filter(|next| *next < self.timeline.frame_count()),
            Some(time_ns) => {
                let into_ns = self.timeline.nanoseconds(self.first_frame).unwrap_or(0);
                let origin_ns = *self.origin_ns.get_or_insert(time_ns.saturating_sub(into_ns));
                self.timeline.frame_at(time_ns.saturating_sub(origin_ns))
            }
        }?;
        if frame < next {
            return None;
        }
        self.last = Some(frame);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::Rational;

    const MS: i64 = 1_000_000;

    fn check(times_ms: &[Option<i64>], expected: &[Option<u64>]) {
        check_from(0, times_ms, expected);
    }

    fn check_from(first_frame: u64, times_ms: &[Option<i64>], expected: &[Option<u64>]) {
        let timeline = Timeline::constant(Rational::whole(25), 5).unwrap();
        let mut placer = Placer::new(Arc::new(timeline), first_frame);
        let placed: Vec<_> = times_ms.iter().map(|time| placer.place(time.map(|time| time * MS))).collect();
        assert_eq!(placed, expected);
    }

    #[test]
    fn pictures_are_placed_by_their_time_after_the_first_one() {
        check(&[Some(0), Some(40), Some(80)], &[Some(0), Some(1), Some(2)]);
        check(&[Some(1400), Some(1440), Some(1481)], &[Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn a_lost_picture_leaves_a_hole_and_a_doubled_one_is_passed_over() {
        check(&[Some(0), Some(80), Some(80), Some(120)], &[Some(0), Some(2), None, Some(3)]);
    }

    #[test]
    fn a_picture_before_the_last_one_or_beyond_the_end_has_no_place() {
        check(&[Some(0), Some(80), Some(40), Some(400)], &[Some(0), Some(2), None, None]);
    }

    #[test]
    fn pictures_without_time_follow_each_other() {
        check(&[None, None, Some(0), None, None, None], &[Some(0), Some(1), None, Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn where_decoding_begins_later_the_first_picture_is_the_one_that_was_said() {
        check_from(2, &[Some(7), Some(47), Some(87), Some(127)], &[Some(2), Some(3), Some(4), None]);
        check_from(3, &[None, Some(0), None], &[Some(3), None, Some(4)]);
    }
}
