//! Named points at which a test has the daemon die, as abruptly as `kill -9`: `WORK:POINT`, such as
//! `complete:committed`. Nothing asks for one in an optimised build.

use crate::{
    model::{EndNews, EntryKind, JobEnd, JobState},
    store::Write,
};
use std::sync::OnceLock;

/// What is under way when the daemon is to die there.
pub const WORKS: [&str; 5] = ["submit", "complete", "fail", "cancel", "tell"];
/// Where in it: nothing is written; written and not durable; durable and not answered; answered, effects on their way.
pub const POINTS: [&str; 4] = ["decided", "committed", "synced", "answered"];

static DIE_AT: OnceLock<String> = OnceLock::new();

/// Asks for death at a point; the first one asked for counts.
pub fn die_at(point: String) {
    let _ = DIE_AT.set(point);
}

/// The kind of work that a transaction does, if it has points.
pub(super) fn work(writes: &[Write]) -> Option<&'static str> {
    writes.iter().find_map(|write| match write {
        Write::PutJob(job) => match &job.state {
            JobState::Ended { end: JobEnd::Done { .. }, .. } => Some("complete"),
            JobState::Ended { end: JobEnd::Failed { .. }, .. } => Some("fail"),
            JobState::Ended { end: JobEnd::Cancelled { .. }, .. } => Some("cancel"),
            JobState::Rendering { .. } | JobState::Joining { .. } | JobState::Marking { .. } => None,
        },
        Write::PutEntry(entry) if matches!(entry.kind, EntryKind::Charge { .. }) => Some("submit"),
        Write::PutWebhook(webhook) if matches!(webhook.end, EndNews::Sending { .. }) => Some("tell"),
        _ => None,
    })
}

/// Dies here if that was asked for.
pub(super) fn reach(work: Option<&'static str>, point: &'static str) {
    let asked = DIE_AT.get().and_then(|at| at.split_once(':'));
    if asked.is_some_and(|(asked_work, asked_point)| work == Some(asked_work) && point == asked_point) {
        std::process::abort();
    }
}
