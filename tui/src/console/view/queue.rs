//! Queue: jobs with progress, time left, price and whose they are.

use super::table::{self, Cell, Column, cell, faint, left, plain, right, sign};
use crate::console::{facts::Jobs, state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::JobRow;

/// Narrower, a priority stands before the name of its clip.
const PRIORITY_FROM: u16 = 100;

const COLUMNS: &[Column] = &[
    left("STATE", 11, 0),
    left("CLIP", 0, 0),
    left("DONE", 15, 0),
    right("LEFT", 8, 0),
    right("PRIO", 4, PRIORITY_FROM),
    right("SHARE", 5, 120),
    right("FPS", 4, 120),
    left("ACCOUNT", 0, 80),
    right("PRICE", 6, 100),
    left("SUBMITTED", 11, 110),
];

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    jobs(buffer, area, state, text::NO_JOBS);
}

/// The table of jobs, as Farm shows it too.
pub fn jobs(buffer: &mut Buffer, area: Rect, state: &State, empty: &str) {
    let known = &state.facts.jobs;
    let rows = known.get().map(Jobs::rows).unwrap_or_default();
    let empty = super::instead(known, empty);
    table::draw(buffer, area, state, state.listing(), COLUMNS, &empty, |place| cells(&rows[place], state));
}

fn cells(row: &JobRow, state: &State) -> Vec<Cell> {
    let note = row.error.as_ref().map(|error| cell(error.clone(), Tone::Bad));
    let left = row.eta_seconds.map_or(String::new(), text::span);
    let ended = row.completed_at.is_some();
    let priority = |behind: &str| match row.priority {
        0 => String::new(),
        priority => format!("{priority:+}{behind}"),
    };
    vec![
        sign(text::job_state(row, state.glyphs)),
        plain(if state.width < PRIORITY_FROM {
            format!("{}{}", priority(" "), text::clip(row))
        } else {
            text::clip(row)
        }),
        cell(bar(row.progress_percent, 9, state), if ended { Tone::Faint } else { Tone::Busy }),
        plain(left),
        cell(priority(""), Tone::Warn),
        faint(if ended { String::new() } else { format!("{} %", row.share_percent) }),
        faint(row.target_fps.to_string()),
        note.unwrap_or_else(|| faint(row.email.clone())),
        faint(price(row)),
        faint(text::day_and_time(&row.created_at, &state.zone)),
    ]
}

/// What it costs in the end.
fn price(row: &JobRow) -> String {
    row.xeconds_charged.checked_sub(row.xeconds_refunded).map_or_else(String::new, |price| price.to_string())
}

/// `█████░░░░  62 %`
pub fn bar(percent: u8, width: usize, state: &State) -> String {
    let filled = usize::from(percent.min(100)) * width / 100;
    let (full, empty) = (state.glyphs.bar_full.repeat(filled), state.glyphs.bar_empty.repeat(width - filled));
    format!("{full}{empty} {percent:>3} %")
}
