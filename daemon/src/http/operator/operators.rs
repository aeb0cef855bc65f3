//! Operators as an admin handles them: added, listed, revoked.

use super::door;
use crate::{
    http::{HttpState, body::Strict, error::Failure},
    model::Operator,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use tweenfarm_protocol::{
    join::{AGENT_NAME_BYTES_MAX, is_agent_name},
    operator::{AddOperator, AddedOperator, OperatorRow, Pass, RevokedOperator},
};

pub async fn add(
    State(state): State<HttpState>,
    Strict(body): Strict<AddOperator>,
) -> Result<(StatusCode, Json<AddedOperator>), Failure> {
    if !is_agent_name(&body.name) {
        let sentence = format!(
            "name must have 1 to {AGENT_NAME_BYTES_MAX} of a-z, A-Z, 0-9, dot, dash and underscore, and begin with a \
             letter or a digit"
        );
        return Err(Failure::invalid(sentence));
    }
    let token = door::new_token();
    let added = state.farm.add_operator(body.name, body.role, door::hash_of(&token)).await?;
    let taken = "an operator of this name can use the API: revoke that one first, or take another name";
    let Operator { name, role, .. } = added.ok_or_else(|| Failure::invalid(taken))?;
    let line = state.secure_door.as_ref().map(|door| {
        let pass =
            Pass { name: name.clone(), address: door.address.clone(), authority: door.authority, token: token.clone() };
        pass.to_string()
    });
    Ok((StatusCode::CREATED, Json(AddedOperator { name, role, token, line })))
}

pub async fn list(State(state): State<HttpState>) -> Result<Json<Vec<OperatorRow>>, Failure> {
    let rows = state.farm.operators()?.into_iter().map(|operator| OperatorRow {
        last_seen_at: state.operators_seen.of(&operator.name).map(|at| at.to_iso_seconds()),
        name: operator.name,
        role: operator.role,
        created_at: operator.created_at.to_iso_seconds(),
        revoked_at: operator.revoked_at.map(|at| at.to_iso_seconds()),
    });
    Ok(Json(rows.collect()))
}

pub async fn revoke(
    State(state): State<HttpState>,
    Path(name): Path<String>,
) -> Result<Json<RevokedOperator>, Failure> {
    let revoked = state.farm.revoke_operator(name.clone()).await?;
    Ok(Json(RevokedOperator { name, revoked }))
}
