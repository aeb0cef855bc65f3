//! What pictures this terminal can show: it is asked, never guessed from the environment. One that does not answer gets
//! blocks of colour, one without colour gets shades.

use crossterm::terminal::window_size;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::read,
    stdio::stdin,
};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Kitty,
    Sixel,
    HalfBlocks,
    /// Signs of more and less ink.
    Shades,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graphics {
    pub kind: Kind,
    /// Of one cell, in pixels: width, height.
    pub cell_px: (u16, u16),
}

/// A cell is about twice as high as it is wide; of half-blocks no more has to be known.
pub const HALF_BLOCKS: Graphics = Graphics { kind: Kind::HalfBlocks, cell_px: (8, 16) };

/// The graphics protocol of kitty with a picture of one pixel that is only looked at, the size of a cell, and last what
/// every terminal answers: its attributes, of which 4 is sixel.
const QUESTION: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c";
/// The farthest terminal answers within it; only one that answers nothing at all is waited for this long.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// All answers together are some 60 bytes.
const ANSWER_BYTES_MAX: usize = 4096;

impl Graphics {
    /// Asks the terminal, which is in raw mode and of which nobody else reads yet.
    pub fn ask() -> Graphics {
        let answer = answer().unwrap_or_default();
        let by_system = window_size().ok().and_then(|size| {
            let cell = (size.width.checked_div(size.columns)?, size.height.checked_div(size.rows)?);
            (cell.0 > 0 && cell.1 > 0).then_some(cell)
        });
        Graphics::of(&answer, by_system)
    }

    fn of(answer: &[u8], cell_by_system: Option<(u16, u16)>) -> Graphics {
        let kind = if holds(answer, b"\x1b_Gi=31;OK") {
            Kind::Kitty
        } else if attributes(answer).is_some_and(|attributes| attributes.split(';').any(|one| one == "4")) {
            Kind::Sixel
        } else {
            return HALF_BLOCKS;
        };
        // Pixels need a cell of known size.
        let cell_px = cell_size(answer).or(cell_by_system);
        cell_px.map_or(HALF_BLOCKS, |cell_px| Graphics { kind, cell_px })
    }
}

/// What the terminal says until it has told its attributes. Keys that are pressed meanwhile are lost.
fn answer() -> io::Result<Vec<u8>> {
    let mut out = io::stdout().lock();
    out.write_all(QUESTION)?;
    out.flush()?;
    let until = Instant::now() + ANSWERS_WITHIN;
    let (mut answer, mut part) = (Vec::new(), [0; 256]);
    while attributes(&answer).is_none() && answer.len() < ANSWER_BYTES_MAX {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let input = stdin();
        if poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&left))? == 0 {
            break;
        }
        match read(input, &mut part)? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    Ok(answer)
}

/// `62;4;22` of `ESC [ ? 62;4;22 c`.
fn attributes(answer: &[u8]) -> Option<String> {
    sequence(answer, "\x1b[?", 'c')
}

/// Of `ESC [ 6 ; height ; width t`.
fn cell_size(answer: &[u8]) -> Option<(u16, u16)> {
    let sizes = sequence(answer, "\x1b[6;", 't')?;
    let (height, width) = sizes.split_once(';')?;
    let cell: (u16, u16) = (width.parse().ok()?, height.parse().ok()?);
    (cell.0 > 0 && cell.1 > 0).then_some(cell)
}

/// The numbers between a start and an end.
fn sequence(answer: &[u8], start: &str, end: char) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let numbers = |rest: &str| {
        let length = rest.find(|sign: char| !sign.is_ascii_digit() && sign != ';')?;
        rest[length..].starts_with(end).then(|| rest[..length].to_owned())
    };
    text.match_indices(start).find_map(|(place, _)| numbers(&text[place + start.len()..]))
}

fn holds(bytes: &[u8], phrase: &[u8]) -> bool {
    bytes.windows(phrase.len()).any(|part| part == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_taken_at_its_word() {
        let check = |answer: &str, system, kind, cell_px| {
            assert_eq!(Graphics::of(answer.as_bytes(), system), Graphics { kind, cell_px }, "{answer:?}");
        };
        check("\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;c", None, Kind::Kitty, (10, 20));
        check("\x1b[6;18;9t\x1b[?62;4;22c", None, Kind::Sixel, (9, 18));
        check("\x1b[?65;1;4c", Some((7, 14)), Kind::Sixel, (7, 14));
        check("\x1b[?65;1;4c", None, Kind::HalfBlocks, (8, 16));
        check("\x1b[?65;14;22c", Some((7, 14)), Kind::HalfBlocks, (8, 16));
        check("\x1b_Gi=31;EINVAL:no\x1b\\\x1b[?6c", Some((7, 14)), Kind::HalfBlocks, (8, 16));
        check("", None, Kind::HalfBlocks, (8, 16));
        check("\x1b[?", None, Kind::HalfBlocks, (8, 16));
        check("\x1b[6;0;0t\x1b[?4c", None, Kind::HalfBlocks, (8, 16));
    }
}
