//! Frame times as the retimer asks for them: of a clip that is known to its end, or of a stream as its frames come.

use std::collections::VecDeque;
use tweenfarm_media::Timeline;
use tweenfarm_protocol::Rational;

/// Nothing asks for a stream's frames before the last two.
const STREAM_FRAMES_KEPT: usize = 2;

/// Times of frames, numbered from 0, in ticks after the first one.
#[derive(Clone, Debug)]
pub struct FrameTimes {
    /// Seconds per tick.
    tick: Rational,
    /// Ascending.
    ticks: VecDeque<i64>,
    /// Frames of a stream that were forgotten.
    forgotten: u64,
}

impl FrameTimes {
    /// Every frame of a clip.
    pub fn of(timeline: &Timeline) -> FrameTimes {
        FrameTimes { tick: timeline.tick(), ticks: timeline.ticks().iter().copied().collect(), forgotten: 0 }
    }

    /// These frames of a clip, numbered anew; ascending, and the clip has them.
    pub fn of_frames(timeline: &Timeline, frames: &[u64]) -> FrameTimes {
        let at = |frame: &u64| usize::try_from(*frame).ok().and_then(|frame| timeline.ticks().get(frame)).copied();
        FrameTimes { tick: timeline.tick(), ticks: frames.iter().filter_map(at).collect(), forgotten: 0 }
    }

    /// A stream before its first frame.
    pub fn stream(tick: Rational) -> FrameTimes {
        FrameTimes { tick, ticks: VecDeque::new(), forgotten: 0 }
    }

    /// Takes the next frame of a stream; gives its number.
    pub fn push(&mut self, ticks: i64) -> u64 {
        self.ticks.push_back(ticks);
        if self.ticks.len() > STREAM_FRAMES_KEPT {
            self.ticks.pop_front();
            self.forgotten += 1;
        }
        self.frame_count() - 1
    }

    pub fn tick(&self) -> Rational {
        self.tick
    }

    /// So far, where it is a stream.
    pub fn frame_count(&self) -> u64 {
        self.forgotten + self.ticks.len() as u64
    }

    /// The time of a frame; beyond the ends, that of the frame there.
    pub fn ticks(&self, frame: u64) -> i64 {
        let at = usize::try_from(frame.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        self.ticks.get(at).or(self.ticks.back()).copied().unwrap_or(0)
    }

    /// Distances between neighbours.
    pub fn gaps(&self) -> impl Iterator<Item = i64> {
        self.ticks.iter().zip(self.ticks.iter().skip(1)).map(|(first, second)| second - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_numbers_and_forgets_what_is_past() {
        let mut times = FrameTimes::stream(Rational::whole(1));
        let numbers: Vec<u64> = [0, 10, 25, 30].into_iter().map(|ticks| times.push(ticks)).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!((times.ticks(2), times.ticks(3), times.ticks(9)), (25, 30, 30));
        assert_eq!(times.gaps().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn chosen_frames_keep_their_times() {
        let timeline = Timeline::constant(Rational::whole(25), 6).unwrap();
        let times = FrameTimes::of_frames(&timeline, &[0, 2, 5]);
        assert_eq!((times.frame_count(), times.ticks(1), times.ticks(2)), (3, 2, 5));
    }
}
