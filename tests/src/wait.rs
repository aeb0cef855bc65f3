//! Waiting for something that will be so, with a limit that only a test that fails reaches.

use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until it is so.
///
/// # Panics
/// When it is not so within `limit`; `what` says what was waited for.
pub async fn until(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
