//! Small clips made with the `ffmpeg` program when a test needs them, and the one that is shipped.

use anyhow::{Context, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the shipped clip and its licence.
pub fn media_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media")
}

/// The shipped clip: real footage, 720×480, 61 frames at 30 fps, with sound.
pub fn shipped() -> PathBuf {
    media_folder().join("toy30.mp4")
}

/// What a made clip holds.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    pub size: &'a str,
    /// As ffmpeg takes it: `24`, `30000/1001`.
    pub rate: &'a str,
    pub seconds: f64,
    pub sound: bool,
}

impl Default for Recipe<'_> {
    /// Small enough to render in a blink on a renderer in software.
    fn default() -> Self {
        Recipe { size: "160x120", rate: "24", seconds: 1.0, sound: true }
    }
}

/// Writes a moving test picture, and a tone, to `path`; its extension says the container.
pub fn make(path: &Path, recipe: Recipe) -> Result<()> {
    let Recipe { size, rate, seconds, sound } = recipe;
    let picture = format!("testsrc2=size={size}:rate={rate}:duration={seconds}");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let mut arguments: Vec<&str> = vec!["-f", "lavfi", "-i", &picture];
    if sound {
        arguments.extend(["-f", "lavfi", "-i", &tone, "-c:a", "aac"]);
    }
    arguments.extend(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]);
    ffmpeg(&arguments, path)
}

/// Runs ffmpeg with these arguments, writing to `path`.
pub fn ffmpeg(arguments: &[&str], path: &Path) -> Result<()> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(path)
        .output()
        .context("start ffmpeg (is the package ffmpeg installed?)")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg could not write {}: {}", path.display(), complaint.trim());
    Ok(())
}
