//! Agents as the operator handles them: invited, listed, revoked.

use crate::{
    farm::{AgentView, FarmError, InHand, WorkerTally},
    http::{HttpState, body::Strict, error::Failure},
    join::invitation::VALID_FOR,
    model::Agent,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use std::{collections::HashSet, time::Duration};
use tweenfarm_protocol::{
    AgentId, Timestamp,
    join::{AGENT_NAME_BYTES_MAX, is_agent_name},
    operator::{self, AgentRow, Invite, Invited, RevokedAgent, Standing, WorkerCounts, WorkerRow},
};

pub async fn invite(
    State(state): State<HttpState>,
    Strict(body): Strict<Invite>,
) -> Result<(StatusCode, Json<Invited>), Failure> {
    if !is_agent_name(&body.name) {
        let sentence = format!(
            "name must have 1 to {AGENT_NAME_BYTES_MAX} of a-z, A-Z, 0-9, dot, dash and underscore, and begin with a \
             letter or a digit"
        );
        return Err(Failure::invalid(sentence));
    }
    let valid_for = Duration::from_secs(body.valid_seconds);
    if !VALID_FOR.contains(&valid_for) {
        let (shortest, longest) = (VALID_FOR.start().as_secs(), VALID_FOR.end().as_secs());
        return Err(Failure::invalid(format!("valid_seconds must be from {shortest} to {longest}")));
    }
    if state.farm.joined_agents()?.iter().any(|agent| agent.is_member() && agent.name == body.name) {
        let sentence = "an agent of this name is in the farm: revoke it first, or take another name";
        return Err(Failure::invalid(sentence));
    }
    let (invitation, expires_at) = state.inviter.invite(&state.farm, body.name, valid_for).await?;
    let invited =
        Invited { line: invitation.to_string(), name: invitation.name, expires_at: expires_at.to_iso_seconds() };
    Ok((StatusCode::CREATED, Json(invited)))
}

pub async fn revoke(State(state): State<HttpState>, Path(agent): Path<String>) -> Result<Json<RevokedAgent>, Failure> {
    let agent: AgentId = agent.parse().map_err(|_| FarmError::NotFound { what: "agent" })?;
    let revoked = state.farm.revoke(agent).await?;
    Ok(Json(RevokedAgent { agent, name: revoked.name }))
}

pub async fn list(State(state): State<HttpState>) -> Result<Json<Vec<AgentRow>>, Failure> {
    let (joined, seen) = (state.farm.joined_agents()?, state.farm.agents());
    let of = |id: AgentId| seen.iter().find(|view| view.hello.agent == id);
    let known: HashSet<AgentId> = joined.iter().map(|agent| agent.id).collect();
    let local = seen.iter().filter(|view| !known.contains(&view.hello.agent));
    let rows = joined.iter().map(|agent| row(&state, agent.id, Some(agent), of(agent.id)));
    Ok(Json(rows.chain(local.map(|view| row(&state, view.hello.agent, None, Some(view)))).collect()))
}

/// What every known agent is, and whether it is connected.
pub fn standings(joined: &[Agent], seen: &[AgentView]) -> Vec<(Standing, bool)> {
    let of = |id: AgentId| seen.iter().find(|view| view.hello.agent == id);
    let is_connected = |view: Option<&AgentView>| view.is_some_and(|view| view.connected);
    let local = seen.iter().filter(|view| !joined.iter().any(|agent| agent.id == view.hello.agent));
    let joined = joined.iter().map(|agent| (Some(agent), of(agent.id)));
    joined
        .chain(local.map(|view| (None, Some(view))))
        .map(|(agent, view)| (standing(agent, view), is_connected(view)))
        .collect()
}

fn standing(joined: Option<&Agent>, seen: Option<&AgentView>) -> Standing {
    let proven = |uuid: &str| joined.is_none_or(|agent| agent.proven.contains_key(uuid));
    let all_proven = seen.is_none_or(|view| view.hello.workers.iter().all(|worker| proven(&worker.device_uuid)));
    match joined {
        None => Standing::Local,
        Some(agent) if !agent.is_member() => Standing::Revoked,
        Some(agent) if agent.proven.is_empty() || !all_proven => Standing::Probation,
        Some(_) => Standing::Member,
    }
}

/// `joined` is none for an agent of this machine, `seen` for one that has not said hello since the daemon started.
fn row(state: &HttpState, id: AgentId, joined: Option<&Agent>, seen: Option<&AgentView>) -> AgentRow {
    let standing = standing(joined, seen);
    let name = joined.map(|agent| &agent.name).or(seen.map(|view| &view.hello.name));
    AgentRow {
        agent: id,
        name: name.cloned().unwrap_or_default(),
        standing,
        version: seen.map(|view| view.hello.version.clone()).unwrap_or_default(),
        connected: seen.is_some_and(|view| view.connected),
        last_seen: seen.map(|view| view.last_seen.to_iso_seconds()),
        free_disk_bytes: seen.map_or(0, |view| view.hello.free_disk_bytes),
        workers: seen.map(|view| workers(state, view)).unwrap_or_default(),
    }
}

fn workers(state: &HttpState, view: &AgentView) -> Vec<WorkerRow> {
    let in_hand = |worker: u32| view.in_hand.iter().find(|held| held.worker == worker);
    let readings = view.condition.as_ref().map(|condition| condition.devices.as_slice()).unwrap_or_default();
    // Of an agent that is away, nobody knows how warm it is now.
    let reading = |uuid: &str| readings.iter().find(|reading| view.connected && reading.device_uuid == uuid);
    let (tally, now) = (state.farm.tally(), state.farm.now());
    let known_for = now.since(state.farm.opened_at());
    let rows = view.hello.workers.iter().map(|facts| WorkerRow {
        worker: facts.worker,
        device_name: facts.device_name.clone(),
        device_uuid: facts.device_uuid.clone(),
        engine: facts.engine.clone(),
        encoders: facts.encoders.clone(),
        inventory: facts.inventory.clone(),
        celsius: reading(&facts.device_uuid).and_then(|reading| reading.celsius),
        load_percent: reading(&facts.device_uuid).and_then(|reading| reading.busy_percent),
        job: in_hand(facts.worker).map(|held| held.job),
        in_hand: in_hand(facts.worker).map(row_of_piece),
        counts: tally
            .workers
            .get(&(view.hello.agent, facts.worker))
            .map_or_else(WorkerCounts::default, |tally| counts(tally, now, known_for)),
        probe_failure: state.probation.failure(view.hello.agent, &facts.device_uuid),
    });
    rows.collect()
}

fn row_of_piece(held: &InHand) -> operator::InHand {
    operator::InHand {
        job: held.job,
        piece: held.part.to_string(),
        lease: held.lease,
        attempt: held.attempt,
        frames_done: held.progress.frames_done,
        frames_total: held.progress.frames_total,
        deadline: held.deadline.to_iso_seconds(),
    }
}

fn counts(tally: &WorkerTally, now: Timestamp, known_for: Duration) -> WorkerCounts {
    let failure = tally.last_failure.as_ref();
    WorkerCounts {
        finished: tally.finished,
        failed: tally.failed,
        lost: tally.lost,
        frames: tally.frames,
        busy_percent: tally.busy_percent(now, known_for),
        last_failure: failure.map(|(_, text)| text.clone()),
        last_failure_at: failure.map(|(at, _)| at.to_iso_seconds()),
    }
}
