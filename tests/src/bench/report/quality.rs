//! Quality: what the issue of quality is decided by on top, every figure of every clip below.

use super::{cell, met};
use crate::bench::{
    method::Method,
    quality::{self, Row, ahead, mean_of},
};
use std::fmt::Write as _;

type Column = (&'static str, usize, fn(&Row) -> Option<f64>);

/// Name, decimals, value.
const COLUMNS: [Column; 11] = [
    ("PSNR-Y dB", 2, |row| row.score.psnr),
    ("p5", 2, |row| row.score.psnr_p5),
    ("worst 5 % of pixels", 2, |row| row.score.psnr_worst),
    ("SSIM", 4, |row| row.score.ssim),
    ("p5", 4, |row| row.score.ssim_p5),
    ("flicker", 2, |row| row.score.flicker),
    ("still detail off by", 2, |row| row.score.still_mean),
    ("at most", 0, |row| row.score.still_max),
    ("given frames dB", 1, |row| row.score.kept_psnr),
    ("worse than blend %", 0, |row| row.worse_than_blend.map(|share| 100.0 * share)),
    ("repeats %", 0, |row| row.score.dup_rate.map(|share| 100.0 * share)),
];

/// For each task: PSNR and SSIM of all methods side by side, the targets, and one long table.
pub fn quality_tables(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut factors: Vec<u64> = rows.iter().map(|row| row.factor).collect();
    factors.sort_unstable();
    factors.dedup();
    for factor in factors {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "### {factor}x: one frame in {factor} is given, the others are made again and scored\n");
        text.push_str(&side_by_side(rows, factor));
        text.push_str(&targets(rows, factor));
        text.push_str(&long_table(rows, factor));
    }
    text
}

/// PSNR-Y and SSIM of every method, a line a clip.
fn side_by_side(rows: &[Row], factor: u64) -> String {
    let methods = methods(rows, factor);
    let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
    let mut text = format!("| PSNR-Y dB / SSIM | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(methods.len()));
    let mut clips: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.factor == factor) {
        if !clips.contains(&row.clip.as_str()) {
            clips.push(&row.clip);
        }
    }
    let both = |psnr, ssim| format!("{} / {}", cell(psnr, 2), cell(ssim, 4));
    for clip in &clips {
        let of = |method: &Method| quality::of(rows, factor, *method).find(|row| row.clip == *clip);
        let cells = methods.iter().map(|method| match of(method) {
            Some(row) => both(row.score.psnr, row.score.ssim),
            None => "-".to_owned(),
        });
        let _ = writeln!(text, "| {clip} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    let means = methods.iter().map(|&method| {
        let mean = |value: fn(&Row) -> Option<f64>| mean_of(rows, factor, method, value);
        both(mean(|row| row.score.psnr), mean(|row| row.score.ssim))
    });
    let _ = writeln!(text, "| mean of {} | {} |\n", clips.len(), means.collect::<Vec<_>>().join(" | "));
    text
}

/// What the engine aims at over one peer: dB on the mean, and dB by which no clip may be behind it.
struct Aim {
    peers: &'static [Method],
    ahead_db: f64,
    behind_db: f64,
}

const AIMS: [Aim; 2] = [
    Aim { peers: &[Method::Minterpolate, Method::MinterpolateBest], ahead_db: 2.5, behind_db: 0.0 },
    Aim { peers: &[Method::Mvtools, Method::MvtoolsBest], ahead_db: 1.0, behind_db: 0.3 },
];

/// The aims over the peers that were measured, for the task they are set for.
fn targets(rows: &[Row], factor: u64) -> String {
    let mut text = String::new();
    let measured = methods(rows, factor);
    let psnr = |method| mean_of(rows, factor, method, |row: &Row| row.score.psnr);
    let ssim = |method| mean_of(rows, factor, method, |row: &Row| row.score.ssim);
    let Some((mine, my_ssim)) = psnr(Method::Ours).zip(ssim(Method::Ours)) else { return text };
    for aim in AIMS {
        for &peer in aim.peers.iter().filter(|peer| factor == 2 && measured.contains(peer)) {
            let (name, lead) = (peer.name(), mine - psnr(peer).unwrap_or(f64::NAN));
            let (wanted, allowed) = (aim.ahead_db, aim.behind_db);
            let _ =
                write!(text, "- {name}: {lead:+.2} dB on the mean (at least {wanted:+.1}: {})", met(lead >= wanted));
            if let Some((worst, clip)) = worst_clip(rows, factor, peer) {
                let kept = met(worst >= -allowed);
                let _ = write!(text, "; worst clip {clip} {worst:+.2} dB (no more than {allowed:.1} behind: {kept})");
            }
            let _ = writeln!(text);
        }
    }
    for peer in measured.into_iter().filter(|method| *method != Method::Ours) {
        let (better, all) = ahead(rows, factor, Method::Ours, peer);
        let other = ssim(peer).unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "- {}: ahead in PSNR and SSIM on {better} of {all} clips; mean SSIM {my_ssim:.4} against {other:.4} (above: {})",
            peer.name(),
            met(my_ssim > other)
        );
    }
    text.push('\n');
    text
}

/// By how much ours leads where it leads least, and on which clip.
fn worst_clip(rows: &[Row], factor: u64, peer: Method) -> Option<(f64, &str)> {
    let leads = quality::of(rows, factor, Method::Ours).filter_map(|mine| {
        let other = quality::of(rows, factor, peer).find(|other| other.clip == mine.clip)?;
        Some((mine.score.psnr? - other.score.psnr?, mine.clip.as_str()))
    });
    leads.min_by(|a, b| a.0.total_cmp(&b.0))
}

fn long_table(rows: &[Row], factor: u64) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.0).collect();
    let mut text = format!("| clip | method | {} | cuts clean | missing | frames |\n", names.join(" | "));
    let _ = writeln!(text, "|---|---|{}---|---|---|", "---|".repeat(COLUMNS.len()));
    for row in rows.iter().filter(|row| row.factor == factor) {
        let _ = writeln!(text, "{}", quality_row(row));
    }
    for method in methods(rows, factor) {
        let cells = COLUMNS.map(|(_, decimals, value)| cell(mean_of(rows, factor, method, value), decimals));
        let clips = quality::of(rows, factor, method).count();
        let _ = writeln!(text, "| **mean of {clips}** | **{}** | {} | | | |", method.name(), cells.join(" | "));
    }
    text.push('\n');
    text
}

fn methods(rows: &[Row], factor: u64) -> Vec<Method> {
    let mut methods: Vec<Method> = rows.iter().filter(|row| row.factor == factor).map(|row| row.method).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

fn quality_row(row: &Row) -> String {
    let cells = COLUMNS.map(|(_, decimals, value)| cell(value(row), decimals));
    let score = &row.score;
    let cuts = if score.cut_frames > 0 { format!("{}/{}", score.cut_clean, score.cut_frames) } else { "-".to_owned() };
    let frames = match (&score.failure, &score.output) {
        (Some(failure), _) => format!("FAILED: {}", failure.replace('|', "/").replace('\n', " ")),
        (None, Some(output)) => format!("{} of {}", output.frames, output.frames_expected),
        (None, None) => "-".to_owned(),
    };
    let (clip, method, missing) = (&row.clip, row.method.name(), score.missing);
    format!("| {clip} | {method} | {} | {cuts} | {missing} | {frames} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;

    #[test]
    fn a_failure_and_the_means_are_in_the_table() {
        let row = |clip: &str, psnr, failure: Option<&str>| Row {
            clip: clip.to_owned(),
            factor: 2,
            method: Method::Ours,
            score: Score { psnr: Some(psnr), failure: failure.map(str::to_owned), ..Score::default() },
            worse_than_blend: Some(0.25),
        };
        let text = quality_tables(&[row("a", 30.0, None), row("b", 31.0, Some("no device | none"))]);
        assert!(text.contains("| a | tweenfarm | 30.00 |"), "{text}");
        assert!(text.contains("FAILED: no device / none"), "{text}");
        assert!(text.contains("| **mean of 2** | **tweenfarm** | 30.50 |"), "{text}");
    }

    #[test]
    fn a_target_that_one_clip_breaks_is_not_met() {
        let row = |clip: &str, method, psnr| Row {
            clip: clip.to_owned(),
            factor: 2,
            method,
            score: Score { psnr: Some(psnr), ssim: Some(psnr / 100.0), ..Score::default() },
            worse_than_blend: None,
        };
        let rows = [
            row("a", Method::Ours, 36.0),
            row("a", Method::Mvtools, 32.0),
            row("b", Method::Ours, 30.0),
            row("b", Method::Mvtools, 30.4),
        ];
        let text = targets(&rows, 2);
        let expected = "- MVTools: +1.80 dB on the mean (at least +1.0: met); worst clip b -0.40 dB (no more than 0.3 behind: NOT met)\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("on 1 of 2 clips; mean SSIM 0.3300 against 0.3120 (above: met)"), "{text}");
        assert!(!targets(&rows, 4).contains("dB"), "{text}");
    }
}
