//! What the query of a list says: read strictly, so that a misspelt filter is not taken for no filter.

use crate::http::error::Failure;
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};

const ROWS_DEFAULT: usize = 50;
const ROWS_MAX: usize = 1000;

/// The query as a type that refuses what it does not know.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Failure> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(refused) => Err(Failure::invalid(format!("the query is not what this route takes: {refused}"))),
        }
    }
}

/// `limit` of a query.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Limit(pub usize);

impl Default for Limit {
    fn default() -> Limit {
        Limit(ROWS_DEFAULT)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Limit, String> {
        let limit = text.parse().ok().filter(|limit| (1..=ROWS_MAX).contains(limit));
        limit.map(Limit).ok_or_else(|| format!("limit must be an integer from 1 to {ROWS_MAX}"))
    }
}
