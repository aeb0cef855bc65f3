//! The schedule as the operator handles it: weights, priorities, pauses, drains, cancelling undone, failed jobs tried again.

use super::{Routes, account_id, job_id};
use crate::{
    farm::{AgentView, Farm, FarmError, Order},
    http::{HttpState, body::Strict, error::Failure},
    model::{Controls, Duty, FailedAttempt, Job, JobEnd, JobState, Priority, Queue, Spot, Weight},
    schedule::breaker::{Breaker, Capability},
};
use axum::{
    Json,
    extract::{Path, State},
};
use tweenfarm_protocol::{
    AgentId, SlotRange,
    operator::{
        DutyKind, DutyRow, FailureRow, JobSchedule, QueueRow, RestRow, Role, SetPriority, SetWeight, WeightRow,
    },
    service::Availability,
    task::FailureClass,
};

pub fn routes() -> Routes {
    use Role::{Operator, Viewer};
    Routes::default()
        .get("/operator/queue", Viewer, queue)
        .post("/operator/queue/pause", Operator, pause_queue)
        .post("/operator/queue/resume", Operator, resume_queue)
        .get("/operator/jobs/{job}/schedule", Viewer, schedule)
        .put("/operator/jobs/{job}/priority", Operator, prioritise)
        .post("/operator/jobs/{job}/pause", Operator, pause_job)
        .post("/operator/jobs/{job}/resume", Operator, resume_job)
        .post("/operator/jobs/{job}/undo", Operator, undo)
        .post("/operator/jobs/{job}/retry", Operator, retry)
        .get("/operator/users/{account}/weight", Viewer, weight)
        .put("/operator/users/{account}/weight", Operator, weigh)
        .get("/operator/duties", Viewer, duties)
        .post("/operator/agents/{agent}/pause", Operator, pause_agent)
        .post("/operator/agents/{agent}/drain", Operator, drain_agent)
        .post("/operator/agents/{agent}/resume", Operator, resume_agent)
}

async fn queue(State(state): State<HttpState>) -> Json<QueueRow> {
    Json(row_of_queue(&state.farm.controls()))
}

async fn pause_queue(State(state): State<HttpState>) -> Result<Json<QueueRow>, Failure> {
    Ok(Json(row_of_queue(&state.farm.pause_queue(true).await?)))
}

async fn resume_queue(State(state): State<HttpState>) -> Result<Json<QueueRow>, Failure> {
    Ok(Json(row_of_queue(&state.farm.pause_queue(false).await?)))
}

fn row_of_queue(controls: &Controls) -> QueueRow {
    let paused_at = match controls.queue {
        Queue::Running => None,
        Queue::Paused { at } => Some(at.to_iso_seconds()),
    };
    QueueRow { paused_at, stopped_agents: u32::try_from(controls.duties.len()).unwrap_or(u32::MAX) }
}

async fn schedule(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobSchedule>, Failure> {
    let view = state.farm.job(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "job" })?;
    Ok(Json(row_of_job(&state.farm, &view.job)))
}

async fn prioritise(
    State(state): State<HttpState>,
    Path(job): Path<String>,
    Strict(body): Strict<SetPriority>,
) -> Result<Json<JobSchedule>, Failure> {
    let (lowest, highest) = (Priority::RANGE.start(), Priority::RANGE.end());
    let priority = Priority::new(body.priority)
        .ok_or_else(|| Failure::invalid(format!("priority must be a whole number from {lowest} to {highest}")))?;
    let job = state.farm.prioritise(job_id(&job)?, priority).await?;
    Ok(Json(row_of_job(&state.farm, &job)))
}

async fn pause_job(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobSchedule>, Failure> {
    let job = state.farm.pause_job(job_id(&job)?, true).await?;
    Ok(Json(row_of_job(&state.farm, &job)))
}

async fn resume_job(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobSchedule>, Failure> {
    let job = state.farm.pause_job(job_id(&job)?, false).await?;
    Ok(Json(row_of_job(&state.farm, &job)))
}

async fn undo(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobSchedule>, Failure> {
    let job = state.farm.undo_cancel(job_id(&job)?).await?;
    Ok(Json(row_of_job(&state.farm, &job)))
}

/// The answer shows the job as it waits again; its price is that of its first run.
async fn retry(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobSchedule>, Failure> {
    let job = state.farm.retry(job_id(&job)?).await?;
    Ok(Json(row_of_job(&state.farm, &job)))
}

fn row_of_job(farm: &Farm, job: &Job) -> JobSchedule {
    let pieces = job.state.pieces();
    let failures = pieces
        .flat_map(|(spot, piece)| piece.failures.iter().map(move |failure| row_of_failure(spot, piece.slots, failure)));
    let log = match &job.state {
        JobState::Ended { end: JobEnd::Failed { log, .. }, .. } => log.clone(),
        _ => vec![],
    };
    JobSchedule {
        job: job.id,
        priority: job.priority.get(),
        paused_at: job.paused_at.map(|at| at.to_iso_seconds()),
        waiting: farm.waiting(job).map(|waiting| waiting.to_string()),
        engine_version: job.engine_version.clone(),
        undo_until: job.kept().map(|kept| kept.until.to_iso_seconds()),
        failures: failures.collect(),
        log,
    }
}

fn row_of_failure(spot: Spot, slots: SlotRange, failed: &FailedAttempt) -> FailureRow {
    let FailedAttempt { agent, worker, at, failure } = failed.clone();
    let piece = match spot {
        Spot::Segment(_) => "segment",
        Spot::Join => "join",
        Spot::Mark => "mark",
    };
    let class = match failure.class {
        FailureClass::Input => "input",
        FailureClass::Resource => "resource",
        FailureClass::Worker => "worker",
        FailureClass::Internal => "internal",
    };
    let (piece, class, at) = (piece.to_owned(), class.to_owned(), at.to_iso_seconds());
    FailureRow { piece, slots, agent, worker, at, class, message: failure.message, log: failure.log }
}

async fn weight(State(state): State<HttpState>, Path(account): Path<String>) -> Result<Json<WeightRow>, Failure> {
    let account = state.farm.account(account_id(&account)?)?.ok_or(FarmError::NotFound { what: "account" })?;
    Ok(Json(WeightRow { account: account.id, weight: account.weight.get() }))
}

async fn weigh(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<SetWeight>,
) -> Result<Json<WeightRow>, Failure> {
    let (lowest, highest) = (Weight::RANGE.start(), Weight::RANGE.end());
    let weight = Weight::new(body.weight)
        .ok_or_else(|| Failure::invalid(format!("weight must be a whole number from {lowest} to {highest}")))?;
    let account = state.farm.weigh(account_id(&account)?, weight).await?;
    Ok(Json(WeightRow { account: account.id, weight: account.weight.get() }))
}

async fn duties(State(state): State<HttpState>) -> Json<Vec<DutyRow>> {
    Json(state.farm.agents().iter().map(row_of_agent).collect())
}

async fn pause_agent(State(state): State<HttpState>, Path(agent): Path<String>) -> Result<Json<DutyRow>, Failure> {
    order(&state.farm, &agent, Order::Pause).await
}

async fn drain_agent(State(state): State<HttpState>, Path(agent): Path<String>) -> Result<Json<DutyRow>, Failure> {
    order(&state.farm, &agent, Order::Drain).await
}

async fn resume_agent(State(state): State<HttpState>, Path(agent): Path<String>) -> Result<Json<DutyRow>, Failure> {
    order(&state.farm, &agent, Order::Work).await
}

/// Of any agent that is or was here, or that joined.
async fn order(farm: &Farm, agent: &str, order: Order) -> Result<Json<DutyRow>, Failure> {
    let agent: AgentId = agent.parse().map_err(|_| FarmError::NotFound { what: "agent" })?;
    let joined = farm.member(agent)?;
    if joined.is_none() && !farm.knows(agent) {
        return Err(FarmError::NotFound { what: "agent" }.into());
    }
    let duty = farm.order(agent, order).await?;
    let seen = farm.agents().into_iter().find(|view| view.hello.agent == agent);
    Ok(Json(seen.as_ref().map_or_else(
        || DutyRow {
            agent,
            name: joined.map(|member| member.name).unwrap_or_default(),
            connected: false,
            duty: kind(duty, false),
            since: since(duty),
            availability: String::new(),
            detail: None,
            in_hand: vec![],
            rests: vec![],
        },
        row_of_agent,
    )))
}

fn row_of_agent(view: &AgentView) -> DutyRow {
    let (availability, detail) = match view.condition.as_ref().map(|condition| &condition.availability) {
        None => ("", None),
        Some(Availability::Ready) => ("ready", None),
        Some(Availability::Asleep { until }) => ("asleep", Some(until.to_iso_seconds())),
        Some(Availability::InUse { reason }) => ("in use", Some(reason.clone())),
    };
    let rests = view.rests.iter().map(|(worker, work, breaker)| RestRow {
        worker: *worker,
        work: match work {
            Capability::Render(class) => format!("render {class}"),
            Capability::Join => "join".to_owned(),
            Capability::Mark(class) => format!("mark {class}"),
        },
        until: match breaker {
            Breaker::Open { until, .. } => Some(until.to_iso_seconds()),
            Breaker::Closed { .. } | Breaker::HalfOpen { .. } => None,
        },
    });
    DutyRow {
        agent: view.hello.agent,
        name: view.hello.name.clone(),
        connected: view.connected,
        duty: kind(view.duty, !view.in_hand.is_empty()),
        since: since(view.duty),
        availability: availability.to_owned(),
        detail,
        in_hand: view.in_hand.iter().map(|in_hand| in_hand.lease).collect(),
        rests: rests.collect(),
    }
}

fn kind(duty: Option<Duty>, is_busy: bool) -> DutyKind {
    match duty {
        None => DutyKind::Working,
        Some(Duty::Paused { .. }) => DutyKind::Paused,
        Some(Duty::Draining { .. }) if is_busy => DutyKind::Draining,
        Some(Duty::Draining { .. }) => DutyKind::Drained,
    }
}

fn since(duty: Option<Duty>) -> Option<String> {
    duty.map(|duty| match duty {
        Duty::Paused { at } | Duty::Draining { at } => at.to_iso_seconds(),
    })
}
