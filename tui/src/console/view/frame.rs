//! What is around every screen: the header, the tabs, the hints, the foot.

use super::put;
use crate::console::{
    keys,
    overlay::Overlay,
    reading,
    state::{Link, Screen, State},
    text,
    theme::Tone,
};
use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

/// Data younger than this is live: it is read every two seconds.
const LIVE_SECONDS: u64 = 6;

pub fn header(buffer: &mut Buffer, area: Rect, state: &State) {
    let (age, tone) = age(state);
    let right = format!("{age} ");
    put(buffer, area.right() - right.width() as u16, area.y, area.width, &right, state.theme.tone(tone));
    let room = area.width.saturating_sub(right.width() as u16 + 1);
    let mut x = put(buffer, area.x, area.y, room, " tweenfarm ", state.theme.title);
    if let Some(status) = state.facts.status.get() {
        let (glyph, word, tone) = text::health(status.health, state.glyphs);
        x = put(buffer, x, area.y, room.saturating_sub(x), &format!(" {glyph} {word} "), state.theme.tone(tone));
        if state.facts.queue.get().is_some_and(|queue| queue.paused_at.is_some()) {
            let paused = format!(" {} queue paused ", state.glyphs.paused);
            x = put(buffer, x, area.y, room.saturating_sub(x), &paused, state.theme.tone(Tone::Warn));
        }
    }
    let me = state.facts.me.get().map_or(String::new(), |me| format!("{} ({}) at ", me.name, me.role));
    let daemon = text::fit(&format!(" {me}{}", state.daemon), usize::from(room.saturating_sub(x)), state.glyphs);
    put(buffer, x, area.y, room.saturating_sub(x), &daemon, state.theme.faint);
}

/// How old what is shown is: a word while it is live, an age when it is not.
fn age(state: &State) -> (String, Tone) {
    let glyphs = state.glyphs;
    let known = state.facts.status.at;
    let old = known.map(|at| state.now.since(at).as_secs());
    match (&state.link, old) {
        (Link::Connecting, _) => (format!("{} connecting", glyphs.waiting), Tone::Warn),
        (Link::Live, Some(old)) if old >= LIVE_SECONDS => {
            (format!("{} slow, data {} old", glyphs.warn, text::span(old)), Tone::Warn)
        }
        (Link::Live, _) => (format!("{} live", glyphs.good), Tone::Good),
        (Link::Lost { .. }, Some(old)) => {
            (format!("{} no daemon, data {} old", glyphs.bad, text::span(old)), Tone::Bad)
        }
        (Link::Lost { since, .. }, None) => {
            (format!("{} no daemon for {}", glyphs.bad, text::span(state.now.since(*since).as_secs())), Tone::Bad)
        }
    }
}

/// What the clock alone changes on the screen.
pub fn clock_texts(state: &State) -> String {
    age(state).0
}

/// The titles of the tabs with where each begins.
fn tab_titles(state: &State) -> Vec<(u16, String, Screen)> {
    let words = state.width >= 80;
    let mut x = 1;
    let title = |screen: Screen| {
        let number = screen.place() + 1;
        let named = words || screen == state.screen;
        let title = if named { format!(" {number} {} ", screen.name()) } else { format!(" {number} ") };
        let at = x;
        x += title.width() as u16;
        (at, title, screen)
    };
    Screen::ALL.into_iter().map(title).collect()
}

pub fn tab_at(state: &State, column: u16) -> Option<Screen> {
    let hit =
        |(x, title, screen): (u16, String, Screen)| (x..x + title.width() as u16).contains(&column).then_some(screen);
    tab_titles(state).into_iter().find_map(hit)
}

pub fn tabs(buffer: &mut Buffer, area: Rect, state: &State) {
    for (x, title, screen) in tab_titles(state) {
        let style = if screen == state.screen { state.theme.tab_active } else { state.theme.tab };
        put(buffer, x, area.y, area.right().saturating_sub(x), &title, style);
    }
}

/// Where the cursor is, how many there are, how many are marked.
fn counted(state: &State) -> String {
    let listing = state.listing();
    if listing.count == 0 {
        return String::new();
    }
    let of = if listing.filter.is_empty() { String::new() } else { format!(" of {}", listing.count) };
    let marked = if listing.marks.is_empty() { String::new() } else { format!(", {} marked", listing.marks.len()) };
    let at = listing.cursor() + usize::from(!listing.rows.is_empty());
    format!("{at}/{}{of}{marked}", listing.rows.len())
}

pub fn hints(buffer: &mut Buffer, area: Rect, state: &State) {
    let here = keys::TABLE.iter().filter(|binding| !binding.hint.is_empty() && binding.works_on(state.screen));
    let may = here.filter(|binding| state.role() >= binding.least);
    let own = may.map(|binding| (binding.presses[0].name(), binding.hint));
    // First the one that tells the others: on a narrow screen the last ones are not shown.
    let first = std::iter::once(("?".to_owned(), "help"));
    let last = [("/".to_owned(), "filter"), (":".to_owned(), "command"), ("q".to_owned(), "quit")];
    let mut x = area.x + 1;
    for (key, hint) in first.chain(own).chain(last) {
        let width = (key.width() + hint.width() + 3) as u16;
        if x + width > area.right() {
            break;
        }
        x = put(buffer, x, area.y, area.right() - x, &key, state.theme.key);
        x = put(buffer, x + 1, area.y, area.right() - x, hint, state.theme.faint) + 2;
    }
}

/// At the left what is to be said now, at the right where the cursor is.
pub fn foot(buffer: &mut Buffer, area: Rect, state: &State) {
    if matches!(state.overlay, Some(Overlay::Filter(_) | Overlay::CommandLine { .. })) {
        // The line being typed is drawn over it.
        return;
    }
    let counted = counted(state);
    let x = area.right().saturating_sub(counted.width() as u16 + 1);
    put(buffer, x, area.y, area.width, &counted, state.theme.faint);
    let filter = &state.listing().filter;
    let (text, style) = if let Some(notice) = &state.notice {
        (notice.text.clone(), state.theme.tone(notice.tone))
    } else if let Some(asked) = state.asked.first() {
        (format!("asking the daemon: {asked}{}", state.glyphs.ellipsis), state.theme.faint)
    } else if let Link::Lost { why, .. } = &state.link {
        (why.clone(), state.theme.tone(Tone::Bad))
    } else if let Some(reading) = reading::of_row(state).filter(|reading| reading.tone >= Tone::Warn) {
        // Why something failed, without a key being pressed for it; it is what failures are filtered for.
        let filter = if filter.is_empty() { String::new() } else { format!("/{}  ", filter.text()) };
        (format!("{filter}{}", reading.text), state.theme.tone(reading.tone))
    } else if !filter.is_empty() {
        (format!("/{}", filter.text()), state.theme.accent)
    } else {
        return;
    };
    let text = text::fit(&text, usize::from(x.saturating_sub(area.x + 3)), state.glyphs);
    put(buffer, area.x + 1, area.y, area.width, &text, style);
}
