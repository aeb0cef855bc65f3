//! A still: one frame of a clip as a small PNG, made by `ffmpeg` in a child process with limits, like the probe's.

use crate::{
    limited::{self, Bounds, Ended},
    probe::{FORMATS, ProbeLimits},
};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
};
use tweenfarm_protocol::Rational;

/// Why there is no picture. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    #[error("no picture could be read at this place of the clip: it may be damaged")]
    NoPicture,
    #[error("making the picture took more time or memory than allowed")]
    TooExpensive,
    #[error("run ffmpeg: install the package ffmpeg on this machine")]
    Tool(#[source] std::io::Error),
}

/// A PNG of this width without loss has at most three bytes a pixel; nothing that is asked for comes near it.
const PNG_BYTES_MAX: u64 = 8 << 20;

/// The frame at index `frame` of a clip of constant `rate`, as a PNG `width_px` wide in the clip's proportions. Blocks;
/// call it off the async runtime.
pub fn still(
    path: &Path,
    frame: u64,
    rate: Rational,
    width_px: u32,
    limits: &ProbeLimits,
) -> Result<Vec<u8>, StillError> {
    // Half a frame early: the first frame at or after that moment is the one, however its time was rounded.
    let seconds = (frame as f64 - 0.5).max(0.0) / rate.as_f64();
    let (seconds, scale) = (format!("{seconds:.6}"), format!("scale={width_px}:-2:flags=area,format=rgb24"));
    // With its protocol named, no file name is taken for an option or an address.
    let mut url = OsString::from("file:");
    url.push(path);
    let input = ["-v", "error", "-nostdin", "-protocol_whitelist", "file", "-format_whitelist", FORMATS];
    let place = ["-threads", "1", "-ss", &seconds, "-i"];
    let output = ["-map", "0:v:0", "-frames:v", "1", "-vf", &scale, "-c:v", "png", "-f", "image2pipe", "pipe:1"];
    let before = input.iter().chain(&place).map(OsStr::new);
    let arguments: Vec<&OsStr> = before.chain([url.as_os_str()]).chain(output.iter().map(OsStr::new)).collect();
    let bounds = Bounds {
        wall: limits.wall,
        cpu_seconds: limits.cpu_seconds,
        memory_bytes: limits.memory_bytes,
        output_bytes: PNG_BYTES_MAX,
    };
    match limited::run("ffmpeg", &arguments, &bounds).map_err(StillError::Tool)? {
        Ended::Exceeded => Err(StillError::TooExpensive),
        Ended::Exited { success: true, stdout, .. } if !stdout.is_empty() => Ok(stdout),
        Ended::Exited { stderr, .. } => {
            tracing::info!(complaints = %stderr.trim(), "ffmpeg makes no picture of the file");
            Err(StillError::NoPicture)
        }
    }
}
