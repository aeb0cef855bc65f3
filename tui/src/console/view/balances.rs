//! Balances: accounts with what they have and spent; the ledger of one with the balance after every entry.

use super::{
    rule,
    table::{self, Column, cell, faint, left, plain, right},
};
use crate::console::{state::State, text, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};

const ACCOUNTS: &[Column] = &[
    left("ACCOUNT", 0, 0),
    left("TIER", 4, 0),
    right("BALANCE", 9, 0),
    right("SPENT", 9, 0),
    right("KEYS", 4, 80),
    right("OPEN", 4, 80),
    left("SINCE", 11, 100),
    left("ID", 36, 120),
];

const ENTRIES: &[Column] = &[
    right("#", 5, 100),
    left("AT", 11, 0),
    left("KIND", 13, 0),
    right("CHANGE", 8, 0),
    right("BALANCE", 8, 0),
    left("NOTE", 0, 0),
];

pub fn list_area(state: &State, body: Rect) -> Rect {
    match state.ledger {
        Some(_) => Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body },
        None => body,
    }
}

pub fn draw(buffer: &mut Buffer, body: Rect, state: &State) {
    let area = list_area(state, body);
    let known = &state.facts.users;
    let users = known.get().map(Vec::as_slice).unwrap_or_default();
    let Some(account) = state.ledger else {
        let empty = super::instead(known, text::NO_USERS);
        return table::draw(buffer, area, state, state.listing(), ACCOUNTS, &empty, |place| {
            let user = &users[place];
            let tone = if user.balance.0 <= 0 { Tone::Warn } else { Tone::Plain };
            vec![
                plain(user.email.clone()),
                faint(user.tier.clone()),
                cell(user.balance.to_string(), tone),
                faint(user.spent.to_string()),
                faint(user.keys.to_string()),
                faint(user.jobs_open.to_string()),
                faint(text::day_and_time(&user.created_at, &state.zone)),
                faint(user.account.to_string()),
            ]
        });
    };
    let user = users.iter().find(|user| user.account == account);
    let title =
        user.map_or_else(|| account.to_string(), |user| format!("ledger of {}: {} xeconds", user.email, user.balance));
    rule(buffer, Rect { height: 1, ..body }, &title, state);
    let known = &state.facts.ledger;
    let entries = known.get().filter(|(of, _)| *of == account).map(|(_, rows)| rows.as_slice());
    let empty =
        if entries.is_none() { super::instead_of(None, known.refused.as_ref()) } else { text::NO_ENTRIES.to_owned() };
    let entries = entries.unwrap_or_default();
    table::draw(buffer, area, state, state.listing(), ENTRIES, &empty, |place| {
        let entry = &entries[place];
        let tone = if entry.change.0 < 0 { Tone::Plain } else { Tone::Good };
        vec![
            faint(entry.sequence.to_string()),
            faint(text::day_and_time(&entry.at, &state.zone)),
            plain(entry.kind.clone()),
            cell(format!("{:+}", entry.change.0), tone),
            plain(entry.balance.to_string()),
            faint(entry.note.clone()),
        ]
    });
}
