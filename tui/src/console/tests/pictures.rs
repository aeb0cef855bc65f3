//! Every screen as a picture, in three sizes, in colour and without: kept in `snapshots`, looked at when they change.

use super::keys::{picture, script};
use crate::console::{
    event::Event,
    seeded,
    state::{Link, State},
    theme::{ASCII, Theme, ThemeName},
    update,
};
use insta::{assert_snapshot, with_settings};
use ratatui::{buffer::Buffer, style::Color};
use std::time::Duration;

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (60, 16)];

/// What is looked at, and the keys that lead there.
const VIEWS: [(&str, &str); 17] = [
    ("farm", "1"),
    ("queue", "2jj<space>"),
    ("queue_filtered", "2/!done<enter>"),
    ("workers", "3jjj"),
    ("balances", "4j"),
    ("ledger", "4<enter>"),
    ("retention", "5jj"),
    ("watch", "6"),
    ("events", "7"),
    ("job", "8"),
    ("job_segments", "8l"),
    ("job_picture", "8i"),
    ("reading", "2jjjjjv"),
    ("help", "2?"),
    ("question", "2c"),
    ("form", "4a-5<enter>a gift<enter><enter>"),
    ("command_line", "2:re"),
];

/// The letters of the picture; behind them, in colour, the colours that are not the text's own, as letters too.
fn letters(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let line = |row: &[ratatui::buffer::Cell]| {
        let mut skip = 0;
        let line: String = row
            .iter()
            .map(|cell| {
                // A wide letter stands in two cells, of which the second is empty.
                if skip > 0 {
                    skip -= 1;
                    return "";
                }
                skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
                cell.symbol()
            })
            .collect();
        format!("{}\n", line.trim_end())
    };
    buffer.content.chunks(width).map(line).collect()
}

/// Where which style is: one letter for each kind, explained below the picture.
fn styles(buffer: &Buffer) -> String {
    let mut kinds: Vec<String> = Vec::new();
    let mut rows = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let mut line = String::new();
        for cell in row {
            let name = match cell.bg {
                // Of pixels there are as many colours as there are cells.
                Color::Rgb(..) => "a pixel of a picture".to_owned(),
                Color::Reset => format!("{:?} {:?}", cell.fg, cell.modifier),
                bg => format!("{:?} on {bg:?} {:?}", cell.fg, cell.modifier),
            };
            let plain = cell.symbol() == " " && cell.bg == Color::Reset && cell.modifier.is_empty();
            if plain {
                line.push(' ');
                continue;
            }
            let place = kinds.iter().position(|kind| *kind == name).unwrap_or_else(|| {
                kinds.push(name);
                kinds.len() - 1
            });
            line.push(char::from(b'a' + place as u8));
        }
        rows.push_str(line.trim_end());
        rows.push('\n');
    }
    let explained =
        kinds.iter().enumerate().map(|(place, kind)| format!("{} {kind}\n", char::from(b'a' + place as u8)));
    format!("{rows}{}", explained.collect::<String>())
}

fn check(name: &str, state: &State, coloured: bool) {
    let buffer = picture(state);
    let text = if coloured { format!("{}\n{}", letters(&buffer), styles(&buffer)) } else { letters(&buffer) };
    with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        assert_snapshot!(name, text);
    });
}

#[test]
fn every_view_in_three_sizes_with_colour_and_without() {
    for (name, keys) in VIEWS {
        for (width, height) in SIZES {
            let mut state = seeded::state(width, height);
            script(&mut state, keys);
            check(&format!("{name}_{width}x{height}_colour"), &state, true);
            state.theme = Theme::of(ThemeName::Mono);
            update::settle(&mut state);
            check(&format!("{name}_{width}x{height}_no_color"), &state, false);
            let colours = picture(&state).content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
            assert!(!colours, "NO_COLOR holds on {name}");
        }
    }
}

#[test]
fn without_colour_a_picture_has_the_same_letters() {
    // But for pixels, which become signs of more and less ink.
    for (name, keys) in VIEWS.into_iter().filter(|(name, _)| *name != "job_picture") {
        let mut state = seeded::state(80, 24);
        script(&mut state, keys);
        let coloured = letters(&picture(&state));
        for theme in ThemeName::ALL {
            state.theme = Theme::of(theme);
            assert_eq!(letters(&picture(&state)), coloured, "{name} in {}", theme.name());
        }
    }
}

#[test]
fn a_terminal_that_is_not_utf8_gets_ascii_only() {
    for (name, keys) in VIEWS {
        let mut state = seeded::state(80, 24);
        state.glyphs = &ASCII;
        script(&mut state, keys);
        assert!(letters(&picture(&state)).is_ascii(), "{name}");
    }
    let mut state = seeded::state(80, 24);
    state.glyphs = &ASCII;
    script(&mut state, "2");
    check("queue_80x24_ascii", &state, false);
}

#[test]
fn a_daemon_that_is_gone_is_shown_with_the_age_of_the_data() {
    let mut state = seeded::state(80, 24);
    let why = "nobody listens at /run/tweenfarm/operator.sock: the daemon has stopped, start tweenfarmd".to_owned();
    update::update(&mut state, Event::Lost { at: seeded::NOW.plus(Duration::from_secs(1)), why });
    state.dirty = false;
    update::update(&mut state, Event::Tick(seeded::NOW.plus(Duration::from_secs(13))));
    assert!(state.dirty, "its age is drawn again as it grows");
    check("lost_80x24", &state, false);
    let status = crate::console::event::Told::Status(seeded::status());
    update::update(&mut state, Event::Told { at: seeded::NOW.plus(Duration::from_secs(14)), told: Box::new(status) });
    assert_eq!(state.link, Link::Live);
}

#[test]
fn nothing_read_yet_and_a_terminal_too_small_are_said() {
    let mut state = seeded::empty(80, 24);
    check("unread_80x24", &state, false);
    script(&mut state, "2");
    check("unread_queue_80x24", &state, false);
    let small = seeded::state(59, 16);
    check("too_small_59x16", &small, false);
    // No size makes it panic.
    for (width, height) in [(0, 0), (1, 1), (10, 3), (59, 100), (200, 15), (60, 16), (200, 60), (500, 200)] {
        for keys in ["1", "2", "3", "4<enter>", "5", "6", "7", "8", "8l", "?", "2c", "4a", ":x"] {
            let mut state = seeded::state(width, height);
            script(&mut state, keys);
            picture(&state);
        }
    }
}
