//! The sweep of key uses: writes down when keys were last used, so that no request waits for it.

use crate::farm::{Farm, FarmError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often; a daemon that is killed forgets this much, at most.
pub const EVERY: Duration = Duration::from_secs(60);

/// Passes until `stop`, and once more then.
pub async fn run(farm: Farm, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        match farm.save_key_uses().await {
            Ok(()) => {}
            Err(FarmError::Closing) => return,
            Err(error) => tracing::warn!(%error, "when keys were last used could not be written down"),
        }
        if stopping {
            return;
        }
    }
}
