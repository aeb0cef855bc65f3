//! Peers that are Python programs of `tests/bench`: which interpreter runs them, and whether what they need is there.

use anyhow::{Context, Result};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What one run of a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Mvtools,
    MvtoolsBest,
    /// MVTools' reading and writing without MVTools.
    MvtoolsCopy,
    DenseSearch,
}

/// Raw frames of I420 in a file.
#[derive(Clone, Debug)]
pub struct RawFile {
    pub path: PathBuf,
    pub width_px: usize,
    pub height_px: usize,
}

/// The interpreter that runs the peers.
#[derive(Clone, Debug)]
pub struct Python(PathBuf);

impl Peer {
    fn script(self) -> PathBuf {
        let name = match self {
            Peer::Mvtools | Peer::MvtoolsBest | Peer::MvtoolsCopy => "mvtools.py",
            Peer::DenseSearch => "dense_search.py",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join(name)
    }

    /// The first word of its command line, where one program does several things.
    fn how(self) -> Option<&'static str> {
        match self {
            Peer::Mvtools => Some("usual"),
            Peer::MvtoolsBest => Some("best"),
            Peer::MvtoolsCopy => Some("copy"),
            Peer::DenseSearch => None,
        }
    }
}

impl Python {
    /// The one that is named, else the one `make peers` has set up, else the system's.
    pub fn choose(named: Option<PathBuf>) -> Python {
        let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/python");
        Python(named.unwrap_or_else(|| if made.exists() { made } else { PathBuf::from("python3") }))
    }

    /// Why a peer cannot run here, in the words of the interpreter; `None` where it can.
    pub fn lacks(&self, peer: Peer) -> Option<String> {
        let output = self.program(peer).arg("--check").stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Some(said.lines().last().unwrap_or("it ended without a word").to_owned())
            }
            Err(error) => Some(format!("start {}: {error}", self.0.display())),
        }
    }

    /// Reads the frames of `input` and writes `factor` for each to `made`.
    pub fn command(&self, peer: Peer, input: &RawFile, made: &Path, factor: u64) -> Command {
        let mut command = self.program(peer);
        command.args(peer.how()).arg(&input.path).arg(made);
        command.args([input.width_px.to_string(), input.height_px.to_string(), factor.to_string()]);
        command
    }

    fn program(&self, peer: Peer) -> Command {
        let mut command = Command::new(&self.0);
        // -B: no compiled copies beside the scripts.
        command.arg("-B").arg(peer.script());
        command
    }
}

/// Decodes a video of 8-bit 4:2:0 into raw frames, at most `frames_max` of them.
pub fn decode(video: &Path, size: (usize, usize), frames_max: Option<usize>, raw: &Path) -> Result<RawFile> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-i"]).arg(video);
    if let Some(frames) = frames_max {
        command.args(["-frames:v", &frames.to_string()]);
    }
    command.args(["-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo"]).arg(raw);
    let status = command.status().context("start ffmpeg (is the package ffmpeg installed?)")?;
    anyhow::ensure!(status.success(), "ffmpeg could not decode {} ({status})", video.display());
    Ok(RawFile { path: raw.to_owned(), width_px: size.0, height_px: size.1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_not_there_is_named() {
        let lacks = Python::choose(Some(PathBuf::from("no-such-python"))).lacks(Peer::DenseSearch);
        assert!(lacks.as_ref().is_some_and(|said| said.contains("no-such-python")), "{lacks:?}");
    }

    #[test]
    fn every_peers_program_is_there() {
        for peer in [Peer::Mvtools, Peer::MvtoolsBest, Peer::MvtoolsCopy, Peer::DenseSearch] {
            assert!(peer.script().is_file(), "{}", peer.script().display());
        }
    }
}
