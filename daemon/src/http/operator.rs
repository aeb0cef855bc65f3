//! The operator's API, on a Unix socket that only the daemon's user can open: whoever reaches it may do all of it.

mod agents;
mod keys;

use super::{HttpState, auth, body::Strict, error::Failure};
use crate::{
    farm::{FarmError, JobView, NewAccount},
    model::{
        Credit, EntryKind, JobEnd, JobState, LedgerEntry, News, Reversal, WebhookAttempt, WebhookEvents, WebhookStatus,
    },
    sweep::retention::{self, Mode, RetentionSweep},
};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use std::collections::HashMap;
use tweenfarm_protocol::{
    AccountId, JobId, Xeconds,
    operator::{
        AddUser, AddedUser, Adjust, CreditKind, Grant, Granted, JobRow, LedgerRow, Status, Sweep, Swept, UserRow,
        WebhookAttemptRow, WebhookView,
    },
};

const EMAIL_BYTES_MAX: usize = 254;
const REASON_BYTES_MAX: usize = 500;
const JOBS_DEFAULT: usize = 50;
const JOBS_MAX: usize = 1000;

pub fn routes() -> Router<HttpState> {
    Router::new()
        .route("/operator/users", post(add_user).get(users))
        .route("/operator/users/{account}/grants", post(grant))
        .route("/operator/users/{account}/adjustments", post(adjust))
        .route("/operator/users/{account}/ledger", get(ledger))
        .route("/operator/users/{account}/key", post(keys::rotate).delete(keys::revoke_current))
        .route("/operator/users/{account}/keys", post(keys::add).get(keys::list))
        .route("/operator/users/{account}/keys/{key}", delete(keys::revoke))
        .route("/operator/jobs", get(jobs))
        .route("/operator/jobs/{job}", get(job))
        .route("/operator/jobs/{job}/cancel", post(cancel))
        .route("/operator/jobs/{job}/webhook", get(webhook))
        .route("/operator/sweeps/retention", post(sweep))
        .route("/operator/agents", get(agents::list))
        .route("/operator/agents/{agent}", delete(agents::revoke))
        .route("/operator/invitations", post(agents::invite))
        .route("/operator/status", get(status))
}

async fn add_user(
    State(state): State<HttpState>,
    Strict(body): Strict<AddUser>,
) -> Result<(StatusCode, Json<AddedUser>), Failure> {
    let email = body.email.trim().to_owned();
    let plausible = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !plausible || email.len() > EMAIL_BYTES_MAX || email.chars().any(|letter| letter.is_control() || letter == ' ') {
        return Err(Failure::invalid("email must be an e-mail address such as ann@example.org"));
    }
    if body.xeconds < Xeconds::ZERO {
        return Err(Failure::invalid("xeconds must be 0 or more"));
    }
    let (api_key, hash) = auth::new_key();
    let reason = "granted with the account".to_owned();
    let new = NewAccount { email, key: hash, trial: body.trial, grant: body.xeconds, reason };
    let (account, balance) = state.farm.add_account(new).await?;
    let added = AddedUser { account: account.id, email: account.email, api_key, balance };
    Ok((StatusCode::CREATED, Json(added)))
}

async fn grant(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<Grant>,
) -> Result<Json<Granted>, Failure> {
    let (account, reason) = (account_id(&account)?, reason(&body.reason)?);
    if body.xeconds <= Xeconds::ZERO {
        return Err(Failure::invalid("xeconds must be above 0: take some back with an adjustment"));
    }
    let credit = match body.kind {
        CreditKind::Trial => Credit::Trial,
        CreditKind::Paid => Credit::Paid,
    };
    let balance = state.farm.grant(account, body.xeconds, reason, credit).await?;
    Ok(Json(Granted { account, balance }))
}

async fn adjust(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<Adjust>,
) -> Result<Json<Granted>, Failure> {
    let (account, reason) = (account_id(&account)?, reason(&body.reason)?);
    let balance = state.farm.adjust(account, body.xeconds, reason).await?;
    Ok(Json(Granted { account, balance }))
}

fn account_id(text: &str) -> Result<AccountId, Failure> {
    text.parse().map_err(|_| FarmError::NotFound { what: "account" }.into())
}

fn reason(text: &str) -> Result<String, Failure> {
    let reason = text.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        let sentence = format!("reason must have 1 to {REASON_BYTES_MAX} bytes: it stays in the ledger");
        return Err(Failure::invalid(sentence));
    }
    Ok(reason.to_owned())
}

async fn ledger(State(state): State<HttpState>, Path(account): Path<String>) -> Result<Json<Vec<LedgerRow>>, Failure> {
    let account = account_id(&account)?;
    state.farm.account(account)?.ok_or(FarmError::NotFound { what: "account" })?;
    Ok(Json(state.farm.entries(account)?.into_iter().map(row_of_entry).collect()))
}

fn row_of_entry(entry: LedgerEntry) -> LedgerRow {
    let (kind, note) = match entry.kind {
        EntryKind::TrialGrant => ("trial grant", String::new()),
        EntryKind::Purchase(bought) => {
            let (whole, hundredths) = (bought.price_hundredths / 100, bought.price_hundredths % 100);
            let price = format!("{whole}.{hundredths:02} {}", bought.currency.code());
            ("purchase", format!("{} for {price}, event {}", bought.pack, bought.event))
        }
        EntryKind::OperatorGrant { reason, credit: Credit::Trial } => ("grant (trial)", reason),
        EntryKind::OperatorGrant { reason, credit: Credit::Paid } => ("grant (paid)", reason),
        EntryKind::Adjustment { reason } => ("adjustment", reason),
        EntryKind::Charge { job } => ("charge", format!("job {job}")),
        EntryKind::Refund { job, .. } => ("refund", format!("job {job}")),
        EntryKind::Reversal(Reversal { due, event, reason, .. }) => {
            let missing = due.0.saturating_add(entry.change.0);
            let used = if missing > 0 { format!(", {missing} of {due} had been used") } else { String::new() };
            ("reversal", format!("{reason}, event {event}{used}"))
        }
    };
    LedgerRow {
        sequence: entry.sequence,
        at: entry.at.to_iso_seconds(),
        kind: kind.to_owned(),
        change: entry.change,
        balance: entry.balance_after,
        note,
    }
}

async fn users(State(state): State<HttpState>) -> Result<Json<Vec<UserRow>>, Failure> {
    let mut rows = Vec::new();
    for account in state.farm.accounts()? {
        rows.push(UserRow {
            account: account.id,
            balance: state.farm.balance(account.id)?,
            has_key: state.farm.active_key(account.id)?.is_some(),
            email: account.email,
            tier: account.tier.as_str().to_owned(),
            created_at: account.created_at.to_iso_seconds(),
        });
    }
    Ok(Json(rows))
}

/// Spawned: a pass that began is carried to its end, also when the operator leaves.
async fn sweep(State(state): State<HttpState>, Strict(body): Strict<Sweep>) -> Result<Json<Swept>, Failure> {
    let mode = if body.dry_run { Mode::DryRun } else { Mode::Delete };
    let pass = tokio::spawn(async move { retention::pass(&state.farm, &state.blobs, mode).await });
    let found = pass.await.map_err(|_| Failure::Internal("the sweep broke off; it has been logged"))??;
    let RetentionSweep { candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors } = found;
    let dry_run = body.dry_run;
    Ok(Json(Swept { dry_run, candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors }))
}

async fn jobs(
    State(state): State<HttpState>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Vec<JobRow>>, Failure> {
    let limit = query.get("limit").map_or(Some(JOBS_DEFAULT), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=JOBS_MAX).contains(limit));
    let limit = limit.ok_or_else(|| Failure::invalid(format!("limit must be an integer from 1 to {JOBS_MAX}")))?;
    Ok(Json(state.farm.jobs_recent(limit)?.iter().map(row_of_job).collect()))
}

async fn job(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobRow>, Failure> {
    let view = state.farm.job(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "job" })?;
    Ok(Json(row_of_job(&view)))
}

async fn cancel(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobRow>, Failure> {
    let id = job_id(&job)?;
    state.farm.cancel(id).await?;
    let view = state.farm.job(id)?.ok_or(FarmError::NotFound { what: "job" })?;
    Ok(Json(row_of_job(&view)))
}

async fn webhook(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<WebhookView>, Failure> {
    let webhook = state.farm.webhook(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "webhook" })?;
    let WebhookEvents { progress, completed, failed } = webhook.events;
    let events = [("progress", progress), ("completed", completed), ("failed", failed)];
    let receiver =
        url::Url::parse(&webhook.url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
    let status = match webhook.status() {
        WebhookStatus::Pending => "pending",
        WebhookStatus::Delivered => "delivered",
        WebhookStatus::Failed => "failed",
    };
    Ok(Json(WebhookView {
        job: webhook.job,
        receiver,
        events: events.into_iter().filter(|(_, asked)| *asked).map(|(event, _)| event.to_owned()).collect(),
        signed: webhook.signed_with.is_some(),
        status: status.to_owned(),
        attempts: webhook.log.into_iter().map(row_of_attempt).collect(),
    }))
}

fn row_of_attempt(attempt: WebhookAttempt) -> WebhookAttemptRow {
    WebhookAttemptRow {
        at: attempt.at.to_iso_seconds(),
        news: match attempt.news {
            News::Progress { percent } => format!("{percent} %"),
            News::End => "end".to_owned(),
        },
        outcome: attempt.outcome.map_or_else(|failure| failure, |status| format!("answered {status}")),
    }
}

fn job_id(text: &str) -> Result<JobId, Failure> {
    text.parse().map_err(|_| FarmError::NotFound { what: "job" }.into())
}

fn row_of_job(view: &JobView) -> JobRow {
    let job = &view.job;
    let (state, at, refunded, error) = match &job.state {
        JobState::Rendering { .. } => ("rendering", None, Xeconds::ZERO, None),
        JobState::Joining { .. } => ("joining", None, Xeconds::ZERO, None),
        JobState::Marking { .. } => ("marking", None, Xeconds::ZERO, None),
        JobState::Ended { at, end } => match end {
            JobEnd::Done { .. } => ("done", Some(at), Xeconds::ZERO, None),
            JobEnd::Failed { error, refunded, .. } => ("failed", Some(at), *refunded, Some(error.clone())),
            JobEnd::Cancelled { refunded, .. } => ("cancelled", Some(at), *refunded, None),
        },
    };
    JobRow {
        job: job.id,
        account: job.account,
        state: state.to_owned(),
        progress_percent: view.progress_percent,
        target_fps: job.target_fps,
        settings: format!("{} {}", job.engine, job.format),
        xeconds_charged: job.charged,
        xeconds_refunded: refunded,
        created_at: job.created_at.to_iso_seconds(),
        completed_at: at.map(|at| at.to_iso_seconds()),
        error,
    }
}

async fn status(State(state): State<HttpState>) -> Json<Status> {
    let load = state.farm.load();
    let ledger_differences = state.audit.borrow().differences.len() as u64;
    let (accounts, jobs) = state.farm.totals();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers_idle: load.workers_idle,
        workers_running: load.workers_running,
        queue_depth: load.queue_depth,
        accounts,
        jobs,
        ledger_differences,
        late_reports: state.farm.late_reports(),
    })
}
