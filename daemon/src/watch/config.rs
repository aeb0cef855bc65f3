//! Configuration of the watcher: raw text in layers (defaults, file, environment, flags), then checked rules.

use crate::{
    config::{ConfigError, LogConfig, log_config},
    intake::{
        RetryRules, Target,
        place::{Output, Pattern},
    },
};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::Display,
    ops::RangeInclusive,
    path::{Component, Path, PathBuf},
    time::Duration,
};
use tweenfarm_settings::{Effective, Flag, Layers, Written};

/// Variables are `TWEENFARM_WATCH__SECTION__KEY`.
const PREFIX: &str = "TWEENFARM_WATCH";
/// What a running watcher takes over when it reads its configuration again.
pub const LIVE: [&str; 5] = ["rule", "scan.", "retry.", "daemon.", "log.level"];

/// Everything the watcher is told, checked.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    pub state_folder: PathBuf,
    /// The daemon's intake door.
    pub socket: PathBuf,
    /// A folder is gone through this often, whatever events say.
    pub scan_every: Duration,
    pub retry: RetryRules,
    pub log: LogConfig,
    pub rules: Vec<Rule>,
    /// All of that as it was read: what a reload compares.
    pub effective: Effective,
}

/// One folder and what becomes of its clips.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: String,
    pub folder: PathBuf,
    pub recursive: bool,
    pub include: Patterns,
    pub ignore: Patterns,
    pub target: Target,
    /// E-mail address of who pays.
    pub account: String,
    pub output: Output,
    pub result_name: Pattern,
    pub source: Afterwards,
    pub hold: Duration,
    pub in_flight_max: usize,
    pub size_bytes_max: u64,
    pub duration_seconds_max: u64,
    /// Has to be in the folder, or the folder is taken as not mounted.
    pub marker: Option<PathBuf>,
    pub error_note: bool,
}

/// Patterns of names and paths, which are the same when their texts are.
#[derive(Clone, Debug)]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    pub fn is_match(&self, path: impl AsRef<Path>) -> bool {
        self.set.is_match(path)
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Patterns) -> bool {
        self.texts == other.texts
    }
}

/// What becomes of a source whose result is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Afterwards {
    Keep,
    /// Into the same subfolder of this folder.
    Move(PathBuf),
    Delete,
}

/// What flags of the command line set; they win over everything.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WatchFlags {
    /// Folder of what the watcher remembers (state.folder)
    #[arg(long, value_name = "FOLDER")]
    pub state_folder: Option<String>,
    /// Socket of the daemon's intake door (daemon.socket)
    #[arg(long, value_name = "PATH")]
    pub socket: Option<String>,
    /// Log filter (log.level)
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) state: RawState,
    pub(super) daemon: RawDaemon,
    pub(super) scan: RawScan,
    pub(super) retry: RawRetry,
    pub(super) log: RawLog,
    rule: Vec<RawRule>,
}

macro_rules! section {
    ($name:ident { $($key:ident: $kind:ty = $default:expr),+ $(,)? }) => {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name { $($key: $kind),+ }
        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),+ }
            }
        }
    };
}

section!(RawState { folder: PathBuf = "/var/lib/tweenfarm-watch".into() });
section!(RawDaemon { socket: PathBuf = "/run/tweenfarm/intake.sock".into() });
section!(RawScan { seconds: u64 = 60 });
section!(RawRetry { tries_max: u64 = 5, wait_seconds: u64 = 30, wait_seconds_max: u64 = 3600 });
section!(RawLog { level: String = "info".into(), format: String = "text".into() });

/// `config/watch.toml` says what each key means.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    name: String,
    folder: PathBuf,
    target: RawTarget,
    account: String,
    #[serde(default)]
    recursive: Option<bool>,
    #[serde(default)]
    include: Option<Vec<String>>,
    #[serde(default)]
    ignore: Option<Vec<String>>,
    #[serde(default)]
    output: Option<String>,
    #[serde(default)]
    result_name: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    move_to: Option<PathBuf>,
    #[serde(default)]
    settle_seconds: Option<u64>,
    #[serde(default)]
    in_flight_max: Option<u64>,
    #[serde(default)]
    size_bytes_max: Option<u64>,
    #[serde(default)]
    duration_seconds_max: Option<u64>,
    #[serde(default)]
    marker: Option<PathBuf>,
    #[serde(default)]
    error_note: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "frames per second as 24 to 240, \"x2\" to \"x10\", or \"next of 60/120\"")]
enum RawTarget {
    Fps(u32),
    Words(String),
}

const INCLUDE: [&str; 13] = [
    "*.mp4", "*.m4v", "*.mov", "*.mkv", "*.webm", "*.avi", "*.mpg", "*.mpeg", "*.ts", "*.mts", "*.m2ts", "*.wmv",
    "*.flv",
];

impl WatchConfig {
    /// Reads all layers: defaults, `file`, the environment's `TWEENFARM_WATCH__…`, `flags`.
    pub fn load(file: &Path, flags: &WatchFlags) -> Result<WatchConfig, ConfigError> {
        WatchConfig::from_layers(file, Layers::environment(PREFIX), flags)
    }

    pub(super) fn from_layers(
        file: &Path,
        environment: BTreeMap<String, String>,
        flags: &WatchFlags,
    ) -> Result<WatchConfig, ConfigError> {
        let flag = |key, name, value: &Option<String>| Flag { key, name, value: value.clone() };
        let layers = Layers {
            file: Some(file.to_owned()),
            prefix: PREFIX,
            environment,
            flags: vec![
                flag("state.folder", "--state-folder", &flags.state_folder),
                flag("daemon.socket", "--socket", &flags.socket),
                flag("log.level", "--log-level", &flags.log_level),
            ],
            lists: &[],
            accepted: |_| None,
        };
        let (raw, written) = layers.read::<Raw>()?;
        check(&written, raw)
    }
}

fn check(written: &Written, raw: Raw) -> Result<WatchConfig, ConfigError> {
    let effective = Effective::of(&raw);
    let all = Check { written, rule: None };
    let wait_seconds = all.within("retry.wait_seconds", raw.retry.wait_seconds, 1..=86_400)?;
    let wait_seconds_max =
        all.within("retry.wait_seconds_max", raw.retry.wait_seconds_max, wait_seconds..=7 * 86_400)?;
    let mut rules: Vec<Rule> = Vec::new();
    for (position, raw) in raw.rule.into_iter().enumerate() {
        let name = raw.name.clone();
        let this = Check { written, rule: Some((position, &name)) };
        let rule = this.rule(raw)?;
        if rules.iter().any(|other| other.name == rule.name) {
            return Err(this.wrong("rule.name", format!("{name:?}"), "each rule has a name of its own"));
        }
        let overlaps = |other: &&Rule| other.folder.starts_with(&rule.folder) || rule.folder.starts_with(&other.folder);
        if let Some(other) = rules.iter().find(overlaps)
            && (other.source != Afterwards::Keep || rule.source != Afterwards::Keep)
        {
            let accepted =
                format!("rule {:?} has the same clips: only rules that all keep their sources may", other.name);
            return Err(this.wrong("rule.folder", format!("{:?}", rule.folder), accepted));
        }
        rules.push(rule);
    }
    Ok(WatchConfig {
        state_folder: raw.state.folder,
        socket: raw.daemon.socket,
        scan_every: Duration::from_secs(all.within("scan.seconds", raw.scan.seconds, 1..=86_400)?),
        retry: RetryRules {
            tries_max: all.within("retry.tries_max", raw.retry.tries_max, 1..=100)? as u32,
            wait: Duration::from_secs(wait_seconds),
            wait_max: Duration::from_secs(wait_seconds_max),
        },
        log: log_config(written, &raw.log.level, &raw.log.format)?,
        rules,
        effective,
    })
}

/// Turns raw values into checked ones; a refusal names the rule.
struct Check<'a> {
    written: &'a Written,
    /// The which, and its name.
    rule: Option<(usize, &'a str)>,
}

impl Check<'_> {
    fn rule(&self, raw: RawRule) -> Result<Rule, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if raw.name.is_empty() || raw.name.len() > 64 || !raw.name.bytes().all(plain) {
            return Err(self.wrong(
                "rule.name",
                format!("{:?}", raw.name),
                "1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'",
            ));
        }
        if !raw.account.contains('@') {
            let accepted = "the e-mail address of an account, such as \"ann@example.org\"";
            return Err(self.wrong("rule.account", format!("{:?}", raw.account), accepted));
        }
        let text = match raw.target {
            RawTarget::Fps(fps) => fps.to_string(),
            RawTarget::Words(words) => words,
        };
        let target = text.parse::<Target>();
        let target = target.map_err(|cause| self.wrong("rule.target", format!("{text:?}"), cause.to_string()))?;
        let pattern = raw.result_name.as_deref().unwrap_or("{name}.{fps}fps.mp4");
        let result_name = Pattern::new(pattern)
            .map_err(|cause| self.wrong("rule.result_name", format!("{pattern:?}"), cause.to_string()))?;
        let output = match raw.output.as_deref() {
            None | Some("beside") => Output::Beside,
            Some(folder) => Output::Mirror(self.folder("rule.output", folder.into())?),
        };
        let folder = self.folder("rule.folder", raw.folder)?;
        let beside = match &output {
            Output::Beside => true,
            Output::Mirror(mirror) => *mirror == folder,
        };
        if beside && result_name.keeps_names() {
            let accepted =
                "a name that differs from the source's where both lie in one folder, such as {name}.{fps}fps.mp4";
            return Err(self.wrong("rule.result_name", format!("{pattern:?}"), accepted));
        }
        let source = match (raw.source.as_deref(), raw.move_to) {
            (None | Some("keep"), None) => Afterwards::Keep,
            (Some("delete"), None) => Afterwards::Delete,
            (Some("move"), Some(to)) => Afterwards::Move(self.folder("rule.move_to", to)?),
            (source, _) => {
                let accepted = "\"keep\", \"delete\", or \"move\" together with move_to";
                return Err(self.wrong("rule.source", format!("{:?}", source.unwrap_or("keep")), accepted));
            }
        };
        if matches!(&source, Afterwards::Move(to) if *to == folder) {
            return Err(self.wrong("rule.move_to", format!("{folder:?}"), "another folder than the watched one"));
        }
        if let Some(marker) = &raw.marker
            && !marker.components().all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(self.wrong("rule.marker", format!("{marker:?}"), "the name of a file in the folder"));
        }
        let include = raw.include.unwrap_or_else(|| INCLUDE.map(str::to_owned).to_vec());
        Ok(Rule {
            folder,
            recursive: raw.recursive.unwrap_or(true),
            include: self.patterns("rule.include", include)?,
            ignore: self.patterns("rule.ignore", raw.ignore.unwrap_or_default())?,
            target,
            output,
            result_name,
            source,
            hold: Duration::from_secs(self.within(
                "rule.settle_seconds",
                raw.settle_seconds.unwrap_or(15),
                1..=86_400,
            )?),
            in_flight_max: self.within("rule.in_flight_max", raw.in_flight_max.unwrap_or(2), 1..=64)? as usize,
            size_bytes_max: self.within("rule.size_bytes_max", raw.size_bytes_max.unwrap_or(64 << 30), 1..=1 << 40)?,
            duration_seconds_max: self.within(
                "rule.duration_seconds_max",
                raw.duration_seconds_max.unwrap_or(2 * 3600),
                1..=12 * 3600,
            )?,
            marker: raw.marker,
            error_note: raw.error_note.unwrap_or(false),
            name: raw.name,
            account: raw.account,
        })
    }

    /// A pattern without a slash is of a name in any subfolder; letters of either case are alike.
    fn patterns(&self, key: &'static str, texts: Vec<String>) -> Result<Patterns, ConfigError> {
        let mut set = GlobSetBuilder::new();
        for text in &texts {
            let anywhere = if text.contains('/') { text.clone() } else { format!("**/{text}") };
            let glob = GlobBuilder::new(&anywhere).case_insensitive(true).literal_separator(true).build();
            set.add(
                glob.map_err(|cause| {
                    self.wrong(key, format!("{text:?}"), format!("a pattern such as *.mov: {cause}"))
                })?,
            );
        }
        match set.build() {
            Ok(set) => Ok(Patterns { texts, set }),
            Err(cause) => Err(self.wrong(key, format!("{texts:?}"), cause.to_string())),
        }
    }

    /// Absolute and plain: what is compared with other folders must have one spelling.
    fn folder(&self, key: &'static str, folder: PathBuf) -> Result<PathBuf, ConfigError> {
        let plain = folder.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !folder.is_absolute() || !plain {
            return Err(self.wrong(key, format!("{folder:?}"), "an absolute path without .."));
        }
        Ok(folder.components().collect())
    }

    fn wrong(&self, key: &str, value: impl Display, accepted: impl Into<String>) -> ConfigError {
        let Some((position, rule)) = self.rule else { return self.written.wrong(key, value, accepted) };
        let place = self.written.place(&key.replacen("rule.", &format!("rule[{position}]."), 1));
        let value = if key == "rule.name" { value.to_string() } else { format!("{value} of rule {rule:?}") };
        ConfigError::Value { place, key: key.to_owned(), value, accepted: accepted.into() }
    }

    fn within(&self, key: &'static str, value: u64, accepted: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        if accepted.contains(&value) {
            return Ok(value);
        }
        Err(self.wrong(key, value, format!("{} to {}", accepted.start(), accepted.end())))
    }
}

#[cfg(test)]
mod tests;
