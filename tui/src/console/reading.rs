//! What the row under the cursor has to say at length: why a job failed, a whole line of a log. Pure.

use super::{
    rows,
    state::{JobPart, Screen, State},
    text,
    theme::Tone,
};
use tweenfarm_protocol::operator::{PieceState, WatchState};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub title: String,
    pub text: String,
    pub tone: Tone,
}

/// None where the row says everything itself.
pub fn of_row(state: &State) -> Option<Reading> {
    let place = state.listing().place()?;
    let facts = &state.facts;
    let (title, text, tone) = match state.screen {
        Screen::Farm | Screen::Queue => {
            let row = facts.jobs.get()?.rows().get(place)?;
            (text::clip(row), row.error.clone()?, Tone::Bad)
        }
        Screen::Workers => {
            let (agent, worker) = rows::lines(facts.agents.get()?).nth(place)?;
            let failure = worker?.probe_failure.clone().or_else(|| worker?.counts.last_failure.clone())?;
            // Below the table it is shown already, as far as it fits.
            (agent.name.clone(), failure, Tone::Plain)
        }
        Screen::Balances => {
            let (_, rows) = facts.ledger.get().filter(|(account, _)| Some(*account) == state.ledger)?;
            let row = rows.get(place)?;
            (row.kind.clone(), row.note.clone(), Tone::Plain)
        }
        Screen::Retention => {
            let file = facts.files.get()?.get(place)?;
            ("file".to_owned(), file.key.clone(), Tone::Plain)
        }
        Screen::Watch => {
            let file = facts.watch.get()?.files.get(place)?;
            let bad = matches!(file.state, WatchState::Quarantined | WatchState::Retrying);
            (file.path.clone(), file.reason.clone()?, if bad { Tone::Bad } else { Tone::Plain })
        }
        Screen::Events => {
            let (_, event) = facts.events.get(place)?;
            (format!("{} {}", event.kind, event.what), text::event(event).to_owned(), Tone::Plain)
        }
        Screen::Job if state.job_part == JobPart::Story => {
            let (_, rows) = facts.log.get().filter(|(job, _)| Some(*job) == state.job)?;
            let line = rows.get(place)?;
            (line.source.clone(), line.text.clone(), Tone::Plain)
        }
        Screen::Job => {
            let piece =
                facts.job.get().filter(|detail| Some(detail.row.job) == state.job)?.pieces_in_work.get(place)?;
            match &piece.state {
                PieceState::Abandoned { failure, .. } => (piece.piece.clone(), failure.clone(), Tone::Bad),
                _ => return None,
            }
        }
    };
    (!text.is_empty()).then_some(Reading { title, text, tone })
}
