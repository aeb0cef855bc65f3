//! Job: one job whole. What it is made from and into, how far it is, its segments as a map that fills, its story.

use super::{
    picture, put, queue, rule,
    table::{self, Cell, Column, cell, faint, left, plain, right, sign},
};
use crate::console::{
    rows,
    state::{JobPart, State},
    text,
    theme::Tone,
};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::{JobDetail, JobSchedule, LogRow, PieceRow, PieceState};

const LOG: &[Column] =
    &[left("AT", 8, 0), left("LEVEL", 9, 100), left("FROM", 10, 0), left("PIECE", 16, 140), left("STORY", 0, 0)];

const PIECES: &[Column] = &[
    left("PIECE", 11, 0),
    left("STATE", 11, 0),
    left("FRAMES", 13, 80),
    left("DONE", 12, 0),
    right("TRIES", 5, 80),
    left("BY", 0, 0),
];

struct Parts {
    facts: Rect,
    map: Rect,
    list: Rect,
}

fn parts(state: &State, body: Rect) -> Parts {
    let beside = picture::beside(state);
    let facts = state.facts.job.get().map_or(0, |detail| facts(detail, state, body.width - beside).len() as u16);
    let facts = if beside > 0 { facts.max(picture::BESIDE_ROWS) } else { facts };
    let map = match state.height {
        32.. => 4,
        22.. => 2,
        _ => 1,
    };
    // The map is of pieces under way; a job that ended has none, and its story gets the room.
    let map = if has_map(state) { map } else { 0 };
    let facts = facts.min(body.height.saturating_sub(map + 4));
    let part = |y: u16, height: u16| Rect { y: body.y + y, height, ..body };
    Parts {
        facts: part(0, facts),
        map: part(facts, map),
        list: part(facts + map, body.height.saturating_sub(facts + map)),
    }
}

fn has_map(state: &State) -> bool {
    state.facts.job.get().is_some_and(|detail| !detail.pieces_in_work.is_empty())
}

pub fn facts_area(state: &State, body: Rect) -> Rect {
    parts(state, body).facts
}

pub fn list_area(state: &State, body: Rect) -> Rect {
    let list = parts(state, body).list;
    Rect { y: list.y + 1, height: list.height.saturating_sub(1), ..list }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let Some(job) = state.job else {
        return super::sentence(buffer, body, text::NO_JOB, state);
    };
    let known = &state.facts.job;
    let Some(detail) = known.get().filter(|detail| detail.row.job == job) else {
        let why = super::instead_of(None, known.refused.as_ref());
        return super::sentence(buffer, body, &why, state);
    };
    let parts = parts(state, body);
    let width = body.width - picture::beside(state);
    for ((text, tone), y) in facts(detail, state, width).iter().zip(parts.facts.y..parts.facts.bottom()) {
        put(buffer, body.x + 1, y, width.saturating_sub(1), text, state.theme.tone(*tone));
    }
    if let Some(room) = super::picture_room(state) {
        picture::draw(buffer, room, state);
    }
    map(buffer, Rect { x: body.x + 1, width: body.width.saturating_sub(2), ..parts.map }, detail, state);
    let title = match state.job_part {
        JobPart::Story => format!("story {} segments: l", state.glyphs.separator),
        JobPart::Segments => format!("segments {} story: h", state.glyphs.separator),
    };
    rule(buffer, parts.list, &title, state);
    list(buffer, list_area(state, body), detail, state);
}

fn list(buffer: &mut Buffer, area: Rect, detail: &JobDetail, state: &State) {
    let listing = state.listing();
    match state.job_part {
        JobPart::Segments => {
            let pieces = &detail.pieces_in_work;
            let row = |place: usize| piece_cells(&pieces[place], state);
            table::draw(buffer, area, state, listing, PIECES, text::NO_PIECES, row);
        }
        JobPart::Story => {
            let known = &state.facts.log;
            let log = known.get().filter(|(job, _)| *job == detail.row.job).map(|(_, rows)| rows.as_slice());
            let empty = super::instead_of(log.map(|_| text::NO_LOG), known.refused.as_ref());
            let log = log.unwrap_or_default();
            table::draw(buffer, area, state, listing, LOG, &empty, |place| log_cells(&log[place], state));
        }
    }
}

/// The lines above the map, each with its tone.
fn facts(detail: &JobDetail, state: &State, width: u16) -> Vec<(String, Tone)> {
    let (row, glyphs) = (&detail.row, state.glyphs);
    let separator = glyphs.separator;
    let room = usize::from(width.saturating_sub(2));
    let (glyph, word, tone) = text::job_state(row, glyphs);
    let left = row.eta_seconds.map_or(String::new(), |eta| format!("  {} left", text::span(eta)));
    let share =
        if row.completed_at.is_none() { format!("  {} % of the farm", row.share_percent) } else { String::new() };
    let mut lines = vec![
        (
            format!(
                "{glyph} {word}  {}{left}{share}  {}",
                queue::bar(row.progress_percent, 12, state),
                text::clip(row)
            ),
            tone,
        ),
        (label("job", &format!("{}  of {} ({})", row.job, row.email, detail.tier)), Tone::Plain),
        (label("source", &source(detail, separator)), Tone::Plain),
        (label("result", &result(detail, state)), Tone::Plain),
    ];
    if state.height >= 20 {
        let price = format!("{} charged, {} refunded", row.xeconds_charged, row.xeconds_refunded);
        let ended = row
            .completed_at
            .as_ref()
            .map_or(String::new(), |at| format!(", ended {}", text::day_and_time(at, &state.zone)));
        let times = format!("submitted {}{ended}", text::day_and_time(&row.created_at, &state.zone));
        lines.push((label("price", &format!("{price} {separator} {times}")), Tone::Faint));
        lines.push((label("made by", &format!("{} {separator} {}", row.settings, detail.encoder)), Tone::Faint));
    }
    if let Some(schedule) = state.facts.schedule.get().filter(|schedule| schedule.job == row.job) {
        lines.extend(standing(schedule, state));
    }
    if let Some(error) = &row.error {
        // The reason is why this screen was opened: it is shown whole.
        lines.extend(text::wrap(&format!("{} {error}", glyphs.bad), room).into_iter().map(|line| (line, Tone::Bad)));
    }
    if width < state.width {
        // Beside a picture there is less width, and height to spare.
        return lines.into_iter().flat_map(|(line, tone)| wrapped(line, room).map(move |line| (line, tone))).collect();
    }
    lines.into_iter().map(|(line, tone)| (text::fit(&line, room, glyphs), tone)).collect()
}

const LABEL: usize = 9;

/// A line with its label before the first part only.
fn wrapped(line: String, room: usize) -> impl Iterator<Item = String> {
    let fits = unicode_width::UnicodeWidthStr::width(line.as_str()) <= room;
    let (label, text) = line.split_at_checked(LABEL).filter(|_| !fits).unwrap_or(("", &line));
    let parts = if fits { vec![text.to_owned()] } else { text::wrap(text, room.saturating_sub(LABEL)) };
    let label = label.to_owned();
    let part = move |(place, part): (usize, String)| match place {
        0 => format!("{label}{part}"),
        _ => format!("{:LABEL$}{part}", ""),
    };
    parts.into_iter().enumerate().map(part)
}

/// What keeps it, and what an operator did about it.
fn standing(schedule: &JobSchedule, state: &State) -> Vec<(String, Tone)> {
    let paused = schedule.paused_at.as_ref().map(|at| format!("paused since {}", text::day_and_time(at, &state.zone)));
    let priority = (schedule.priority != 0).then(|| format!("priority {:+}", schedule.priority));
    let undo = schedule.undo_until.as_ref();
    let undo = undo.map(|at| format!("u undoes the cancelling until {}", text::day_and_time(at, &state.zone)));
    let told: Vec<_> = [paused, priority, undo].into_iter().flatten().collect();
    let told = (!told.is_empty()).then(|| (label("schedule", &told.join(", ")), Tone::Warn));
    let waiting = schedule.waiting.as_ref().map(|why| (label("waiting", why), Tone::Warn));
    told.into_iter().chain(waiting).collect()
}

fn label(name: &str, text: &str) -> String {
    format!("{name:<width$} {text}", width = LABEL - 1)
}

fn source(detail: &JobDetail, separator: &str) -> String {
    let source = &detail.source;
    let sound = if source.audio.is_empty() { "no sound".to_owned() } else { source.audio.join(", ") };
    let size = text::size(source.size_bytes);
    format!(
        "{}x{} {} {separator} {} fps {separator} {} frames {separator} {size} {separator} {sound}",
        source.width_px, source.height_px, source.codec, source.rate, source.frame_count
    )
}

fn result(detail: &JobDetail, state: &State) -> String {
    let (row, separator) = (&detail.row, state.glyphs.separator);
    let marked = if detail.watermarked { format!(" {separator} marked") } else { String::new() };
    let Some(output) = &detail.output else {
        return format!("{} fps {separator} {} frames{marked}", row.target_fps, row.slot_count);
    };
    let size = output.size_bytes.map_or("deleted".to_owned(), text::size);
    let until = text::day_and_time(&output.expires_at, &state.zone);
    format!(
        "{}x{} {separator} {} fps {separator} {} frames, {} made {separator} {size}{marked} {separator} kept until {until}",
        output.width_px, output.height_px, row.target_fps, output.frames, output.frames_made
    )
}

/// Every cell stands for the same number of frames, in order, row after row.
fn map(buffer: &mut Buffer, area: Rect, detail: &JobDetail, state: &State) {
    let slots = detail.row.slot_count.max(1);
    let cells = u64::from(area.width) * u64::from(area.height);
    for cell in 0..cells {
        let slot = cell * slots / cells;
        let pieces = detail.pieces_in_work.iter().filter(|piece| piece.piece.starts_with("segment"));
        let Some(piece) = pieces.into_iter().find(|piece| piece.slots.contains(slot)) else { continue };
        let (glyph, tone) = of_slot(piece, slot, state);
        let (x, y) = (area.x + (cell % u64::from(area.width)) as u16, area.y + (cell / u64::from(area.width)) as u16);
        put(buffer, x, y, 1, glyph, state.theme.tone(tone));
    }
}

fn of_slot(piece: &PieceRow, slot: u64, state: &State) -> (&'static str, Tone) {
    let glyphs = state.glyphs;
    match &piece.state {
        PieceState::Waiting { .. } => (glyphs.slot_ready, Tone::Faint),
        // Frames are made in order: those of a piece in hand that are done are known.
        PieceState::Leased { frames_done, .. } if slot - piece.slots.first < *frames_done => {
            (glyphs.slot_rendered, Tone::Busy)
        }
        PieceState::Leased { .. } => (glyphs.slot_leased, Tone::Busy),
        PieceState::Rendered { .. } => (glyphs.slot_rendered, Tone::Good),
        PieceState::Abandoned { .. } => (glyphs.slot_failed, Tone::Bad),
    }
}

fn piece_cells(piece: &PieceRow, state: &State) -> Vec<Cell> {
    let glyphs = state.glyphs;
    let (shown, percent, tries, by) = match &piece.state {
        PieceState::Waiting { attempt, not_before } => {
            let after =
                not_before.as_ref().map_or(String::new(), |at| format!("not before {}", text::time(at, &state.zone)));
            ((glyphs.waiting, "waiting", Tone::Plain), None, *attempt, after)
        }
        PieceState::Leased { attempt, agent_name, worker, frames_done, frames_total, .. } => {
            let percent = (frames_done * 100).checked_div(*frames_total).unwrap_or(0).min(100) as u8;
            ((glyphs.busy, "leased", Tone::Busy), Some(percent), *attempt, format!("{agent_name}, worker {worker}"))
        }
        PieceState::Rendered { elapsed_ms, device, .. } => {
            let by = format!("{device} in {}", text::span(elapsed_ms / 1000));
            ((glyphs.ended, "rendered", Tone::Good), Some(100), 0, by)
        }
        PieceState::Abandoned { attempts, failure } => {
            ((glyphs.bad, "abandoned", Tone::Bad), None, *attempts, failure.clone())
        }
    };
    vec![
        plain(piece.piece.clone()),
        sign(shown),
        faint(piece.slots.to_string()),
        cell(percent.map_or(String::new(), |percent| queue::bar(percent, 6, state)), shown.2),
        faint(if tries > 0 { tries.to_string() } else { String::new() }),
        plain(by),
    ]
}

fn log_cells(line: &LogRow, state: &State) -> Vec<Cell> {
    let (glyph, _, tone) = text::level(line.level, state.glyphs);
    vec![
        faint(text::time(&line.at, &state.zone)),
        cell(format!("{glyph} {}", rows::level(line.level)), tone),
        faint(line.source.clone()),
        faint(line.piece.clone().unwrap_or_default()),
        cell(line.text.clone(), tone),
    ]
}
