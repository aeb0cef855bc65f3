//! The interpolators that are compared, each as the command a person would type.

use super::peers::{Peer, Python, decode};
use crate::{
    process::{Spent, run_counted},
    score::read::VideoFile,
};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tweenfarm_protocol::{Rational, task::RenderFacts};

/// A method that takes longer for one clip has failed.
pub const RUN_LIMIT: Duration = Duration::from_secs(1800);
/// ffmpeg's minterpolate with its defaults, and with what scores best of what it offers.
const MINTERPOLATE: &str = "mi_mode=mci";
const MINTERPOLATE_BEST: &str =
    "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:me=epzs:mb_size=16:search_param=32:vsbmc=1:scd=fdiff";
const FFV1: [&str; 8] = ["-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Each given frame repeated.
    Dup,
    /// ffmpeg's framerate filter: neighbours mixed.
    Blend,
    /// ffmpeg's minterpolate with its default settings.
    Minterpolate,
    /// minterpolate with its slowest search.
    MinterpolateBest,
    /// MVTools' FlowFPS in VapourSynth, at half pixels.
    Mvtools,
    /// MVTools at the settings that score best.
    MvtoolsBest,
    /// OpenCV's dense inverse search both ways, gathered along: a reference, not a product.
    DenseSearch,
    /// `tweenfarm-agent render`.
    Ours,
}

/// What does a method's work.
enum Worker {
    Filter(String),
    Script(Peer),
    Agent,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    pub agent: PathBuf,
    pub python: Python,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For scoring: no loss, so that only the interpolation is scored.
    Lossless,
    /// For timing: H.264 as a user would get it, of about the same effort for every method.
    Usual,
}

/// What is to be brought to a rate that is `factor` times its own.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    pub input: &'a Path,
    pub rate: Rational,
    pub factor: u64,
}

/// What one run gave.
#[derive(Clone, Debug)]
pub struct Made {
    pub path: PathBuf,
    pub spent: Spent,
    /// Only of our own: what the worker measured.
    pub facts: Option<RenderFacts>,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Dup => "dup",
            Method::Blend => "blend",
            Method::Minterpolate => "minterpolate",
            Method::MinterpolateBest => "minterpolate best",
            Method::Mvtools => "MVTools",
            Method::MvtoolsBest => "MVTools best",
            Method::DenseSearch => "DIS and gather",
            Method::Ours => "tweenfarm",
        }
    }

    /// The Python program that does it, where it is one.
    pub fn peer(self) -> Option<Peer> {
        match self.worker(Rational::whole(1)) {
            Worker::Script(peer) => Some(peer),
            Worker::Filter(_) | Worker::Agent => None,
        }
    }

    /// The result lies in `folder`.
    pub fn run(self, programs: &Programs, task: Task, encoding: Encoding, folder: &Path) -> Result<Made> {
        let Task { input, rate, factor } = task;
        let (mut command, path) = match self.worker(rate) {
            Worker::Filter(filter) => by_ffmpeg(input, &filter, encoding, folder),
            Worker::Agent => by_agent(programs, input, rate, encoding, folder),
            Worker::Script(peer) => {
                ensure!(encoding == Encoding::Lossless, "{} writes raw frames only", self.name());
                return by_script(programs, peer, input, rate, factor, folder);
            }
        };
        let spent = run_counted(&mut command, folder, RUN_LIMIT)?;
        ensure!(spent.status.success(), "{} failed ({}): {}", self.name(), spent.status, spent.stderr_tail);
        let facts = match self {
            Method::Ours => Some(facts_of(&spent.stdout)?),
            _ => None,
        };
        Ok(Made { path, spent, facts })
    }

    /// The ffmpeg filter that does it, where it is one.
    pub fn filter(self, rate: Rational) -> Option<String> {
        match self.worker(rate) {
            Worker::Filter(filter) => Some(filter),
            Worker::Script(_) | Worker::Agent => None,
        }
    }

    fn worker(self, rate: Rational) -> Worker {
        let rate = format!("{}/{}", rate.num(), rate.den());
        match self {
            Method::Dup => Worker::Filter(format!("fps={rate}:round=down")),
            Method::Blend => Worker::Filter(format!("framerate=fps={rate}:interp_start=0:interp_end=255:scene=100")),
            Method::Minterpolate => Worker::Filter(format!("minterpolate=fps={rate}:{MINTERPOLATE}")),
            Method::MinterpolateBest => Worker::Filter(format!("minterpolate=fps={rate}:{MINTERPOLATE_BEST}")),
            Method::Mvtools => Worker::Script(Peer::Mvtools),
            Method::MvtoolsBest => Worker::Script(Peer::MvtoolsBest),
            Method::DenseSearch => Worker::Script(Peer::DenseSearch),
            Method::Ours => Worker::Agent,
        }
    }
}

fn by_ffmpeg(input: &Path, filter: &str, encoding: Encoding, folder: &Path) -> (Command, PathBuf) {
    let (name, encoder): (_, &[&str]) = match encoding {
        Encoding::Lossless => ("made.mkv", &FFV1),
        Encoding::Usual => ("made.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-crf", "16"]),
    };
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-i"]).arg(input).args(["-an", "-vf", filter]);
    command.args(encoder).arg(&path);
    (command, path)
}

fn by_agent(
    programs: &Programs,
    input: &Path,
    rate: Rational,
    encoding: Encoding,
    folder: &Path,
) -> (Command, PathBuf) {
    let path = folder.join("made.mp4");
    let mut command = Command::new(&programs.agent);
    let files: [OsString; 3] = ["render".into(), input.into(), path.clone().into()];
    command.args(files).args(["--fps", &rate.to_string(), "--json"]);
    if encoding == Encoding::Lossless {
        command.arg("--lossless");
    }
    (command, path)
}

/// The peer takes and gives raw frames: decoding before and wrapping after it are not counted.
fn by_script(
    programs: &Programs,
    peer: Peer,
    input: &Path,
    rate: Rational,
    factor: u64,
    folder: &Path,
) -> Result<Made> {
    let file = VideoFile::probe(input)?;
    let given = decode(input, (file.width_px, file.height_px), None, &folder.join("given.yuv"))?;
    let (raw, path) = (folder.join("made.yuv"), folder.join("made.mkv"));
    let spent = run_counted(&mut programs.python.command(peer, &given, &raw, factor), folder, RUN_LIMIT)?;
    ensure!(spent.status.success(), "{peer:?} failed ({}): {}", spent.status, spent.stderr_tail);
    let (size, rate) = (format!("{}x{}", given.width_px, given.height_px), format!("{}/{}", rate.num(), rate.den()));
    let mut wrap = Command::new("ffmpeg");
    wrap.args(["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", &rate]);
    let status = wrap.arg("-i").arg(&raw).args(FFV1).arg(&path).status().context("start ffmpeg")?;
    if !status.success() {
        bail!("ffmpeg could not wrap the frames of {peer:?} ({status})");
    }
    Ok(Made { path, spent, facts: None })
}

fn facts_of(stdout: &str) -> Result<RenderFacts> {
    let object = stdout.find('{').map_or(stdout, |start| &stdout[start..]);
    serde_json::from_str(object.trim())
        .with_context(|| format!("read the facts that tweenfarm-agent printed: {stdout:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_facts_are_read_with_and_without_fields_we_do_not_know() {
        let facts = RenderFacts { frames: 60, frames_made: 30, ..RenderFacts::default() };
        let mut printed = serde_json::to_value(&facts).expect("facts are JSON");
        printed["later"] = true.into();
        assert_eq!(facts_of(&format!("{printed:#}\n")).expect("an object"), facts);
        assert!(facts_of("done\n").is_err());
    }

    #[test]
    fn rates_are_handed_on_as_fractions() {
        let ntsc = Rational::new(60_000, 1001).expect("a fraction");
        assert_eq!(Method::Minterpolate.filter(ntsc).as_deref(), Some("minterpolate=fps=60000/1001:mi_mode=mci"));
    }
}
