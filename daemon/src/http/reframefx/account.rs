//! The account and its API key.

use super::shown;
use crate::http::{
    HttpState,
    auth::{self, Caller},
    error::Failure,
};
use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

pub async fn me(State(state): State<HttpState>, Caller(account): Caller) -> Result<Json<Value>, Failure> {
    let balance = state.farm.balance(account.id)?;
    let spent_usd_cents = state.farm.spent_usd_cents(account.id)?;
    let key_hash = state.farm.active_key(account.id)?.map(|key| key.hash.to_hex());
    Ok(Json(json!({
        "id": account.id,
        "email": account.email,
        "balance_xeconds": balance,
        "total_spent_usd": shown(spent_usd_cents as f64 / 100.0),
        "api_key_hash": key_hash,
    })))
}

/// The caller's own key stops working with this answer.
pub async fn new_token(
    State(state): State<HttpState>,
    Caller(account): Caller,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (text, hash) = auth::new_key();
    state.farm.rotate_key(account.id, hash).await?;
    let body = json!({
        "api_key": text,
        "token_type": "bearer",
        "warning": "This key is shown once: store it now. Any earlier key of the account has been revoked.",
    });
    Ok((StatusCode::CREATED, Json(body)))
}

pub async fn revoke_token(State(state): State<HttpState>, Caller(account): Caller) -> Result<Json<Value>, Failure> {
    let revoked = state.farm.revoke_key(account.id).await?;
    Ok(Json(json!({ "revoked": revoked })))
}
