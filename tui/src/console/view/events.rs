//! Events: what happens in the farm, as it happens, newest at the foot.

use super::table::{self, Column, cell, faint, left, sign};
use crate::console::{state::State, text};
use ratatui::{buffer::Buffer, layout::Rect};

const COLUMNS: &[Column] =
    &[left("AT", 8, 0), left("LEVEL", 9, 80), left("KIND", 7, 0), left("WHAT", 10, 100), left("", 0, 0)];

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let events = &state.facts.events;
    table::draw(buffer, area, state, state.listing(), COLUMNS, text::NO_EVENTS, |place| {
        let event = &events[place].1;
        let sign_of = text::level(event.level, state.glyphs);
        vec![
            faint(text::time(&event.at, &state.zone)),
            sign(sign_of),
            faint(event.kind.name()),
            faint(event.what.clone()),
            cell(text::event(event), sign_of.2),
        ]
    });
}
