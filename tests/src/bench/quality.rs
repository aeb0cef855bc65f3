//! Quality: every method re-makes the dropped frames of every clip, and each is scored the same way.

use super::method::{Encoding, Method, Programs};
use crate::score::{Clip, Score, TaskInput, mean, task};
use anyhow::{Result, anyhow};
use serde::Serialize;
use std::path::Path;

/// One method on one task of one clip.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub clip: String,
    pub factor: u64,
    pub method: Method,
    #[serde(flatten)]
    pub score: Score,
    /// Share of the re-made frames that came out worse than plain blending.
    pub worse_than_blend: Option<f64>,
    pub cpu_s: Option<f64>,
}

/// Runs all methods on one task. `said` is told of each result as it comes.
pub fn measure(
    clip: &Clip,
    factor: u64,
    methods: &[Method],
    programs: &Programs,
    scratch: &Path,
    mut said: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(scratch)?;
    let (source, input) = TaskInput::prepare(clip, factor, folder.path())?;
    let mut rows: Vec<Row> = Vec::new();
    for &method in methods {
        let work = tempfile::tempdir_in(folder.path())?;
        let made = method.run(programs, &input.path, input.rate, Encoding::Lossless, work.path());
        let cpu_s = made.as_ref().ok().map(|made| made.spent.cpu.as_secs_f64());
        let score = task::score(
            clip,
            &source,
            &input,
            made.as_ref().map(|made| made.path.as_path()).map_err(|error| anyhow!("{error:#}")),
        )?;
        let blend = rows.iter().find(|row| row.method == Method::Blend);
        let worse_than_blend = blend.and_then(|blend| task::share_worse(&score.frames, &blend.score.frames));
        let row = Row { clip: clip.name.clone(), factor, method, score, worse_than_blend, cpu_s };
        said(&row);
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
        Row { clip: clip.to_owned(), factor: 2, method, score, worse_than_blend: None, cpu_s: None }
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
