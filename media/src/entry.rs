//! Entries: the frames of a clip at which decoding can begin, as its container tells, with where their bytes lie.
//!
//! Only of containers whose index names every frame and its time; a reader compares the bytes before it believes.

use crate::Timeline;

/// A frame that is decoded without any before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number in the timeline.
    pub frame: u64,
    /// In the file: its bytes begin there, after the container's own few if it puts some before them.
    pub position: u64,
    pub size_bytes: u64,
}

/// A packet of the video, as far as entries are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub ticks: Option<i64>,
    pub is_key: bool,
    pub position: Option<u64>,
    pub size_bytes: Option<u64>,
}

/// Containers of which both readers that we use are exact about times and places.
const INDEXED: [&str; 2] = ["mov,mp4", "matroska"];

/// The entries of a clip, ascending. None where packets do not stand for frames one by one: then the number of a frame
/// would be a guess.
pub fn entries(container: &str, packets: &[Packet], timeline: &Timeline) -> Vec<Entry> {
    let mut ticks: Vec<i64> = packets.iter().filter_map(|packet| packet.ticks).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let one_by_one = ticks.len() == packets.len() && ticks.len() as u64 == timeline.frame_count();
    if !one_by_one || !INDEXED.iter().any(|name| container.starts_with(name)) {
        return Vec::new();
    }
    let entry = |packet: &Packet| {
        let frame = ticks.binary_search(&packet.ticks?).ok()? as u64;
        Some(Entry { frame, position: packet.position?, size_bytes: packet.size_bytes? })
    };
    let mut entries: Vec<Entry> = packets.iter().filter(|packet| packet.is_key).filter_map(entry).collect();
    entries.sort_unstable_by_key(|entry| entry.frame);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::Rational;

    fn packet(ticks: i64, is_key: bool) -> Packet {
        Packet { ticks: Some(ticks), is_key, position: Some(100 + ticks as u64), size_bytes: Some(10) }
    }

    fn check(container: &str, packets: &[Packet], frame_count: u64, expected: &[u64]) {
        let timeline = Timeline::constant(Rational::whole(25), frame_count).unwrap();
        let found = entries(container, packets, &timeline);
        assert_eq!(found.iter().map(|entry| entry.frame).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|entry| entry.position == 100 + 40 * entry.frame && entry.size_bytes == 10));
    }

    #[test]
    fn key_frames_are_numbered_by_their_times_whatever_their_order_in_the_file() {
        let packets = [packet(0, true), packet(80, false), packet(40, false), packet(160, true), packet(120, false)];
        check("mov,mp4,m4a,3gp,3g2,mj2", &packets, 5, &[0, 4]);
        check("matroska,webm", &packets, 5, &[0, 4]);
        check("mpegts", &packets, 5, &[]);
        check("avi", &packets, 5, &[]);
    }

    #[test]
    fn packets_that_are_not_frames_one_by_one_are_no_entries() {
        let doubled = [packet(0, true), packet(0, false), packet(40, true)];
        check("matroska,webm", &doubled, 2, &[]);
        let timeless = [packet(0, true), Packet { ticks: None, ..packet(40, true) }, packet(80, true)];
        check("matroska,webm", &timeless, 3, &[]);
        let placeless = [packet(0, true), Packet { position: None, ..packet(40, true) }];
        check("matroska,webm", &placeless, 2, &[0]);
    }
}
