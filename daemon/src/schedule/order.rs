//! The order of a job's segments: its first, its middle and its last for an early look at all of it, then slot by slot.

use tweenfarm_protocol::SlotRange;

/// How early a range of slots that nobody has taken is wanted (the lower, the earlier; among equals the one that stands
/// first in the job), and from which of its slots on.
pub fn wanted(range: SlotRange, slot_count: u64) -> (u8, u64) {
    let early = [0, slot_count / 2, slot_count.saturating_sub(1)];
    let found = (0_u8..).zip(early).find(|(_, slot)| range.contains(*slot));
    found.unwrap_or((u8::try_from(early.len()).expect("a handful"), range.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_middle_and_the_last_slot_are_wanted_early() {
        let check = |(first, end), expected| assert_eq!(wanted(SlotRange::new(first, end), 100), expected);
        check((0, 100), (0, 0));
        check((10, 100), (1, 50));
        check((51, 100), (2, 99));
        check((10, 50), (3, 10));
        check((60, 99), (3, 60));
    }
}
