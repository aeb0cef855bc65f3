//! The operator's API: on a Unix socket that only the daemon's user can open, and over TLS for whoever has a token.
//!
//! Each route says which role it takes at least; the book of them is what tests and docs are made of.

mod accounts;
mod agents;
mod asked;
mod backup;
mod door;
mod events;
mod jobs;
mod keys;
mod metrics;
mod operators;
mod preview;
mod retention;
mod routes;
mod schedule;
mod status;
mod watch;
mod webhook;

pub use door::{Caller, SecureDoor, Seen, by_token, local};
pub use routes::{Entry, Routes};

use super::error::Failure;
use crate::farm::FarmError;
use tweenfarm_protocol::{AccountId, JobId, operator::Role};

const REASON_BYTES_MAX: usize = 500;

pub fn routes() -> Routes {
    use Role::{Admin, Operator, Viewer};
    Routes::default()
        .get("/operator/me", Viewer, door::me)
        .get("/operator/status", Viewer, status::status)
        .get("/operator/history", Viewer, status::history)
        .get("/operator/events", Viewer, events::stream)
        .get("/metrics", Viewer, metrics::metrics)
        .get("/operator/users", Viewer, accounts::list)
        .post("/operator/users", Admin, accounts::add)
        .post("/operator/users/{account}/grants", Admin, accounts::grant)
        .post("/operator/users/{account}/adjustments", Admin, accounts::adjust)
        .get("/operator/users/{account}/ledger", Viewer, accounts::ledger)
        .post("/operator/users/{account}/key", Admin, keys::rotate)
        .delete("/operator/users/{account}/key", Admin, keys::revoke_current)
        .get("/operator/users/{account}/keys", Viewer, keys::list)
        .post("/operator/users/{account}/keys", Admin, keys::add)
        .delete("/operator/users/{account}/keys/{key}", Admin, keys::revoke)
        .get("/operator/jobs", Viewer, jobs::list)
        .get("/operator/jobs/{job}", Viewer, jobs::one)
        .post("/operator/jobs/{job}/cancel", Operator, jobs::cancel)
        .get("/operator/jobs/{job}/log", Viewer, jobs::log)
        .get("/operator/jobs/{job}/preview", Viewer, preview::picture)
        .get("/operator/jobs/{job}/webhook", Viewer, webhook::one)
        .post("/operator/sweeps/retention", Operator, retention::sweep)
        .get("/operator/retention", Viewer, retention::overview)
        .get("/operator/retention/files", Viewer, retention::files)
        .put("/operator/files/{file}/pin", Operator, retention::pin)
        .delete("/operator/files/{file}/pin", Operator, retention::unpin)
        .get("/operator/operators", Admin, operators::list)
        .post("/operator/operators", Admin, operators::add)
        .delete("/operator/operators/{name}", Admin, operators::revoke)
        .get("/operator/backup", Admin, backup::download)
        .get("/operator/agents", Viewer, agents::list)
        .delete("/operator/agents/{agent}", Admin, agents::revoke)
        .post("/operator/invitations", Admin, agents::invite)
        .get("/operator/watch", Viewer, watch::view)
        .post("/operator/watch/{file}/release", Operator, watch::release)
        .post("/operator/watch/{file}/retry", Operator, watch::retry)
        .and(schedule::routes())
}

/// Metrics for whoever reaches the address they are told at.
pub fn metrics_route() -> axum::Router<super::HttpState> {
    axum::Router::new().route("/metrics", axum::routing::get(metrics::metrics))
}

fn account_id(text: &str) -> Result<AccountId, Failure> {
    text.parse().map_err(|_| FarmError::NotFound { what: "account" }.into())
}

fn job_id(text: &str) -> Result<JobId, Failure> {
    text.parse().map_err(|_| FarmError::NotFound { what: "job" }.into())
}

fn reason(text: &str) -> Result<String, Failure> {
    let reason = text.trim();
    if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
        let sentence = format!("reason must have 1 to {REASON_BYTES_MAX} bytes: it stays in the ledger");
        return Err(Failure::invalid(sentence));
    }
    Ok(reason.to_owned())
}
