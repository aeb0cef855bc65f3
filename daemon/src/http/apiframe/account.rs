//! `/v2/me`: the caller, its team of one, the key it came with.

use super::caller::Client;
use crate::{
    farm::FarmError,
    http::{HttpState, error::Failure},
    model::ApiKey,
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

pub async fn me(State(state): State<HttpState>, client: Client) -> Result<Json<Value>, Failure> {
    Ok(Json(body(&state, &client)?))
}

fn body(state: &HttpState, client: &Client) -> Result<Value, FarmError> {
    let Client { account, key } = client;
    Ok(json!({
        "user": { "id": account.id, "email": account.email, "role": "OWNER" },
        // An account is a team of its own: both have its id.
        "team": {
            "id": account.id,
            "name": account.email,
            "credits": state.farm.balance(account.id)?,
            "plan": account.tier.as_str(),
            "customerId": null,
        },
        "apiKey": key.as_ref().and_then(ApiKey::label).map(|label| {
            json!({ "id": label.id, "name": label.name, "prefix": label.prefix })
        }),
    }))
}
