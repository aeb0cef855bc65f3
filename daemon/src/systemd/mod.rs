//! What systemd is told (ready, how it stands, that it lives) and what it hands over (sockets that it holds open).
//!
//! Where systemd did not start the daemon, each of these does nothing. Never decides anything for the farm.

pub mod liveness;
pub mod sockets;
pub mod status;

use sd_notify::NotifyState;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The store is open and the sockets are bound.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; `ready` says that it is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload: there is no clock to tell it by"),
    }
}

/// How it stands, in a sentence.
pub fn say(sentence: &str) {
    tell(&[NotifyState::Status(sentence)]);
}

/// Stopping in order takes up to `grace`.
pub fn stopping(grace: Duration) {
    let micros = u32::try_from(grace.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping: work under way ends"),
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

/// Signs of life for as long as `lives` says so, until `stop`; at once over where systemd does not watch.
pub async fn alive_while(stop: CancellationToken, lives: impl Fn() -> bool) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    while let Some(()) = stop.run_until_cancelled(tokio::time::sleep(limit / liveness::SIGNS_PER_LIMIT)).await {
        if lives() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told how the daemon stands ($NOTIFY_SOCKET)");
    }
}
