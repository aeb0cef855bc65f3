//! Speed of whole programs: frames made per second of CPU time, of the whole process tree, at sizes people use; and where our time goes.

use super::method::{Encoding, Method, Programs, Task};
use crate::score::{Clip, read::VideoFile};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tweenfarm_protocol::{Rational, task::RenderFacts};

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub height_px: usize,
    pub clip: String,
    pub method: Method,
    /// Frames that were interpolated: as our worker counts them, for others what the result holds beyond the source.
    pub frames_made: usize,
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Only of our own.
    pub facts: Option<RenderFacts>,
}

impl Row {
    pub fn made_per_cpu_second(&self) -> f64 {
        self.frames_made as f64 / self.cpu_s.max(1e-3)
    }

    pub fn made_per_second(&self) -> f64 {
        self.frames_made as f64 / self.wall_s.max(1e-3)
    }
}

/// Doubles the rate of one clip at one picture height with every method.
pub fn measure(
    clips: &[Clip],
    height_px: usize,
    methods: &[Method],
    programs: &Programs,
    scratch: &Path,
    mut said: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(scratch)?;
    let (clip, size) = nearest(clips, height_px)?;
    let (input, _) = scaled(clip, size, height_px, None, folder.path())?;
    let given = VideoFile::probe(&input)?.times.len();
    let rate = Rational::new(2 * clip.rate.num(), clip.rate.den())?;
    let mut rows = Vec::new();
    for &method in methods {
        let work = tempfile::tempdir_in(folder.path())?;
        let made = method.run(programs, Task { input: &input, rate, factor: 2 }, Encoding::Usual, work.path())?;
        let frames = VideoFile::probe(&made.path)?.times.len();
        let row = Row {
            height_px,
            clip: clip.name.clone(),
            method,
            frames_made: match &made.facts {
                Some(facts) => usize::try_from(facts.frames_made)?,
                None => frames.saturating_sub(given),
            },
            wall_s: made.spent.wall.as_secs_f64(),
            cpu_s: made.spent.cpu.as_secs_f64(),
            facts: made.facts,
        };
        said(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// The clip whose height is nearest from above, so that detail is real; else the largest.
pub(super) fn nearest(clips: &[Clip], height_px: usize) -> Result<(&Clip, (usize, usize))> {
    let sized = clips.iter().map(|clip| {
        let file = VideoFile::probe(&clip.path)?;
        Ok((clip, (file.width_px, file.height_px)))
    });
    let sized = sized.collect::<Result<Vec<_>>>()?;
    let above = sized.iter().filter(|(_, size)| size.1 >= height_px).min_by_key(|(_, size)| size.1);
    above.or_else(|| sized.iter().max_by_key(|(_, size)| size.1)).copied().context("there is no clip to time")
}

/// The clip at that height, all of it or its first `frames`, and its size then.
pub(super) fn scaled(
    clip: &Clip,
    size: (usize, usize),
    height_px: usize,
    frames: Option<usize>,
    folder: &Path,
) -> Result<(PathBuf, (usize, usize))> {
    // A width that every encoder and every 4:2:0 plane takes.
    let width_px = (size.0 * height_px / size.1).next_multiple_of(2);
    let path = folder.join("timed.mp4");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(&clip.path)
        .args(["-an", "-vf", &format!("scale={width_px}:{height_px}:flags=lanczos,setsar=1")])
        .args(["-c:v", "libx264", "-preset", "fast", "-crf", "12", "-pix_fmt", "yuv420p"])
        .args(frames.into_iter().flat_map(|frames| ["-frames:v".to_owned(), frames.to_string()]))
        .arg(&path)
        .status()
        .context("start ffmpeg (is the package ffmpeg installed?)")?;
    ensure!(status.success(), "ffmpeg could not scale {} ({status})", clip.path.display());
    Ok((path, (width_px, height_px)))
}

/// Decode, interpolate and encode as shares of their sum, in percent.
pub fn shares_percent(facts: &RenderFacts) -> Option<[f64; 3]> {
    let parts = [facts.decode_ms, facts.interpolate_ms, facts.encode_ms].map(|part| part as f64);
    let sum: f64 = parts.iter().sum();
    (sum > 0.0).then(|| parts.map(|part| 100.0 * part / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_a_hundred() {
        let facts = RenderFacts { decode_ms: 100, interpolate_ms: 700, encode_ms: 200, ..RenderFacts::default() };
        assert_eq!(shares_percent(&facts), Some([10.0, 70.0, 20.0]));
        assert_eq!(shares_percent(&RenderFacts::default()), None);
    }
}
