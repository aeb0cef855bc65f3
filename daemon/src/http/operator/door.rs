//! Who comes in to the operator API, and what that role may do.

use crate::{
    http::{HttpState, error::Failure, serve::Peer},
    model::SecretHash,
};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tweenfarm_protocol::{
    Timestamp,
    join::Fingerprint,
    operator::{Me, Role, TOKEN_PREFIX},
};

/// Who asks; an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub name: Arc<str>,
    pub role: Role,
}

/// What a pass says of the door in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureDoor {
    pub address: String,
    /// Of the certificate by which the daemon is recognised.
    pub authority: Fingerprint,
}

/// When operators last came, since the daemon started.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Timestamp>>>);

impl Seen {
    pub fn of(&self, name: &str) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn note(&self, name: &str, at: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), at);
    }
}

/// 256 random bits need no slow hash: nobody guesses them.
pub fn hash_of(token: &str) -> SecretHash {
    SecretHash(Sha256::digest(token.as_bytes()).into())
}

pub fn new_token() -> String {
    format!("{TOKEN_PREFIX}{}", BASE64.encode(rand::random::<[u8; 32]>()))
}

/// The socket's door: whoever could open it runs as the daemon's user, or as root.
pub async fn local(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller { name: "local".into(), role: Role::Admin });
    next.run(request).await
}

/// The network's door: whoever has a token is whom it was made for. Without one no route opens.
pub async fn by_token(State(state): State<HttpState>, mut request: Request, next: Next) -> Response {
    match caller(&state, &request) {
        Ok(Some(caller)) => {
            state.operators_seen.note(&caller.name, state.farm.now());
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(failure) => return failure.into_response(),
    }
    next.run(request).await
}

fn caller(state: &HttpState, request: &Request) -> Result<Option<Caller>, Failure> {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = sent.and_then(|sent| sent.strip_prefix("Bearer ")) else { return Ok(None) };
    let hash = hash_of(token);
    // Compared as hashes: how long that takes tells nothing of a token.
    let known = state.farm.operators()?.into_iter().find(|operator| operator.is_active() && operator.token == hash);
    if known.is_none() {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.to_string());
        tracing::warn!(peer, "somebody came to the operator API with a token that is none");
    }
    Ok(known.map(|operator| Caller { name: operator.name.into(), role: operator.role }))
}

/// Around each route.
pub(super) async fn allow(least: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        None => Failure::NoOperator.into_response(),
        Some(caller) if caller.role < least => Failure::Role { least, has: caller.role }.into_response(),
        Some(_) => next.run(request).await,
    }
}

pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(Me { name: caller.name.as_ref().to_owned(), role: caller.role })
}
