//! Speed: of the interpolators alone against the targets, of whole programs, and where our own time goes.

use super::met;
use crate::bench::{
    engine::{self, ratio_to},
    method::Method,
    speed::{self, shares_percent},
};
use std::fmt::Write as _;

/// How many times as many frames in the same processor time the engine aims at.
fn wanted(peer: Method) -> Option<f64> {
    match peer {
        Method::MinterpolateBest => Some(6.0),
        Method::Minterpolate => Some(4.0),
        Method::Mvtools | Method::MvtoolsBest => Some(2.0),
        Method::Dup | Method::Blend | Method::DenseSearch | Method::Ours => None,
    }
}

pub fn engine_table(rows: &[engine::Row]) -> String {
    let mut text = String::from("### Speed of the interpolators alone: raw frames in, made frames thrown away\n\n");
    text.push_str("| height | factor | clip | method | frames made | CPU ms a frame | tweenfarm makes | target | |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let ratio = ratio_to(rows, row).filter(|_| row.method != Method::Ours);
        let target = wanted(row.method);
        let verdict = ratio.zip(target).map_or("", |(ratio, target)| met(ratio >= target));
        let _ = writeln!(
            text,
            "| {}p | {}x | {} | {} | {} | {:.1} | {} | {} | {verdict} |",
            row.case.height_px,
            row.case.factor,
            row.clip,
            row.method.name(),
            row.made,
            row.cpu_ms_per_frame(),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2} times as many")),
            target.map_or_else(|| "-".to_owned(), |target| format!("{target:.0}")),
        );
    }
    text.push('\n');
    text
}

pub fn speed_tables(rows: &[speed::Row]) -> String {
    let mut text =
        String::from("### Speed of whole programs: the rate doubled, decoded, made and encoded to H.264\n\n");
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

    #[test]
    fn an_engines_ratio_stands_beside_its_target() {
        let case = engine::Case { height_px: 720, factor: 2, given: 10, rounds: 1 };
        let row = |method, cpu_s| engine::Row { case, clip: "toy".to_owned(), method, cpu_s, made: 10 };
        let rows = [row(Method::Minterpolate, 3.0), row(Method::MinterpolateBest, 2.9), row(Method::Ours, 0.5)];
        let text = engine_table(&rows);
        assert!(text.contains("| minterpolate | 10 | 300.0 | 6.00 times as many | 4 | met |"), "{text}");
        assert!(text.contains("| 290.0 | 5.80 times as many | 6 | NOT met |"), "{text}");
        assert!(text.contains("| tweenfarm | 10 | 50.0 | - | - |  |"), "{text}");
    }
}
