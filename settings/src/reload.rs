//! What changes when a running program reads its settings again: some keys take effect, the others wait for a restart.

use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Every key with what it is set to, defaults included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective(BTreeMap<String, String>);

impl Effective {
    /// Of a program's settings as they are read.
    pub fn of(settings: &impl Serialize) -> Effective {
        let mut found = BTreeMap::new();
        // Settings came from a text; they can be one again.
        if let Ok(value) = serde_json::to_value(settings) {
            flatten(String::new(), &value, &mut found);
        }
        Effective(found)
    }

    /// Keys that differ, in order.
    fn differing<'a>(&'a self, other: &'a Effective) -> impl Iterator<Item = &'a String> {
        let changed = self.0.iter().filter(|(key, value)| other.0.get(*key) != Some(value)).map(|(key, _)| key);
        changed.chain(other.0.keys().filter(|key| !self.0.contains_key(*key)))
    }
}

fn flatten(path: String, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(keys) => {
            for (key, value) in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(below, value, found);
            }
        }
        other => _ = found.insert(path, other.to_string()),
    }
}

/// Whether a list of keys and sections (`work.`, with its point) names this key.
pub fn changes_live(live: &[&str], key: &str) -> bool {
    live.iter().any(|named| key == *named || (named.ends_with('.') && key.starts_with(named)))
}

/// What a reload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Keys that take effect now.
    pub applied: Vec<String>,
    /// Keys that differ from what the program was started with, and take effect when it is started again.
    pub waiting: Vec<String>,
}

impl Reload {
    /// `started` is what the program was started with, `running` what it runs with, `read` what it has read now.
    pub fn between(started: &Effective, running: &Effective, read: &Effective, live: &[&str]) -> Reload {
        let mut applied: Vec<String> = running.differing(read).filter(|key| changes_live(live, key)).cloned().collect();
        let mut waiting: Vec<String> =
            started.differing(read).filter(|key| !changes_live(live, key)).cloned().collect();
        applied.sort();
        waiting.sort();
        Reload { applied, waiting }
    }

    /// What is to be done, if anything is.
    pub fn remedy(&self) -> Option<String> {
        (!self.waiting.is_empty()).then(|| format!("needs a restart: {}", self.waiting.join(", ")))
    }
}

impl fmt::Display for Reload {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.applied.is_empty() {
            true => write!(to, "nothing changes now")?,
            false => write!(to, "changed: {}", self.applied.join(", "))?,
        }
        self.remedy().map_or(Ok(()), |remedy| write!(to, "; {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn effective(level: &str, listen: &str, lease: u64) -> Effective {
        Effective::of(&json!({ "log": { "level": level }, "http": { "listen": listen }, "work": { "lease": lease } }))
    }

    #[test]
    fn what_can_change_now_is_told_apart_from_what_waits_for_a_restart() {
        let check = |running: &Effective, read: &Effective, expected: &str| {
            let started = effective("info", "a", 60);
            let reload = Reload::between(&started, running, read, &["log.level", "work."]);
            assert_eq!(reload.to_string(), expected);
        };
        let started = effective("info", "a", 60);
        check(&started, &started, "nothing changes now");
        check(&started, &effective("debug", "a", 30), "changed: log.level, work.lease");
        check(&started, &effective("info", "b", 60), "nothing changes now; needs a restart: http.listen");
        // It still waits at the next reload, until it is as it was.
        check(
            &effective("debug", "b", 60),
            &effective("debug", "b", 60),
            "nothing changes now; needs a restart: http.listen",
        );
        check(&effective("debug", "b", 60), &effective("info", "a", 60), "changed: log.level");
    }
}
