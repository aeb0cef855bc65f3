//! Who asks: the account behind an `X-API-Key` (`afk_…`) or, for the farm's own pages, a sign-in token.

use super::rates::{self, Noted};
use crate::{
    http::{
        HttpState,
        auth::{self, Credential},
        error::Failure,
    },
    model::{Account, ApiKey},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who sent the request; taking it as an argument is what protects a route, and what counts the request.
pub struct Client {
    pub account: Account,
    /// `None` for a sign-in token.
    pub key: Option<ApiKey>,
}

impl FromRequestParts<HttpState> for Client {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Client, Failure> {
        let client = identify(&parts.headers, state).await?;
        let caller = match &client.key {
            Some(key) => rates::Caller::Key(key.hash),
            None => rates::Caller::SignedIn(client.account.id),
        };
        rates::count(&state.plans, parts.extensions.get::<Noted>(), caller, client.account.tier)?;
        Ok(client)
    }
}

/// A key decides when both are there, also a bad one.
async fn identify(headers: &HeaderMap, state: &HttpState) -> Result<Client, Failure> {
    let mut keys = headers.get_all(API_KEY).iter();
    if let Some(value) = keys.next() {
        let text = value.to_str().map_err(|_| Failure::BadCredentials)?;
        if keys.next().is_some() || !text.starts_with(auth::NAMED_KEY_PREFIX) {
            return Err(Failure::BadCredentials);
        }
        let (account, key) = state.farm.caller(auth::hash_of(text))?.ok_or(Failure::BadCredentials)?;
        return Ok(Client { account, key: Some(key) });
    }
    match Credential::read(headers)? {
        Credential::Token(token) => Ok(Client { account: auth::signed_in(state, &token).await?, key: None }),
        // The other surface's key opens nothing here.
        Credential::ApiKey(_) => Err(Failure::BadCredentials),
    }
}
