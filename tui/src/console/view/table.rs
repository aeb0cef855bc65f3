//! A table of which only the rows on the screen are made: 10,000 rows cost what 20 do.

use super::{put, sentence};
use crate::console::{listing::Listing, state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

pub struct Column {
    pub title: &'static str,
    /// 0 shares what the others leave.
    pub width: u16,
    pub right: bool,
    /// Shown only on screens at least this wide.
    pub from: u16,
}

pub const fn left(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, right: false, from }
}

pub const fn right(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, right: true, from }
}

pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

pub fn cell(text: impl Into<String>, tone: Tone) -> Cell {
    Cell { text: text.into(), tone }
}

pub fn plain(text: impl Into<String>) -> Cell {
    cell(text, Tone::Plain)
}

pub fn faint(text: impl Into<String>) -> Cell {
    cell(text, Tone::Faint)
}

/// A state: its glyph and its word.
pub fn sign((glyph, word, tone): text::Sign) -> Cell {
    cell(format!("{glyph} {word}"), tone)
}

const GAP: u16 = 2;
/// The cursor and the mark.
const MARGIN: u16 = 2;

/// Draws the table of `listing`; `row` makes the cells of the row at a place of the facts, one for each column.
pub fn draw(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    listing: &Listing,
    columns: &[Column],
    empty: &str,
    row: impl Fn(usize) -> Vec<Cell>,
) {
    if area.height == 0 {
        return;
    }
    let widths = widths(columns, area.width);
    titles(buffer, area, state, columns, &widths);
    if listing.rows.is_empty() {
        let nothing = if listing.filter.is_empty() || listing.count == 0 { empty } else { text::NOTHING_PASSES };
        return sentence(buffer, Rect { y: area.y + 1, height: area.height - 1, ..area }, nothing, state);
    }
    let window = listing.window(usize::from(area.height - 1));
    for (number, y) in window.clone().zip(area.y + 1..area.bottom()) {
        let (place, key) = listing.rows[number];
        let selected = number == listing.cursor();
        if listing.marks.contains(&key) {
            put(buffer, area.x + 1, y, 1, state.glyphs.mark, state.theme.accent);
        }
        let mut x = area.x + MARGIN;
        for ((column, width), cell) in columns.iter().zip(&widths).zip(row(place as usize)) {
            if *width > 0 {
                place_text(buffer, x, y, *width, column.right, &cell.text, state.theme.tone(cell.tone), state);
                x += width + GAP;
            }
        }
        if selected {
            buffer.set_style(Rect { y, height: 1, ..area }, state.theme.selected);
            put(buffer, area.x, y, 1, state.glyphs.cursor, state.theme.accent.patch(state.theme.selected));
        }
    }
}

fn titles(buffer: &mut Buffer, area: Rect, state: &State, columns: &[Column], widths: &[u16]) {
    let mut x = area.x + MARGIN;
    for (column, width) in columns.iter().zip(widths) {
        if *width > 0 {
            place_text(buffer, x, area.y, *width, column.right, column.title, state.theme.faint, state);
            x += width + GAP;
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn place_text(buffer: &mut Buffer, x: u16, y: u16, width: u16, right: bool, text: &str, style: Style, state: &State) {
    let text = text::fit(text, usize::from(width), state.glyphs);
    let indent = if right { width.saturating_sub(text.width() as u16) } else { 0 };
    put(buffer, x + indent, y, width - indent, &text, style);
}

/// How wide each column is; 0 for those that are not shown.
fn widths(columns: &[Column], width: u16) -> Vec<u16> {
    let shown = |column: &&Column| width >= column.from;
    let fixed: u16 = columns.iter().filter(shown).map(|column| column.width + GAP).sum();
    let sharing = columns.iter().filter(shown).filter(|column| column.width == 0).count() as u16;
    let left = width.saturating_sub(MARGIN + fixed);
    let share = left.checked_div(sharing).unwrap_or(0);
    let mut odd = left.checked_rem(sharing).unwrap_or(0);
    let one = |column: &Column| match column.width {
        _ if width < column.from => 0,
        0 => {
            let extra = u16::from(odd > 0);
            odd -= extra;
            share + extra
        }
        width => width,
    };
    columns.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_what_is_left_and_narrow_screens_show_fewer() {
        let columns = [left("A", 10, 0), left("B", 0, 0), right("C", 8, 100), left("D", 0, 100)];
        assert_eq!(widths(&columns, 60), [10, 44, 0, 0]);
        assert_eq!(widths(&columns, 101), [10, 37, 8, 36]);
        assert_eq!(widths(&columns, 5), [10, 0, 0, 0]);
    }
}
