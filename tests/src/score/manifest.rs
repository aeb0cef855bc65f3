//! A set of clips to measure with: `clips.json` beside the files, with rate, tasks and cut positions of each.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tweenfarm_protocol::Rational;

#[derive(Clone, Debug)]
pub struct ClipSet {
    pub name: String,
    pub clips: Vec<Clip>,
}

#[derive(Clone, Debug)]
pub struct Clip {
    pub name: String,
    pub path: PathBuf,
    pub rate: Rational,
    /// Kept one of `factor` frames: 2 and 4 are the usual tasks.
    pub factors: Vec<u64>,
    pub tags: Vec<String>,
    /// Source frames that open a new shot.
    pub cuts: Vec<u64>,
}

#[derive(Deserialize)]
struct RawSet {
    set: String,
    clips: Vec<RawClip>,
}

#[derive(Deserialize)]
struct RawClip {
    name: String,
    file: String,
    fps: String,
    tasks: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    cuts: Vec<u64>,
}

impl ClipSet {
    /// Reads `clips.json` of a folder.
    pub fn read(folder: &Path) -> Result<ClipSet> {
        let path = folder.join("clips.json");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let raw: RawSet = serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
        let clips = raw.clips.into_iter().map(|clip| clip.check(folder)).collect::<Result<Vec<_>>>()?;
        ensure!(!clips.is_empty(), "{} lists no clip", path.display());
        Ok(ClipSet { name: raw.set, clips })
    }
}

impl RawClip {
    fn check(self, folder: &Path) -> Result<Clip> {
        let context = || format!("clip {} of {}", self.name, folder.join("clips.json").display());
        let rate: Rational = self.fps.parse().with_context(context)?;
        let factors = self.tasks.iter().map(|task| factor(task)).collect::<Result<Vec<_>>>().with_context(context)?;
        let path = folder.join(&self.file);
        ensure!(path.is_file(), "{}: {} is missing", context(), path.display());
        Ok(Clip { name: self.name, path, rate, factors, tags: self.tags, cuts: self.cuts })
    }
}

/// `2x` is 2.
pub fn factor(task: &str) -> Result<u64> {
    let factor = task.strip_suffix('x').and_then(|digits| digits.parse().ok()).filter(|factor| *factor >= 2);
    factor.with_context(|| format!("'{task}' is not a task like 2x or 4x"))
}
