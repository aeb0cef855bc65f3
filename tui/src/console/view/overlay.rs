//! What lies over a screen: help, the line being typed, a question, a form, a secret.

use super::{help, picture, put};
use crate::console::{
    command_line,
    overlay::{Form, Overlay, Question},
    state::State,
    text,
    theme::Tone,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    symbols::border,
    widgets::{Block, Clear, Widget},
};
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

/// Draws it; where the terminal's cursor belongs, if something is typed.
pub fn draw(buffer: &mut Buffer, area: Rect, foot: Rect, state: &State) -> Option<(u16, u16)> {
    match state.overlay.as_ref()? {
        Overlay::Help { top } => {
            help::draw(buffer, area, *top, state);
            None
        }
        Overlay::Filter(input) => {
            Some(typed(buffer, foot, "/", input, "words, !words   enter keeps it, esc clears it", state))
        }
        Overlay::CommandLine { input, wrong } => {
            let hint = wrong.clone().unwrap_or_else(|| command_line::candidates(input.value()).join(" "));
            Some(typed(buffer, foot, ":", input, &hint, state))
        }
        Overlay::Question(asked) => {
            question(buffer, area, asked, state);
            None
        }
        Overlay::Form(filled) => form(buffer, area, filled, state),
        Overlay::Secret(secret) => {
            let width = (secret.text.width() as u16 + 6).clamp(50, area.width.saturating_sub(2));
            let paragraphs = [&secret.note, "", &secret.text, "", text::SECRET_KEYS];
            paper(buffer, area, width, secret.title, &paragraphs, state);
            None
        }
        Overlay::Picture => {
            if let Some(room) = super::picture_room(state) {
                picture::draw_large(buffer, area, room, state);
            }
            None
        }
        Overlay::Reading(reading) => {
            let width = 100.min(area.width.saturating_sub(2));
            paper(buffer, area, width, &reading.title, &[&reading.text, "", text::READING_KEYS], state);
            None
        }
    }
}

/// A box of paragraphs.
fn paper(buffer: &mut Buffer, area: Rect, width: u16, title: &str, paragraphs: &[&str], state: &State) {
    let room = usize::from(width.saturating_sub(4));
    let lines: Vec<String> = paragraphs.iter().flat_map(|paragraph| text::wrap(paragraph, room)).collect();
    let inner = panel(buffer, area, width, lines.len() as u16, title, state);
    for (line, y) in lines.iter().zip(inner.y..inner.bottom()) {
        put(buffer, inner.x, y, inner.width, line, state.theme.text);
    }
}

fn typed(buffer: &mut Buffer, area: Rect, sign: &str, input: &Input, hint: &str, state: &State) -> (u16, u16) {
    Clear.render(area, buffer);
    let x = put(buffer, area.x + 1, area.y, area.width, sign, state.theme.key);
    let (shown, cursor) = window(input, area.right().saturating_sub(x + 1));
    let end = put(buffer, x, area.y, area.right().saturating_sub(x), &shown, state.theme.text);
    let room = area.right().saturating_sub(end + 3);
    put(buffer, end + 3, area.y, room, &text::fit(hint, usize::from(room), state.glyphs), state.theme.faint);
    (x + cursor, area.y)
}

/// The part of a line that fits with its cursor in it, and where the cursor is in that part.
fn window(input: &Input, width: u16) -> (String, u16) {
    let hidden = input.visual_scroll(usize::from(width));
    let mut passed = 0;
    let shown: String = input
        .value()
        .chars()
        .skip_while(|letter| {
            let hide = passed < hidden;
            passed += unicode_width::UnicodeWidthChar::width(*letter).unwrap_or(0);
            hide
        })
        .collect();
    (shown, input.visual_cursor().saturating_sub(hidden) as u16)
}

fn question(buffer: &mut Buffer, area: Rect, asked: &Question, state: &State) {
    let width = 64.min(area.width - 2);
    let room = usize::from(width.saturating_sub(4));
    let lines: Vec<String> = asked.lines.iter().flat_map(|line| text::wrap(line, room)).collect();
    let inner = panel(buffer, area, width, lines.len() as u16 + 3, &asked.title, state);
    let mut y = inner.y;
    for line in &lines {
        put(buffer, inner.x, y, inner.width, line, state.theme.text);
        y += 1;
    }
    y += 1;
    let verb = capital(asked.verb);
    let mut x = inner.x + 1;
    for (label, chosen) in [(" No ".to_owned(), !asked.yes), (format!(" {verb} "), asked.yes)] {
        // The brackets say it without colour.
        let (label, style) = match chosen {
            true => (format!("[{label}]"), state.theme.tab_active),
            false => (format!(" {label} "), state.theme.text),
        };
        x = put(buffer, x, y, inner.right().saturating_sub(x), &label, style) + 2;
    }
    put(buffer, inner.x, y + 1, inner.width, text::QUESTION_KEYS, state.theme.faint);
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn form(buffer: &mut Buffer, area: Rect, form: &Form, state: &State) -> Option<(u16, u16)> {
    let width = 70.min(area.width - 2);
    let lines = form.fields.len() as u16 * 2 + 3;
    let inner = panel(buffer, area, width, lines, &form.title, state);
    put(
        buffer,
        inner.x,
        inner.y,
        inner.width,
        &text::fit(&form.about, usize::from(inner.width), state.glyphs),
        state.theme.text,
    );
    let mut cursor = None;
    for (number, (field, y)) in form.fields.iter().zip((inner.y + 1..inner.bottom()).step_by(2)).enumerate() {
        let here = number == form.at;
        let sign = if here { state.glyphs.cursor } else { " " };
        put(buffer, inner.x, y, 1, sign, state.theme.accent);
        let label = format!("{:<11}", field.label);
        let x = put(buffer, inner.x + 2, y, 12, &label, if here { state.theme.title } else { state.theme.text });
        let (shown, at) = window(&field.input, inner.right().saturating_sub(x + 1));
        put(buffer, x, y, inner.right().saturating_sub(x), &shown, state.theme.text);
        put(
            buffer,
            x,
            y + 1,
            inner.right().saturating_sub(x),
            &text::fit(field.hint, usize::from(inner.right().saturating_sub(x)), state.glyphs),
            state.theme.faint,
        );
        cursor = if here { Some((x + at, y)) } else { cursor };
    }
    let foot = inner.bottom() - 1;
    match &form.wrong {
        Some(wrong) => put(
            buffer,
            inner.x,
            foot,
            inner.width,
            &text::fit(wrong, usize::from(inner.width), state.glyphs),
            state.theme.tone(Tone::Bad),
        ),
        None => put(buffer, inner.x, foot, inner.width, text::FORM_KEYS, state.theme.faint),
    };
    cursor
}

/// An empty box in the middle with a title; what is inside its border.
fn panel(buffer: &mut Buffer, area: Rect, width: u16, lines: u16, title: &str, state: &State) -> Rect {
    let height = (lines + 2).min(area.height);
    let outer = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    Clear.render(outer, buffer);
    let lines = if state.glyphs.unicode { border::ROUNDED } else { ASCII_BORDER };
    let block = Block::bordered().border_set(lines).border_style(state.theme.accent).style(state.theme.text);
    let inner = block.inner(outer);
    block.render(outer, buffer);
    put(buffer, outer.x + 2, outer.y, width.saturating_sub(4), &format!(" {title} "), state.theme.title);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

const ASCII_BORDER: border::Set = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
