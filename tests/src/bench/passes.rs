//! What the engine takes of a device: its memory, and each pass's time by the device's own clock beside the bytes and
//! operations counted for it and the times that the design aims at. `render --profile` tells all of it.

use super::{
    method::Programs,
    speed::{nearest, scaled},
};
use crate::score::Clip;
use anyhow::{Context, Result};
use std::{path::Path, process::Command};

/// Source frames that are looked at: enough for several pairs beside the first, which waits for the clip to be opened.
const FRAMES: usize = 8;

/// The table of one picture height, as the agent prints it.
pub fn measure(clips: &[Clip], height_px: usize, programs: &Programs, scratch: &Path) -> Result<String> {
    let folder = tempfile::tempdir_in(scratch)?;
    let (clip, size) = nearest(clips, height_px)?;
    let (input, _) = scaled(clip, size, height_px, Some(FRAMES), folder.path())?;
    let mut command = Command::new(&programs.agent);
    command.arg("render").arg(&input).arg(folder.path().join("made.mp4"));
    command.args(["--fps", &(clip.rate.as_f64() * 2.0).ceil().min(240.0).to_string(), "--profile", "--json"]);
    let ran = command.output().context("start tweenfarm-agent")?;
    let summary: serde_json::Value = serde_json::from_slice(&ran.stdout)
        .with_context(|| format!("tweenfarm-agent says {}", String::from_utf8_lossy(&ran.stderr)))?;
    summary["passes"].as_str().map(str::to_owned).context("tweenfarm-agent told nothing of its passes")
}
