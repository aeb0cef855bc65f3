//! Keys as the operator handles them: the one of the ReframeFX surface, and the many of the Apiframe surface.

use super::account_id;
use crate::{
    farm::{self, FarmError},
    http::{HttpState, auth, body::Strict, error::Failure},
    model::{ApiKey, KeyKind},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use tweenfarm_protocol::{
    KeyId,
    operator::{AddKey, AddedKey, KeyRow, NewKey, RevokedKey},
};

const NAME_LETTERS_MAX: usize = 100;

/// A new `rfx` key; the earlier one stops working.
pub async fn rotate(
    State(state): State<HttpState>,
    Path(account): Path<String>,
) -> Result<(StatusCode, Json<NewKey>), Failure> {
    let account = account_id(&account)?;
    let (api_key, hash) = auth::new_key();
    state.farm.rotate_key(account, hash).await?;
    Ok((StatusCode::CREATED, Json(NewKey { account, api_key })))
}

pub async fn revoke_current(
    State(state): State<HttpState>,
    Path(account): Path<String>,
) -> Result<Json<RevokedKey>, Failure> {
    let account = account_id(&account)?;
    let revoked = state.farm.revoke_key(account).await?;
    Ok(Json(RevokedKey { account, revoked }))
}

/// One more `afk` key.
pub async fn add(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<AddKey>,
) -> Result<(StatusCode, Json<AddedKey>), Failure> {
    let account = account_id(&account)?;
    let name = body.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_LETTERS_MAX || name.chars().any(char::is_control) {
        let sentence = format!("name must have 1 to {NAME_LETTERS_MAX} characters and no line breaks");
        return Err(Failure::invalid(sentence));
    }
    let (api_key, hash) = auth::new_named_key();
    let prefix = api_key.chars().take(auth::PREFIX_LETTERS_SHOWN).collect();
    let key = state.farm.add_named_key(account, farm::NewKey { hash, name, prefix }).await?;
    let label = key.label().ok_or(Failure::Internal("the new key has no label"))?;
    Ok((StatusCode::CREATED, Json(AddedKey { account, key: label.id, name: label.name.clone(), api_key })))
}

/// Every key that may be of interest: the `rfx` one while it works, all `afk` ones.
pub async fn list(State(state): State<HttpState>, Path(account): Path<String>) -> Result<Json<Vec<KeyRow>>, Failure> {
    let account = account_id(&account)?;
    state.farm.account(account)?.ok_or(FarmError::NotFound { what: "account" })?;
    let keys = state.farm.active_key(account)?.into_iter().chain(state.farm.named_keys(account)?);
    let rows = keys.map(|key| row(&state, key)).collect::<Result<_, _>>()?;
    Ok(Json(rows))
}

fn row(state: &HttpState, key: ApiKey) -> Result<KeyRow, FarmError> {
    let used_at = state.farm.key_used_at(key.hash)?;
    let (kind, id, name, prefix) = match key.kind {
        KeyKind::Rfx => ("rfx", None, String::new(), auth::KEY_PREFIX.to_owned()),
        KeyKind::Afk(label) => ("afk", Some(label.id), label.name, label.prefix),
    };
    Ok(KeyRow {
        kind: kind.to_owned(),
        key: id,
        name,
        prefix,
        created_at: key.created_at.to_iso_seconds(),
        last_used_at: used_at.map(|at| at.to_iso_seconds()),
        revoked_at: key.revoked_at.map(|at| at.to_iso_seconds()),
    })
}

/// An `afk` key stops working at once.
pub async fn revoke(
    State(state): State<HttpState>,
    Path((account, key)): Path<(String, String)>,
) -> Result<Json<RevokedKey>, Failure> {
    let account = account_id(&account)?;
    let key: KeyId = key.parse().map_err(|_| FarmError::NotFound { what: "key of this account" })?;
    let revoked = state.farm.revoke_named_key(account, key).await?;
    Ok(Json(RevokedKey { account, revoked }))
}
