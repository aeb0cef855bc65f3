//! The feed: takes decoded frames in turn and says which slots are due, with the pictures that each needs.
//!
//! Holds two frames at most. Knows what to show, not how pictures are stored, made or encoded.

use super::{Retimer, Shot};

/// A decoded frame with its index in the timeline.
#[derive(Debug)]
pub struct Seen<Picture> {
    pub frame: u64,
    pub picture: Picture,
}

/// A slot whose turn it is.
#[derive(Debug)]
pub struct Due<'a, Picture> {
    pub slot: u64,
    pub shown: Shown<'a, Picture>,
}

/// What a slot shows, with the pictures.
#[derive(Debug)]
pub enum Shown<'a, Picture> {
    Source(&'a Seen<Picture>),
    Between { first: &'a Seen<Picture>, second: &'a Seen<Picture>, phase_q16: u32 },
}

/// Frames in, slots out, in order, each slot of the segment once.
pub struct Feed<Picture> {
    retimer: Retimer,
    next_slot: u64,
    /// Slots before this one are decided by the frames at hand.
    until_slot: u64,
    first: Option<Seen<Picture>>,
    second: Option<Seen<Picture>>,
    /// The frame that comes first where none is lost.
    first_frame: u64,
    frames_lost: u64,
}

impl<Picture> Feed<Picture> {
    pub fn new(retimer: Retimer) -> Feed<Picture> {
        Feed::beginning_at(0, retimer)
    }

    /// Where no frame before this one is offered, because no slot needs it.
    pub fn beginning_at(first_frame: u64, retimer: Retimer) -> Feed<Picture> {
        let next_slot = retimer.slots().first;
        Feed { retimer, next_slot, until_slot: next_slot, first: None, second: None, first_frame, frames_lost: 0 }
    }

    /// Takes the next decoded frame; take every due slot first. Frames must ascend.
    pub fn offer(&mut self, frame: u64, picture: Picture) {
        debug_assert!(self.next_slot >= self.until_slot, "every due slot is taken before the next frame");
        self.step();
        let seen = Seen { frame, picture };
        match &self.first {
            // Slots before the first picture that could be decoded show that picture.
            None => {
                self.frames_lost += frame.saturating_sub(self.first_frame);
                self.until_slot = self.retimer.slots_from(frame, None).first;
                self.first = Some(seen);
            }
            Some(first) => {
                self.frames_lost += frame.saturating_sub(first.frame + 1);
                self.until_slot = self.retimer.slots_from(first.frame, Some(frame)).end;
                self.second = Some(seen);
            }
        }
    }

    /// A stream's next frame, before it is offered; gives its number.
    pub fn hear(&mut self, ticks: i64) -> u64 {
        self.retimer.hear(ticks)
    }

    /// A stream ends so many ticks after its last frame. Take every due slot first.
    pub fn finish_stream(&mut self, distance_ticks: i64) {
        self.retimer.end_after(distance_ticks);
        self.finish(self.retimer.frame_count());
    }

    /// No frame follows: the last one is shown to the end. Take every due slot first.
    pub fn finish(&mut self, frame_count: u64) {
        self.step();
        if let Some(last) = &self.first
            && !self.is_done()
        {
            self.frames_lost += frame_count.saturating_sub(last.frame + 1);
            self.until_slot = self.retimer.slots().end;
        }
    }

    fn step(&mut self) {
        if let Some(second) = self.second.take() {
            self.first = Some(second);
        }
    }

    /// The next due slot, if there is one.
    pub fn take(&mut self) -> Option<Due<'_, Picture>> {
        let first = self.first.as_ref()?;
        let slot = self.next_slot;
        if slot >= self.until_slot {
            return None;
        }
        self.next_slot += 1;
        let shown = match &self.second {
            None => Shown::Source(first),
            Some(second) => match self.retimer.shot_between(slot, first.frame, second.frame) {
                Shot::Source { frame } if frame == second.frame => Shown::Source(second),
                Shot::Source { .. } => Shown::Source(first),
                Shot::Between { phase_q16, .. } => Shown::Between { first, second, phase_q16 },
            },
        };
        Some(Due { slot, shown })
    }

    /// True when every slot of the segment was taken.
    pub fn is_done(&self) -> bool {
        self.next_slot >= self.retimer.slots().end
    }

    /// Frames of the timeline that never came, up to the last one that was needed.
    pub fn frames_lost(&self) -> u64 {
        self.frames_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tweenfarm_media::Timeline;
    use tweenfarm_protocol::{Rational, SlotRange};

    fn retimer(frames: u64, source: i64, target: i64, slots: SlotRange) -> Retimer {
        let timeline = Timeline::constant(Rational::whole(source), frames).unwrap();
        Retimer::new(crate::retime::FrameTimes::of(&timeline), Rational::whole(target), slots)
    }

    /// Offers `frames` and gives what was shown.
    fn run(retimer: Retimer, frames: &[u64], frame_count: u64) -> (Vec<(u64, Shot)>, u64) {
        let mut feed = Feed::new(retimer);
        let mut shown = Vec::new();
        let drain = |feed: &mut Feed<()>, shown: &mut Vec<(u64, Shot)>| {
            while let Some(due) = feed.take() {
                let shot = match due.shown {
                    Shown::Source(seen) => Shot::Source { frame: seen.frame },
                    Shown::Between { first, second, phase_q16 } => {
                        Shot::Between { first: first.frame, second: second.frame, phase_q16 }
                    }
                };
                shown.push((due.slot, shot));
            }
        };
        for frame in frames {
            feed.offer(*frame, ());
            drain(&mut feed, &mut shown);
            if feed.is_done() {
                return (shown, feed.frames_lost());
            }
        }
        feed.finish(frame_count);
        drain(&mut feed, &mut shown);
        (shown, feed.frames_lost())
    }

    #[test]
    fn without_a_frame_nothing_is_due() {
        assert_eq!(run(retimer(3, 30, 60, SlotRange::new(0, 6)), &[], 3), (vec![], 0));
    }

    #[test]
    fn a_lost_frame_is_bridged_and_counted() {
        let (shown, lost) = run(retimer(4, 30, 60, SlotRange::new(0, 8)), &[0, 2, 3], 4);
        assert_eq!((shown.len(), lost), (8, 1));
        assert_eq!(shown[2].1, Shot::Between { first: 0, second: 2, phase_q16: 32_768 });
    }

    #[test]
    fn frames_lost_at_either_end_are_counted_and_their_slots_filled() {
        let (shown, lost) = run(retimer(6, 30, 60, SlotRange::new(0, 12)), &[2, 3], 6);
        assert_eq!((shown.len(), lost), (12, 4));
        assert_eq!(shown[0].1, Shot::Source { frame: 2 });
        assert_eq!(shown[11].1, Shot::Source { frame: 3 });
    }

    #[test]
    fn frames_before_the_first_that_is_needed_are_not_lost() {
        let retimer = || retimer(6, 30, 60, SlotRange::new(5, 9));
        let first = retimer().first_frame();
        assert_eq!(first, 2);
        let mut feed = Feed::beginning_at(first, retimer());
        let mut shown = Vec::new();
        for frame in first..6 {
            feed.offer(frame, ());
            shown.extend(std::iter::from_fn(|| feed.take().map(|due| due.slot)));
        }
        assert_eq!((shown, feed.frames_lost()), (vec![5, 6, 7, 8], 0));
    }

    proptest! {
        #[test]
        fn frames_in_turn_give_the_plan(
            frames in 2_u64..60, source in 10_i64..60, target in 24_i64..240, cut in 0_u64..100, nearest in any::<bool>()
        ) {
            let slots = frames * target as u64 / source as u64 + 1;
            let cut = cut.min(slots);
            for part in [SlotRange::new(0, cut), SlotRange::new(cut, slots)] {
                let retimer = retimer(frames, source, target, part).nearest(nearest);
                let plan: Vec<_> = retimer.plan().collect();
                let (shown, lost) = run(retimer, &(0..frames).collect::<Vec<_>>(), frames);
                prop_assert_eq!((shown, lost), (plan, 0));
            }
        }

        #[test]
        fn whatever_is_lost_every_slot_is_shown_once_in_order(
            keep in proptest::collection::vec(any::<bool>(), 1..60), first in 0_u64..50, length in 0_u64..100
        ) {
            let frames: Vec<u64> = (0..).zip(&keep).filter(|(_, keep)| **keep).map(|(frame, _)| frame).collect();
            prop_assume!(!frames.is_empty());
            let slots = SlotRange::new(first, first + length);
            let (shown, _) = run(retimer(keep.len() as u64, 24, 60, slots), &frames, keep.len() as u64);
            let numbers: Vec<u64> = shown.iter().map(|(slot, _)| *slot).collect();
            prop_assert_eq!(numbers, (slots.first..slots.end).collect::<Vec<_>>());
        }
    }
}
