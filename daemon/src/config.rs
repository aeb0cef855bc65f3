//! Configuration: raw text in layers (defaults, file, environment, flags), then one checked `Config`.
//!
//! An error names where the value was written, the key, the value and what would be accepted. Nothing else in the
//! daemon reads the environment or knows a default.

use crate::{
    http::{
        auth::tokens::{KeysFrom, TokenSettings},
        intake::IntakeRules,
    },
    model::WebhookRules,
    outbound::OutboundRules,
    pricing,
    retention::Lifetimes,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::Display,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::{
    join::is_host_and_port,
    task::{EncodeSettings, EngineSettings},
};
pub use tweenfarm_settings::SettingsError as ConfigError;
use tweenfarm_settings::{Effective, Flag, Layers, Written};
use url::Url;

/// A section of the file with its defaults: `config/daemon.toml` says what each key means.
macro_rules! section {
    ($name:ident { $($key:ident: $kind:ty = $default:expr),+ $(,)? }) => {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name { $(pub(super) $key: $kind),+ }
        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),+ }
            }
        }
    };
}

mod blobs;

use blobs::RawBlobs;
pub use blobs::{BlobsConfig, S3Config};

/// First path parts of the public API, now and to come: a bucket of that name would hide them.
const ROUTE_NAMES: [&str; 16] = [
    "app",
    "me",
    "api-tokens",
    "pricing",
    "upload",
    "probe",
    "projects",
    "jobs",
    "share",
    "v2",
    "healthz",
    "metrics",
    "docs",
    "openapi.json",
    "operator",
    "internal",
];
/// Keys and sections (with their point) that a running daemon takes over when it reads its configuration again.
pub const LIVE: [&str; 11] = [
    "http.behind_proxy",
    "intake.accounts",
    "intake.upload_bytes_max",
    "intake.duration_seconds_max",
    "limits.",
    "work.",
    "render.",
    "retention.",
    "outbound.",
    "webhooks.",
    "log.level",
];
/// `sun_path` of Linux holds 108 bytes with the closing zero.
const SOCKET_BYTES_MAX: usize = 107;
/// Variables are `TWEENFARMD__SECTION__KEY`.
const PREFIX: &str = "TWEENFARMD";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Everything the daemon is told, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub http_listen: SocketAddr,
    /// `None`: the bound address.
    pub public_url: Option<Url>,
    pub http_connections_max: usize,
    /// The web site whose scripts may use the API, as a browser writes its origin.
    pub studio_origin: Option<String>,
    pub behind_proxy: bool,
    pub rpc_listen: SocketAddr,
    /// Host and port that invitations name; `None`: where it listens, if that says where.
    pub rpc_public_address: Option<String>,
    pub rpc_announce: bool,
    pub agents_socket: PathBuf,
    pub state_folder: PathBuf,
    pub operator_socket: PathBuf,
    /// `None`: operators come by the socket only.
    pub operator_secure: Option<OperatorSecure>,
    /// Where metrics are told without a token, besides the operator API.
    pub metrics_listen: Option<SocketAddr>,
    /// Objects of the built-in store, or what passes through on its way to another.
    pub blobs_folder: PathBuf,
    pub blobs: BlobsConfig,
    pub upload_bytes_max: u64,
    pub intake_socket: PathBuf,
    pub intake: IntakeRules,
    pub disk_reserve_bytes: u64,
    pub queue_jobs_max: u64,
    pub requests_per_second_address: u32,
    pub requests_per_second_key: u32,
    pub v2_requests_per_minute_free: u32,
    pub v2_requests_per_minute_paid: u32,
    pub lease_for: Duration,
    pub attempts_max: u32,
    pub retry_after: Duration,
    pub segment_slots_max: u64,
    pub undo_for: Duration,
    pub encode: EncodeSettings,
    pub engine: EngineSettings,
    pub keep: Lifetimes,
    pub tokens: TokenSettings,
    pub payments_secret_file: Option<PathBuf>,
    pub outbound: OutboundRules,
    pub webhooks: WebhookRules,
    pub log: LogConfig,
    /// All of that as it was read: what a reload compares.
    pub effective: Effective,
}

/// The operator API over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSecure {
    pub listen: SocketAddr,
    /// Host and port that passes name; `None`: where it listens.
    pub public_address: Option<String>,
    /// Certificate and key; `None`: of the farm's own authority.
    pub files: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// What flags of the command line set; they win over everything.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Address and port of the public API (http.listen)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http_listen: Option<String>,
    /// Origin under which clients reach the API (http.public_url)
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where agents dial in (rpc.listen)
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub rpc_listen: Option<String>,
    /// Folder of accounts, ledger, jobs and keys (state.folder)
    #[arg(long, value_name = "FOLDER")]
    pub state_folder: Option<String>,
    /// Log filter (log.level)
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    http: RawHttp,
    rpc: RawRpc,
    state: RawState,
    operator: RawOperator,
    intake: RawIntake,
    metrics: RawMetrics,
    blobs: RawBlobs,
    limits: RawLimits,
    work: RawWork,
    render: RawRender,
    retention: RawRetention,
    auth: RawAuth,
    payments: RawPayments,
    outbound: RawOutbound,
    webhooks: RawWebhooks,
    log: RawLog,
}

section!(RawHttp {
    listen: String = "127.0.0.1:8080".into(),
    public_url: Option<String> = None,
    studio_origin: Option<String> = None,
    behind_proxy: bool = false,
    connections_max: u64 = 1024,
});
section!(RawRpc {
    listen: String = "127.0.0.1:8090".into(),
    public_address: Option<String> = None,
    announce: bool = true,
    socket: Option<PathBuf> = None,
});
section!(RawState { folder: PathBuf = "/var/lib/tweenfarm".into() });
section!(RawIntake {
    socket: Option<PathBuf> = None,
    accounts: Vec<String> = Vec::new(),
    upload_bytes_max: u64 = 64 << 30,
    duration_seconds_max: u64 = 2 * 3600,
});
section!(RawOperator {
    socket: Option<PathBuf> = None,
    listen: Option<String> = None,
    public_address: Option<String> = None,
    certificate: Option<PathBuf> = None,
    key: Option<PathBuf> = None,
});
section!(RawMetrics { listen: Option<String> = None });
section!(RawLimits {
    upload_bytes_max: u64 = pricing::VIDEO_BYTES_MAX,
    disk_reserve_bytes: u64 = 2 << 30,
    queue_jobs_max: u64 = 10_000,
    requests_per_second_address: u64 = 600,
    requests_per_second_key: u64 = 400,
    v2_requests_per_minute_free: u64 = 600,
    v2_requests_per_minute_paid: u64 = 6000,
});
section!(RawWork {
    lease_seconds: u64 = 60,
    attempts_max: u64 = 3,
    retry_seconds: u64 = 5,
    segment_slots_max: u64 = 1200,
    undo_minutes: u64 = 60,
    encode_crf: u64 = 16,
});
section!(RawRender { quality: String = "balanced".into(), scene_cuts: bool = true, dedupe: bool = false });
section!(RawRetention {
    free_days: u64 = 3,
    paid_days: u64 = 90,
    uploads_free_days: Option<u64> = None,
    uploads_paid_days: Option<u64> = None,
    outputs_free_days: Option<u64> = None,
    outputs_paid_days: Option<u64> = None,
});
section!(RawAuth {
    jwt_secret_file: Option<PathBuf> = None,
    jwks_file: Option<PathBuf> = None,
    jwks_url: Option<String> = None,
    issuer: Option<String> = None,
});
section!(RawPayments { secret_file: Option<PathBuf> = None });
section!(RawOutbound { allow_lan: bool = false, networks: Vec<String> = Vec::new() });
section!(RawWebhooks { attempts_max: u64 = 1, keep_log: bool = false });
section!(RawLog { level: String = "info".into(), format: String = "text".into() });

impl Config {
    /// Reads all layers: defaults, `file`, the environment's `TWEENFARMD__…`, `flags`.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, ConfigError> {
        Config::from_layers(file, Layers::environment(PREFIX), flags)
    }

    fn from_layers(
        file: Option<&Path>,
        environment: BTreeMap<String, String>,
        flags: &Flags,
    ) -> Result<Config, ConfigError> {
        let flag = |key, name, value: &Option<String>| Flag { key, name, value: value.clone() };
        let layers = Layers {
            file: file.map(Path::to_owned),
            prefix: PREFIX,
            environment,
            flags: vec![
                flag("http.listen", "--http-listen", &flags.http_listen),
                flag("http.public_url", "--public-url", &flags.public_url),
                flag("rpc.listen", "--rpc-listen", &flags.rpc_listen),
                flag("state.folder", "--state-folder", &flags.state_folder),
                flag("log.level", "--log-level", &flags.log_level),
            ],
            lists: &[("intake.accounts", ','), ("outbound.networks", ',')],
            accepted: |_| None,
        };
        let (raw, written) = layers.read::<Raw>()?;
        Check { written: &written }.check(raw)
    }
}

/// Turns raw values into checked ones; every refusal says what would be accepted.
struct Check<'a> {
    written: &'a Written,
}

impl Check<'_> {
    fn check(&self, raw: Raw) -> Result<Config, ConfigError> {
        let effective = Effective::of(&raw);
        let http_listen = self.address("http.listen", &raw.http.listen)?;
        let public_url = raw.http.public_url.map(|text| self.origin_url("http.public_url", &text)).transpose()?;
        if http_listen.ip().is_unspecified() && public_url.is_none() {
            let needed =
                "needed when http.listen is all addresses, because those name no host that clients could reach";
            return Err(self.written.missing("http.public_url", "http.listen", needed));
        }
        let studio_origin =
            raw.http.studio_origin.map(|text| self.origin_url("http.studio_origin", &text)).transpose()?;
        let rpc_listen = self.address("rpc.listen", &raw.rpc.listen)?;
        let blobs_folder = raw.blobs.folder.clone();
        let blobs = self.blobs(raw.blobs)?;
        let serves_objects = matches!(blobs, BlobsConfig::Disk { .. });
        if serves_objects && !rpc_listen.ip().is_loopback() && http_listen.ip().is_loopback() && public_url.is_none() {
            let needed = "needed when rpc.listen lets agents of other machines in, because they fetch clips and \
                          deliver results there, and http.listen is on loopback";
            return Err(self.written.missing("http.public_url", "rpc.listen", needed));
        }
        let rpc_public_address =
            raw.rpc.public_address.map(|text| self.host_and_port("rpc.public_address", text)).transpose()?;
        let operator_secure = self.operator_secure(&raw.operator)?;
        let metrics_listen = raw.metrics.listen.map(|text| self.address("metrics.listen", &text)).transpose()?;
        let in_state = |name: &str| raw.state.folder.join(name);
        let operator_socket = raw.operator.socket.unwrap_or_else(|| in_state("operator.sock"));
        let intake_socket = raw.intake.socket.clone().unwrap_or_else(|| in_state("intake.sock"));
        let agents_socket = raw.rpc.socket.unwrap_or_else(|| in_state("agents.sock"));
        for (key, socket) in
            [("operator.socket", &operator_socket), ("rpc.socket", &agents_socket), ("intake.socket", &intake_socket)]
        {
            if socket.as_os_str().len() > SOCKET_BYTES_MAX {
                let accepted =
                    format!("a path of at most {SOCKET_BYTES_MAX} bytes, because Unix sockets take no longer one");
                return Err(self.wrong(key, format!("{socket:?}"), accepted));
            }
        }
        let crf = self.within("work.encode_crf", raw.work.encode_crf, 0..=51)?;
        Ok(Config {
            http_listen,
            public_url,
            studio_origin: studio_origin.map(|url| url.origin().ascii_serialization()),
            behind_proxy: raw.http.behind_proxy,
            http_connections_max: self.within("http.connections_max", raw.http.connections_max, 1..=100_000)? as usize,
            rpc_listen,
            rpc_public_address,
            rpc_announce: raw.rpc.announce,
            agents_socket,
            operator_socket,
            intake_socket,
            intake: self.intake(raw.intake)?,
            operator_secure,
            metrics_listen,
            blobs_folder: blobs_folder.unwrap_or_else(|| raw.state.folder.join("blobs")),
            state_folder: raw.state.folder,
            blobs,
            upload_bytes_max: self.within(
                "limits.upload_bytes_max",
                raw.limits.upload_bytes_max,
                1..=pricing::VIDEO_BYTES_MAX,
            )?,
            disk_reserve_bytes: raw.limits.disk_reserve_bytes,
            queue_jobs_max: self.within("limits.queue_jobs_max", raw.limits.queue_jobs_max, 1..=1_000_000)?,
            requests_per_second_address: self.within(
                "limits.requests_per_second_address",
                raw.limits.requests_per_second_address,
                1..=1_000_000,
            )? as u32,
            requests_per_second_key: self.within(
                "limits.requests_per_second_key",
                raw.limits.requests_per_second_key,
                1..=1_000_000,
            )? as u32,
            v2_requests_per_minute_free: self.within(
                "limits.v2_requests_per_minute_free",
                raw.limits.v2_requests_per_minute_free,
                1..=1_000_000,
            )? as u32,
            v2_requests_per_minute_paid: self.within(
                "limits.v2_requests_per_minute_paid",
                raw.limits.v2_requests_per_minute_paid,
                1..=1_000_000,
            )? as u32,
            lease_for: Duration::from_secs(self.within("work.lease_seconds", raw.work.lease_seconds, 5..=3600)?),
            attempts_max: self.within("work.attempts_max", raw.work.attempts_max, 1..=10)? as u32,
            retry_after: Duration::from_secs(self.within("work.retry_seconds", raw.work.retry_seconds, 0..=3600)?),
            undo_for: Duration::from_secs(60 * self.within("work.undo_minutes", raw.work.undo_minutes, 0..=10_080)?),
            segment_slots_max: self.within("work.segment_slots_max", raw.work.segment_slots_max, 24..=28_800)?,
            encode: EncodeSettings::Quality { crf: crf as u8 },
            engine: self.engine(raw.render)?,
            keep: self.lifetimes(raw.retention)?,
            tokens: self.tokens(raw.auth)?,
            payments_secret_file: raw.payments.secret_file,
            outbound: self.outbound(raw.outbound)?,
            webhooks: WebhookRules {
                attempts_max: self.within("webhooks.attempts_max", raw.webhooks.attempts_max, 1..=20)? as u32,
                keep_log: raw.webhooks.keep_log,
            },
            log: log_config(self.written, &raw.log.level, &raw.log.format)?,
            effective,
        })
    }

    fn intake(&self, raw: RawIntake) -> Result<IntakeRules, ConfigError> {
        if let Some(wrong) = raw.accounts.iter().find(|email| !email.contains('@')) {
            let accepted = "e-mail addresses of accounts, such as \"ann@example.org\"";
            return Err(self.wrong("intake.accounts", format!("{wrong:?}"), accepted));
        }
        Ok(IntakeRules {
            accounts: raw.accounts.into_iter().collect(),
            upload_bytes_max: self.within("intake.upload_bytes_max", raw.upload_bytes_max, 1..=1 << 40)?,
            duration_seconds_max: self.within(
                "intake.duration_seconds_max",
                raw.duration_seconds_max,
                1..=12 * 3600,
            )?,
        })
    }

    fn engine(&self, raw: RawRender) -> Result<EngineSettings, ConfigError> {
        let RawRender { quality, scene_cuts, dedupe } = raw;
        let tier = quality.parse();
        let quality =
            tier.map_err(|_| self.wrong("render.quality", format!("{quality:?}"), "fast, balanced or high"))?;
        // Which jobs make no frame is for their surface to say.
        Ok(EngineSettings { quality, scene_cuts, dedupe, nearest: false })
    }

    fn wrong(&self, key: &str, value: impl Display, accepted: impl Into<String>) -> ConfigError {
        self.written.wrong(key, value, accepted)
    }

    fn within(&self, key: &'static str, value: u64, accepted: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        if accepted.contains(&value) {
            return Ok(value);
        }
        Err(self.wrong(key, value, format!("{} to {}", accepted.start(), accepted.end())))
    }

    fn address(&self, key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
        text.parse().map_err(|_| self.wrong(key, format!("{text:?}"), "an address with a port, such as 127.0.0.1:8080"))
    }

    fn operator_secure(&self, raw: &RawOperator) -> Result<Option<OperatorSecure>, ConfigError> {
        let files = match (&raw.certificate, &raw.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                let needed = "needed beside operator.certificate";
                return Err(self.written.missing("operator.key", "operator.certificate", needed));
            }
            (None, Some(_)) => {
                let needed = "needed beside operator.key";
                return Err(self.written.missing("operator.certificate", "operator.key", needed));
            }
        };
        let public_address = raw.public_address.clone();
        let public_address =
            public_address.map(|text| self.host_and_port("operator.public_address", text)).transpose()?;
        let Some(listen) = &raw.listen else { return Ok(None) };
        let listen = self.address("operator.listen", listen)?;
        if listen.ip().is_unspecified() && public_address.is_none() {
            let needed =
                "needed when operator.listen is all addresses, because those name no host that could be reached";
            return Err(self.written.missing("operator.public_address", "operator.listen", needed));
        }
        Ok(Some(OperatorSecure { listen, public_address, files }))
    }

    fn host_and_port(&self, key: &'static str, text: String) -> Result<String, ConfigError> {
        if is_host_and_port(&text) {
            return Ok(text);
        }
        let accepted = "a host and a port that agents of other machines reach, such as \"farm.example.org:8090\"";
        Err(self.wrong(key, format!("{text:?}"), accepted))
    }

    fn origin_url(&self, key: &'static str, text: &str) -> Result<Url, ConfigError> {
        let accepted = "an origin such as https://farm.example.org, without path, query or credentials";
        let url = Url::parse(text).map_err(|_| self.wrong(key, format!("{text:?}"), accepted))?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !plain || url.password().is_some() || url.host().is_none() || !matches!(url.scheme(), "http" | "https") {
            return Err(self.wrong(key, format!("{:?}", url.as_str()), accepted));
        }
        Ok(url)
    }

    fn lifetimes(&self, raw: RawRetention) -> Result<Lifetimes, ConfigError> {
        let days = |key, days| Ok(DAY * self.within(key, days, 1..=3650)? as u32);
        let or = |key, own: Option<u64>, of_tier: Duration| own.map_or(Ok(of_tier), |own| days(key, own));
        let free = days("retention.free_days", raw.free_days)?;
        let paid = days("retention.paid_days", raw.paid_days)?;
        Ok(Lifetimes {
            uploads_free: or("retention.uploads_free_days", raw.uploads_free_days, free)?,
            uploads_paid: or("retention.uploads_paid_days", raw.uploads_paid_days, paid)?,
            outputs_free: or("retention.outputs_free_days", raw.outputs_free_days, free)?,
            outputs_paid: or("retention.outputs_paid_days", raw.outputs_paid_days, paid)?,
        })
    }

    fn tokens(&self, raw: RawAuth) -> Result<TokenSettings, ConfigError> {
        let keys = match (raw.jwks_file, raw.jwks_url) {
            (Some(_), Some(url)) => {
                return Err(self.wrong(
                    "auth.jwks_url",
                    format!("{url:?}"),
                    "either a file or a URL of keys, not both",
                ));
            }
            (Some(path), None) => Some(KeysFrom::File(path)),
            (None, Some(text)) => Some(KeysFrom::Url(self.key_set_url(&text)?)),
            (None, None) => None,
        };
        let issuer = raw.issuer;
        if issuer.as_ref().is_some_and(|issuer| issuer.trim().is_empty()) {
            let accepted = "the `iss` of the tokens, such as https://project.example.org/auth/v1, or no such line";
            return Err(self.wrong("auth.issuer", "\"\"", accepted));
        }
        if issuer.is_some() && keys.is_none() && raw.jwt_secret_file.is_none() {
            let needed = "needs jwt_secret_file, jwks_file or jwks_url: without keys no token is taken";
            return Err(self.written.missing("auth.issuer", "auth.issuer", needed));
        }
        Ok(TokenSettings { secret_file: raw.jwt_secret_file, keys, issuer })
    }

    /// Whoever can change the keys on their way can sign in as anybody: in the clear only within this machine.
    fn key_set_url(&self, text: &str) -> Result<Url, ConfigError> {
        let url = Url::parse(text).ok().filter(|url| {
            let local = match url.host() {
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                Some(url::Host::Domain(name)) => name == "localhost",
                None => false,
            };
            url.scheme() == "https" || (url.scheme() == "http" && local)
        });
        let accepted = "an https URL such as https://project.example.org/auth/v1/.well-known/jwks.json";
        url.ok_or_else(|| self.wrong("auth.jwks_url", format!("{text:?}"), accepted))
    }

    fn outbound(&self, raw: RawOutbound) -> Result<OutboundRules, ConfigError> {
        let network = |text: &String| {
            let accepted = "networks such as \"192.168.1.0/24\" or \"fd00::/8\", one address as \"127.0.0.1/32\"";
            text.parse().map_err(|_| self.wrong("outbound.networks", format!("{text:?}"), accepted))
        };
        let networks = raw.networks.iter().map(network).collect::<Result<_, _>>()?;
        Ok(OutboundRules { allow_lan: raw.allow_lan, networks })
    }
}

/// How a program of this package logs.
pub fn log_config(written: &Written, level: &str, format: &str) -> Result<LogConfig, ConfigError> {
    let wrong = |key, value: &str, accepted: &str| written.wrong(key, format!("{value:?}"), accepted);
    if level.trim().is_empty() || tracing_subscriber::EnvFilter::try_new(level).is_err() {
        let accepted = "error, warn, info, debug, trace, or a filter such as info,tweenfarm_daemon=debug";
        return Err(wrong("log.level", level, accepted));
    }
    let format = match format {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(wrong("log.format", other, "text or json")),
    };
    Ok(LogConfig { filter: level.to_owned(), format })
}

#[cfg(test)]
mod tests;
