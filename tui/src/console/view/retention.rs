//! Retention: what is stored and due by prefix, what the last sweeps did, and the files in the order they go.

use super::{
    put, rule,
    table::{self, Column, cell, faint, left, plain, right},
};
use crate::console::{state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::{PrefixRow, Retention, SweepRow};

const FILES: &[Column] = &[
    left("DUE", 11, 0),
    left("FILE", 0, 0),
    left("PREFIX", 13, 80),
    right("SIZE", 7, 0),
    left("PINNED", 8, 0),
    left("MADE", 11, 100),
];

/// Prefixes and sweeps that are shown; the rest is for the command line.
fn shown(state: &State) -> (u16, u16) {
    let prefixes = state.facts.retention.get().map_or(0, |retention| retention.prefixes.len() as u16);
    let sweeps = state.facts.retention.get().map_or(0, |retention| retention.sweeps.len() as u16);
    match state.height {
        32.. => (prefixes.min(8), sweeps.min(6)),
        22.. => (prefixes.min(5), sweeps.min(2)),
        _ => (prefixes.min(3), sweeps.min(1)),
    }
}

pub fn list_area(state: &State, body: Rect) -> Rect {
    let (prefixes, sweeps) = shown(state);
    let above = (prefixes + sweeps + 2).min(body.height);
    Rect { y: body.y + above, height: body.height - above, ..body }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let known = &state.facts.retention;
    let Some(retention) = known.get() else {
        return super::sentence(buffer, body, &super::instead(known, ""), state);
    };
    let (prefixes, sweeps) = shown(state);
    let mut y = body.y;
    let line = |buffer: &mut Buffer, y: u16, text: &str, tone: Tone| {
        let text = text::fit(text, usize::from(body.width.saturating_sub(2)), state.glyphs);
        put(buffer, body.x + 1, y, body.width, &text, state.theme.tone(tone));
    };
    line(buffer, y, &titles(state), Tone::Faint);
    // Where there is no room for all, those that hold something come first.
    let (held, empty): (Vec<_>, Vec<_>) = retention.prefixes.iter().partition(|prefix| prefix.files > 0);
    let cut = usize::from(prefixes) < retention.prefixes.len();
    let listed: Vec<_> =
        if cut { held.into_iter().chain(empty).collect() } else { retention.prefixes.iter().collect() };
    for prefix in listed.into_iter().take(usize::from(prefixes)) {
        y += 1;
        line(buffer, y, &prefix_line(prefix, state), if prefix.due_files > 0 { Tone::Warn } else { Tone::Plain });
    }
    y += 1;
    rule(buffer, Rect { y, height: 1, ..body }, &sweeps_title(retention, state), state);
    for sweep in retention.sweeps.iter().take(usize::from(sweeps)) {
        y += 1;
        line(buffer, y, &sweep_line(sweep, state), if sweep.ok { Tone::Plain } else { Tone::Bad });
    }
    let files = state.facts.files.get().map(Vec::as_slice).unwrap_or_default();
    let empty = super::instead(&state.facts.files, text::NO_FILES);
    table::draw(buffer, list_area(state, body), state, state.listing(), FILES, &empty, |place| {
        let file = &files[place];
        let due = text::moment(&file.expires_at).is_some_and(|at| at <= state.now);
        let pinned = if file.pinned { format!("{} pinned", state.glyphs.mark) } else { String::new() };
        vec![
            cell(text::day_and_time(&file.expires_at, &state.zone), if due { Tone::Warn } else { Tone::Plain }),
            plain(text::file_name(&file.key)),
            faint(text::prefix(&file.key)),
            faint(text::size(file.size_bytes)),
            cell(pinned, Tone::Good),
            faint(text::day_and_time(&file.created_at, &state.zone)),
        ]
    });
}

/// Narrower, how long files are kept and how many there are give way to what is due.
const ALL_COLUMNS_FROM: u16 = 80;

fn columns(state: &State, [prefix, kept, files, size, due, soon]: [&str; 6]) -> String {
    let more = if state.width < ALL_COLUMNS_FROM { String::new() } else { format!(" {kept:>8} {files:>8}") };
    format!("{prefix:<16}{more} {size:>8}  {due:<13} {soon}")
}

fn titles(state: &State) -> String {
    columns(state, ["PREFIX", "KEPT", "FILES", "SIZE", "DUE NOW", "WITHIN A DAY"])
}

fn prefix_line(row: &PrefixRow, state: &State) -> String {
    let due = |files: u64, bytes: u64| match files {
        0 => "nothing".to_owned(),
        files => format!("{files}, {}", text::size(bytes)),
    };
    let pinned = if row.pinned_files > 0 { format!(", {} pinned", row.pinned_files) } else { String::new() };
    let soon = format!("{}{pinned}", due(row.due_in_a_day_files, row.due_in_a_day_bytes));
    let cells = [
        text::fit(row.prefix.trim_end_matches('/'), 16, state.glyphs),
        text::span(row.keep_seconds),
        text::count(row.files),
        text::size(row.bytes),
        due(row.due_files, row.due_bytes),
        soon,
    ];
    columns(state, cells.each_ref().map(String::as_str))
}

fn sweeps_title(retention: &Retention, state: &State) -> String {
    match &retention.next_sweep_at {
        Some(at) => format!("sweeps; the next at {}", text::time(at, &state.zone)),
        None => "sweeps".to_owned(),
    }
}

fn sweep_line(row: &SweepRow, state: &State) -> String {
    let glyph = if row.ok { state.glyphs.ended } else { state.glyphs.bad };
    format!("{glyph} {} {:<9} {}", text::day_and_time(&row.at, &state.zone), row.sweep, row.text)
}
