//! The interpolators that are compared, each as the command a person would type.

use crate::process::{Spent, run_counted};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tweenfarm_protocol::{Rational, task::RenderFacts};

/// A method that takes longer for one clip has failed.
const RUN_LIMIT: Duration = Duration::from_secs(1800);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
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
    /// `tweenfarm-agent render`.
    Ours,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    pub agent: PathBuf,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For scoring: no loss, so that only the interpolation is scored.
    Lossless,
    /// For timing: H.264 as a user would get it, of about the same effort for every method.
    Usual,
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
            Method::Ours => "tweenfarm",
        }
    }

    /// Brings `input` to `rate`; the result lies in `folder`.
    pub fn run(
        self,
        programs: &Programs,
        input: &Path,
        rate: Rational,
        encoding: Encoding,
        folder: &Path,
    ) -> Result<Made> {
        let (mut command, path) = match self.filter(rate) {
            Some(filter) => by_ffmpeg(input, &filter, encoding, folder),
            None => by_agent(programs, input, rate, encoding, folder),
        };
        let spent = run_counted(&mut command, folder, RUN_LIMIT)?;
        ensure!(spent.status.success(), "{} failed ({}): {}", self.name(), spent.status, spent.stderr_tail);
        let facts = match self {
            Method::Ours => Some(facts_of(&spent.stdout)?),
            Method::Dup | Method::Blend | Method::Minterpolate | Method::MinterpolateBest => None,
        };
        Ok(Made { path, spent, facts })
    }

    fn filter(self, rate: Rational) -> Option<String> {
        let rate = format!("{}/{}", rate.num(), rate.den());
        match self {
            Method::Dup => Some(format!("fps={rate}:round=down")),
            Method::Blend => Some(format!("framerate=fps={rate}:interp_start=0:interp_end=255:scene=100")),
            Method::Minterpolate => Some(format!("minterpolate=fps={rate}:mi_mode=mci")),
            Method::MinterpolateBest => Some(format!(
                "minterpolate=fps={rate}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:me=epzs:mb_size=16:search_param=32:vsbmc=1:scd=fdiff"
            )),
            Method::Ours => None,
        }
    }
}

fn by_ffmpeg(input: &Path, filter: &str, encoding: Encoding, folder: &Path) -> (Command, PathBuf) {
    let (name, encoder): (_, &[&str]) = match encoding {
        Encoding::Lossless => ("made.mkv", &["-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4"]),
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
