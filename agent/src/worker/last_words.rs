//! The last lines of a worker's log: kept while it works, told where it fails.
//!
//! What is told leaves this machine: it is short, and holds neither folders of this machine nor what follows a `?` in
//! a URL, which may be a signature.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many lines are kept, and told.
const LINES: usize = 20;
/// Of each line that is told.
const CHARS: usize = 240;

/// Cheap to clone; all clones share the lines.
#[derive(Clone, Debug, Default)]
pub struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    pub fn push(&self, line: String) {
        let mut lines = self.lines();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Another task begins: what was said during the last one does not belong to it.
    pub fn clear(&self) {
        self.lines().clear();
    }

    /// As they were said: for this machine's own log.
    pub fn all(&self) -> Vec<String> {
        self.lines().iter().cloned().collect()
    }

    /// As they may leave this machine.
    pub fn told(&self) -> Vec<String> {
        self.lines().iter().map(|line| without_places(line)).filter(|line| !line.is_empty()).collect()
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        // A push is one step: a poisoned lock guards whole lines.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line with every path cut to its last part, every URL to what is before its `?`, and no control characters.
fn without_places(line: &str) -> String {
    let clean: String = line.chars().filter(|letter| !letter.is_control()).take(4 * CHARS).collect();
    let words = clean.split(' ').map(|word| {
        let word = word.split_once('?').filter(|(before, _)| before.contains("://")).map_or(word, |(before, _)| before);
        match word.find('/') {
            Some(at) if !word.contains("://") && word[at + 1..].contains('/') => {
                let (lead, path) = word.split_at(at);
                format!("{lead}…/{}", path.rsplit('/').next().unwrap_or_default())
            }
            _ => word.to_owned(),
        }
    });
    let joined = words.collect::<Vec<_>>().join(" ");
    joined.trim().chars().take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_names_no_folder_and_no_signature() {
        let check = |line: &str, expected: &str| assert_eq!(without_places(line), expected);
        check("plain words, 3/4 of them", "plain words, 3/4 of them");
        check("no space in /var/lib/tweenfarm-agent/scratch/a.mp4: full", "no space in …/a.mp4: full");
        check("file=/home/ann/clip.mp4", "file=…/clip.mp4");
        check("GET http://farm/b/x.mp4?X-Amz-Signature=abc failed", "GET http://farm/b/x.mp4 failed");
        check("\u{1b}[31mred\u{7}", "[31mred");
        assert_eq!(without_places(&"x".repeat(5_000)).chars().count(), CHARS);
    }

    #[test]
    fn only_the_last_lines_of_this_task_are_kept() {
        let words = LastWords::default();
        (0..30).for_each(|number| words.push(format!("line {number}")));
        assert_eq!(words.told().len(), LINES);
        assert_eq!(words.told().first().map(String::as_str), Some("line 10"));
        words.clear();
        assert!(words.all().is_empty());
    }
}
