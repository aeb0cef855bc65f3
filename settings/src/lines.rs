//! On which line of a TOML text each key stands.

use crate::written::{Place, Written};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// More of a value than this helps nobody.
const SHOWN_MAX: usize = 120;

/// Notes every key of a text, tables and lists, too. What is no TOML is noted as far as it can be read.
pub fn note(written: &mut Written, file: &Path, text: &str) {
    let (table, _) = DeTable::parse_recoverable(text);
    Lines { file, text, written }.table("", table.get_ref());
}

pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Lines<'a> {
    file: &'a Path,
    text: &'a str,
    written: &'a mut Written,
}

impl Lines<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let below = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
            self.value(below, key.span().start, value.span(), value.get_ref());
        }
    }

    fn value(&mut self, path: String, from: usize, span: std::ops::Range<usize>, value: &DeValue<'_>) {
        let place = Place::Line { file: self.file.to_owned(), line: line_of(self.text, from) };
        let shown = self.text.get(span).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = match shown.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown,
        };
        self.written.note(path.clone(), place, shown);
        match value {
            DeValue::Table(table) => self.table(&path, table),
            DeValue::Array(elements) => {
                for (position, element) in elements.iter().enumerate() {
                    let span = element.span();
                    self.value(format!("{path}[{position}]"), span.start, span, element.get_ref());
                }
            }
            _ => {}
        }
    }
}
