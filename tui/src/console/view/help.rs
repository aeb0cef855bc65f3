//! The help, made from the key table: the keys of this screen first, then those that work everywhere.

use super::{put, rule};
use crate::console::{
    keys::{self, Binding},
    state::{Screen, State},
    text,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget},
};

fn lines(screen: Screen) -> Vec<Option<&'static Binding>> {
    let here = keys::TABLE.iter().filter(|binding| !binding.on.is_empty() && binding.works_on(screen));
    let everywhere = keys::TABLE.iter().filter(|binding| binding.on.is_empty());
    let between = std::iter::once(None);
    here.map(Some).chain(between).chain(everywhere.map(Some)).collect()
}

fn rows(height: u16) -> usize {
    usize::from(height.saturating_sub(3))
}

pub fn rows_hidden(screen: Screen, height: u16) -> usize {
    lines(screen).len().saturating_sub(rows(height))
}

pub fn draw(buffer: &mut Buffer, area: Rect, top: usize, state: &State) {
    Clear.render(area, buffer);
    rule(buffer, Rect { height: 1, ..area }, &format!("keys on {}", state.screen.name()), state);
    for (line, y) in lines(state.screen).iter().skip(top).zip(area.y + 1..area.bottom() - 2) {
        let Some(binding) = line else { continue };
        let presses: Vec<_> = binding.presses.iter().map(|press| press.name()).collect();
        let end = put(buffer, area.x + 1, y, area.width, &format!("{:<17}", presses.join(" ")), state.theme.key);
        let name = if binding.name.is_empty() { String::new() } else { format!(":{}", binding.name) };
        let end = put(buffer, end, y, area.width, &format!("{name:<11}"), state.theme.faint);
        let may = state.role() >= binding.least;
        let takes = if may { String::new() } else { format!("  (takes the role {})", binding.least) };
        let room = area.right().saturating_sub(end + 1);
        let help = text::fit(&format!("{}{takes}", binding.help), usize::from(room), state.glyphs);
        let style = if may { state.theme.text } else { state.theme.faint };
        put(buffer, end, y, room, &help, style);
    }
    let hidden = rows_hidden(state.screen, area.height).saturating_sub(top);
    let arrows = match (top > 0, hidden > 0) {
        (false, false) => String::new(),
        _ => format!("{}{} scrolls, ", state.glyphs.rows_above, state.glyphs.rows_below),
    };
    put(buffer, area.x + 1, area.bottom() - 1, area.width, &format!("{arrows}esc closes"), state.theme.faint);
}
