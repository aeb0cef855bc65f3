//! The bench's tables in Markdown.

mod crowd;
mod http;
mod quality;
mod speed;

pub use crowd::{crowd_table, shared_text};
pub use http::http_table;
pub use quality::quality_tables;
pub use speed::{engine_table, speed_tables};

fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Beside a target.
fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT met" }
}
