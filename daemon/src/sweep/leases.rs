//! The sweep of leases: pieces whose worker has not renewed in time go back to ready, or fail their job.

use crate::farm::{Farm, FarmError, LeaseSweep};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often: a lost worker is noticed this much later than its deadline, at most.
pub const EVERY: Duration = Duration::from_secs(1);

pub async fn pass(farm: &Farm) -> Result<LeaseSweep, FarmError> {
    farm.expire_leases().await
}

/// Passes until `stop`.
pub async fn run(farm: Farm, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match pass(&farm).await {
            Ok(LeaseSweep { expired: 0, .. }) => {}
            Ok(LeaseSweep { expired, jobs_failed }) => {
                tracing::info!(expired, jobs_failed, "leases ran out");
            }
            Err(FarmError::Closing) => return,
            Err(error) => tracing::warn!(%error, "the leases could not be swept"),
        }
    }
}
