//! The stream of events: server-sent, resumable, filtered. A reader that is too slow is told what it missed and is never
//! waited for.

use super::asked::Asked;
use crate::{
    farm::{EventReader, From, Told},
    http::{HttpState, error::Failure},
    model::{About, Event, What},
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::Stream;
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::{
    AccountId, AgentId, JobId, Timestamp,
    operator::{EventKind, EventRow, LostEvents},
};

/// A connection that says nothing for longer is taken for dead by what stands between.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// In the query of the stream: only events of these kinds, of this job, agent, account; `recent` so many that were.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// One or more, with commas between.
    kind: Option<String>,
    job: Option<JobId>,
    agent: Option<AgentId>,
    account: Option<AccountId>,
    recent: Option<u64>,
}

/// What passes.
struct Filter {
    /// Empty: all kinds.
    kinds: Vec<EventKind>,
    job: Option<JobId>,
    agent: Option<AgentId>,
    account: Option<AccountId>,
}

impl Filter {
    fn passes(&self, event: &Event) -> bool {
        let About { job, account, agent, .. } = event.about;
        // How far a lease is, the job's progress tells; renewals are for counting.
        !matches!(event.what, What::Renewed { .. })
            && (self.kinds.is_empty() || self.kinds.contains(&event.what.kind()))
            && (self.job.is_none() || self.job == job)
            && (self.agent.is_none() || self.agent == agent)
            && (self.account.is_none() || self.account == account)
    }
}

pub async fn stream(
    State(state): State<HttpState>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let kinds = wanted.kind.as_deref().map(|kinds| kinds.split(',').map(str::parse).collect());
    let kinds: Result<Vec<EventKind>, _> = kinds.unwrap_or(Ok(Vec::new()));
    let kinds = kinds.map_err(|refused| Failure::invalid(format!("kind: {refused}, or some with commas between")))?;
    let filter = Filter { kinds, job: wanted.job, agent: wanted.agent, account: wanted.account };
    let life = state.farm.opened_at();
    let seen = headers.get("last-event-id").and_then(|seen| seen.to_str().ok());
    let (from, restarted) = match seen.map(|seen| number_of(seen, life)) {
        Some(Some(number)) => (From::After(number), false),
        Some(None) => (From::Recent(wanted.recent.unwrap_or(0)), true),
        None => (wanted.recent.map_or(From::Now, From::Recent), false),
    };
    let reader = state.farm.events(from);
    let events = told(reader, filter, life, restarted, state.stop.clone());
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    // A proxy that gathers what it passes on would make a live stream a late one.
    Ok(([("x-accel-buffering", "no")], Sse::new(events).keep_alive(keep_alive)).into_response())
}

fn told(
    reader: EventReader,
    filter: Filter,
    life: Timestamp,
    restarted: bool,
    stop: CancellationToken,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let start = restarted.then(|| {
        let text =
            "the daemon was restarted, or this is not an id of its: what is shown should be read anew".to_owned();
        lost(LostEvents { count: None, text })
    });
    let rest = futures::stream::unfold((reader, filter, stop), move |(mut reader, filter, stop)| async move {
        loop {
            let told = stop.run_until_cancelled(reader.next()).await??;
            let event = match told {
                Told::Event(_, event) if !filter.passes(&event) => continue,
                Told::Event(number, event) => sent(&row(life, number, &event)),
                Told::Lost(count) => {
                    let text =
                        format!("{count} events were dropped before they were read: what is shown should be read anew");
                    lost(LostEvents { count: Some(count), text })
                }
            };
            return Some((Ok(event), (reader, filter, stop)));
        }
    });
    futures::StreamExt::chain(futures::stream::iter(start.map(Ok)), rest)
}

fn sent(row: &EventRow) -> sse::Event {
    let event = sse::Event::default().id(&row.id).event(row.kind.name());
    event.json_data(row).unwrap_or_default()
}

fn lost(lost: LostEvents) -> sse::Event {
    sse::Event::default().event("lost").json_data(lost).unwrap_or_default()
}

/// `LIFE-NUMBER`: numbers begin anew with every life of the daemon.
fn id_of(life: Timestamp, number: u64) -> String {
    format!("{:x}-{number}", life.0)
}

/// The number in an id of this life.
fn number_of(id: &str, life: Timestamp) -> Option<u64> {
    let (of, number) = id.split_once('-')?;
    let of = i64::from_str_radix(of, 16).ok()?;
    number.parse().ok().filter(|_| of == life.0)
}

pub fn row(life: Timestamp, number: u64, event: &Event) -> EventRow {
    let About { job, account, agent, worker, part, lease } = event.about;
    let percent = match event.what {
        What::JobProgress { percent } => Some(percent),
        What::JobDone => Some(100),
        _ => None,
    };
    EventRow {
        id: id_of(life, number),
        at: event.at.to_iso_millis(),
        kind: event.what.kind(),
        what: event.what.word().to_owned(),
        level: event.what.level(),
        text: event.text.clone(),
        job,
        account,
        agent,
        worker,
        piece: part.map(|part| part.to_string()),
        lease,
        progress_percent: percent,
    }
}
