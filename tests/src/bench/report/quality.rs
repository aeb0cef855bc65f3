//! The bench's tables in Markdown.

use super::{
    method::Method,
    quality::{self, ahead, mean_of},
    speed::{self, shares_percent},
};
use std::fmt::Write as _;

type Column = (&'static str, usize, fn(&quality::Row) -> Option<f64>);

/// Name, decimals, value. Everything but the last three: higher is better.
const COLUMNS: [Column; 9] = [
    ("PSNR-Y dB", 2, |row| row.score.psnr),
    ("p5", 2, |row| row.score.psnr_p5),
    ("worst 5 % of pixels", 2, |row| row.score.psnr_worst),
    ("SSIM", 4, |row| row.score.ssim),
    ("p5", 4, |row| row.score.ssim_p5),
    ("given frames dB", 1, |row| row.score.kept_psnr),
    ("worse than blend %", 0, |row| row.worse_than_blend.map(|share| 100.0 * share)),
    ("repeats %", 0, |row| row.score.dup_rate.map(|share| 100.0 * share)),
    ("CPU s", 1, |row| row.cpu_s),
];

/// One table per task: every clip, then the means.
pub fn quality_tables(rows: &[quality::Row]) -> String {
    let mut text = String::new();
    let mut factors: Vec<u64> = rows.iter().map(|row| row.factor).collect();
    factors.sort_unstable();
    factors.dedup();
    for factor in factors {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "### {factor}x: one frame in {factor} is given, the others are made again and scored\n");
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.0).collect();
        let _ = writeln!(text, "| clip | method | {} | cuts clean | missing | frames |", names.join(" | "));
        let _ = writeln!(text, "|---|---|{}---|---|---|", "---|".repeat(COLUMNS.len()));
        for row in rows.iter().filter(|row| row.factor == factor) {
            let _ = writeln!(text, "{}", quality_row(row));
        }
        for method in methods(rows, factor) {
            let cells = COLUMNS.map(|(_, decimals, value)| cell(mean_of(rows, factor, method, value), decimals));
            let clips = quality::of(rows, factor, method).count();
            let name = method.name();
            let _ = writeln!(text, "| **mean of {clips}** | **{name}** | {} | | | |", cells.join(" | "));
        }
        let _ = writeln!(text);
        for peer in [Method::Minterpolate, Method::MinterpolateBest] {
            let (better, all) = ahead(rows, factor, Method::Ours, peer);
            if all > 0 {
                let name = peer.name();
                let _ = writeln!(text, "tweenfarm is ahead of {name} in PSNR and SSIM on {better} of {all} clips.\n");
            }
        }
    }
    text
}

fn methods(rows: &[quality::Row], factor: u64) -> Vec<Method> {
    let mut methods: Vec<Method> = rows.iter().filter(|row| row.factor == factor).map(|row| row.method).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

fn quality_row(row: &quality::Row) -> String {
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

fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

pub fn speed_tables(rows: &[speed::Row]) -> String {
    let mut text = String::from("### Speed: the rate doubled, decoded, made and encoded to H.264\n\n");
    text.push_str(
        "| height | clip | method | frames made | CPU s | made per CPU s | against minterpolate | made per s |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let peer = rows.iter().find(|peer| peer.height_px == row.height_px && peer.method == Method::Minterpolate);
        let ratio = peer.map(|peer| row.made_per_cpu_second() / peer.made_per_cpu_second());
        let _ = writeln!(
            text,
            "| {}p | {} | {} | {} | {:.2} | {:.1} | {} | {:.1} |",
            row.height_px,
            row.clip,
            row.method.name(),
            row.frames_made,
            row.cpu_s,
            row.made_per_cpu_second(),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x")),
            row.made_per_second(),
        );
    }
    let measured = rows.iter().filter_map(|row| Some((row, row.facts.as_ref()?)));
    let shares: Vec<_> = measured.filter_map(|(row, facts)| Some((row, facts, shares_percent(facts)?))).collect();
    if !shares.is_empty() {
        text.push_str(
            "\n### Where the time goes\n\n| height | decode | interpolate | encode | device | engine | encoder |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|\n");
    }
    for (row, facts, [decode, interpolate, encode]) in shares {
        let (height, device, engine, encoder) = (row.height_px, &facts.device, &facts.engine, &facts.encoder);
        let _ = writeln!(
            text,
            "| {height}p | {decode:.0} % | {interpolate:.0} % | {encode:.0} % | {device} | {engine} | {encoder} |"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;

    #[test]
    fn a_failure_and_the_means_are_in_the_table() {
        let row = |clip: &str, psnr, failure: Option<&str>| quality::Row {
            clip: clip.to_owned(),
            factor: 2,
            method: Method::Ours,
            score: Score { psnr: Some(psnr), failure: failure.map(str::to_owned), ..Score::default() },
            worse_than_blend: Some(0.25),
            cpu_s: None,
        };
        let text = quality_tables(&[row("a", 30.0, None), row("b", 31.0, Some("no device | none"))]);
        assert!(text.contains("| a | tweenfarm | 30.00 |"), "{text}");
        assert!(text.contains("FAILED: no device / none"), "{text}");
        assert!(text.contains("| **mean of 2** | **tweenfarm** | 30.50 |"), "{text}");
    }

    #[test]
    fn speed_is_given_as_a_ratio_to_minterpolate() {
        let row = |method, cpu_s| speed::Row {
            height_px: 480,
            clip: "toy".to_owned(),
            method,
            frames_made: 60,
            wall_s: 10.0,
            cpu_s,
            facts: None,
        };
        let text = speed_tables(&[row(Method::Minterpolate, 12.0), row(Method::Ours, 4.0)]);
        assert!(text.contains("| 480p | toy | tweenfarm | 60 | 4.00 | 15.0 | 3.00x | 6.0 |"), "{text}");
    }
}
