//! The full-screen console: events in, one state, a pure picture of it out. Nothing in here waits for the daemon.

mod action;
mod command_line;
mod deeds;
mod event;
mod facts;
mod filter;
mod graphics;
mod keys;
mod link;
mod listing;
mod overlay;
mod picture;
mod reading;
mod rows;
#[cfg(test)]
mod seeded;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod update;
mod view;

pub use action::AgentOrder;
pub use link::stream as sse;
pub use theme::ThemeName;

use crate::client::Client;
use action::Action;
use crossterm::event::{Event as TerminalEvent, EventStream};
use event::Event;
use futures::StreamExt;
use graphics::Graphics;
use link::Orders;
use state::State;
use std::{
    io::{self, IsTerminal},
    sync::Arc,
    time::Duration,
};
use terminal::Guard;
use theme::{Surroundings, Theme};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tweenfarm_protocol::Timestamp;

/// For tests: panics once the first picture is drawn.
#[cfg(debug_assertions)]
pub static PANICS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// At most ten pictures a second, whatever happens in the farm.
const FRAME_EVERY: Duration = Duration::from_millis(100);
/// What the daemon told and is not yet taken in; when it is full the link waits, never the screen.
const EVENTS_WAITING_MAX: usize = 256;
/// Acts asked for faster than the daemon answers; further ones are refused with a word.
const ORDERS_WAITING_MAX: usize = 64;

/// Runs until the operator quits or a signal ends the program.
pub async fn run(client: Client, daemon: String, theme: Option<ThemeName>) -> io::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(io::Error::other("there is no terminal; give a command, see tweenfarm --help"));
    }
    let surroundings = Surroundings::of_this_process();
    let theme = Theme::of(surroundings.theme(theme));
    let mut state = State::new(theme, surroundings.glyphs(), daemon, Timestamp::now());
    state.zone = jiff::tz::TimeZone::system();
    let mut guard = Guard::take()?;
    if surroundings.can_answer() {
        state.graphics = Graphics::ask();
        guard.wipe()?;
    }
    let size = guard.terminal.size()?;
    (state.width, state.height) = (size.width, size.height);

    let (told, mut tells) = mpsc::channel(EVENTS_WAITING_MAX);
    let (orders, ordered) = mpsc::channel(ORDERS_WAITING_MAX);
    let (looking, looked_at) = watch::channel(state.looking());
    let link = tokio::spawn(link::run(Arc::new(client), told, ordered, looked_at));

    let mut keys = EventStream::new();
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_frame = Instant::now();
    while !state.quits {
        if state.dirty && Instant::now() >= next_frame {
            update::settle(&mut state);
            guard.terminal.draw(|frame| view::draw(&state, frame))?;
            #[cfg(debug_assertions)]
            assert!(!PANICS.load(std::sync::atomic::Ordering::Relaxed), "asked for by --panic");
            state.dirty = false;
            next_frame = Instant::now() + FRAME_EVERY;
        }
        let event = tokio::select! {
            key = keys.next() => match key {
                Some(key) => of_terminal(key?),
                // The terminal is gone.
                None => break,
            },
            event = tells.recv() => event,
            _ = clock.tick() => Some(Event::Tick(Timestamp::now())),
            () = sleep_until(next_frame), if state.dirty => None,
            _ = terminate.recv() => break,
            _ = hang_up.recv() => break,
        };
        let Some(event) = event else { continue };
        for action in update::update(&mut state, event) {
            match action {
                Action::Quit => {}
                Action::Mouse(used) => guard.mouse(used)?,
                Action::Reread => drop(orders.try_send(Orders::Reread)),
                Action::Ask(asked) => {
                    if orders.try_send(Orders::Ask(asked.clone())).is_err() {
                        let why = text::TOO_MUCH_ASKED.to_owned();
                        update::update(&mut state, Event::Refused { asked, why });
                    }
                }
            }
        }
        let now = state.looking();
        looking.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }
    link.abort();
    Ok(())
}

fn of_terminal(event: TerminalEvent) -> Option<Event> {
    match event {
        TerminalEvent::Key(key) => Some(Event::Key(key)),
        TerminalEvent::Mouse(mouse) => Some(Event::Mouse(mouse)),
        TerminalEvent::Paste(pasted) => Some(Event::Paste(pasted)),
        TerminalEvent::Resize(width, height) => Some(Event::Resized { width, height }),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
    }
}
