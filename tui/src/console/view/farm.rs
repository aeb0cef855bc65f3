//! Farm: one glance. Is it well, what is to be done, how it has been, what is under way.

use super::{ROOMY_ROWS, chart, put, queue, rule};
use crate::console::{state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::{History, HistoryPoint, Status};

/// Lines of numbers on top.
const NUMBERS: u16 = 4;
/// Alerts beyond these are counted.
const ALERTS_MAX: u16 = 3;

struct Parts {
    numbers: Rect,
    charts: Rect,
    alerts: Rect,
    work: Rect,
}

fn parts(state: &State, body: Rect) -> Parts {
    let roomy = state.height >= ROOMY_ROWS;
    let charts = match state.height {
        32.. => 8,
        ROOMY_ROWS.. => 4,
        _ => 1,
    };
    let alerts = state.facts.status.get().map_or(0, |status| status.alerts.len() as u16);
    // A rule above it; at least a line that says that there is nothing to do.
    let lines = if roomy { (alerts.min(ALERTS_MAX) * 2).max(1) + 1 } else { alerts.min(2) };
    let part = |y: u16, height: u16| Rect { y: body.y + y, height: height.min(body.height.saturating_sub(y)), ..body };
    let above = NUMBERS + charts;
    Parts {
        numbers: part(0, NUMBERS),
        charts: part(NUMBERS, charts),
        alerts: part(above, lines),
        work: part(above + lines, body.height.saturating_sub(above + lines)),
    }
}

pub fn list_area(state: &State, body: Rect) -> Rect {
    let work = parts(state, body).work;
    Rect { y: work.y + 1, height: work.height.saturating_sub(1), ..work }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let parts = parts(state, body);
    let known = &state.facts.status;
    let Some(status) = known.get() else {
        return super::sentence(buffer, body, &super::instead(known, ""), state);
    };
    numbers(buffer, parts.numbers, status, state);
    charts(buffer, parts.charts, state);
    alerts(buffer, parts.alerts, status, state);
    rule(buffer, parts.work, "under way", state);
    queue::jobs(buffer, list_area(state, body), state, text::NO_WORK);
}

fn numbers(buffer: &mut Buffer, area: Rect, status: &Status, state: &State) {
    let (glyph, word, tone) = text::health(status.health, state.glyphs);
    let separator = state.glyphs.separator;
    let oldest = status.queue_age_seconds.map_or(String::new(), |age| format!(", oldest {}", text::span(age)));
    let workers = status.workers_idle.saturating_add(status.workers_running);
    let day = status.ledger_today;
    let since = if day.whole_day { "today" } else { "since start" };
    let bought = if day.bought > 0 { format!(" {separator} {} bought", day.bought) } else { String::new() };
    let free = status.disk.free_bytes.map_or("not a disk".to_owned(), |free| format!("{} free", text::size(free)));
    let differ = if status.ledger_differences == 0 {
        ("adds up".to_owned(), Tone::Good)
    } else {
        (format!("{} DIFFER", status.ledger_differences), Tone::Bad)
    };
    let lines: [(&str, String, Tone, &str, String, Tone); 4] = [
        ("farm", format!("{glyph} {word}"), tone, "daemon", status.version.clone(), Tone::Plain),
        (
            "workers",
            format!("{} of {workers} busy", status.workers_running),
            Tone::Plain,
            "agents",
            format!("{} of {} here", status.agents_connected, status.agents),
            if status.agents_connected < status.agents { Tone::Warn } else { Tone::Plain },
        ),
        (
            "queue",
            format!("{} waiting{oldest}", text::count(status.queue_depth)),
            Tone::Plain,
            "jobs",
            format!("{} under way of {}", text::count(status.jobs_open), text::count(status.jobs)),
            Tone::Plain,
        ),
        ("ledger", differ.0, differ.1, "disk", free, Tone::Plain),
    ];
    let half = area.width / 2;
    for ((left, left_text, left_tone, right, right_text, right_tone), y) in lines.iter().zip(area.y..area.bottom()) {
        for (x, label, text, tone) in
            [(area.x + 1, left, left_text, left_tone), (area.x + half, right, right_text, right_tone)]
        {
            let end = put(buffer, x, y, half, &format!("{label:<9}"), state.theme.faint);
            let text = text::fit(text, usize::from(half.saturating_sub(11)), state.glyphs);
            put(buffer, end, y, half, &text, state.theme.tone(*tone));
        }
    }
    let today = format!(
        "{} granted {separator} {} charged {separator} {} refunded{bought}, {since}",
        day.granted, day.charged, day.refunded
    );
    let x = area.x + 10 + differ_width(&lines[3].1);
    let room = (area.x + half).saturating_sub(x + 1);
    // Beside "adds up" where there is room for it, else it is left to Balances.
    if usize::from(room) >= today.len() {
        put(buffer, x, area.y + 3, room, &today, state.theme.faint);
    }
}

fn differ_width(text: &str) -> u16 {
    text.len() as u16 + 2
}

type Series = (&'static str, fn(&HistoryPoint) -> f64, fn(&HistoryPoint) -> String, Tone, Option<f64>);

const SERIES: [Series; 3] = [
    (
        "frames/s",
        |point| point.frames_per_second_milli as f64 / 1000.0,
        |point| format!("{:.1}", point.frames_per_second_milli as f64 / 1000.0),
        Tone::Busy,
        None,
    ),
    (
        "busy",
        |point| f64::from(point.busy_percent),
        |point| format!("{} %", point.busy_percent),
        Tone::Good,
        Some(100.0),
    ),
    (
        "oldest waits",
        |point| point.queue_age_seconds as f64,
        |point| text::span(point.queue_age_seconds),
        Tone::Warn,
        None,
    ),
];

fn charts(buffer: &mut Buffer, area: Rect, state: &State) {
    let empty = History { step_seconds: 0, points: Vec::new() };
    let history = state.facts.history.get().unwrap_or(&empty);
    let third = area.width / SERIES.len() as u16;
    for ((name, value, now, tone, top), number) in SERIES.iter().zip(0..) {
        let part = Rect { x: area.x + number * third + 1, width: third.saturating_sub(2), ..area };
        let values: Vec<f64> = history.points.iter().map(value).collect();
        let top = top.unwrap_or_else(|| chart::round_top(&values));
        let newest = history.points.last().map_or(String::new(), now);
        let title = format!("{name} {newest}");
        let columns = if part.height == 1 {
            let end = put(buffer, part.x, part.y, part.width, &title, state.theme.faint) + 1;
            Rect { x: end, width: part.right().saturating_sub(end), ..part }
        } else {
            let end = put(buffer, part.x, part.y, part.width, name, state.theme.faint) + 1;
            put(buffer, end, part.y, part.right().saturating_sub(end), &newest, state.theme.title);
            let scale = scale(top, history);
            let x = part.right().saturating_sub(scale.len() as u16);
            // Half a scale would be a wrong one.
            if x > end + newest.len() as u16 {
                put(buffer, x, part.y, part.right() - x, &scale, state.theme.faint);
            }
            Rect { y: part.y + 1, height: part.height - 1, ..part }
        };
        chart::draw(buffer, columns, &values, top, *tone, state);
    }
}

/// What the top edge stands for, and over which time.
fn scale(top: f64, history: &History) -> String {
    let span = u64::from(history.step_seconds) * history.points.len() as u64;
    if span == 0 { String::new() } else { format!("{top:.0} max, {}", text::span(span)) }
}

fn alerts(buffer: &mut Buffer, area: Rect, status: &Status, state: &State) {
    let roomy = state.height >= ROOMY_ROWS;
    let mut y = area.y;
    if roomy {
        rule(buffer, Rect { height: area.height.min(1), ..area }, "to do", state);
        y += 1;
        if status.alerts.is_empty() {
            put(
                buffer,
                area.x + 1,
                y,
                area.width,
                &format!("{} {}", state.glyphs.good, text::NOTHING_TO_DO),
                state.theme.tone(Tone::Good),
            );
        }
    }
    let room = usize::from(area.width.saturating_sub(4));
    for alert in &status.alerts {
        if y >= area.bottom() {
            break;
        }
        let (glyph, _, tone) = text::health(alert.health, state.glyphs);
        let line = text::fit(&format!("{glyph} {}", alert.text), room + 2, state.glyphs);
        put(buffer, area.x + 1, y, area.width, &line, state.theme.tone(tone));
        y += 1;
        if roomy && y < area.bottom() {
            let remedy = text::fit(&format!("{} {}", state.glyphs.arrow, alert.remedy), room, state.glyphs);
            put(buffer, area.x + 3, y, area.width, &remedy, state.theme.text);
            y += 1;
        }
    }
    let untold = status.alerts.len().saturating_sub(usize::from(if roomy { ALERTS_MAX } else { 2 }));
    if untold > 0 {
        let more = format!("+{untold} more");
        put(buffer, area.right() - more.len() as u16 - 1, area.y, area.width, &more, state.theme.tone(Tone::Warn));
    }
}
