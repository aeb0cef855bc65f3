//! How an agent ends: drained, so that what it holds is finished and delivered, or stopped, so that it is handed back.

use crate::config::Config;
use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Halt {
    /// No new task; cancelled by a stop, too.
    pub drain: CancellationToken,
    /// Leases in hand go back.
    pub stop: CancellationToken,
}

impl Default for Halt {
    fn default() -> Halt {
        let stop = CancellationToken::new();
        Halt { drain: stop.child_token(), stop }
    }
}

impl Halt {
    /// SIGTERM drains for as long as the configuration says then, and then stops; a second one stops at once, as SIGINT
    /// does.
    pub fn on_signals(&self, config: watch::Receiver<Config>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let halt = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {
                    let drain_for = config.borrow().drain_for;
                    tracing::info!(drain_seconds = drain_for.as_secs(), "SIGTERM: finishing what is in hand");
                    halt.drain.cancel();
                    tokio::select! {
                        () = tokio::time::sleep(drain_for) => tracing::info!("the time to drain is over: stopping"),
                        _ = terminate.recv() => tracing::info!("SIGTERM again: stopping"),
                        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
                    }
                }
                _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            }
            halt.stop.cancel();
        });
        Ok(())
    }
}
