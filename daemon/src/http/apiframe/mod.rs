//! The Apiframe surface under `/v2`: its routes and its words, exact to its contract. Nothing outside this folder uses
//! them. It serves the same accounts, balance, jobs and files as the ReframeFX surface.

mod account;
mod caller;
mod document;
mod flaws;
mod job_body;
mod jobs;
mod links;
mod list;
mod models;
mod order;
pub mod rates;
mod refused;
mod sniff;
mod sources;
mod surface;
mod told;
mod uploads;

pub use links::PREFIX as FILES;
pub use surface::surface;
pub use told::described;

use super::{HttpState, openapi};
use axum::{Router, body::Bytes, http::header, middleware, routing::get};

/// Everything under `/v2`, its document too.
pub fn routes(origin: &str) -> Router<HttpState> {
    let (router, operations) = surface().into_parts();
    let text = Bytes::from(openapi::document(&document::book(), &operations, origin).to_string());
    let json = [(header::CONTENT_TYPE, "application/json")];
    router
        .route(document::PATH, get(move || async move { (json, text) }))
        .merge(refused::routes())
        .layer(middleware::from_fn(rates::tell))
}
