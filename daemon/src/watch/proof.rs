//! Whether a result is what was promised: as many frames, at exactly the rate, beginning at 0, and its pictures decode at its
//! borders. Looks through `ffprobe` in children with limits; blocks.

use crate::intake::Promise;
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    time::Duration,
};
use tweenfarm_media::{
    ProbeError, ProbeLimits,
    limited::{self, Bounds, Ended},
    probe_clip,
};
use tweenfarm_protocol::Rational;

/// A second of pictures at each border.
const LOOK_SECONDS: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    #[error("the result is not right: {0}")]
    Wrong(String),
    #[error("the result cannot be looked into: {0}")]
    Tool(std::io::Error),
}

pub fn prove(path: &Path, size_bytes: u64, promise: &Promise) -> Result<(), Unproven> {
    let limits = ProbeLimits::of_size(size_bytes);
    let clip = probe_clip(path, &limits).map_err(|error| match error {
        ProbeError::Tool(source) => Unproven::Tool(source),
        other => Unproven::Wrong(other.to_string()),
    })?;
    let video = &clip.facts.video;
    let wrong = |what: String| Err(Unproven::Wrong(what));
    if video.frame_count != promise.frames {
        return wrong(format!("it has {} frames in place of {}", video.frame_count, promise.frames));
    }
    if video.average_rate != Rational::whole(i64::from(promise.fps)) {
        return wrong(format!("its rate is {} in place of {}", video.average_rate, promise.fps));
    }
    if clip.first_frame != Rational::ZERO {
        return wrong(format!("it begins at {} s", clip.first_frame));
    }
    let last = video.duration.as_f64() - LOOK_SECONDS as f64;
    decodes(path, "the beginning", 0.0, &limits)?;
    if last > 0.0 { decodes(path, "the end", last, &limits) } else { Ok(()) }
}

fn decodes(path: &Path, what: &str, from: f64, limits: &ProbeLimits) -> Result<(), Unproven> {
    let mut url = OsString::from("file:");
    url.push(path);
    let interval = format!("{from:.3}%+{LOOK_SECONDS}");
    let options =
        ["-v", "error", "-protocol_whitelist", "file", "-select_streams", "v:0", "-read_intervals", &interval];
    let output = ["-show_entries", "frame=pts", "-of", "csv=p=0", "-i"];
    let arguments: Vec<&OsStr> = options.into_iter().chain(output).map(OsStr::new).chain([url.as_os_str()]).collect();
    // Decoding a second of a large picture on one core takes longer than looking at packets.
    let bounds = Bounds {
        wall: limits.wall.saturating_add(Duration::from_secs(120)),
        cpu_seconds: limits.cpu_seconds.saturating_add(240),
        memory_bytes: limits.memory_bytes.saturating_mul(4),
        output_bytes: 1 << 20,
    };
    match limited::run("ffprobe", &arguments, &bounds).map_err(Unproven::Tool)? {
        Ended::Exceeded => Err(Unproven::Wrong(format!("{what} takes more time or memory to decode than allowed"))),
        Ended::Exited { success: true, stdout, stderr } if stderr.is_empty() && !stdout.trim_ascii().is_empty() => {
            Ok(())
        }
        Ended::Exited { stderr, .. } => {
            let complaint = stderr.lines().next().unwrap_or("no frame came out").to_owned();
            Err(Unproven::Wrong(format!("{what} does not decode: {complaint}")))
        }
    }
}
