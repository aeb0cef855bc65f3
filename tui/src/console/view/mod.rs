//! The screen as a pure function of the state: one file for each view, none of which changes anything.

mod balances;
mod chart;
mod events;
mod farm;
mod frame;
mod help;
mod job;
mod overlay;
mod picture;
mod queue;
mod retention;
mod table;
mod watch;
mod workers;

pub use frame::clock_texts;

use super::{
    facts::Known,
    state::{Link, Screen, State},
    text,
};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

/// Below this a plain notice is shown.
const LEAST: (u16, u16) = (60, 16);
/// From here on the words that explain are there too.
const ROOMY_ROWS: u16 = 22;

struct Areas {
    header: Rect,
    tabs: Rect,
    body: Rect,
    hints: Rect,
    foot: Rect,
}

fn areas(width: u16, height: u16) -> Areas {
    let row = |y: u16| Rect { x: 0, y, width, height: 1 };
    Areas {
        header: row(0),
        tabs: row(1),
        body: Rect { x: 0, y: 2, width, height: height.saturating_sub(4) },
        hints: row(height.saturating_sub(2)),
        foot: row(height.saturating_sub(1)),
    }
}

fn too_small(width: u16, height: u16) -> bool {
    width < LEAST.0 || height < LEAST.1
}

pub fn draw(state: &State, frame: &mut Frame) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if too_small(area.width, area.height) {
        notice(buffer, area, state);
    } else {
        let areas = areas(area.width, area.height);
        frame::header(buffer, areas.header, state);
        frame::tabs(buffer, areas.tabs, state);
        body(buffer, areas.body, state);
        frame::hints(buffer, areas.hints, state);
        frame::foot(buffer, areas.foot, state);
        let cursor = overlay::draw(buffer, area, areas.foot, state);
        if !state.glyphs.unicode {
            to_ascii(buffer);
        }
        if let Some((x, y)) = cursor {
            frame.set_cursor_position(Position { x, y });
        }
        return;
    }
    if !state.glyphs.unicode {
        to_ascii(frame.buffer_mut());
    }
}

fn body(buffer: &mut Buffer, area: Rect, state: &State) {
    // Nothing was ever read: why is all there is to say, and it is said whole.
    if let (Link::Lost { why, .. }, None) = (&state.link, state.facts.status.get()) {
        return sentence(buffer, area, why, state);
    }
    match state.screen {
        Screen::Farm => farm::draw(buffer, area, state),
        Screen::Queue => queue::draw(buffer, area, state),
        Screen::Workers => workers::draw(buffer, area, state),
        Screen::Balances => balances::draw(buffer, area, state),
        Screen::Retention => retention::draw(buffer, area, state),
        Screen::Watch => watch::draw(buffer, area, state),
        Screen::Events => events::draw(buffer, area, state),
        Screen::Job => job::draw(buffer, area, state),
    }
}

/// Where the screen's table is, its line of titles included.
fn list_area(state: &State) -> Rect {
    let body = areas(state.width, state.height).body;
    match state.screen {
        Screen::Farm => farm::list_area(state, body),
        Screen::Workers => workers::list_area(body),
        Screen::Balances => balances::list_area(state, body),
        Screen::Retention => retention::list_area(state, body),
        Screen::Job => job::list_area(state, body),
        Screen::Watch => watch::list_area(state, body),
        Screen::Queue | Screen::Events => body,
    }
}

/// Where a picture is on the screen, if one is.
pub fn picture_room(state: &State) -> Option<Rect> {
    if too_small(state.width, state.height) {
        return None;
    }
    picture::room(state, || job::facts_area(state, areas(state.width, state.height).body))
}

/// How many rows of its table the screen has room for.
pub fn list_height(state: &State) -> usize {
    usize::from(list_area(state).height.saturating_sub(1))
}

/// What is under the mouse.
pub enum Hit {
    Tab(Screen),
    /// A row of the table, by its place in the listing.
    Row(usize),
}

pub fn hit(state: &State, column: u16, row: u16) -> Option<Hit> {
    if row == areas(state.width, state.height).tabs.y {
        return frame::tab_at(state, column).map(Hit::Tab);
    }
    let list = list_area(state);
    let line = usize::from(row.checked_sub(list.y + 1)?);
    let window = state.listing().window(list_height(state));
    let place = window.start + line;
    (row < list.bottom() && place < window.end).then_some(Hit::Row(place))
}

/// How far the help can be scrolled down.
pub fn help_rows_hidden(screen: Screen, height: u16) -> usize {
    help::rows_hidden(screen, height)
}

fn notice(buffer: &mut Buffer, area: Rect, state: &State) {
    let lines = text::wrap(text::TOO_SMALL, usize::from(area.width));
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        put(buffer, area.x, y, area.width, line, state.theme.text);
    }
}

/// Draws a text on one line, cut at `width`; where it ended.
fn put(buffer: &mut Buffer, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
    if width == 0 || !buffer.area.contains(Position { x, y }) {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(width), style).0
}

/// A line across with a title in it.
fn rule(buffer: &mut Buffer, area: Rect, title: &str, state: &State) {
    if area.height == 0 {
        return;
    }
    let line = state.glyphs.rule.repeat(usize::from(area.width));
    put(buffer, area.x, area.y, area.width, &line, state.theme.border);
    if !title.is_empty() {
        let title = text::fit(&format!(" {title} "), usize::from(area.width.saturating_sub(4)), state.glyphs);
        put(buffer, area.x + 2, area.y, area.width.saturating_sub(2), &title, state.theme.title);
    }
}

/// A sentence where a table would be, wrapped.
fn sentence(buffer: &mut Buffer, area: Rect, text: &str, state: &State) {
    let lines = text::wrap(text, usize::from(area.width.saturating_sub(4)));
    for (line, y) in lines.iter().zip(area.y.saturating_add(1)..area.bottom()) {
        put(buffer, area.x + 2, y, area.width.saturating_sub(2), line, state.theme.faint);
    }
}

/// One place that keeps every sign that an ASCII terminal would garble from it, names of clips and people included.
fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let plain = match symbol {
            "×" => "x",
            "…" => "~",
            "→" => ">",
            "←" => "<",
            "↑" => "^",
            "↓" => "v",
            "·" => "-",
            _ => "?",
        };
        cell.set_symbol(plain);
    }
}

/// What is said where rows would be: why there are none.
fn instead<T>(known: &Known<T>, empty: &str) -> String {
    instead_of(known.get().map(|_| empty), known.refused.as_ref())
}

/// `empty` is none until it has been read.
fn instead_of(empty: Option<&str>, refused: Option<&String>) -> String {
    match (refused, empty) {
        (Some(why), _) => why.clone(),
        (None, Some(empty)) => empty.to_owned(),
        (None, None) => text::READING.to_owned(),
    }
}
