//! What `/` narrows a table to: words that must all be in a row, and words after `!` that must not. Pure.

/// Case does not count. An empty filter lets every row pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Filter {
    pub fn new(text: &str) -> Filter {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.strip_prefix('!') {
                // A lone `!` is a word that is still being typed.
                Some("") => {}
                Some(word) => unwanted.push(word.to_lowercase()),
                None => wanted.push(word.to_lowercase()),
            }
        }
        Filter { text: text.to_owned(), wanted, unwanted }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// A word is found inside one cell, never across two.
    pub fn passes(&self, cells: &[&str]) -> bool {
        let any = |word: &String| cells.iter().any(|cell| contains(cell, word));
        self.wanted.iter().all(any) && !self.unwanted.iter().any(any)
    }
}

/// `word` is lower case. Almost all cells are ASCII, and 10,000 rows are filtered at every key: nothing is allocated for them.
fn contains(cell: &str, word: &str) -> bool {
    if cell.is_ascii() {
        return cell.len() >= word.len()
            && cell.as_bytes().windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    }
    cell.to_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_be_there_and_none_after_an_exclamation_mark() {
        let check = |filter: &str, expected: bool| {
            assert_eq!(
                Filter::new(filter).passes(&["rendering", "Ann@Example.org", "Größe.mp4"]),
                expected,
                "{filter}"
            );
        };
        check("", true);
        check("ann", true);
        check("REND ann", true);
        check("ann bob", false);
        check("!ann", false);
        check("!bob rend", true);
        check("!", true);
        check("größe", true);
        check("GRÖSSE", false);
        check("GRÖßE", true);
        check("gann", false);
    }
}
