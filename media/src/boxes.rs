//! The outermost boxes of an MP4 or MOV file: is its index there, and are all its bytes?
//!
//! `ffprobe` answers neither for a file that was cut off between two frames.

use std::io::{self, Read, Seek, SeekFrom};

/// What the outermost boxes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boxes {
    /// Not of the MP4 family.
    Other,
    Whole,
    /// The index (`moov`) is missing: a recording or an upload that was not finished.
    NoIndex,
    /// A box is declared longer than the file.
    CutOff,
}

/// More outermost boxes than any muxer writes; a fragmented hour has some thousands.
const BOXES_MAX: usize = 1_000_000;

/// Walks the outermost boxes of `file`, which has `size_bytes` bytes.
pub fn walk(file: &mut (impl Read + Seek), size_bytes: u64) -> io::Result<Boxes> {
    let mut at = 0_u64;
    let mut index = false;
    for box_number in 0..BOXES_MAX {
        if size_bytes.saturating_sub(at) < 8 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        file.read_exact(&mut header[..8])?;
        let kind = [header[4], header[5], header[6], header[7]];
        let known = matches!(
            &kind,
            b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"pnot" | b"uuid" | b"moof" | b"sidx" | b"styp"
        );
        if box_number == 0 && !known {
            return Ok(Boxes::Other);
        }
        // What follows the index and is no box is padding some recorders leave.
        if !known && index && !kind.iter().all(u8::is_ascii_graphic) {
            break;
        }
        index |= &kind == b"moov";
        let length = match u64::from(u32::from_be_bytes([header[0], header[1], header[2], header[3]])) {
            0 => size_bytes - at,
            1 if size_bytes - at < 16 => return Ok(Boxes::CutOff),
            1 => {
                file.read_exact(&mut header[8..])?;
                u64::from_be_bytes(header[8..].try_into().unwrap_or_default())
            }
            short => short,
        };
        if length < 8 {
            break;
        }
        match at.checked_add(length) {
            Some(end) if end <= size_bytes => at = end,
            _ if index => return Ok(Boxes::CutOff),
            _ => break,
        }
    }
    Ok(if index { Boxes::Whole } else { Boxes::NoIndex })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(list: &[(&[u8; 4], usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, payload) in list {
            bytes.extend(u32::try_from(payload + 8).unwrap().to_be_bytes());
            bytes.extend(*kind);
            bytes.extend(vec![0; *payload]);
        }
        bytes
    }

    fn check(bytes: &[u8], expected: Boxes) {
        let size_bytes = bytes.len() as u64;
        assert_eq!(walk(&mut io::Cursor::new(bytes), size_bytes).unwrap(), expected);
    }

    #[test]
    fn a_file_is_whole_when_its_boxes_fill_it() {
        check(&boxes(&[(b"ftyp", 16), (b"moov", 100), (b"mdat", 50)]), Boxes::Whole);
        check(&boxes(&[(b"ftyp", 16), (b"mdat", 50), (b"moov", 100)]), Boxes::Whole);
    }

    #[test]
    fn a_file_cut_inside_its_pictures_is_cut_off() {
        let bytes = boxes(&[(b"ftyp", 16), (b"moov", 100), (b"mdat", 50)]);
        check(&bytes[..bytes.len() - 1], Boxes::CutOff);
    }

    #[test]
    fn a_file_cut_before_its_index_has_none() {
        let bytes = boxes(&[(b"ftyp", 16), (b"mdat", 50), (b"moov", 100)]);
        check(&bytes[..60], Boxes::NoIndex);
        check(&bytes[..30], Boxes::NoIndex);
    }

    #[test]
    fn text_and_nothing_are_something_else() {
        check(b"hello, this is a text file named .mp4", Boxes::Other);
        check(b"", Boxes::NoIndex);
    }

    #[test]
    fn a_last_box_without_length_runs_to_the_end() {
        let mut bytes = boxes(&[(b"ftyp", 16), (b"moov", 100)]);
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(b"mdat and whatever follows");
        check(&bytes, Boxes::Whole);
    }
}
