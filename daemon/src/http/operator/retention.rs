//! Retention as the operator handles it: swept now, or only looked at.

use crate::{
    http::{HttpState, body::Strict, error::Failure},
    sweep::retention::{self, Mode, RetentionSweep},
};
use axum::{Json, extract::State};
use tweenfarm_protocol::operator::{Sweep, Swept};

/// Spawned: a pass that began is carried to its end, also when the operator leaves.
pub async fn sweep(State(state): State<HttpState>, Strict(body): Strict<Sweep>) -> Result<Json<Swept>, Failure> {
    let mode = if body.dry_run { Mode::DryRun } else { Mode::Delete };
    let pass = tokio::spawn(async move { retention::pass(&state.farm, &state.blobs, mode).await });
    let found = pass.await.map_err(|_| Failure::Internal("the sweep broke off; it has been logged"))??;
    let RetentionSweep { candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors } = found;
    let dry_run = body.dry_run;
    Ok(Json(Swept { dry_run, candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors }))
}
