//! tweenfarmd: reads its configuration, opens the store, serves until it is told to stop, and stops in order.

use anyhow::Context;
use clap::{CommandFactory, Parser};
use serde::Serialize;
use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tweenfarm_daemon::{
    alerts::{Certificate, CertificateKind},
    backup,
    blobs::{
        self, BlobError, Blobs, DiskStore, Signer,
        s3::{S3Settings, S3Store},
    },
    config::{BlobsConfig, Config, ConfigError, Flags},
    farm::{Audit, Effect, Farm, FarmRules, SystemClock},
    history::{self, Recorder},
    http::{
        self, Door, HttpParts, HttpState, LiveRules,
        apiframe::rates::PlanRules,
        auth::tokens::Tokens,
        limits::RateRules,
        operator::SecureDoor,
        payments::PaymentSecret,
        secure::{SecureListener, Shown},
    },
    join::{Authority, discovery::Announcement, invitation::Inviter},
    logging,
    manual::ManualFlags,
    marks::Marks,
    open_files,
    outbound::Outbound,
    private_socket::{self, SocketFile},
    probation::Probation,
    reload::Reloader,
    rpc::{self, Office, RpcSettings},
    store,
    sweep::{audit, cancelled, key_uses, leases, orphans, retention},
    systemd::{self, sockets::Handed},
    webhooks::Deliveries,
};

use tweenfarm_protocol::Timestamp;
use url::Url;

/// Reads the configuration as at the start.
type ReadAgain = Box<dyn Fn() -> Result<Config, ConfigError> + Send>;

/// How long running requests and transfers get after a stop.
const GRACE: Duration = Duration::from_secs(20);
/// What still blocks after that (a probe's child) is left behind.
const RUNTIME_GRACE: Duration = Duration::from_secs(2);
/// The first answer under an Idempotency-Key is given again for a day, as the contract says.
const IDEMPOTENCY_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Ended jobs whose work waits to be deleted; more are left to the sweep.
const EFFECTS_MAX: usize = 1024;
/// In the state folder, while the daemon serves: where it listens.
const ADDRESSES_FILE: &str = "addresses.json";
/// One watcher, a call for each file in flight and one for its reports.
const INTAKE_CONNECTIONS_MAX: usize = 256;
/// In the state folder: the certificate by which the daemon is recognised.
const AUTHORITY_FILE: &str = "authority.crt";
/// The operator is one person with one or two terminals.
const OPERATOR_CONNECTIONS_MAX: usize = 64;

/// The daemon of Tweenfarm: HTTP APIs, accounts, ledger, jobs and files
#[derive(Parser)]
#[command(
    name = "tweenfarmd",
    version,
    after_help = "SIGTERM ends it in order, a second one at once. SIGHUP reads the configuration again: what can change in a \
                  running daemon does, the log names what needs a restart."
)]
struct Cli {
    /// Configuration file; without one, defaults, environment and flags
    #[arg(long, value_name = "FILE", env = "TWEENFARMD_CONFIG")]
    config: Option<PathBuf>,
    /// Check the configuration and stop
    #[arg(long)]
    check_config: bool,
    /// Make store and keys in the state folder from a backup, and stop
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    /// For tests: die at this point of the farm's work
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "WORK:POINT", hide = true)]
    die_at: Option<String>,
    #[command(flatten)]
    flags: Flags,
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
    let config = match Config::load(cli.config.as_deref(), &cli.flags) {
        Ok(config) => config,
        Err(error) => return complain(&error.into(), 2),
    };
    if cli.check_config {
        println!("the configuration is good");
        return ExitCode::SUCCESS;
    }
    if let Some(file) = cli.restore {
        return match backup::restore(&file, &config.state_folder) {
            Ok(restored) => {
                println!("{} records and the keys are in {}", restored.records, config.state_folder.display());
                ExitCode::SUCCESS
            }
            Err(error) => complain(&error.into(), 1),
        };
    }
    #[cfg(debug_assertions)]
    if let Some(point) = cli.die_at {
        tweenfarm_daemon::farm::crash::die_at(point);
    }
    let Cli { config: file, flags, .. } = cli;
    let read = move || Config::load(file.as_deref(), &flags);
    match start(config, Box::new(read)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// The whole chain on one line: what was tried, and why it failed.
fn complain(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("tweenfarmd: {error:#}");
    ExitCode::from(status)
}

fn start(config: Config, read: ReadAgain) -> anyhow::Result<()> {
    let filter = logging::start(&config.log)?;
    open_files::raise(config.http_connections_max);
    let state_folder = &config.state_folder;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_folder)
        .with_context(|| format!("create the state folder {}", state_folder.display()))?;
    let store = store::sled::open(&state_folder.join("store"))?;
    // Left by a daemon that was killed: nobody is to take its ports for this one's.
    let _ = fs::remove_file(state_folder.join(ADDRESSES_FILE));
    let key = blobs::key_file::load_or_create(&state_folder.join("signing-key.json"))?;
    let authority = Authority::load_or_create(&state_folder.join("authority.pem"), Timestamp::now())?;
    let (effects, effects_due) = mpsc::channel(EFFECTS_MAX);
    // Opening waits for the disk, so it comes before the runtime.
    let farm = Farm::open(Arc::new(store), rules(&config), Arc::new(SystemClock), effects)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config, (read, filter), farm, (key, Arc::new(authority)), effects_due));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    served
}

fn rules(config: &Config) -> FarmRules {
    FarmRules {
        lease_for: config.lease_for,
        attempts_max: config.attempts_max,
        retry_after: config.retry_after,
        segment_slots_max: config.segment_slots_max,
        encode: config.encode,
        engine: config.engine,
        queue_jobs_max: config.queue_jobs_max,
        idempotency_for: IDEMPOTENCY_FOR,
        keep: config.keep,
        webhooks: config.webhooks,
        undo_for: config.undo_for,
    }
}

/// What the HTTP surfaces go by, as far as it can change while they run.
fn live_rules(config: &Config) -> LiveRules {
    LiveRules {
        upload_bytes_max: config.upload_bytes_max,
        intake: config.intake.clone(),
        outbound: config.outbound.clone(),
        rates: RateRules {
            per_second_address: config.requests_per_second_address,
            per_second_key: config.requests_per_second_key,
            behind_proxy: config.behind_proxy,
        },
        plans: PlanRules {
            per_minute_free: config.v2_requests_per_minute_free,
            per_minute_paid: config.v2_requests_per_minute_paid,
        },
    }
}

fn open_blobs(config: &Config, public_url: &Url, key: blobs::SigningKey) -> anyhow::Result<Blobs> {
    let (folder, reserve_bytes) = (&config.blobs_folder, config.disk_reserve_bytes);
    match &config.blobs {
        BlobsConfig::Disk { bucket } => {
            Ok(Blobs::on_disk(DiskStore::open(folder, reserve_bytes)?, Signer::new(public_url, bucket, key)?))
        }
        BlobsConfig::S3(s3) => {
            let settings = S3Settings {
                address: s3.address.clone(),
                public_endpoint: s3.public_endpoint.clone(),
                key: s3.credentials.read()?,
                part_bytes: s3.part_bytes,
            };
            Ok(Blobs::S3(S3Store::open(settings, folder, reserve_bytes)?))
        }
    }
}

/// Before anything can arrive: whatever is in staging now is a leftover. An S3 server that is away for a while keeps no
/// farm from starting, one that refuses does.
async fn sweep_at_start(farm: &Farm, blobs: &Blobs) -> anyhow::Result<()> {
    if let Blobs::S3(store) = blobs {
        match store.check().await {
            Ok(()) => tracing::info!(bucket = store.agents().bucket().name(), "blobs are in a bucket of an S3 server"),
            Err(error @ BlobError::Away { .. }) => {
                let cleared = blobs.clear_staging(Duration::ZERO).await?;
                tracing::warn!(%error, cleared, "requests that need the blob store are answered with 503 until it is back");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let swept = orphans::pass(farm, blobs, Duration::ZERO).await?;
    let orphans::OrphanSweep { staged, unfinished, objects } = swept;
    tracing::info!(staged, unfinished, objects, "orphans of the last run were deleted");
    Ok(())
}

async fn serve(
    config: Config,
    (read, filter): (ReadAgain, logging::Filter),
    farm: Farm,
    (key, authority): (blobs::SigningKey, Arc<Authority>),
    effects_due: mpsc::Receiver<Effect>,
) -> anyhow::Result<()> {
    let tokens = Tokens::open(&config.tokens)?;
    let payments = config.payments_secret_file.as_deref().map(PaymentSecret::read).transpose()?;
    let mut stop_signals = StopSignals::new()?;
    let hangups = signal(SignalKind::hangup())?;
    let mut handed = systemd::sockets::take()?;
    let http_listener = listen(&mut handed, config.http_listen, "http.listen").await?;
    let rpc_listener = listen(&mut handed, config.rpc_listen, "rpc.listen").await?;
    let (agents_listener, agents_file) = listen_privately(&mut handed, &config.agents_socket)?;
    let (operator_listener, operator_file) = listen_privately(&mut handed, &config.operator_socket)?;
    let (intake_listener, intake_file) = listen_privately(&mut handed, &config.intake_socket)?;
    let metrics_listener = match config.metrics_listen {
        Some(address) => Some(listen(&mut handed, address, "metrics.listen").await?),
        None => None,
    };
    let secure = operators_in_network(&config, &mut handed, &authority).await?;
    handed.finish()?;
    let mut certificates = Vec::new();
    certificates.extend(authority.ends_at().map(|ends_at| Certificate { kind: CertificateKind::Authority, ends_at }));
    let operators_end = secure.as_ref().and_then(|(_, shown, _)| shown.ends_at());
    certificates.extend(operators_end.map(|ends_at| Certificate { kind: CertificateKind::Operator, ends_at }));
    let mut addresses = Addresses::of(&config, &http_listener, &rpc_listener)?;
    addresses.metrics = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    addresses.operator_network = secure.as_ref().map(|(listener, _, _)| listener.local_addr()).transpose()?;

    let public_url = addresses.public_url.parse()?;
    let marks = Marks::new(&public_url, &key);
    let blobs = open_blobs(&config, &public_url, key)?;
    sweep_at_start(&farm, &blobs).await?;

    let outbound = Outbound::new(config.outbound.clone())?;
    let probation = Probation::new(farm.clone(), blobs.clone());

    let stop = CancellationToken::new();
    let LiveRules { upload_bytes_max, intake, rates, plans, .. } = live_rules(&config);
    let history = Recorder::default();
    let (audited, audit) = watch::channel(Audit::default());
    let state = HttpState::new(HttpParts {
        farm: farm.clone(),
        blobs: blobs.clone(),
        marks,
        look: tweenfarm_media::probe,
        upload_bytes_max,
        state_folder: config.state_folder.clone(),
        intake,
        outbound: outbound.clone(),
        audit,
        tokens,
        payments,
        rates,
        plans,
        probation: probation.clone(),
        history: history.clone(),
        secure_door: secure.as_ref().map(|(_, _, door)| door.clone()),
        certificates,
        stop: stop.clone(),
        inviter: Inviter::new(invited_to(&config, &addresses), authority.fingerprint()),
        studio_origin: config.studio_origin.as_deref().map(str::parse).transpose()?,
    });

    let describe = http::describer(state.clone());
    let office = Office {
        farm: farm.clone(),
        blobs: blobs.clone(),
        authority: authority.clone(),
        probation: probation.clone(),
        settings: RpcSettings::default(),
    };
    let tasks = TaskTracker::new();
    let public = http::router(state.clone());
    tasks.spawn(systemd::liveness::run(farm.clone(), public.clone(), stop.clone()));
    let (remark, remarked) = watch::channel(None);
    tasks.spawn(systemd::status::run(farm.clone(), remarked, stop.clone()));
    let reloader = Reloader {
        read,
        rules,
        live_rules,
        farm: farm.clone(),
        http: state.clone(),
        blobs: blobs.clone(),
        filter,
        started: config.effective.clone(),
        running: config.effective.clone(),
        remark,
    };
    tasks.spawn(http::serve::serve(http_listener, public, config.http_connections_max, stop.clone()));
    let intake = http::intake_router(state.clone());
    tasks.spawn(http::serve::serve(intake_listener, intake, INTAKE_CONNECTIONS_MAX, stop.clone()));
    if let Some((listener, shown, _)) = secure {
        let listener = SecureListener::start(listener, shown, stop.clone())?;
        let operators = http::operator_router(state.clone(), Door::Network);
        tasks.spawn(http::serve::serve(listener, operators, OPERATOR_CONNECTIONS_MAX, stop.clone()));
    }
    if let Some(listener) = metrics_listener {
        let metrics = http::metrics_router(state.clone());
        tasks.spawn(http::serve::serve(listener, metrics, OPERATOR_CONNECTIONS_MAX, stop.clone()));
    }
    let operator = http::operator_router(state, Door::Socket);
    tasks.spawn(http::serve::serve(operator_listener, operator, OPERATOR_CONNECTIONS_MAX, stop.clone()));
    tasks.spawn(rpc::serve_local(agents_listener, office.clone(), stop.clone()));
    tasks.spawn(rpc::serve_network(rpc_listener, office, stop.clone()));
    tasks.spawn(history::run(farm.clone(), history, stop.clone()));
    tasks.spawn(leases::run(farm.clone(), stop.clone()));
    tasks.spawn(cancelled::run(farm.clone(), stop.clone()));
    tasks.spawn(key_uses::run(farm.clone(), stop.clone()));
    tasks.spawn(audit::run(farm.clone(), audited, stop.clone()));
    tasks.spawn(retention::run(farm.clone(), blobs.clone(), stop.clone()));
    tasks.spawn({
        let stop = stop.clone();
        async move { _ = stop.run_until_cancelled(probation.prepare_in_time()).await }
    });
    tasks.spawn(orphans::run(farm.clone(), blobs.clone(), stop.clone()));
    let (news, news_due) = mpsc::channel(EFFECTS_MAX);
    let deliveries = Deliveries::new(farm.clone(), outbound, describe, stop.clone());
    tasks.spawn(deliveries.run(news_due));
    let effects = tokio::spawn(orphans::run_effects(farm.clone(), blobs, effects_due, news));

    let addresses_file = config.state_folder.join(ADDRESSES_FILE);
    addresses.write(&addresses_file)?;
    addresses.announce();
    systemd::ready();
    tasks.spawn(reloader.run(hangups, stop.clone()));
    let announcement = announce_in_network(&config, addresses.rpc, &authority);

    stop_signals.next().await;
    tracing::info!("told to stop");
    systemd::stopping(GRACE + RUNTIME_GRACE);
    drop(announcement);
    // 1. Nothing new is accepted.
    stop.cancel();
    tasks.close();
    let _ = fs::remove_file(&addresses_file);
    drop((operator_file, agents_file, intake_file));
    // 2. Running requests end, or the deadline or a second signal ends them.
    let in_order = tokio::select! {
        ended = tokio::time::timeout(GRACE, tasks.wait()) => ended.is_ok(),
        () = stop_signals.next() => false,
    };
    // 3. The store last, when nobody is left to write.
    farm.close().await;
    let cleaned = tokio::time::timeout(RUNTIME_GRACE, effects).await.is_ok();
    tracing::info!(in_order, cleaned, "stopped");
    Ok(())
}

/// The operator API's door in the network, if there is to be one.
async fn operators_in_network(
    config: &Config,
    handed: &mut Handed,
    authority: &Arc<Authority>,
) -> anyhow::Result<Option<(TcpListener, Shown, SecureDoor)>> {
    let Some(secure) = &config.operator_secure else { return Ok(None) };
    let listener = listen(handed, secure.listen, "operator.listen").await?;
    let address = secure.public_address.clone().map_or_else(|| Ok(listener.local_addr()?.to_string()), anyhow::Ok)?;
    let shown = match &secure.files {
        Some((certificate, key)) => Shown::from_files(certificate, key)?,
        None => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let hosts = vec![host.trim_matches(['[', ']']).to_owned()];
            // What programs other than `tweenfarm` need to recognise the daemon by; no secret.
            let path = config.state_folder.join(AUTHORITY_FILE);
            fs::write(&path, authority.certificate_pem()).with_context(|| format!("write {}", path.display()))?;
            Shown::Own { authority: authority.clone(), hosts }
        }
    };
    let door = SecureDoor { address, authority: shown.fingerprint() };
    Ok(Some((listener, shown, door)))
}

async fn listen(handed: &mut Handed, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = match handed.port(address) {
        Some(port) => TcpListener::from_std(port),
        None => TcpListener::bind(address).await,
    };
    listener.map_err(|cause| {
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => "another program has this port: stop that one, or choose another port",
            io::ErrorKind::AddrNotAvailable => "name an address of this machine",
            _ => "choose another address or port",
        };
        anyhow::Error::new(cause).context(format!("listen on {address} ({key}): {remedy}"))
    })
}

fn listen_privately(handed: &mut Handed, path: &Path) -> anyhow::Result<(UnixListener, Option<SocketFile>)> {
    private_socket::listen(handed, path).with_context(|| format!("open the socket {}", path.display()))
}

/// Where an invitation tells a machine to dial in; nothing when that is not known here.
fn invited_to(config: &Config, addresses: &Addresses) -> Option<String> {
    let bound = Some(addresses.rpc).filter(|rpc| !rpc.ip().is_unspecified()).map(|rpc| rpc.to_string());
    config.rpc_public_address.clone().or(bound)
}

/// The farm works without: who cannot be told where the daemon is, is told by its invitation.
fn announce_in_network(config: &Config, rpc: SocketAddr, authority: &Authority) -> Option<Announcement> {
    if !config.rpc_announce || rpc.ip().is_loopback() {
        return None;
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match Announcement::start(&host, rpc.port(), authority.fingerprint()) {
        Ok(announcement) => Some(announcement),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "agents can join by an address only");
            None
        }
    }
}

/// Where the daemon really listens: ports may have been left to the system.
#[derive(Serialize)]
struct Addresses {
    http: SocketAddr,
    rpc: SocketAddr,
    public_url: String,
    agents: PathBuf,
    operator: PathBuf,
    /// Over TLS, where that is wanted.
    operator_network: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    pid: u32,
}

impl Addresses {
    fn of(config: &Config, http: &TcpListener, rpc: &TcpListener) -> anyhow::Result<Addresses> {
        let http = http.local_addr()?;
        let public_url = config.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        Ok(Addresses {
            http,
            rpc: rpc.local_addr()?,
            public_url: public_url.unwrap_or_else(|| format!("http://{http}")),
            agents: config.agents_socket.clone(),
            operator: config.operator_socket.clone(),
            operator_network: None,
            metrics: None,
            pid: std::process::id(),
        })
    }

    /// Renamed into place: who reads the file reads all of it.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let half = path.with_extension("new");
        let written = fs::write(&half, serde_json::to_vec_pretty(self)?).and_then(|()| fs::rename(&half, path));
        written.with_context(|| format!("write {}", path.display()))
    }

    /// The line that says the daemon is ready, on standard output.
    fn announce(&self) {
        let Addresses { http, rpc, public_url, agents, operator, .. } = self;
        let (agents, operator) = (agents.display(), operator.display());
        tracing::info!(%http, %rpc, public_url, %agents, %operator, "ready");
        let line =
            format!("ready: API {public_url} (on {http}), agents {agents} and {rpc} (TLS), operator {operator}\n");
        // Whoever started the daemon may have closed the pipe; it serves all the same.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }
}

struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<StopSignals> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
