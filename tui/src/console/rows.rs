//! Which rows each screen's table has, after its filter. Pure, and done when facts or filter change, not when drawn.

use super::{
    facts::Facts,
    filter::Filter,
    listing::RowKey,
    state::{JobPart, Screen, State},
};
use tweenfarm_protocol::operator::{AgentRow, EventRow, Level, LogRow, PieceRow, PieceState, WatchFileRow, WorkerRow};

/// Fills the table of the screen that is shown.
pub fn fill(state: &mut State) {
    let filter = std::mem::take(&mut state.listing_mut().filter);
    let (rows, count) = rows(state, &filter);
    let follow = state.follow && follows(state);
    let listing = state.listing_mut();
    listing.filter = filter;
    listing.fill(rows, count);
    if follow {
        listing.last();
    }
}

/// Whether the table is a log that may stay at its newest line.
pub fn follows(state: &State) -> bool {
    state.screen == Screen::Events || (state.screen == Screen::Job && state.job_part == JobPart::Story)
}

type Rows = (Vec<(u32, RowKey)>, usize);

fn rows(state: &State, filter: &Filter) -> Rows {
    let facts = &state.facts;
    match state.screen {
        // The gravest of a farm is in its alerts; its table is the work under way.
        Screen::Farm => jobs(facts, filter, true),
        Screen::Queue => jobs(facts, filter, false),
        Screen::Workers => workers(facts, filter),
        Screen::Balances if state.ledger.is_some() => {
            let rows = facts.ledger.get().filter(|(account, _)| Some(*account) == state.ledger);
            let rows = rows.map(|(_, rows)| rows.as_slice()).unwrap_or_default();
            let keyed =
                rows.iter().map(|row| (RowKey::Line(row.sequence), [row.kind.as_str(), row.note.as_str(), &row.at]));
            passing(keyed, filter)
        }
        Screen::Balances => {
            let users = facts.users.get().map(Vec::as_slice).unwrap_or_default();
            let keyed = users.iter().map(|user| (RowKey::Account(user.account), [user.email.as_str(), &user.tier]));
            passing(keyed, filter)
        }
        Screen::Retention => {
            let files = facts.files.get().map(Vec::as_slice).unwrap_or_default();
            let pinned = |pinned: bool| if pinned { "pinned" } else { "" };
            let keyed = files.iter().map(|file| (RowKey::File(file.file), [file.key.as_str(), pinned(file.pinned)]));
            passing(keyed, filter)
        }
        Screen::Watch => {
            let files = facts.watch.get().map(|watch| watch.files.as_slice()).unwrap_or_default();
            let keyed = files.iter().map(|file| {
                let reason = file.reason.as_deref().unwrap_or_default();
                (watched(file), [file.path.as_str(), file.rule.as_str(), file.state.name(), reason])
            });
            passing(keyed, filter)
        }
        Screen::Events => {
            let shown = facts.events.iter().enumerate().filter(|(_, (_, event))| event.level >= state.level);
            let keyed = shown.map(|(place, (number, event))| (place, RowKey::Line(*number), event_cells(event)));
            placed(keyed, filter, facts.events.len())
        }
        Screen::Job if state.job_part == JobPart::Segments => {
            let detail = facts.job.get().filter(|detail| Some(detail.row.job) == state.job);
            let pieces = detail.map(|detail| detail.pieces_in_work.as_slice()).unwrap_or_default();
            let keyed =
                pieces.iter().enumerate().map(|(place, piece)| (RowKey::Line(place as u64), piece_cells(piece)));
            passing(keyed, filter)
        }
        Screen::Job => {
            let log = facts.log.get().filter(|(job, _)| Some(*job) == state.job);
            let log = log.map(|(_, rows)| rows.as_slice()).unwrap_or_default();
            let shown = log.iter().enumerate().filter(|(_, line)| line.level >= state.level);
            let keyed = shown.map(|(place, line)| (place, RowKey::Line(place as u64), log_cells(line)));
            placed(keyed, filter, log.len())
        }
    }
}

fn jobs(facts: &Facts, filter: &Filter, open_only: bool) -> Rows {
    let rows = facts.jobs.get().map(|jobs| jobs.rows()).unwrap_or_default();
    let shown = rows.iter().enumerate().filter(|(_, row)| !open_only || row.completed_at.is_none());
    let mut id = uuid::Uuid::encode_buffer();
    let mut count = 0;
    let mut kept = Vec::new();
    for (place, row) in shown {
        count += 1;
        let error = row.error.as_deref().unwrap_or_default();
        let named: &str = if filter.is_empty() { "" } else { row.job.0.hyphenated().encode_lower(&mut id) };
        if filter.passes(&[&row.state, &row.email, &row.filename, &row.settings, error, named]) {
            kept.push((place as u32, RowKey::Job(row.job)));
        }
    }
    (kept, count)
}

fn workers(facts: &Facts, filter: &Filter) -> Rows {
    let agents = facts.agents.get().map(Vec::as_slice).unwrap_or_default();
    passing(lines(agents).map(|(agent, worker)| (worker_key(agent, worker), worker_cells(agent, worker))), filter)
}

/// One line for each worker, and one for an agent that has none.
pub fn lines(agents: &[AgentRow]) -> impl Iterator<Item = (&AgentRow, Option<&WorkerRow>)> {
    agents.iter().flat_map(|agent| {
        let none = agent.workers.is_empty().then_some((agent, None));
        agent.workers.iter().map(move |worker| (agent, Some(worker))).chain(none)
    })
}

pub fn watched(file: &WatchFileRow) -> RowKey {
    RowKey::Watched(u128::from_str_radix(&file.file, 16).unwrap_or(0))
}

fn worker_key(agent: &AgentRow, worker: Option<&WorkerRow>) -> RowKey {
    RowKey::Worker(agent.agent, worker.map(|worker| worker.worker))
}

fn worker_cells<'a>(agent: &'a AgentRow, worker: Option<&'a WorkerRow>) -> [&'a str; 4] {
    let device = worker.map_or("", |worker| worker.device_name.as_str());
    let work = worker.map_or("", |worker| if worker.job.is_some() { "busy" } else { "idle" });
    [&agent.name, agent.standing.name(), device, if agent.connected { work } else { "away" }]
}

fn event_cells(event: &EventRow) -> [&str; 4] {
    [event.kind.name(), event.what.as_str(), event.text.as_str(), level(event.level)]
}

fn log_cells(line: &LogRow) -> [&str; 4] {
    [line.source.as_str(), line.text.as_str(), line.piece.as_deref().unwrap_or_default(), level(line.level)]
}

fn piece_cells(piece: &PieceRow) -> [&str; 3] {
    let (state, agent) = match &piece.state {
        PieceState::Waiting { .. } => ("waiting", ""),
        PieceState::Leased { agent_name, .. } => ("leased", agent_name.as_str()),
        PieceState::Rendered { device, .. } => ("rendered", device.as_str()),
        PieceState::Abandoned { failure, .. } => ("abandoned", failure.as_str()),
    };
    [piece.piece.as_str(), state, agent]
}

pub const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warning",
        Level::Error => "error",
    }
}

fn passing<'a, const N: usize>(rows: impl Iterator<Item = (RowKey, [&'a str; N])>, filter: &Filter) -> Rows {
    let mut count = 0;
    let counted = rows.enumerate().map(|(place, (key, cells))| (place, key, cells)).inspect(|_| count += 1);
    let (kept, _) = placed(counted, filter, 0);
    (kept, count)
}

fn placed<'a, const N: usize>(
    rows: impl Iterator<Item = (usize, RowKey, [&'a str; N])>,
    filter: &Filter,
    count: usize,
) -> Rows {
    let kept = rows.filter(|(_, _, cells)| filter.passes(cells)).map(|(place, key, _)| (place as u32, key));
    (kept.collect(), count)
}
