//! Speed of the interpolators alone: raw frames in, made frames thrown away, no codec on either side.
//!
//! What a made frame costs is the slope between a short and a longer run, so that starting counts for nothing, less the
//! slope of the same pipeline with a copy in the interpolator's place. Methods take turns, round after round: what else
//! the machine does meets all of them.

use super::{
    method::{Method, Programs, RUN_LIMIT},
    peers::{Peer, RawFile, decode},
    speed::{nearest, scaled},
};
use crate::{process::run_counted, score::Clip};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{path::Path, process::Command};
use tweenfarm_protocol::Rational;

/// Given frames of the short run: enough for every method to have begun making frames.
const SHORT_GIVEN: usize = 4;

/// One picture size, one factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    pub height_px: usize,
    pub factor: u64,
    /// Given frames that the longer run has more than the short one.
    pub given: usize,
    pub rounds: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub case: Case,
    pub clip: String,
    pub method: Method,
    /// Processor seconds of all rounds, without those of the copy.
    pub cpu_s: f64,
    pub made: usize,
}

impl Row {
    pub fn cpu_ms_per_frame(&self) -> f64 {
        1e3 * self.cpu_s / self.made as f64
    }
}

/// What stands between the raw frames and nowhere.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Interpolate(Method),
    /// The same program with frames repeated instead.
    Copy(Method),
}

struct Bed<'a> {
    programs: &'a Programs,
    rate: Rational,
    factor: u64,
    folder: &'a Path,
    short: RawFile,
    long: RawFile,
}

pub fn measure(
    clips: &[Clip],
    case: Case,
    methods: &[Method],
    programs: &Programs,
    scratch: &Path,
    mut said: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(scratch)?;
    let (clip, size) = nearest(clips, case.height_px)?;
    let (video, size) = scaled(clip, size, case.height_px, None, folder.path())?;
    let part = |name: &str, frames| decode(&video, size, Some(frames), &folder.path().join(name));
    let bed = Bed {
        programs,
        rate: clip.rate,
        factor: case.factor,
        folder: folder.path(),
        short: part("short.yuv", SHORT_GIVEN)?,
        long: part("long.yuv", SHORT_GIVEN + case.given)?,
    };
    let made = case.rounds * case.given * usize::try_from(case.factor - 1)?;
    let row = |&method| Row { case, clip: clip.name.clone(), method, cpu_s: 0.0, made };
    let mut rows: Vec<Row> = methods.iter().map(row).collect();
    for row in &rows {
        // Caches of shaders and of the plugins' list are filled before anything counts.
        bed.cpu_s(Stage::Interpolate(row.method), &bed.short)?;
    }
    for _ in 0..case.rounds {
        for row in &mut rows {
            row.cpu_s += bed.slope_s(Stage::Interpolate(row.method))? - bed.slope_s(Stage::Copy(row.method))?;
        }
    }
    rows.iter().for_each(&mut said);
    Ok(rows)
}

impl Bed<'_> {
    fn slope_s(&self, stage: Stage) -> Result<f64> {
        Ok(self.cpu_s(stage, &self.long)? - self.cpu_s(stage, &self.short)?)
    }

    fn cpu_s(&self, stage: Stage, raw: &RawFile) -> Result<f64> {
        let mut command = self.command(stage, raw)?;
        let spent = run_counted(&mut command, self.folder, RUN_LIMIT)?;
        ensure!(spent.status.success(), "{stage:?} failed ({}): {}", spent.status, spent.stderr_tail);
        Ok(spent.cpu.as_secs_f64())
    }

    fn command(&self, stage: Stage, raw: &RawFile) -> Result<Command> {
        let target = Rational::new(self.rate.num() * i64::try_from(self.factor)?, self.rate.den())?;
        let (Stage::Interpolate(method) | Stage::Copy(method)) = stage;
        if let Some(peer) = method.peer() {
            let peer = if matches!(stage, Stage::Copy(_)) { Peer::MvtoolsCopy } else { peer };
            return Ok(self.programs.python.command(peer, raw, Path::new("/dev/null"), self.factor));
        }
        let Some(filter) = method.filter(target) else { return self.by_element(stage, raw, target) };
        let filter = match stage {
            Stage::Interpolate(_) => filter,
            Stage::Copy(_) => Method::Dup.filter(target).context("repeating is a filter")?,
        };
        let (size, rate) = (format!("{}x{}", raw.width_px, raw.height_px), fraction(self.rate));
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", &rate]);
        command.arg("-i").arg(&raw.path).args(["-vf", &filter, "-f", "null", "-"]);
        Ok(command)
    }

    /// The element of the plugin in GStreamer's own program: the engine with what it takes to feed it.
    fn by_element(&self, stage: Stage, raw: &RawFile, target: Rational) -> Result<Command> {
        let target = fraction(target);
        let stage = match stage {
            Stage::Interpolate(_) => vec!["vkinterpolate".to_owned(), format!("target-fps={target}")],
            Stage::Copy(_) => {
                vec!["videorate".to_owned(), "!".to_owned(), format!("video/x-raw,framerate={target}")]
            }
        };
        let plugins = self.programs.agent.parent().context("the agent lies in a folder")?;
        let mut command = Command::new("gst-launch-1.0");
        command.env("GST_PLUGIN_PATH", plugins).env("GST_REGISTRY", self.folder.join("registry.bin"));
        command.args(["-q", "filesrc"]).arg(format!("location={}", raw.path.display()));
        command.args(["!", "rawvideoparse", "format=i420"]);
        command.args([format!("width={}", raw.width_px), format!("height={}", raw.height_px)]);
        command.args([format!("framerate={}", fraction(self.rate)), "!".to_owned()]).args(stage);
        command.args(["!", "fakesink", "sync=false"]);
        Ok(command)
    }
}

fn fraction(rate: Rational) -> String {
    format!("{}/{}", rate.num(), rate.den())
}

/// How many times as many frames as the peer ours makes in the same processor time.
pub fn ratio_to(rows: &[Row], peer: &Row) -> Option<f64> {
    let ours = rows.iter().find(|row| row.method == Method::Ours && row.case == peer.case)?;
    (ours.cpu_s > 0.0).then(|| peer.cpu_ms_per_frame() / ours.cpu_ms_per_frame())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_frames_in_the_same_processor_time() {
        let case = Case { height_px: 720, factor: 2, given: 10, rounds: 1 };
        let row = |method, cpu_s| Row { case, clip: "toy".to_owned(), method, cpu_s, made: 10 };
        let rows = [row(Method::Minterpolate, 3.0), row(Method::Ours, 0.5)];
        assert_eq!(ratio_to(&rows, &rows[0]), Some(6.0));
        assert_eq!(ratio_to(&rows[..1], &rows[0]), None);
    }
}
