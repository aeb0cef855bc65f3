//! The metrics of this daemon, as Prometheus reads them.

use super::{agents, status};
use crate::{
    alerts,
    http::{HttpState, error::Failure},
    metrics::{self, Found},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

pub async fn metrics(State(state): State<HttpState>) -> Result<Response, Failure> {
    let tally = state.farm.tally();
    let (seen, joined) = (state.farm.agents(), state.farm.joined_agents().unwrap_or_default());
    let members: Vec<_> = joined.iter().filter(|agent| agent.is_member()).cloned().collect();
    let facts = status::facts(&state, &tally, &seen, &members);
    let alerts = alerts::of(&facts);
    let found = Found {
        health: alerts::health(&alerts),
        alerts,
        standings: agents::standings(&joined, &seen),
        ledger_differences: facts.ledger_differences,
        disk_free_bytes: facts.disk_free_bytes,
        s3: state.blobs.traffic(),
    };
    let text = metrics::exposition(&state.farm, &state.requests, &found);
    let text = text.map_err(|_| Failure::Internal("the metrics could not be written down"))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
