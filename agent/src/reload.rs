//! SIGHUP: the configuration is read again. Hours, to whom the machine is yielded, the time to drain and the log change in a
//! running agent; the rest is told to need a restart, and a configuration that is refused changes nothing.

use crate::{
    config::{Config, ConfigError, LIVE},
    log::Filter,
    systemd,
};
use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tweenfarm_settings::Reload;

/// Reads again at each SIGHUP, for as long as the process runs. Never from an agent that is stopping: systemd has heard so.
pub fn on_signals(
    read: impl Fn() -> Result<Config, ConfigError> + Send + 'static,
    settings: watch::Sender<Config>,
    filter: Filter,
    stopping: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let mut hangups = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    let started = settings.borrow().effective.clone();
    tokio::spawn(async move {
        while let Some(Some(())) = stopping.run_until_cancelled(hangups.recv()).await {
            systemd::reloading();
            let remark = match read() {
                Ok(config) => {
                    let reload = Reload::between(&started, &settings.borrow().effective, &config.effective, &LIVE);
                    filter.set(&config.log.level);
                    settings.send_replace(config);
                    tracing::info!(%reload, "the configuration was read again");
                    reload.remedy()
                }
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::error!(error, "the configuration was not read again: everything stays as it was");
                    Some(format!("configuration refused: {error}"))
                }
            };
            systemd::reloaded(remark);
        }
    });
    Ok(())
}
