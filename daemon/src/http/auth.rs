//! Who asks: the account behind a Bearer credential.
//!
//! A credential is told apart by its prefix: an API key, looked up by its SHA-256, or else a sign-in token, whose user
//! gets an account at first sight.

mod claims;
mod keys;
pub mod tokens;

use super::{HttpState, error::Failure};
use crate::{
    farm::SignedIn,
    model::{Account, KeyHash},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use claims::Identity;
use sha2::{Digest, Sha256};
use tokens::TokenError;

/// Every ReframeFX API key starts like this; 40 hexadecimal digits follow.
pub const KEY_PREFIX: &str = "rfx_live_";
/// Every key of the Apiframe surface starts like this; 40 hexadecimal digits follow.
pub const NAMED_KEY_PREFIX: &str = "afk_";
/// What is kept of a named key's text, to recognise it by.
pub const PREFIX_LETTERS_SHOWN: usize = 8;
const KEY_BYTES: usize = 20;

/// What a request identified itself with.
pub enum Credential {
    ApiKey(KeyHash),
    Token(String),
}

impl Credential {
    pub fn read(headers: &HeaderMap) -> Result<Credential, Failure> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(Failure::NoCredentials)?;
        if values.next().is_some() {
            return Err(Failure::BadCredentials);
        }
        let text = value.to_str().map_err(|_| Failure::BadCredentials)?;
        let (scheme, token) = text.split_once(' ').ok_or(Failure::NoCredentials)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Failure::NoCredentials);
        }
        let token = token.trim();
        if token.starts_with(KEY_PREFIX) {
            return Ok(Credential::ApiKey(hash_of(token)));
        }
        // Header, claims and signature of a JWT.
        if token.split('.').count() == 3 {
            return Ok(Credential::Token(token.to_owned()));
        }
        Err(Failure::BadCredentials)
    }
}

/// The account that sent the request; taking it as an argument is what protects a route.
pub struct Caller(pub Account);

impl FromRequestParts<HttpState> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Caller, Failure> {
        let account = match Credential::read(&parts.headers)? {
            Credential::ApiKey(hash) => state.farm.caller(hash)?.ok_or(Failure::BadCredentials)?.0,
            Credential::Token(token) => signed_in(state, &token).await?,
        };
        Ok(Caller(account))
    }
}

/// The account of the user whom a sign-in token names.
pub async fn signed_in(state: &HttpState, token: &str) -> Result<Account, Failure> {
    let identity = state.tokens.verify(token, state.farm.now()).await.map_err(|error| match error {
        TokenError::Refused(reason) => Failure::BadToken(reason),
        TokenError::KeysUnavailable => Failure::Busy("the keys of sign-in tokens cannot be fetched"),
    })?;
    let Identity { account, email, issued_at } = identity;
    Ok(state.farm.sign_in(SignedIn { account, email, issued_at }).await?)
}

/// What is stored of a key. Fast and unsalted is right for 160 random bits.
pub fn hash_of(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key.as_bytes()).into())
}

/// A new key of the ReframeFX surface: its text, to be shown once, and what is stored of it.
pub fn new_key() -> (String, KeyHash) {
    random_key(KEY_PREFIX)
}

/// The same of the Apiframe surface.
pub fn new_named_key() -> (String, KeyHash) {
    random_key(NAMED_KEY_PREFIX)
}

fn random_key(prefix: &str) -> (String, KeyHash) {
    let text = format!("{prefix}{}", hex::encode(rand::random::<[u8; KEY_BYTES]>()));
    let hash = hash_of(&text);
    (text, hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_new_key_has_its_prefix_and_forty_digits() {
        let (text, hash) = new_key();
        let digits = text.strip_prefix("rfx_live_").unwrap();
        assert!(digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
        assert_eq!(hash.to_hex(), hex::encode(Sha256::digest(&text)));
        assert_ne!(new_key().0, text);
    }

    #[test]
    fn only_one_bearer_key_is_a_credential() {
        let check = |values: &[&'static str], expected: &str| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            let read = match Credential::read(&headers) {
                Ok(Credential::ApiKey(_)) => "key",
                Ok(Credential::Token(_)) => "token",
                Err(Failure::NoCredentials) => "none",
                Err(_) => "bad",
            };
            assert_eq!(read, expected, "{values:?}");
        };
        check(&[], "none");
        check(&["Bearer rfx_live_x"], "key");
        check(&["bearer rfx_live_x"], "key");
        check(&["Basic dXNlcjpwYXNz"], "none");
        check(&["rfx_live_x"], "none");
        check(&["Bearer afk_x"], "bad");
        check(&["Bearer a.b.c"], "token");
        check(&["Bearer a.b"], "bad");
        check(&["Bearer rfx_live_a.b.c"], "key");
        check(&["Bearer rfx_live_x", "Bearer rfx_live_y"], "bad");
    }
}
