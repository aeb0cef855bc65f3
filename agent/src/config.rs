//! The agent's configuration: defaults < file < environment < flags, read raw and then checked.
//!
//! Reads nothing but the sources it is given; finding devices or touching folders is others' work.

use crate::availability::{Yielding, hours::Hours};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::join::is_host_and_port;
pub use tweenfarm_settings::SettingsError as ConfigError;
use tweenfarm_settings::{Effective, Flag, Layers, Written};

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
    /// All of that as it was read: what a reload compares.
    pub effective: Effective,
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

/// What a key takes, for the checks here and for what an error says.
const ACCEPTED: [(&str, &str); 14] = [
    (
        "daemon",
        "it takes a host and a port, such as \"farm.example.org:8090\", or the absolute path of the daemon's socket",
    ),
    ("name", "it takes a text of at most 64 characters; empty takes the host's name"),
    ("state", "it takes an absolute path of a folder"),
    (
        "devices",
        "it takes \"all\" or a list of Vulkan device UUIDs of 32 hex digits (`tweenfarm-agent doctor` shows them)",
    ),
    ("cache_bytes_max", "it takes a whole number of bytes, 268435456 or more"),
    ("disk_reserve_bytes", "it takes a whole number of bytes, 0 or more"),
    ("stall_seconds", "it takes a whole number of seconds from 5 to 86400"),
    ("drain_seconds", "it takes a whole number of seconds from 0 to 86400"),
    (
        "work_hours",
        "it takes \"always\", or a list of days and local times, such as [\"mon-fri 18:00-08:00\", \"sat,sun 00:00-24:00\"]",
    ),
    ("yield_load_percent", "it takes a whole number from 0 to 100; 0 yields to no load"),
    ("yield_file", "it takes an absolute path of a file, or nothing"),
    ("yield_command", "it takes a command for the shell, or nothing"),
    ("log_format", "it takes \"text\" or \"json\""),
    ("log_level", "it takes error, warn, info, debug, trace, or directives such as \"info,tweenfarm_agent=debug\""),
];

/// What a running agent takes over when it reads its configuration again.
pub const LIVE: [&str; 6] =
    ["work_hours", "yield_load_percent", "yield_file", "yield_command", "drain_seconds", "log_level"];

/// A source of the largest allowed upload must fit, or every task would go around the cache.
const CACHE_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// Reasons stand in config/agent.toml, beside each key.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
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

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            daemon: String::new(),
            name: String::new(),
            state: "/var/lib/tweenfarm-agent".into(),
            devices: TextOrList::Text("all".into()),
            cache_bytes_max: 50 << 30,
            disk_reserve_bytes: 5 << 30,
            stall_seconds: 300,
            drain_seconds: 600,
            work_hours: TextOrList::Text("always".into()),
            yield_load_percent: 0,
            yield_file: String::new(),
            yield_command: String::new(),
            log_format: "text".into(),
            log_level: "info".into(),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

/// Layers the sources and checks the result. `environment` stands for the process environment in tests.
pub fn load(
    file: Option<&Path>,
    environment: Option<BTreeMap<String, String>>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let flag = |key, name, value: &Option<String>| Flag { key, name, value: value.clone() };
    let layers = Layers {
        file: file.map(Path::to_owned),
        prefix: ENVIRONMENT_PREFIX,
        environment: environment.unwrap_or_else(|| Layers::environment(ENVIRONMENT_PREFIX)),
        flags: vec![
            flag("daemon", "--daemon", &flags.daemon),
            flag("name", "--name", &flags.name),
            flag("state", "--state", &flags.state),
            flag("log_format", "--log-format", &flags.log_format),
            flag("log_level", "--log-level", &flags.log_level),
        ],
        lists: &[],
        accepted: |key| ACCEPTED.iter().find(|(name, _)| *name == key).map(|(_, accepted)| *accepted),
    };
    let (raw, written) = layers.read()?;
    check(raw, &written)
}

fn check(raw: Raw, written: &Written) -> Result<Config, ConfigError> {
    let effective = Effective::of(&raw);
    let wrong = |key: &str| {
        let accepted =
            ACCEPTED.iter().find(|(name, _)| *name == key).map_or("another value", |(_, accepted)| *accepted);
        written.wrong(key, written.value(key), accepted)
    };
    let refuse_unless = |accepted: bool, key| if accepted { Ok(()) } else { Err(wrong(key)) };
    refuse_unless(raw.name.chars().count() <= 64 && !raw.name.chars().any(char::is_control), "name")?;
    refuse_unless(Path::new(&raw.state).is_absolute(), "state")?;
    refuse_unless(raw.cache_bytes_max >= CACHE_BYTES_MIN, "cache_bytes_max")?;
    refuse_unless((5..=86_400).contains(&raw.stall_seconds), "stall_seconds")?;
    refuse_unless(raw.drain_seconds <= 86_400, "drain_seconds")?;
    refuse_unless(raw.log_level.parse::<tracing_subscriber::filter::Targets>().is_ok(), "log_level")?;
    refuse_unless(raw.yield_load_percent <= 100, "yield_load_percent")?;
    refuse_unless(raw.yield_file.is_empty() || Path::new(&raw.yield_file).is_absolute(), "yield_file")?;
    let hours = work_hours(&raw.work_hours).ok_or_else(|| wrong("work_hours"))?;
    let yielding = Yielding {
        load_percent_max: u32::try_from(raw.yield_load_percent).ok().filter(|percent| *percent > 0),
        file: Some(raw.yield_file).filter(|path| !path.is_empty()).map(PathBuf::from),
        command: Some(raw.yield_command).filter(|command| !command.trim().is_empty()),
    };
    let format = match raw.log_format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(wrong("log_format")),
    };
    Ok(Config {
        daemon: daemon_at(raw.daemon).ok_or_else(|| wrong("daemon"))?,
        name: if raw.name.is_empty() { host_name() } else { raw.name },
        state: PathBuf::from(raw.state),
        devices: device_choice(raw.devices).ok_or_else(|| wrong("devices"))?,
        cache_bytes_max: raw.cache_bytes_max,
        disk_reserve_bytes: raw.disk_reserve_bytes,
        stall: Duration::from_secs(raw.stall_seconds),
        drain_for: Duration::from_secs(raw.drain_seconds),
        hours,
        yielding,
        log: LogSettings { format, level: raw.log_level },
        effective,
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

#[cfg(test)]
mod tests;
