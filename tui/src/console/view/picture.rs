//! A frame that a job has made: beside its facts where there is room, and as large as the screen when it is asked for.

use super::{put, rule};
use crate::console::{
    graphics::Kind,
    overlay::Overlay,
    state::{Screen, State},
    text,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Clear, Widget},
};

/// Beside the facts of a job: so wide, on screens at least this large.
const BESIDE: u16 = 44;
const BESIDE_FROM: (u16, u16) = (110, 30);
/// The facts of a job take fewer rows than a picture that can be made out.
pub const BESIDE_ROWS: u16 = 13;

/// How many columns the picture takes from the facts of a job.
pub fn beside(state: &State) -> u16 {
    let has_room = state.width >= BESIDE_FROM.0 && state.height >= BESIDE_FROM.1;
    if has_room && state.preview().is_some() { BESIDE } else { 0 }
}

/// Where a picture is shown now. A picture of pixels is not laid under a panel: what the panel leaves of it would stay.
pub fn room(state: &State, facts: impl FnOnce() -> Rect) -> Option<Rect> {
    match &state.overlay {
        _ if state.screen != Screen::Job => None,
        Some(Overlay::Picture) => {
            let rows = state.height.saturating_sub(2);
            Some(Rect { x: 0, y: 1, width: state.width, height: rows })
        }
        Some(_) if state.graphics().kind == Kind::Sixel => None,
        _ => {
            let (facts, width) = (facts(), beside(state).checked_sub(2)?);
            Some(Rect { x: facts.right().saturating_sub(width), width, ..facts })
        }
    }
}

/// Draws the picture in the middle of its room.
pub fn draw(buffer: &mut Buffer, room: Rect, state: &State) {
    let Some(fitted) = &state.fitted else { return };
    let (left, above) =
        (room.width.saturating_sub(fitted.size.width) / 2, room.height.saturating_sub(fitted.size.height) / 2);
    let area = Rect { x: room.x + left, y: room.y + above, width: fitted.size.width, height: fitted.size.height };
    fitted.draw(buffer, area.intersection(room), state.theme.text);
}

/// Over everything else.
pub fn draw_large(buffer: &mut Buffer, area: Rect, room: Rect, state: &State) {
    Clear.render(area, buffer);
    let frame = state.preview().map_or(0, |picture| picture.frame);
    let of = state.facts.job.get().map_or(0, |detail| detail.row.slot_count);
    let title = format!("frame {} of {of}, as it was made", frame + 1);
    rule(buffer, Rect { height: 1, ..area }, &title, state);
    draw(buffer, room, state);
    put(buffer, area.x + 1, area.bottom().saturating_sub(1), area.width, text::PICTURE_KEYS, state.theme.faint);
}
