//! The agent's configuration: defaults < file < environment < flags, read raw and then checked.
//!
//! Reads nothing but the sources it is given; finding devices or touching folders is others' work.

use crate::availability::{Yielding, hours::Hours};
use config::{Environment, File, FileFormat, Map, Source, Value, ValueKind};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::join::is_host_and_port;

/// Every environment variable of the agent starts with this, such as `TWEENFARM_AGENT__DAEMON`.
pub const ENVIRONMENT_PREFIX: &str = "TWEENFARM_AGENT";

/// The checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub daemon: DaemonAt,
    /// Name shown to people.
    pub name: String,
    /// Folder of all that outlives a restart.
    pub state: PathBuf,
    pub devices: DeviceChoice,
    pub cache_bytes_max: u64,
    pub disk_reserve_bytes: u64,
    /// A worker that makes no new frame for this long is killed.
    pub stall: Duration,
    /// After SIGTERM: how long what is in hand may take to finish.
    pub drain_for: Duration,
    /// When it works.
    pub hours: Hours,
    /// To whom it yields the machine.
    pub yielding: Yielding,
    pub log: LogSettings,
}

/// Where the daemon is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonAt {
    /// Where the agent joined; if it never did, at the socket where systemd's RuntimeDirectory puts it.
    Unsaid,
    /// On this machine.
    Socket(PathBuf),
    /// Host and port.
    Address(String),
}

/// Which Vulkan devices get a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Every GPU; a renderer in software only where there is no GPU.
    All,
    /// The devices with these UUIDs: 32 lowercase hex digits each.
    Only(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A level, or directives per module such as `info,tweenfarm_agent=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// What the command line may set; it wins over file and environment.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub daemon: Option<String>,
    pub name: Option<String>,
    pub state: Option<String>,
    pub log_format: Option<String>,
    pub log_level: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read the configuration file {path}: check the path and its permissions")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not valid TOML: {detail}")]
    Syntax { path: PathBuf, detail: String },
    #[error("{origin}: unknown key '{key}'; known keys are {known}", known = known_keys())]
    UnknownKey { origin: String, key: String },
    #[error("{origin}: {key} = {value} is not accepted; it takes {accepted}")]
    Wrong { origin: String, key: &'static str, value: String, accepted: &'static str },
    #[error("the configuration is inconsistent")]
    Inconsistent(#[source] config::ConfigError),
}

/// What a key takes, for the checks here and for what an error says.
struct Key {
    name: &'static str,
    takes: Takes,
    accepted: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    WholeNumber,
    TextOrList,
}

const KEYS: [Key; 14] = [
    Key {
        name: "daemon",
        takes: Takes::Text,
        accepted: "a host and a port, such as \"farm.example.org:8090\", or the absolute path of the daemon's socket",
    },
    Key { name: "name", takes: Takes::Text, accepted: "a text of at most 64 characters; empty takes the host's name" },
    Key { name: "state", takes: Takes::Text, accepted: "an absolute path of a folder" },
    Key {
        name: "devices",
        takes: Takes::TextOrList,
        accepted: "\"all\" or a list of Vulkan device UUIDs of 32 hex digits (`tweenfarm-agent doctor` shows them)",
    },
    Key { name: "cache_bytes_max", takes: Takes::WholeNumber, accepted: "a whole number of bytes, 268435456 or more" },
    Key { name: "disk_reserve_bytes", takes: Takes::WholeNumber, accepted: "a whole number of bytes, 0 or more" },
    Key { name: "stall_seconds", takes: Takes::WholeNumber, accepted: "a whole number of seconds from 5 to 86400" },
    Key { name: "drain_seconds", takes: Takes::WholeNumber, accepted: "a whole number of seconds from 0 to 86400" },
    Key {
        name: "work_hours",
        takes: Takes::TextOrList,
        accepted: "\"always\", or a list of days and local times, such as [\"mon-fri 18:00-08:00\", \"sat,sun 00:00-24:00\"]",
    },
    Key {
        name: "yield_load_percent",
        takes: Takes::WholeNumber,
        accepted: "a whole number from 0 to 100; 0 yields to no load",
    },
    Key { name: "yield_file", takes: Takes::Text, accepted: "an absolute path of a file, or nothing" },
    Key { name: "yield_command", takes: Takes::Text, accepted: "a command for the shell, or nothing" },
    Key { name: "log_format", takes: Takes::Text, accepted: "\"text\" or \"json\"" },
    Key {
        name: "log_level",
        takes: Takes::Text,
        accepted: "error, warn, info, debug, trace, or directives such as \"info,tweenfarm_agent=debug\"",
    },
];

/// A source of the largest allowed upload must fit, or every task would go around the cache.
const CACHE_BYTES_MIN: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    daemon: String,
    name: String,
    state: String,
    devices: TextOrList,
    cache_bytes_max: u64,
    disk_reserve_bytes: u64,
    stall_seconds: u64,
    drain_seconds: u64,
    work_hours: TextOrList,
    yield_load_percent: u64,
    yield_file: String,
    yield_command: String,
    log_format: String,
    log_level: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

/// Layers the sources and checks the result. `environment` stands for the process environment in tests.
pub fn load(
    file: Option<&Path>,
    environment: Option<Map<String, String>>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let layered = layer(file, environment, flags)?;
    let table = layered.collect().map_err(ConfigError::Inconsistent)?;
    check_keys(&table)?;
    let raw: Raw = layered.try_deserialize().map_err(|cause| wrong_type(cause, &table))?;
    check(raw, &table)
}

fn layer(
    file: Option<&Path>,
    environment: Option<Map<String, String>>,
    flags: &Flags,
) -> Result<config::Config, ConfigError> {
    let inconsistent = ConfigError::Inconsistent;
    let mut builder = config::Config::builder();
    for (key, value) in defaults() {
        builder = builder.set_default(key, value).map_err(inconsistent)?;
    }
    if let Some(path) = file {
        // Read here rather than by the crate, which guesses formats and extensions.
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let source = FileText { path: path.to_owned(), text };
        source.collect().map_err(|cause| ConfigError::Syntax { path: path.to_owned(), detail: cause.to_string() })?;
        builder = builder.add_source(source);
    }
    let variables =
        Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator("__").separator("__").source(environment);
    builder = builder.add_source(variables);
    let flag_values = [
        ("daemon", &flags.daemon),
        ("name", &flags.name),
        ("state", &flags.state),
        ("log_format", &flags.log_format),
        ("log_level", &flags.log_level),
    ];
    for (key, value) in flag_values {
        builder = builder.set_override_option(key, value.clone()).map_err(inconsistent)?;
    }
    builder.build().map_err(inconsistent)
}

/// A TOML text whose values remember the file they came from.
#[derive(Clone, Debug)]
struct FileText {
    path: PathBuf,
    text: String,
}

impl Source for FileText {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut table = File::from_str(&self.text, FileFormat::Toml).collect()?;
        let origin = self.path.display().to_string();
        for value in table.values_mut() {
            *value = Value::new(Some(&origin), value.kind.clone());
        }
        Ok(table)
    }
}

/// Reasons stand in config/agent.toml, beside each key.
fn defaults() -> Vec<(&'static str, ValueKind)> {
    vec![
        ("daemon", "".into()),
        ("name", "".into()),
        ("state", "/var/lib/tweenfarm-agent".into()),
        ("devices", "all".into()),
        ("cache_bytes_max", ValueKind::U64(50 * 1024 * 1024 * 1024)),
        ("disk_reserve_bytes", ValueKind::U64(5 * 1024 * 1024 * 1024)),
        ("stall_seconds", ValueKind::U64(300)),
        ("drain_seconds", ValueKind::U64(600)),
        ("work_hours", "always".into()),
        ("yield_load_percent", ValueKind::U64(0)),
        ("yield_file", "".into()),
        ("yield_command", "".into()),
        ("log_format", "text".into()),
        ("log_level", "info".into()),
    ]
}

fn known_keys() -> String {
    KEYS.map(|key| key.name).join(", ")
}

fn check_keys(table: &Map<String, Value>) -> Result<(), ConfigError> {
    let mut names: Vec<&String> = table.keys().collect();
    names.sort();
    for name in names {
        let value = &table[name];
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return Err(ConfigError::UnknownKey { origin: origin(value), key: name.clone() });
        };
        // The crate would read `true` as 1 and 1.5 as 2; a person who wrote that meant something else.
        let fits = match (key.takes, &value.kind) {
            (Takes::Text | Takes::TextOrList, ValueKind::String(_)) => true,
            (Takes::TextOrList, ValueKind::Array(_)) => true,
            (Takes::WholeNumber, ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::String(_)) => true,
            (Takes::Text | Takes::TextOrList | Takes::WholeNumber, _) => false,
        };
        if !fits {
            return Err(wrong(key.name, table));
        }
    }
    Ok(())
}

fn check(raw: Raw, table: &Map<String, Value>) -> Result<Config, ConfigError> {
    let refuse_unless = |accepted: bool, key| if accepted { Ok(()) } else { Err(wrong(key, table)) };
    refuse_unless(raw.name.chars().count() <= 64 && !raw.name.chars().any(char::is_control), "name")?;
    refuse_unless(Path::new(&raw.state).is_absolute(), "state")?;
    refuse_unless(raw.cache_bytes_max >= CACHE_BYTES_MIN, "cache_bytes_max")?;
    refuse_unless((5..=86_400).contains(&raw.stall_seconds), "stall_seconds")?;
    refuse_unless(raw.drain_seconds <= 86_400, "drain_seconds")?;
    refuse_unless(raw.log_level.parse::<tracing_subscriber::filter::Targets>().is_ok(), "log_level")?;
    refuse_unless(raw.yield_load_percent <= 100, "yield_load_percent")?;
    refuse_unless(raw.yield_file.is_empty() || Path::new(&raw.yield_file).is_absolute(), "yield_file")?;
    let hours = work_hours(&raw.work_hours).ok_or_else(|| wrong("work_hours", table))?;
    let yielding = Yielding {
        load_percent_max: u32::try_from(raw.yield_load_percent).ok().filter(|percent| *percent > 0),
        file: Some(raw.yield_file).filter(|path| !path.is_empty()).map(PathBuf::from),
        command: Some(raw.yield_command).filter(|command| !command.trim().is_empty()),
    };
    let format = match raw.log_format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(wrong("log_format", table)),
    };
    Ok(Config {
        daemon: daemon_at(raw.daemon).ok_or_else(|| wrong("daemon", table))?,
        name: if raw.name.is_empty() { host_name() } else { raw.name },
        state: PathBuf::from(raw.state),
        devices: device_choice(raw.devices).ok_or_else(|| wrong("devices", table))?,
        cache_bytes_max: raw.cache_bytes_max,
        disk_reserve_bytes: raw.disk_reserve_bytes,
        stall: Duration::from_secs(raw.stall_seconds),
        drain_for: Duration::from_secs(raw.drain_seconds),
        hours,
        yielding,
        log: LogSettings { format, level: raw.log_level },
    })
}

fn daemon_at(text: String) -> Option<DaemonAt> {
    match text {
        text if text.is_empty() => Some(DaemonAt::Unsaid),
        text if text.starts_with('/') => Some(DaemonAt::Socket(text.into())),
        text => is_host_and_port(&text).then_some(DaemonAt::Address(text)),
    }
}

/// Reads `all`, a list, or (in the environment) UUIDs with commas between them.
fn device_choice(raw: TextOrList) -> Option<DeviceChoice> {
    let listed = match raw {
        TextOrList::Text(text) if text == "all" => return Some(DeviceChoice::All),
        TextOrList::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        TextOrList::List(list) => list,
    };
    let uuids: Option<Vec<String>> = listed.iter().map(|text| device_uuid(text)).collect();
    uuids.filter(|uuids| !uuids.is_empty()).map(DeviceChoice::Only)
}

/// Reads `always`, a list, or (in the environment) lines with semicolons between them.
fn work_hours(raw: &TextOrList) -> Option<Hours> {
    match raw {
        TextOrList::Text(text) if text == "always" => Some(Hours::default()),
        TextOrList::Text(text) => Hours::read(text.split(';')).ok(),
        TextOrList::List(list) => Hours::read(list.iter().map(String::as_str)).ok().filter(|_| !list.is_empty()),
    }
}

/// A device UUID as 32 lowercase hex digits, from any customary spelling.
pub fn device_uuid(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

/// The host's name, for people.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "agent".to_owned() } else { name.to_owned() }
}

fn origin(value: &Value) -> String {
    match value.origin() {
        Some("the environment") => format!("environment ({ENVIRONMENT_PREFIX}__…)"),
        Some(origin) => origin.to_owned(),
        None => "command line".to_owned(),
    }
}

fn wrong(name: &str, table: &Map<String, Value>) -> ConfigError {
    let key = KEYS.iter().find(|key| key.name == name).expect("only keys of the table are checked");
    let (origin, value) = match table.get(name) {
        Some(value) => (origin(value), shown(&value.kind)),
        None => ("defaults".to_owned(), "nothing".to_owned()),
    };
    ConfigError::Wrong { origin, key: key.name, value, accepted: key.accepted }
}

fn shown(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// Finds the key a type error of the config crate speaks of.
fn wrong_type(cause: config::ConfigError, table: &Map<String, Value>) -> ConfigError {
    let named = match &cause {
        config::ConfigError::Type { key: Some(key), .. } | config::ConfigError::At { key: Some(key), .. } => {
            // An element of a list is `devices[0]`: the list is what a person looks for.
            let head = key.split(['[', '.']).next().unwrap_or_default();
            KEYS.iter().find(|known| known.name == head)
        }
        _ => None,
    };
    match named {
        Some(key) => wrong(key.name, table),
        None => ConfigError::Inconsistent(cause),
    }
}

#[cfg(test)]
mod tests;
