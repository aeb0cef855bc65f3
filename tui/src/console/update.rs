//! The only place that changes the state: an event in, actions out. Reads no clock and no terminal.

use super::{
    action::{Action, Asked},
    command_line, deeds,
    event::{Event, Subject, Told},
    keys,
    listing::RowKey,
    overlay::{self, Outcome, Overlay},
    picture::Fitted,
    rows,
    state::{Link, Notice, Screen, State},
    text,
    theme::Tone,
    view,
};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, MouseEvent, MouseEventKind};
use std::time::Duration;
use tui_input::Input;
use tweenfarm_protocol::Timestamp;

/// Long enough to be read, short enough not to be taken for news.
const NOTICE_FOR: Duration = Duration::from_secs(8);

pub fn update(state: &mut State, event: Event) -> Vec<Action> {
    if matches!(event, Event::Key(_) | Event::Mouse(_) | Event::Paste(_)) {
        settle(state);
    }
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => press(state, &key),
        Event::Key(_) => Vec::new(),
        Event::Mouse(mouse) => point(state, &mouse),
        Event::Paste(pasted) => paste(state, &pasted),
        Event::Resized { width, height } => {
            (state.width, state.height) = (width, height);
            state.dirty = true;
            Vec::new()
        }
        Event::Tick(now) => tick(state, now),
        Event::Told { at, told } => {
            if state.link != Link::Live {
                state.link = Link::Live;
                state.dirty = true;
            }
            learn(state, at, *told);
            Vec::new()
        }
        Event::Untold { subject, why } => {
            untold(state, subject, why);
            Vec::new()
        }
        Event::Lost { at, why } => {
            let since = match &state.link {
                Link::Lost { since, .. } => *since,
                _ => at,
            };
            state.link = Link::Lost { since, why };
            state.dirty = true;
            Vec::new()
        }
        Event::Done { asked, said, shown_once } => {
            answered(state, &asked);
            say(state, Tone::Good, said);
            if let Some(secret) = shown_once {
                state.overlay = Some(Overlay::Secret(secret));
            }
            vec![Action::Reread]
        }
        Event::Refused { asked, why } => {
            answered(state, &asked);
            say(state, Tone::Bad, why);
            Vec::new()
        }
    }
}

pub fn say(state: &mut State, tone: Tone, text: String) {
    state.notice = Some(Notice { tone, text, until: state.now.plus(NOTICE_FOR) });
    state.dirty = true;
}

/// Asks the daemon; until it answers, the foot says what for.
pub fn ask(state: &mut State, asks: Vec<Asked>) -> Vec<Action> {
    state.asked.extend(asks.iter().cloned());
    state.dirty = true;
    asks.into_iter().map(Action::Ask).collect()
}

fn answered(state: &mut State, asked: &Asked) {
    if let Some(place) = state.asked.iter().position(|open| open == asked) {
        state.asked.remove(place);
    }
    state.dirty = true;
}

/// Ages are shown in whole seconds, and only of data that is not fresh: with a live daemon a tick redraws nothing.
fn tick(state: &mut State, now: Timestamp) -> Vec<Action> {
    let before = view::clock_texts(state);
    state.now = now;
    if state.notice.as_ref().is_some_and(|notice| notice.until <= now) {
        state.notice = None;
        state.dirty = true;
    }
    state.dirty |= before != view::clock_texts(state);
    Vec::new()
}

/// What is told twice draws nothing twice.
fn learn(state: &mut State, at: Timestamp, told: Told) {
    state.now = state.now.max(at);
    let facts = &mut state.facts;
    let news = match told {
        Told::Me(me) => facts.me.learn(me, at),
        Told::Status(status) => facts.status.learn(status, at),
        Told::History(history) => facts.history.learn(history, at),
        Told::Jobs(rows) => {
            let first = facts.jobs.value.is_none();
            let news = facts.jobs.value.get_or_insert_default().merge(rows);
            (facts.jobs.at, facts.jobs.refused) = (Some(at), None);
            first || news
        }
        Told::Job(detail) => {
            let listed = facts.jobs.value.as_mut().is_some_and(|jobs| jobs.merge(vec![detail.row.clone()]));
            facts.job.learn(detail, at) || listed
        }
        Told::Schedule(schedule) => facts.schedule.learn(schedule, at),
        Told::Queue(queue) => facts.queue.learn(queue, at),
        Told::Duties(duties) => facts.duties.learn(duties, at),
        Told::Log(job, rows) => facts.log.learn((job, rows), at),
        Told::Preview(picture) => facts.preview.learn(picture, at),
        Told::Agents(agents) => facts.agents.learn(agents, at),
        Told::Users(users) => facts.users.learn(users, at),
        Told::Ledger(account, rows) => facts.ledger.learn((account, rows), at),
        Told::Retention(retention) => facts.retention.learn(retention, at),
        Told::Files(files) => facts.files.learn(files, at),
        Told::Watch(watch) => facts.watch.learn(watch, at),
        Told::Events(events) => {
            facts.progress(&events);
            facts.happened(events);
            true
        }
        Told::EventsLost(lost) => {
            say(state, Tone::Warn, lost.text);
            true
        }
    };
    state.dirty |= news;
    state.stale |= news;
}

/// Brings the table up to what is known: before a key acts on it and before it is drawn, not at each of many events.
pub fn settle(state: &mut State) {
    if std::mem::take(&mut state.stale) {
        rows::fill(state);
        forget_marks(state);
    }
    fit_picture(state);
    let height = view::list_height(state);
    state.listing_mut().scroll(height);
}

/// Makes the picture ready for the room it has, once for each picture and room.
fn fit_picture(state: &mut State) {
    let wanted = view::picture_room(state).zip(state.preview()).and_then(|(room, picture)| {
        let graphics = state.graphics();
        Some((picture, picture.size_in(room.into(), graphics)?, graphics))
    });
    let Some((picture, size, graphics)) = wanted else {
        state.fitted = None;
        return;
    };
    let is_same = |fitted: &Fitted| fitted.size == size && fitted.graphics == graphics && fitted.of == *picture;
    if !state.fitted.as_ref().is_some_and(is_same) {
        state.fitted = Fitted::new(picture, size, graphics);
    }
}

/// A marked row that is no more would be acted on unseen.
fn forget_marks(state: &mut State) {
    if state.listing().marks.is_empty() {
        return;
    }
    let facts = &state.facts;
    let exists: Vec<RowKey> = match state.screen {
        Screen::Queue | Screen::Farm => facts
            .jobs
            .get()
            .map(|jobs| jobs.rows().iter().map(|row| RowKey::Job(row.job)).collect())
            .unwrap_or_default(),
        Screen::Balances if state.ledger.is_none() => facts
            .users
            .get()
            .map(|users| users.iter().map(|user| RowKey::Account(user.account)).collect())
            .unwrap_or_default(),
        Screen::Retention => facts
            .files
            .get()
            .map(|files| files.iter().map(|file| RowKey::File(file.file)).collect())
            .unwrap_or_default(),
        Screen::Watch => {
            facts.watch.get().map(|watch| watch.files.iter().map(rows::watched).collect()).unwrap_or_default()
        }
        Screen::Workers => {
            let agents = facts.agents.get().map(Vec::as_slice).unwrap_or_default();
            rows::lines(agents)
                .map(|(agent, worker)| RowKey::Worker(agent.agent, worker.map(|worker| worker.worker)))
                .collect()
        }
        _ => return,
    };
    let exists: std::collections::BTreeSet<RowKey> = exists.into_iter().collect();
    state.listing_mut().keep_marks(|key| exists.contains(key));
}

fn untold(state: &mut State, subject: Subject, why: String) {
    let facts = &mut state.facts;
    let refused = match subject {
        Subject::Me => &mut facts.me.refused,
        Subject::Status => &mut facts.status.refused,
        Subject::History => &mut facts.history.refused,
        Subject::Jobs => &mut facts.jobs.refused,
        Subject::Job => &mut facts.job.refused,
        Subject::Schedule => &mut facts.schedule.refused,
        Subject::Queue => &mut facts.queue.refused,
        Subject::Duties => &mut facts.duties.refused,
        Subject::Log => &mut facts.log.refused,
        Subject::Preview => &mut facts.preview.refused,
        Subject::Agents => &mut facts.agents.refused,
        Subject::Users => &mut facts.users.refused,
        Subject::Ledger => &mut facts.ledger.refused,
        Subject::Retention => &mut facts.retention.refused,
        Subject::Files => &mut facts.files.refused,
        Subject::Watch => &mut facts.watch.refused,
        Subject::Events => return say(state, Tone::Warn, why),
    };
    if refused.as_ref() != Some(&why) {
        *refused = Some(why);
        state.dirty = true;
    }
}

fn press(state: &mut State, key: &KeyEvent) -> Vec<Action> {
    state.dirty = true;
    if state.overlay.is_some() {
        return press_overlay(state, key);
    }
    match keys::binding(key, state.screen) {
        Some(binding) => deeds::run(state, binding),
        None => {
            say(state, Tone::Faint, text::NO_SUCH_KEY.to_owned());
            Vec::new()
        }
    }
}

fn press_overlay(state: &mut State, key: &KeyEvent) -> Vec<Action> {
    // Ctrl-C always leaves: a question, a form, the console.
    if keys::Press::Ctrl('c').is(key) {
        state.overlay = None;
        return Vec::new();
    }
    let Some(overlay) = state.overlay.as_mut() else { return Vec::new() };
    let outcome = match overlay {
        Overlay::Help { top } => {
            match key.code {
                KeyCode::Down | KeyCode::Char('j') => {
                    *top = (*top + 1).min(view::help_rows_hidden(state.screen, state.height))
                }
                KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                KeyCode::PageDown | KeyCode::Char(' ') => {
                    *top = (*top + 10).min(view::help_rows_hidden(state.screen, state.height));
                }
                KeyCode::PageUp => *top = top.saturating_sub(10),
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('?' | 'q') | KeyCode::F(1) => state.overlay = None,
                _ => {}
            }
            return Vec::new();
        }
        Overlay::Secret(_) | Overlay::Reading(_) | Overlay::Picture => match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'v' | 'i') => Outcome::Closes,
            _ => Outcome::Stays,
        },
        Overlay::Filter(input) => match key.code {
            KeyCode::Enter => Outcome::Closes,
            KeyCode::Esc => {
                *input = Input::default();
                let typed = String::new();
                refilter(state, &typed);
                Outcome::Closes
            }
            _ => {
                overlay::type_into(input, key);
                let typed = input.value().to_owned();
                refilter(state, &typed);
                Outcome::Stays
            }
        },
        Overlay::CommandLine { input, wrong } => match key.code {
            KeyCode::Enter => {
                let typed = input.value().to_owned();
                return match command_line::run(state, &typed) {
                    Ok(actions) => actions,
                    Err(sentence) => {
                        if let Some(Overlay::CommandLine { wrong, .. }) = state.overlay.as_mut() {
                            *wrong = Some(sentence);
                        }
                        Vec::new()
                    }
                };
            }
            KeyCode::Esc => Outcome::Closes,
            KeyCode::Tab => {
                *wrong = None;
                *input = Input::new(command_line::complete(input.value()));
                Outcome::Stays
            }
            _ => {
                *wrong = None;
                overlay::type_into(input, key);
                Outcome::Stays
            }
        },
        Overlay::Question(question) => question.press(key),
        Overlay::Form(form) => form.press(key),
    };
    match outcome {
        Outcome::Stays => Vec::new(),
        Outcome::Closes => {
            state.overlay = None;
            Vec::new()
        }
        Outcome::Asks(asks) => {
            state.overlay = None;
            ask(state, asks)
        }
        Outcome::Becomes(question) => {
            state.overlay = Some(Overlay::Question(*question));
            Vec::new()
        }
    }
}

fn refilter(state: &mut State, typed: &str) {
    state.listing_mut().filter = super::filter::Filter::new(typed);
    rows::fill(state);
}

fn paste(state: &mut State, pasted: &str) -> Vec<Action> {
    let typing = matches!(state.overlay, Some(Overlay::Filter(_) | Overlay::CommandLine { .. } | Overlay::Form(_)));
    if typing {
        // A line is one line, whatever was in the clipboard.
        for letter in pasted.chars().filter(|letter| !letter.is_control()) {
            press(state, &keys::Press::Letter(letter).event());
        }
    }
    Vec::new()
}

fn point(state: &mut State, mouse: &MouseEvent) -> Vec<Action> {
    if state.overlay.is_some() {
        return Vec::new();
    }
    match mouse.kind {
        MouseEventKind::ScrollDown => deeds::scroll(state, 3),
        MouseEventKind::ScrollUp => deeds::scroll(state, -3),
        MouseEventKind::Down(_) => match view::hit(state, mouse.column, mouse.row) {
            Some(view::Hit::Tab(screen)) => deeds::show(state, screen),
            Some(view::Hit::Row(row)) => {
                let cursor = state.listing().cursor();
                deeds::scroll(state, row as isize - cursor as isize);
            }
            None => {}
        },
        _ => return Vec::new(),
    }
    state.dirty = true;
    Vec::new()
}
