//! The layers, put together by the config crate: a later one wins. Each is judged where it stands, so that a refusal names
//! the line, the variable or the flag, and so that nothing is read as something else: `1.5` is no whole number.

use crate::{
    lines,
    written::{Place, SettingsError, Written},
};
use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where a program's settings come from, but for its defaults, which are those of the type that is read.
#[derive(Clone, Debug)]
pub struct Layers {
    pub file: Option<PathBuf>,
    /// Variables are `PREFIX__SECTION__KEY`.
    pub prefix: &'static str,
    pub environment: BTreeMap<String, String>,
    pub flags: Vec<Flag>,
    /// Keys of lists: in a variable, what divides the entries of one.
    pub lists: &'static [(&'static str, char)],
    /// What a key takes, where a program says that better than the type does.
    pub accepted: fn(&str) -> Option<&'static str>,
}

/// A flag of the command line that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    pub key: &'static str,
    pub name: &'static str,
    pub value: Option<String>,
}

impl Layers {
    /// The variables of this process that may be meant; others are nobody's business.
    pub fn environment(prefix: &str) -> BTreeMap<String, String> {
        let own = format!("{prefix}__");
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = variables.filter(|(name, _)| name.starts_with(&own));
        variables.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect()
    }

    /// Reads all layers into what the program calls its settings, unchecked but for keys and types.
    pub fn read<T: DeserializeOwned>(&self) -> Result<(T, Written), SettingsError> {
        let mut written = Written::of_file(self.file.as_deref());
        let mut layers = Config::builder();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| SettingsError::Unreadable { path: path.clone(), source })?;
            lines::note(&mut written, path, &text);
            self.judge_file::<T>(path, &text, &written)?;
            layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
        }
        for (name, value) in &self.environment {
            let Some(key) = name.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix("__")) else { continue };
            let key = key.to_ascii_lowercase().replace("__", ".");
            written.note(key.clone(), Place::Variable(name.clone()), format!("{value:?}"));
            let set = layers.set_override(&key, self.variable(&key, value));
            // What is no path of keys is no key.
            layers = set.map_err(|_| self.unknown(&written, &key, "no key has such a name"))?;
        }
        for Flag { key, name, value } in &self.flags {
            let Some(value) = value else { continue };
            written.note((*key).to_owned(), Place::Flag(name), format!("{value:?}"));
            layers = layers.set_override(*key, value.clone()).map_err(SettingsError::Layers)?;
        }
        let together = layers.build().map_err(SettingsError::Layers)?;
        let read = serde_path_to_error::deserialize(together).map_err(|error| {
            let said = plain(error.inner());
            self.refusal(&written, &error.path().to_string(), &said)
        });
        Ok((read?, written))
    }

    fn variable(&self, key: &str, value: &str) -> Value {
        let entries = self.lists.iter().find(|(list, _)| *list == key).map(|(_, divider)| value.split(*divider));
        let kind = match entries {
            Some(entries) => {
                let entries = entries.map(str::trim).filter(|entry| !entry.is_empty());
                ValueKind::Array(entries.map(|entry| Value::new(None, entry)).collect())
            }
            None => ValueKind::String(value.to_owned()),
        };
        Value::new(None, kind)
    }

    /// By itself, because the crate that puts the layers together converts what it finds.
    fn judge_file<T: DeserializeOwned>(&self, path: &Path, text: &str, written: &Written) -> Result<(), SettingsError> {
        let syntax = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| lines::line_of(text, span.start));
            let place = Place::Line { file: path.to_owned(), line };
            SettingsError::Syntax { place, detail: error.message().to_owned() }
        };
        let source = toml::Deserializer::parse(text).map_err(syntax)?;
        match serde_path_to_error::deserialize::<_, T>(source) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refusal(written, &error.path().to_string(), error.inner().message())),
        }
    }

    /// In the words of serde: which kind of fault it is, and what was expected.
    fn refusal(&self, written: &Written, path: &str, said: &str) -> SettingsError {
        // An element of a list is refused as the list, which is what a person looks for; an element of rules is a rule.
        let key = match path.rsplit_once('[') {
            Some((list, rest))
                if rest.ends_with(']') && written.values.get(path).is_some_and(|v| !v.starts_with('[')) =>
            {
                list
            }
            _ => path,
        };
        if said.starts_with("unknown field") {
            let known = said.split_once("expected ").map_or("nothing", |(_, known)| known);
            let known = known.strip_prefix("one of ").unwrap_or(known);
            return self.unknown(written, path, &format!("known here: {known}"));
        }
        if let Some(field) = said.strip_prefix("missing field ") {
            let field = field.trim_matches(['`', '"']);
            let field = field.rsplit('.').next().unwrap_or(field);
            return written.missing(&format!("{path}.{field}"), path, "has to be there");
        }
        let accepted = (self.accepted)(key).map_or_else(|| expectation(said), str::to_owned);
        written.wrong(key, written.value(key), accepted)
    }

    fn unknown(&self, written: &Written, key: &str, known: &str) -> SettingsError {
        SettingsError::Unknown { place: written.place(key), key: key.to_owned(), known: known.to_owned() }
    }
}

/// The crate's error without the path that it adds to it.
fn plain(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => plain(error),
        ConfigError::Type { unexpected, expected, .. } => format!("invalid type: {unexpected}, expected {expected}"),
        ConfigError::NotFound(key) => format!("missing field `{key}`"),
        ConfigError::Message(said) => said.clone(),
        other => other.to_string(),
    }
}

/// What serde expected, for people.
fn expectation(said: &str) -> String {
    let Some((_, expected)) = said.rsplit_once("expected ") else { return said.to_owned() };
    match expected {
        "u64" | "u32" | "u16" | "an integer" | "an unsigned 64 bit integer" => "a whole number, 0 or more".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "a string" | "path string" | "a path" => "a text in quotes".to_owned(),
        "a sequence" | "an array" => "a list".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests;
