//! tweenfarm-watch: reads its rules, opens what it remembers, watches until it is told to stop.

use clap::{CommandFactory, Parser};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use tweenfarm_daemon::{
    config::ConfigError,
    logging,
    manual::ManualFlags,
    systemd,
    watch::{
        self,
        config::{LIVE, WatchConfig, WatchFlags},
    },
};
use tweenfarm_settings::{Effective, Reload};

/// What still blocks after a stop (a look into a file) is left behind.
const RUNTIME_GRACE: Duration = Duration::from_secs(2);

/// Watch folders of Tweenfarm: drop a clip, get it back at the target rate
#[derive(Parser)]
#[command(
    name = "tweenfarm-watch",
    version,
    after_help = "SIGTERM ends it in order, a second one at once. SIGHUP reads the configuration again: rules that did not \
                  change go on undisturbed."
)]
struct Cli {
    /// Configuration file with the rules
    #[arg(long, value_name = "FILE", env = "TWEENFARM_WATCH_CONFIG", default_value = "/etc/tweenfarm/watch.toml")]
    config: PathBuf,
    /// Check the configuration and stop
    #[arg(long)]
    check_config: bool,
    /// Take the folders as they are mounted now, whatever was remembered
    #[arg(long)]
    accept_folders: bool,
    /// For tests: die at this point of a file's way
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "POINT", hide = true)]
    die_at: Option<String>,
    #[command(flatten)]
    flags: WatchFlags,
    #[command(flatten)]
    manual: ManualFlags,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.manual.answer(Cli::command()) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return complain(&anyhow::Error::new(error).context("write the manual"), 1),
    }
    let config = match WatchConfig::load(&cli.config, &cli.flags) {
        Ok(config) => config,
        Err(error) => return complain(&error.into(), 2),
    };
    if cli.check_config {
        println!("the configuration is good");
        return ExitCode::SUCCESS;
    }
    #[cfg(debug_assertions)]
    if let Some(point) = cli.die_at {
        watch::crash::die_at(point);
    }
    let (accept_folders, file, flags) = (cli.accept_folders, cli.config, cli.flags);
    match start(config, accept_folders, move || WatchConfig::load(&file, &flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// The whole chain on one line: what was tried, and why it failed.
fn complain(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("tweenfarm-watch: {error:#}");
    ExitCode::from(status)
}

fn start(
    config: WatchConfig,
    accept_folders: bool,
    read: impl Fn() -> Result<WatchConfig, ConfigError> + Send + 'static,
) -> anyhow::Result<()> {
    let filter = logging::start(&config.log)?;
    let opened = watch::open(&config, accept_folders)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let watched = runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop");
            told.cancel();
            // A second signal ends it at once.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
        let (changes, changed) = mpsc::channel(1);
        let reloads = Reloads { read, filter, started: config.effective.clone(), changes };
        tokio::spawn(reloads.run(signal(SignalKind::hangup())?, config.effective.clone(), stop.clone()));
        watch::run(config, opened, changed, stop).await
    });
    runtime.shutdown_timeout(RUNTIME_GRACE);
    watched
}

/// SIGHUP: the configuration is read again. One that is refused changes nothing.
struct Reloads<R> {
    read: R,
    filter: logging::Filter,
    started: Effective,
    changes: mpsc::Sender<WatchConfig>,
}

impl<R: Fn() -> Result<WatchConfig, ConfigError>> Reloads<R> {
    async fn run(self, mut hangups: Signal, mut running: Effective, stop: CancellationToken) {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            systemd::reloading();
            let told = match (self.read)().map_err(anyhow::Error::new).and_then(|config| {
                self.filter.set(&config.log.filter)?;
                Ok(config)
            }) {
                Ok(config) => {
                    let reload = Reload::between(&self.started, &running, &config.effective, &LIVE);
                    running = config.effective.clone();
                    tracing::info!(%reload, "the configuration was read again");
                    let told = reload.remedy();
                    if self.changes.send(config).await.is_err() {
                        return;
                    }
                    told.unwrap_or_else(|| "watching, the configuration was read again".to_owned())
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the configuration was not read again: everything stays as it was");
                    format!("configuration refused: {error}")
                }
            };
            systemd::say(&told);
            systemd::ready();
        }
    }
}
