//! What is wrong with a request, by the dotted path of each field.

use crate::http::error::{Failure, Flaws};

/// One flaw of one field.
pub fn one(path: &str, sentence: &str) -> Failure {
    Failure::Fields(Flaws::from([(path.to_owned(), vec![sentence.to_owned()])]))
}
