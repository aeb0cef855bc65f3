//! SIGHUP: the configuration is read again. What can change in a running daemon does, the rest is told to need a restart,
//! and a configuration that is refused changes nothing.

use crate::{
    blobs::Blobs,
    config::{Config, ConfigError, LIVE},
    farm::{Farm, FarmRules},
    http::{HttpState, LiveRules},
    logging::Filter,
    systemd,
};
use tokio::{signal::unix::Signal, sync::watch};
use tokio_util::sync::CancellationToken;
use tweenfarm_settings::{Effective, Reload};

/// What is given anew, and by what it is known what changes.
pub struct Reloader {
    /// Reads the same layers as at the start, flags included.
    pub read: Box<dyn Fn() -> Result<Config, ConfigError> + Send>,
    pub rules: fn(&Config) -> FarmRules,
    pub live_rules: fn(&Config) -> LiveRules,
    pub farm: Farm,
    pub http: HttpState,
    pub blobs: Blobs,
    pub filter: Filter,
    /// What the daemon was started with.
    pub started: Effective,
    pub running: Effective,
    /// What people should know beside how the farm stands.
    pub remark: watch::Sender<Option<String>>,
}

impl Reloader {
    pub async fn run(mut self, mut hangups: Signal, stop: CancellationToken) {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            systemd::reloading();
            self.once();
            systemd::ready();
        }
    }

    fn once(&mut self) {
        match (self.read)().map_err(anyhow::Error::new).and_then(|config| self.take(&config)) {
            Ok(reload) => {
                tracing::info!(%reload, "the configuration was read again");
                self.remark.send_replace(reload.remedy());
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the configuration was not read again: everything stays as it was");
                self.remark.send_replace(Some(format!("configuration refused: {error}")));
            }
        }
    }

    fn take(&mut self, config: &Config) -> anyhow::Result<Reload> {
        let reload = Reload::between(&self.started, &self.running, &config.effective, &LIVE);
        // First what might be refused, so that all of it takes effect or nothing.
        self.http.take((self.live_rules)(config))?;
        self.filter.set(&config.log.filter)?;
        self.farm.set_rules((self.rules)(config));
        self.blobs.set_reserve_bytes(config.disk_reserve_bytes);
        self.running = config.effective.clone();
        Ok(reload)
    }
}
