//! The audit: adds every ledger up again and reports what does not fit, never corrects it. On the same slow clock,
//! first answers past their time are forgotten.

use crate::farm::{Audit, Farm, FarmError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often; the first one is at the start.
pub const EVERY: Duration = Duration::from_secs(60 * 60);

/// Every ledger is read: on a thread that may wait for the disk.
pub async fn pass(farm: &Farm) -> Result<Audit, FarmError> {
    let reader = farm.clone();
    let audit = tokio::task::spawn_blocking(move || reader.audit()).await.map_err(|error| {
        tracing::error!(%error, "the audit ended early");
        FarmError::Unavailable
    })??;
    for account in &audit.differences {
        tracing::error!(%account, "the entries of this account do not add up to its balance");
    }
    Ok(audit)
}

/// Passes until `stop` and publishes what the last one found.
pub async fn run(farm: Farm, found: watch::Sender<Audit>, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let started = std::time::Instant::now();
        match pass(&farm).await {
            Ok(audit) => {
                let Audit { accounts, entries, ref differences } = audit;
                let different = differences.len();
                let text = format!(
                    "{entries} entries of {accounts} accounts were added up again; {different} accounts differ"
                );
                super::told(&farm, "audit", started, different == 0, (0, 0), text);
                found.send_replace(audit);
            }
            Err(FarmError::Closing) => return,
            Err(error) => super::told(&farm, "audit", started, false, (0, 0), error.to_string()),
        }
        if let Err(error) = farm.forget_answers().await {
            tracing::warn!(%error, "old answers to idempotency keys could not be forgotten");
        }
    }
}
