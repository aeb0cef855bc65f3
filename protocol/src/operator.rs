//! Bodies of the operator API: HTTP and JSON, on the daemon's local socket or over TLS, used by `tweenfarm`.
//!
//! Moments are texts of ISO 8601 in UTC. Lists come in pages; what a query may say is in docs/operator-api.md.

mod accounts;
mod agents;
mod events;
mod jobs;
mod operators;
mod retention;
mod schedule;
mod status;
mod watch;
mod webhooks;

pub use accounts::*;
pub use agents::*;
pub use events::*;
pub use jobs::*;
pub use operators::*;
pub use retention::*;
pub use schedule::*;
pub use status::*;
pub use watch::*;
pub use webhooks::*;

use serde::{Deserialize, Serialize};

/// One page of a list. It may be short, even empty, before the end: `next` says whether there is more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<Row> {
    pub rows: Vec<Row>,
    /// For `after` in the query of the page behind this one.
    pub next: Option<String>,
}

/// Every refusal of the operator API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub error: String,
}
