//! Quality: every method re-makes the dropped frames of every clip, and each is scored the same way.

use super::method::{Encoding, Method, Programs, Task};
use crate::score::{Clip, Score, TaskInput, mean, task};
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// One method on one task of one clip.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub clip: String,
    pub factor: u64,
    pub method: Method,
    #[serde(flatten)]
    pub score: Score,
    /// Share of the re-made frames that came out worse than plain blending.
    pub worse_than_blend: Option<f64>,
}

/// Rows measured so far, one JSON object a line in a file that outlives a run: peers do not change while the engine does,
/// and a run that was stopped goes on.
pub struct Kept {
    path: Option<PathBuf>,
    rows: Vec<Row>,
}

impl Kept {
    /// Without a file nothing is kept. Rows of methods in `again` are left out, to be measured anew.
    pub fn open(path: Option<PathBuf>, again: &[Method]) -> Result<Kept> {
        let text = match &path {
            Some(path) if path.exists() => fs::read_to_string(path)?,
            _ => String::new(),
        };
        let parsed = text.lines().map(serde_json::from_str::<Row>);
        let mut rows = parsed.collect::<Result<Vec<_>, _>>().context("read the rows that were kept")?;
        rows.retain(|row| !again.contains(&row.method));
        Ok(Kept { path, rows })
    }

    fn find(&self, clip: &str, factor: u64, method: Method) -> Option<&Row> {
        // The last one counts: it was measured last.
        self.rows.iter().rev().find(|row| (row.clip.as_str(), row.factor, row.method) == (clip, factor, method))
    }

    fn add(&mut self, row: &Row) -> Result<()> {
        if let Some(path) = &self.path {
            let mut file = File::options().create(true).append(true).open(path)?;
            writeln!(file, "{}", serde_json::to_string(row)?)?;
        }
        self.rows.push(row.clone());
        Ok(())
    }
}

/// Runs all methods on one task. `said` is told of each result as it comes.
pub fn measure(
    clip: &Clip,
    factor: u64,
    methods: &[Method],
    programs: &Programs,
    scratch: &Path,
    kept: &mut Kept,
    mut said: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    if let Some(found) = methods.iter().map(|method| kept.find(&clip.name, factor, *method).cloned()).collect() {
        return Ok(found);
    }
    let folder = tempfile::tempdir_in(scratch)?;
    let (source, input) = TaskInput::prepare(clip, factor, folder.path())?;
    for &method in methods {
        if let Some(row) = kept.find(&clip.name, factor, method) {
            rows.push(row.clone());
            continue;
        }
        let work = tempfile::tempdir_in(folder.path())?;
        let task = Task { input: &input.path, rate: input.rate, factor };
        let made = method.run(programs, task, Encoding::Lossless, work.path());
        let score = task::score(
            clip,
            &source,
            &input,
            made.as_ref().map(|made| made.path.as_path()).map_err(|error| anyhow!("{error:#}")),
        )?;
        let blend = rows.iter().find(|row| row.method == Method::Blend);
        let worse_than_blend = blend.and_then(|blend| task::share_worse(&score.frames, &blend.score.frames));
        let row = Row { clip: clip.name.clone(), factor, method, score, worse_than_blend };
        said(&row);
        kept.add(&row)?;
        rows.push(row);
    }
    Ok(rows)
}

/// The mean of one value over the clips of one task and method.
pub fn mean_of(rows: &[Row], factor: u64, method: Method, value: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
    mean(of(rows, factor, method).filter_map(value))
}

pub fn of(rows: &[Row], factor: u64, method: Method) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| row.factor == factor && row.method == method)
}

/// On how many clips of one task the first method is ahead in PSNR and in SSIM, of how many both have.
pub fn ahead(rows: &[Row], factor: u64, first: Method, second: Method) -> (usize, usize) {
    let pairs = of(rows, factor, first).filter_map(|mine| {
        let other = of(rows, factor, second).find(|other| other.clip == mine.clip)?;
        Some((mine.score.psnr?, mine.score.ssim?, other.score.psnr?, other.score.ssim?))
    });
    pairs.fold((0, 0), |(ahead, all), (psnr, ssim, other_psnr, other_ssim)| {
        (ahead + usize::from(psnr > other_psnr && ssim > other_ssim), all + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(clip: &str, method: Method, psnr: f64, ssim: f64) -> Row {
        let score = Score { psnr: Some(psnr), ssim: Some(ssim), ..Score::default() };
        Row { clip: clip.to_owned(), factor: 2, method, score, worse_than_blend: None }
    }

    #[test]
    fn rows_are_kept_over_runs_and_those_of_a_method_measured_again_are_not() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("rows");
        let mut kept = Kept::open(Some(path.clone()), &[]).expect("an empty file");
        kept.add(&row("a", Method::Blend, 30.0, 0.8)).expect("kept");
        kept.add(&row("a", Method::Ours, 31.0, 0.9)).expect("kept");
        let kept = Kept::open(Some(path), &[Method::Ours]).expect("the rows");
        assert_eq!(kept.find("a", 2, Method::Blend).and_then(|row| row.score.psnr), Some(30.0));
        assert!(kept.find("a", 2, Method::Ours).is_none() && kept.find("a", 4, Method::Blend).is_none());
    }

    #[test]
    fn ahead_means_better_in_both_measures() {
        let rows = [
            row("a", Method::Ours, 31.0, 0.9),
            row("a", Method::Minterpolate, 30.0, 0.8),
            row("b", Method::Ours, 31.0, 0.7),
            row("b", Method::Minterpolate, 30.0, 0.8),
            row("c", Method::Ours, 31.0, 0.7),
        ];
        assert_eq!(ahead(&rows, 2, Method::Ours, Method::Minterpolate), (1, 2));
        assert_eq!(mean_of(&rows, 2, Method::Minterpolate, |row| row.score.psnr), Some(30.0));
        assert_eq!(mean_of(&rows, 4, Method::Minterpolate, |row| row.score.psnr), None);
    }
}
