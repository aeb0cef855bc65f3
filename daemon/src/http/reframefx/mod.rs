//! The ReframeFX surface: its routes and its words, exact to its contract. Nothing outside this folder uses them.

mod account;
mod clip;
mod job_body;
mod jobs;
mod page;
mod prices;
mod project_body;
mod projects;
mod shares;
mod uploads;

use super::HttpState;
use axum::{
    Router,
    routing::{get, post},
};
use serde_json::Number;

pub fn routes() -> Router<HttpState> {
    Router::new()
        .route("/me", get(account::me))
        .route("/api-tokens", post(account::new_token).delete(account::revoke_token))
        .route("/pricing/config", get(prices::config))
        .route("/pricing/estimate", post(prices::estimate))
        .route("/pricing/estimate-video", post(prices::estimate_video))
        .route("/upload/presign", post(uploads::presign))
        .route("/probe", post(uploads::probe))
        .route("/projects", get(projects::list).post(projects::add))
        .route("/projects/{project}", get(projects::show).delete(projects::delete))
        .route("/projects/{project}/share", post(shares::enable).delete(shares::disable))
        .route("/share/{token}", get(shares::show))
        .route("/share/{token}/files/{file}", get(shares::download))
        .route("/projects/{project}/files/{file}/download", get(uploads::download))
        .route("/jobs", post(jobs::submit).get(jobs::list))
        .route("/jobs/{job}", get(jobs::show))
}

/// A number as people write it: 30 rather than 30.0.
fn shown(value: f64) -> Number {
    let whole = value.fract() == 0.0 && value.abs() < 9.0e15;
    let number = if whole { Some(Number::from(value as i64)) } else { Number::from_f64(value) };
    number.unwrap_or_else(|| Number::from(0))
}
