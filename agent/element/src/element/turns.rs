//! Slots in their order until each can be shown: source frames at once, made ones when the engine has them.
//!
//! The engine works on several frames while others are decoded and encoded; what leaves here is in the order of slots,
//! and a failure leaves at the turn of the frame it concerns.

use std::collections::VecDeque;

/// What a slot waits with.
pub enum Turn<Buffer, Failure> {
    Ready(Buffer),
    /// The engine was asked for it: the next one that it gives.
    Making,
    Failed(Failure),
}

pub struct Turns<Buffer, Failure> {
    queue: VecDeque<(u64, Turn<Buffer, Failure>)>,
    making: usize,
}

impl<Buffer, Failure> Default for Turns<Buffer, Failure> {
    fn default() -> Self {
        Turns { queue: VecDeque::new(), making: 0 }
    }
}

impl<Buffer, Failure> Turns<Buffer, Failure> {
    pub fn add(&mut self, slot: u64, turn: Turn<Buffer, Failure>) {
        self.making += usize::from(matches!(turn, Turn::Making));
        self.queue.push_back((slot, turn));
    }

    /// Whether the engine, which has room for so many frames, has all it takes, or enough waits for it here.
    pub fn is_full(&self, room: usize) -> bool {
        self.making >= room || self.queue.len() >= 2 * room
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The first slot in the queue: at once if it is not being made, else only if the caller is willing to wait.
    pub fn next(&mut self, willing: impl FnOnce() -> bool) -> Option<(u64, Turn<Buffer, Failure>)> {
        let being_made = matches!(self.queue.front()?.1, Turn::Making);
        if being_made && !willing() {
            return None;
        }
        self.making -= usize::from(being_made);
        self.queue.pop_front()
    }

    pub fn clear(&mut self) {
        *self = Turns::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_stands_long_does_not_fill_the_memory() {
        let mut turns: Turns<&str, &str> = Turns::default();
        turns.add(0, Turn::Making);
        for slot in 1.. {
            if turns.is_full(3) {
                assert_eq!(slot, 6);
                break;
            }
            turns.add(slot, Turn::Ready("still"));
        }
    }

    #[test]
    fn slots_leave_in_order_and_wait_for_those_being_made() {
        let mut turns: Turns<&str, &str> = Turns::default();
        turns.add(4, Turn::Ready("source"));
        turns.add(5, Turn::Making);
        turns.add(6, Turn::Failed("lost"));
        assert!(turns.is_full(1) && !turns.is_full(2));
        assert!(matches!(turns.next(|| false), Some((4, Turn::Ready("source")))));
        assert!(turns.next(|| false).is_none());
        assert!(matches!(turns.next(|| true), Some((5, Turn::Making))));
        assert!(!turns.is_full(1));
        assert!(matches!(turns.next(|| false), Some((6, Turn::Failed("lost")))));
        assert!(turns.len() == 0 && turns.next(|| true).is_none());
    }
}
