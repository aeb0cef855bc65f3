//! Whether a rendered probe is what it has to be: frames of the source untouched, frames between them moved and not
//! mixed. It is decoded by a child with limits, for it comes from somebody who is not trusted yet.

use super::picture::{self, HEIGHT_PX, WIDTH_PX};
use std::{ffi::OsStr, io, path::Path, time::Duration};
use tweenfarm_media::limited::{Bounds, Ended, run};

/// Where the texture moves in or out nobody can know it: this far from the left and right edge is not compared.
const EDGE_PX: usize = 24;
/// Motion that was found leaves less than a third of what mere mixing leaves.
const BETTER_THAN_MIXING: u64 = 3;
const FRAME_BYTES: usize = (WIDTH_PX * HEIGHT_PX) as usize;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("its result has {0} bytes of pictures where {expected} are due", expected = picture::SLOTS as usize * FRAME_BYTES)]
    Length(usize),
    #[error("frame {0} of the source came out changed")]
    Changed(u64),
    #[error(
        "frame {slot}, made from a known motion, is off by {off}, where a mere mix is off by {mixed} (sums of code differences)"
    )]
    NotMoved { slot: u64, off: u64, mixed: u64 },
    #[error("its result cannot be decoded: {0}")]
    Undecodable(String),
    #[error("the daemon cannot run ffmpeg to look at the result: install it there ({0})")]
    NoDecoder(String),
}

pub(super) fn judge(result: &Path) -> Result<(), Fault> {
    compare(&decode(result)?)
}

/// Brightness of every frame, one after the other.
fn decode(film: &Path) -> Result<Vec<u8>, Fault> {
    let bounds = Bounds {
        wall: Duration::from_secs(15),
        cpu_seconds: 10,
        memory_bytes: 1 << 30,
        // One frame more than there should be, so that a longer film is seen to be longer.
        output_bytes: (picture::SLOTS + 1) * FRAME_BYTES as u64,
    };
    let before = ["-v", "error", "-threads", "1", "-protocol_whitelist", "file", "-f", "mp4", "-i"].map(OsStr::new);
    // `extractplanes` rather than a conversion to gray, which would stretch the range.
    let after = ["-an", "-vf", "extractplanes=y", "-fps_mode", "passthrough", "-f", "rawvideo", "-"].map(OsStr::new);
    let arguments: Vec<&OsStr> = before.into_iter().chain([film.as_os_str()]).chain(after).collect();
    match run("ffmpeg", &arguments, &bounds) {
        Ok(Ended::Exited { success: true, stdout, .. }) => Ok(stdout),
        Ok(Ended::Exited { stderr, .. }) => {
            Err(Fault::Undecodable(stderr.lines().next().unwrap_or("ffmpeg gave no reason").to_owned()))
        }
        Ok(Ended::Exceeded) => Err(Fault::Undecodable("it takes more than a probe may".to_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Fault::NoDecoder(cause.to_string())),
        Err(cause) => Err(Fault::NoDecoder(cause.to_string())),
    }
}

fn compare(film: &[u8]) -> Result<(), Fault> {
    if film.len() != picture::SLOTS as usize * FRAME_BYTES {
        return Err(Fault::Length(film.len()));
    }
    let frames: Vec<&[u8]> = film.chunks_exact(FRAME_BYTES).collect();
    // The last slot comes after the last frame of the source: nothing is known of it but that it is there.
    for (slot, frame) in (0..picture::SLOTS - 1).zip(frames) {
        let truth = picture::luma(slot);
        if slot % 2 == 0 {
            if frame != truth {
                return Err(Fault::Changed(slot / 2));
            }
            continue;
        }
        let (before, after) = (picture::luma(slot - 1), picture::luma(slot + 1));
        let mix: Vec<u8> = before.iter().zip(&after).map(|(a, b)| a.midpoint(*b)).collect();
        let (off, mixed) = (distance(frame, &truth), distance(&mix, &truth));
        if off * BETTER_THAN_MIXING >= mixed {
            return Err(Fault::NotMoved { slot, off, mixed });
        }
    }
    Ok(())
}

/// Sum of code differences away from the edges.
fn distance(a: &[u8], b: &[u8]) -> u64 {
    let width = WIDTH_PX as usize;
    let rows = a.chunks_exact(width).zip(b.chunks_exact(width));
    let inner = EDGE_PX..width - EDGE_PX;
    rows.flat_map(|(a, b)| a[inner.clone()].iter().zip(&b[inner.clone()])).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(frame: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
        (0..picture::SLOTS).flat_map(frame).collect()
    }

    #[test]
    fn the_clip_that_is_sent_holds_every_second_frame_of_the_film() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        std::fs::write(&path, super::super::CLIP).unwrap();
        let expected: Vec<u8> = (0..picture::SLOTS / 2).flat_map(|frame| picture::luma(2 * frame)).collect();
        assert!(decode(&path).unwrap() == expected);
    }

    #[test]
    fn the_true_film_passes_and_mixed_held_black_short_and_shifted_ones_do_not() {
        let true_film = film(picture::luma);
        assert_eq!(compare(&true_film), Ok(()));
        let source = |slot: u64| picture::luma(slot - slot % 2);
        let mixed = film(|slot| match slot % 2 {
            0 => picture::luma(slot),
            _ => picture::luma(slot - 1).iter().zip(picture::luma(slot + 1)).map(|(a, b)| a.midpoint(b)).collect(),
        });
        assert!(matches!(compare(&mixed), Err(Fault::NotMoved { slot: 1, .. })));
        assert!(matches!(compare(&film(source)), Err(Fault::NotMoved { slot: 1, .. })), "frames are held");
        let black = film(|slot| if slot % 2 == 0 { picture::luma(slot) } else { vec![16; FRAME_BYTES] });
        assert!(matches!(compare(&black), Err(Fault::NotMoved { slot: 1, .. })));
        assert_eq!(compare(&true_film[FRAME_BYTES..]), Err(Fault::Length(17 * FRAME_BYTES)));
        let mut touched = true_film.clone();
        touched[2 * FRAME_BYTES + 77] ^= 1;
        assert_eq!(compare(&touched), Err(Fault::Changed(1)));
    }

    #[test]
    fn what_is_no_film_is_a_fault_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.mp4");
        for content in [&b""[..], b"no film at all", &[0; 4096]] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(judge(&path), Err(Fault::Undecodable(_))));
        }
    }
}
