//! Closed JSON objects: every field is known, and what is wrong is told for all of them at once, by dotted path.

use crate::http::error::{Failure, Flaws};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One flaw of one field.
pub fn one(path: &str, sentence: &str) -> Failure {
    Failure::Fields(Flaws::from([(path.to_owned(), vec![sentence.to_owned()])]))
}

/// An object that is being read; what is left in the end is unknown.
pub struct Closed<'a> {
    path: String,
    left: BTreeMap<&'a str, &'a Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    Yes,
    No,
}

impl<'a> Closed<'a> {
    pub fn body(fields: &'a Map<String, Value>) -> Closed<'a> {
        Closed::at(String::new(), fields)
    }

    fn at(path: String, fields: &'a Map<String, Value>) -> Closed<'a> {
        Closed { path, left: fields.iter().map(|(name, value)| (name.as_str(), value)).collect() }
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// What stands in a field, if anything.
    pub fn take(&mut self, name: &str, needed: Needed, flaws: &mut Flaws) -> Option<&'a Value> {
        let found = self.left.remove(name);
        if found.is_none() && needed == Needed::Yes {
            self.complain(name, "Required", flaws);
        }
        found
    }

    pub fn complain(&self, name: &str, sentence: impl Into<String>, flaws: &mut Flaws) {
        flaws.entry(self.path_of(name)).or_default().push(sentence.into());
    }

    pub fn text(&mut self, name: &str, needed: Needed, flaws: &mut Flaws) -> Option<&'a str> {
        let text = self.take(name, needed, flaws)?.as_str();
        if text.is_none() {
            self.complain(name, "Must be a text", flaws);
        }
        text
    }

    /// One of a few words.
    pub fn word(&mut self, name: &str, needed: Needed, words: &[&str], flaws: &mut Flaws) -> Option<&'a str> {
        let text = self.text(name, needed, flaws)?;
        if !words.contains(&text) {
            self.complain(name, format!("Must be one of {}", words.join(", ")), flaws);
            return None;
        }
        Some(text)
    }

    pub fn object(&mut self, name: &str, needed: Needed, flaws: &mut Flaws) -> Option<Closed<'a>> {
        let Some(fields) = self.take(name, needed, flaws)?.as_object() else {
            self.complain(name, "Must be an object", flaws);
            return None;
        };
        Some(Closed::at(self.path_of(name), fields))
    }

    /// Nobody asked for what is left.
    pub fn end(self, flaws: &mut Flaws) {
        for name in self.left.keys() {
            self.complain(name, "Unknown field", flaws);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_flaw_is_told_at_once_with_its_path() {
        let body = json!({ "model": 5, "params": { "fps": "x", "more": 1 }, "prompt": "a cat" });
        let mut flaws = Flaws::new();
        let mut fields = Closed::body(body.as_object().unwrap());
        fields.text("model", Needed::Yes, &mut flaws);
        let mut params = fields.object("params", Needed::Yes, &mut flaws).unwrap();
        params.word("fps", Needed::Yes, &["a", "b"], &mut flaws);
        params.text("video", Needed::Yes, &mut flaws);
        params.text("other", Needed::No, &mut flaws);
        params.end(&mut flaws);
        fields.end(&mut flaws);
        let told: Vec<(&str, &str)> = flaws.iter().map(|(path, said)| (path.as_str(), said[0].as_str())).collect();
        let expected = [
            ("model", "Must be a text"),
            ("params.fps", "Must be one of a, b"),
            ("params.more", "Unknown field"),
            ("params.video", "Required"),
            ("prompt", "Unknown field"),
        ];
        assert_eq!(told, expected);
    }
}
