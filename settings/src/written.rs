//! Where a value was written, and the one way in which programs refuse one: place, key, value, what would be accepted.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    io,
    path::{Path, PathBuf},
};

/// Where a value comes from, as a person looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Line {
        file: PathBuf,
        line: usize,
    },
    /// Written nowhere, in a program that reads this file.
    File(PathBuf),
    Variable(String),
    Flag(&'static str),
    Defaults,
}

impl Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { file, line } => write!(to, "{}:{line}", file.display()),
            Place::File(file) => write!(to, "{}", file.display()),
            Place::Variable(name) => write!(to, "the environment's {name}"),
            Place::Flag(name) => write!(to, "the flag {name}"),
            Place::Defaults => write!(to, "the defaults"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("read the configuration file {path}: check the path and its permissions")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{place}: is not valid TOML: {detail}")]
    Syntax { place: Place, detail: String },
    #[error("{place}: unknown key `{key}`; {known}")]
    Unknown { place: Place, key: String, known: String },
    #[error("{place}: {key} = {value}: {accepted}")]
    Value { place: Place, key: String, value: String, accepted: String },
    #[error("{place}: {key}: {needed}")]
    Missing { place: Place, key: String, needed: String },
    #[error("put the layers of the configuration together")]
    Layers(#[source] config::ConfigError),
}

/// Where each key was written last: the layer that counts.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub(crate) file: Option<PathBuf>,
    pub(crate) places: BTreeMap<String, Place>,
    /// As a person wrote them.
    pub(crate) values: BTreeMap<String, String>,
}

impl Written {
    /// The place of a key, such as `http.listen` or `rule[1].name`; of what it stands in, where it is written nowhere.
    pub fn place(&self, key: &str) -> Place {
        let mut looked_for = key;
        loop {
            if let Some(place) = self.places.get(looked_for) {
                return place.clone();
            }
            match looked_for.rfind(['.', '[']) {
                Some(end) => looked_for = &looked_for[..end],
                None => return self.file.as_deref().map_or(Place::Defaults, |file| Place::File(file.to_owned())),
            }
        }
    }

    /// What stands there; "nothing" where a key is written nowhere.
    pub fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("nothing", String::as_str)
    }

    pub fn wrong(&self, key: &str, value: impl Display, accepted: impl Into<String>) -> SettingsError {
        let (place, key) = (self.place(key), key.to_owned());
        SettingsError::Value { place, key, value: value.to_string(), accepted: accepted.into() }
    }

    /// A key that is not there and has to be, because of what `beside` says.
    pub fn missing(&self, key: &str, beside: &str, needed: impl Into<String>) -> SettingsError {
        SettingsError::Missing { place: self.place(beside), key: key.to_owned(), needed: needed.into() }
    }

    pub(crate) fn note(&mut self, key: String, place: Place, value: String) {
        self.values.insert(key.clone(), value);
        self.places.insert(key, place);
    }

    pub(crate) fn of_file(file: Option<&Path>) -> Written {
        Written { file: file.map(Path::to_owned), ..Written::default() }
    }
}
