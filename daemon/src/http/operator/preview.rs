//! A picture of what a job has made so far.

use super::job_id;
use crate::{
    farm::FarmError,
    http::{HttpState, error::Failure},
    preview,
};
use axum::{
    extract::{Path, State},
    http::{HeaderName, header},
    response::IntoResponse,
};

/// Which frame of the output the picture is of, counted from 0.
const FRAME: HeaderName = HeaderName::from_static("x-frame");

pub async fn picture(State(state): State<HttpState>, Path(job): Path<String>) -> Result<impl IntoResponse, Failure> {
    let job = state.farm.job(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "job" })?.job;
    let spot = preview::spot(&job)?;
    let picture = state.previewer.picture(&job, &spot).await?;
    Ok(([(header::CONTENT_TYPE, "image/png".to_owned()), (FRAME, spot.slot.to_string())], picture))
}
