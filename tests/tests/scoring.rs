//! The bench's scoring on the shipped clip, against figures computed apart by a reference in Python (numpy and OpenCV).

use std::path::Path;
use tweenfarm_tests::{
    bench::{
        Method, Programs,
        peers::Python,
        quality::{self, Kept},
    },
    clips,
    score::ClipSet,
};

/// Two scorers may differ by rounding, never by what a reader of a table would see.
const NEAR_DB: f64 = 0.01;
const NEAR_SSIM: f64 = 0.0005;

struct Expected {
    method: Method,
    psnr: f64,
    psnr_p5: f64,
    ssim: f64,
    ssim_p5: f64,
    kept_psnr: f64,
    dup_rate: f64,
    missing: usize,
}

#[test]
fn the_bench_scores_like_the_reference() {
    let set = ClipSet::read(&clips::media_folder()).expect("the shipped set");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let methods = [Method::Blend];
    let programs = Programs { agent: Path::new("none").to_owned(), python: Python::choose(None) };
    let mut kept = Kept::open(None, &[]).expect("no file");
    let rows =
        quality::measure(&set.clips[0], 2, &methods, &programs, scratch.path(), &mut kept, |_| ()).expect("scores");
    for (row, expected) in rows.iter().zip(EXPECTED) {
        assert_eq!(row.method, expected.method);
        let score = &row.score;
        assert_eq!((&score.failure, score.scored), (&None, 30));
        let near = |found: Option<f64>, expected: f64, slack: f64, what: &str| {
            let found = found.unwrap_or(f64::NAN);
            assert!((found - expected).abs() <= slack, "{what} of {:?}: {found}, not {expected}", row.method);
        };
        near(score.psnr, expected.psnr, NEAR_DB, "PSNR");
        near(score.psnr_p5, expected.psnr_p5, NEAR_DB, "PSNR p5");
        near(score.ssim, expected.ssim, NEAR_SSIM, "SSIM");
        near(score.ssim_p5, expected.ssim_p5, NEAR_SSIM, "SSIM p5");
        near(score.kept_psnr, expected.kept_psnr, NEAR_DB, "PSNR of the given frames");
        near(score.dup_rate, expected.dup_rate, 1e-9, "repeats");
        assert_eq!(score.missing, expected.missing);
    }
}

/// Printed by the reference for the same clip, task and methods.
const EXPECTED: [Expected; 1] = [Expected {
    method: Method::Blend,
    psnr: 30.1881,
    psnr_p5: 28.0693,
    ssim: 0.78656,
    ssim_p5: 0.68871,
    kept_psnr: 60.0,
    dup_rate: 0.0,
    missing: 0,
}];
