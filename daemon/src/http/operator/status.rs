//! The farm at one glance, and how it has been.

use super::asked::Asked;
use crate::{
    alerts::{self, Facts},
    farm::{AgentView, FarmError, Tally},
    http::{HttpState, error::Failure},
    model::{Agent, Queue, What},
};
use axum::{Json, extract::State};
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};
use tweenfarm_protocol::{
    AgentId,
    operator::{DiskRow, History, LedgerDay, Status},
};

const HISTORY_MINUTES_MAX: u64 = 24 * 60;
const HISTORY_POINTS_MAX: u32 = 2000;

pub async fn status(State(state): State<HttpState>) -> Result<Json<Status>, Failure> {
    let (load, now, tally) = (state.farm.load(), state.farm.now(), state.farm.tally());
    let (accounts, jobs) = state.farm.totals();
    let (seen, joined) = (state.farm.agents(), joined(&state));
    let facts = facts(&state, &tally, &seen, &joined);
    let alerts = alerts::of(&facts);
    let known: HashSet<AgentId> =
        seen.iter().map(|view| view.hello.agent).chain(joined.iter().map(|agent| agent.id)).collect();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: now.to_iso_seconds(),
        started_at: state.farm.opened_at().to_iso_seconds(),
        health: alerts::health(&alerts),
        alerts,
        workers_idle: load.workers_idle,
        workers_running: load.workers_running,
        agents_connected: facts.agents_connected,
        agents: u32::try_from(known.len()).unwrap_or(u32::MAX),
        queue_depth: load.queue_depth,
        jobs_open: facts.jobs_open,
        queue_age_seconds: facts.queue_age.map(|age| age.as_secs()),
        accounts,
        jobs,
        ledger_differences: facts.ledger_differences,
        late_reports: state.farm.late_reports(),
        ledger_today: today(&state, &tally),
        disk: DiskRow { free_bytes: facts.disk_free_bytes, reserve_bytes: facts.disk_reserve_bytes },
    }))
}

/// Members only. A farm whose store does not answer says so elsewhere in its status.
fn joined(state: &HttpState) -> Vec<Agent> {
    let members = state.farm.joined_agents().unwrap_or_default().into_iter();
    members.filter(Agent::is_member).collect()
}

pub fn facts(state: &HttpState, tally: &Tally, seen: &[AgentView], members: &[Agent]) -> Facts {
    let (load, now) = (state.farm.load(), state.farm.now());
    let connected: HashSet<AgentId> = seen.iter().filter(|view| view.connected).map(|view| view.hello.agent).collect();
    let away = members.iter().filter(|agent| !connected.contains(&agent.id));
    let unproven = |agent: &&Agent| {
        let view = seen.iter().find(|view| view.hello.agent == agent.id && view.connected);
        view.is_some_and(|view| view.hello.workers.iter().any(|worker| !agent.proven.contains_key(&worker.device_uuid)))
    };
    let mut failed_sweeps: Vec<(String, String)> = Vec::new();
    let mut looked_at = HashSet::new();
    for event in &tally.sweeps {
        // Newest first: the last pass of each decides.
        if let What::Swept { sweep, ok, .. } = event.what
            && looked_at.insert(sweep)
            && !ok
        {
            failed_sweeps.push((sweep.to_owned(), event.text.clone()));
        }
    }
    Facts {
        store_works: !matches!(state.farm.jobs_recent(0, None), Err(FarmError::Unavailable)),
        agents_connected: u32::try_from(connected.len()).unwrap_or(u32::MAX),
        agents_away: away.map(|agent| agent.name.clone()).collect(),
        on_probation: members.iter().filter(unproven).map(|agent| agent.name.clone()).collect(),
        workers: load.workers_idle.saturating_add(load.workers_running),
        jobs_open: state.farm.jobs_open_count(),
        queue_age: state.farm.queue_since().map(|since| now.since(since)),
        disk_free_bytes: state.blobs.free_bytes().ok(),
        disk_reserve_bytes: state.blobs.reserve_bytes(),
        ledger_differences: state.audit.borrow().differences.len() as u64,
        failed_sweeps,
        resting: seen.iter().filter(|view| !view.rests.is_empty()).map(|view| view.hello.name.clone()).collect(),
        queue_paused: matches!(state.farm.controls().queue, Queue::Paused { .. }),
        certificates_ending: alerts::ending(&state.certificates, now),
    }
}

fn today(state: &HttpState, tally: &Tally) -> LedgerDay {
    let day = |moment: i64| moment.div_euclid(24 * 3600 * 1_000_000);
    let today = day(state.farm.now().0);
    let sum = |kinds: &[&str]| {
        let sums = kinds.iter().filter_map(|kind| tally.today.ledger.get(kind));
        if tally.today.day == today { sums.sum() } else { 0 }
    };
    LedgerDay {
        charged: -sum(&["charge"]),
        refunded: sum(&["refund"]),
        granted: sum(&["trial_grant", "grant_trial", "grant_paid", "adjustment"]),
        bought: sum(&["purchase", "reversal"]),
        whole_day: day(state.farm.opened_at().0) < today,
    }
}

/// In the query of the history.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    minutes: Option<u64>,
    points: Option<u32>,
}

pub async fn history(State(state): State<HttpState>, Asked(span): Asked<Span>) -> Result<Json<History>, Failure> {
    let (minutes, points) = (span.minutes.unwrap_or(60), span.points.unwrap_or(120));
    if !(1..=HISTORY_MINUTES_MAX).contains(&minutes) || !(1..=HISTORY_POINTS_MAX).contains(&points) {
        let sentence =
            format!("minutes must be from 1 to {HISTORY_MINUTES_MAX}, points from 1 to {HISTORY_POINTS_MAX}");
        return Err(Failure::invalid(sentence));
    }
    let (step, points) = state.history.last(Duration::from_secs(minutes * 60), points);
    Ok(Json(History { step_seconds: u32::try_from(step.as_secs()).unwrap_or(u32::MAX), points }))
}
