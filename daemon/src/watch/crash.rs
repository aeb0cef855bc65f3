//! Named points at which a test has the watcher die, as abruptly as `kill -9`. Nothing asks for one in an optimised build.

use std::sync::OnceLock;

/// In the order in which a file comes by them.
pub const POINTS: [&str; 10] = [
    "looked into",
    "sent, not noted",
    "uploaded",
    "charged, not noted",
    "submitted",
    "fetched, not proven",
    "proven",
    "named, not noted",
    "published",
    "source gone, not noted",
];

static DIE_AT: OnceLock<String> = OnceLock::new();

/// Asks for death at a point; the first one asked for counts.
pub fn die_at(point: String) {
    let _ = DIE_AT.set(point);
}

/// Dies here if that was asked for.
pub(super) fn reach(point: &'static str) {
    debug_assert!(POINTS.contains(&point));
    if DIE_AT.get().is_some_and(|asked| asked == point) {
        std::process::abort();
    }
}
