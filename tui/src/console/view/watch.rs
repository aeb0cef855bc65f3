//! Watch: the rules of the watcher with how many files stand where, and the files from settling to their results.

use super::{
    put, rule,
    table::{self, Cell, Column, cell, faint, left, plain, right, sign},
};
use crate::console::{state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};
use tweenfarm_protocol::operator::{WatchFileRow, WatchRuleRow};

const COLUMNS: &[Column] = &[
    left("STATE", 13, 0),
    left("FILE", 0, 0),
    left("RULE", 10, 80),
    right("SIZE", 7, 100),
    right("TRIES", 5, 100),
    left("WHY", 0, 0),
];

fn rules_shown(state: &State) -> u16 {
    let rules = state.facts.watch.get().map_or(0, |watch| watch.rules.len() as u16);
    rules.min(if state.height >= 32 { 10 } else { 3 })
}

pub fn list_area(state: &State, body: Rect) -> Rect {
    let above = match rules_shown(state) {
        0 => 0,
        rules => rules + 1,
    };
    Rect { y: body.y + above, height: body.height.saturating_sub(above), ..body }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let known = &state.facts.watch;
    let watch = known.get();
    let rules = watch.map(|watch| watch.rules.as_slice()).unwrap_or_default();
    for (shown, y) in rules.iter().take(usize::from(rules_shown(state))).zip(body.y..) {
        let (line, tone) = rule_line(shown);
        let line = text::fit(&line, usize::from(body.width.saturating_sub(2)), state.glyphs);
        put(buffer, body.x + 1, y, body.width, &line, state.theme.tone(tone));
    }
    let area = list_area(state, body);
    if area.y > body.y {
        rule(buffer, Rect { y: area.y - 1, height: 1, ..body }, "files", state);
    }
    let files = watch.map(|watch| watch.files.as_slice()).unwrap_or_default();
    let empty = match (known.refused.is_some(), watch) {
        // A daemon that knows nothing of folders has none configured.
        (true, _) => text::NO_FOLDERS.to_owned(),
        (false, Some(watch)) if watch.watcher.is_none() => text::NO_WATCHER.to_owned(),
        _ => super::instead(known, text::NO_WATCHED),
    };
    table::draw(buffer, area, state, state.listing(), COLUMNS, &empty, |place| cells(&files[place], state));
}

fn rule_line(rule: &WatchRuleRow) -> (String, Tone) {
    let named = format!("{}: {} to {}, for {}", rule.rule, rule.folder, rule.target, rule.account);
    if let Some(trouble) = &rule.trouble {
        return (format!("{trouble}: {named}"), Tone::Bad);
    }
    let counts = [
        (rule.settling, "settling"),
        (rule.waiting, "waiting"),
        (rule.working, "working"),
        (rule.retrying, "retrying"),
        (rule.quarantined, "quarantined"),
        (rule.done, "done"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let tone = if rule.quarantined > 0 { Tone::Warn } else { Tone::Plain };
    let counts = counts.collect::<Vec<_>>().join(", ");
    let counts = if counts.is_empty() { "no files".to_owned() } else { counts };
    (format!("{counts}; {named}"), tone)
}

fn cells(file: &WatchFileRow, state: &State) -> Vec<Cell> {
    let shown = text::watch_state(file.state, state.glyphs);
    let doing = file.doing.clone().map(|doing| match file.progress_percent {
        Some(percent) => format!("{doing}, {percent} %"),
        None => doing,
    });
    let why = file.reason.clone().or(doing).or_else(|| file.output.clone()).unwrap_or_default();
    vec![
        sign(shown),
        plain(file.path.clone()),
        faint(file.rule.clone()),
        faint(text::size(file.size_bytes)),
        faint(file.tries.to_string()),
        cell(why, shown.2),
    ]
}
