//! The sweep of cancelled jobs: what was kept of them goes when the time to undo the cancelling is over.

use crate::farm::{Farm, FarmError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often; what is kept is measured in minutes.
pub const EVERY: Duration = Duration::from_secs(60);

/// How many there were. Their bytes go by the effects, and what a crash leaves of them by the sweep of orphans.
pub async fn pass(farm: &Farm) -> Result<u64, FarmError> {
    farm.forget_cancelled().await
}

/// Passes until `stop`.
pub async fn run(farm: Farm, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match pass(&farm).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "cancelled jobs can be undone no longer"),
            Err(FarmError::Closing) => return,
            Err(error) => tracing::warn!(%error, "the cancelled jobs could not be swept"),
        }
    }
}
