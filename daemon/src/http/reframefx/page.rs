//! `limit` and `before` of the lists.

use crate::{farm::FarmError, http::error::Failure};
use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use std::collections::HashMap;
use tweenfarm_protocol::Timestamp;
use uuid::Uuid;

pub const LIMIT_DEFAULT: usize = 50;
pub const LIMIT_MAX: usize = 200;

/// Which part of a list a request asks for.
pub struct Page {
    pub limit: usize,
    before: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Page, Failure> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(mut query) = query.map_err(|_| Failure::invalid("the query must be name=value pairs"))?;
        let wrong = || Failure::invalid(format!("limit must be an integer from 1 to {LIMIT_MAX}"));
        let limit = match query.get("limit") {
            None => LIMIT_DEFAULT,
            Some(text) => text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(wrong)?,
        };
        Ok(Page { limit, before: query.remove("before") })
    }
}

impl Page {
    /// `before` is a time, or the id of an item: `created_at` is shown in whole seconds, so only an id pages without
    /// loss. `time_of` looks an id of the caller's up.
    pub fn before(
        &self,
        time_of: impl FnOnce(Uuid) -> Result<Option<Timestamp>, FarmError>,
        what: &'static str,
    ) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = &self.before else { return Ok(None) };
        let wrong = || {
            let sentence = format!("before must be a time such as 2026-07-01T10:04:30Z or the id of a {what} of yours");
            Failure::Invalid(sentence)
        };
        if let Ok(id) = text.parse::<Uuid>() {
            return time_of(id)?.ok_or(FarmError::NotFound { what }.into()).map(Some);
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        Ok(Some(Timestamp(time.as_microsecond())))
    }
}
