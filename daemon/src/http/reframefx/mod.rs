//! The ReframeFX surface: its routes and its words, exact to its contract. Nothing outside this folder uses them.

mod account;
mod clip;
mod document;
mod job_body;
mod jobs;
mod page;
mod prices;
mod project_body;
mod projects;
mod shares;
mod surface;
mod uploads;

pub use document::book;
pub use surface::surface;
pub use uploads::URL_LIFE;

use super::openapi::Operation;
use serde_json::Number;

/// An operation that sends an object, or a part of it.
pub fn ranged(operation: Operation) -> Operation {
    let text = || serde_json::json!({ "type": "string" });
    operation
        .parameter("header", "Range", false, "One range of bytes, such as bytes=0-1023", text())
        .parameter("header", "If-None-Match", false, "An ETag: 304 when the object still has it", text())
        .parameter("header", "If-Range", false, "An ETag: the range counts only when the object still has it", text())
        .answers_bytes(200, "The object", Some("*/*"))
        .answers_bytes(206, "The part that was asked for", Some("*/*"))
        .answers_bytes(304, "It has not changed", None)
        .refuses(416, "Range Not Satisfiable")
}

/// A number as people write it: 30 rather than 30.0.
fn shown(value: f64) -> Number {
    let whole = value.fract() == 0.0 && value.abs() < 9.0e15;
    let number = if whole { Some(Number::from(value as i64)) } else { Number::from_f64(value) };
    number.unwrap_or_else(|| Number::from(0))
}
