//! Share links: whoever has the token sees the project and reads its outputs, and learns nothing of the owner.

use super::{
    project_body::{ProjectBody, Viewer, file_in},
    projects,
};
use crate::{
    farm::FarmError,
    http::{HttpState, auth::Caller, error::Failure, objects},
    model::{FileKind, FileState, Project, ShareToken},
};
use axum::{
    Json,
    extract::{Path, Request, State},
    response::Response,
};
use serde_json::{Value, json};

pub async fn enable(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let project = projects::own(&state, account.id, &id)?;
    let token = state.farm.share(account.id, project.id, ShareToken(rand::random())).await?;
    Ok(Json(json!({ "project_id": project.id, "share_token": token.to_string(), "share_enabled": true })))
}

/// The link stops working with this answer; sharing again makes another one.
pub async fn disable(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let project = projects::own(&state, account.id, &id)?;
    state.farm.unshare(account.id, project.id).await?;
    Ok(Json(json!({ "project_id": project.id, "share_token": null, "share_enabled": false })))
}

fn shared(state: &HttpState, token: &str) -> Result<(Project, ShareToken), Failure> {
    let token: ShareToken = token.parse().map_err(|_| FarmError::NotFound { what: "share" })?;
    let project = state.farm.project_with_share(token)?.ok_or(FarmError::NotFound { what: "share" })?;
    Ok((project, token))
}

pub async fn show(State(state): State<HttpState>, Path(token): Path<String>) -> Result<Json<ProjectBody>, Failure> {
    let (project, token) = shared(&state, &token)?;
    Ok(Json(ProjectBody::of(&state, &project, Viewer::Guest(token))?))
}

/// The bytes of an output. The URL holds the token and the file's id: it ends with the share.
pub async fn download(
    State(state): State<HttpState>,
    Path((token, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (project, _) = shared(&state, &token)?;
    let file = file_in(&state, &project, &file)?;
    if !matches!(file.kind, FileKind::Output { .. }) {
        return Err(FarmError::NotFound { what: "file" }.into());
    }
    if !matches!(file.state, FileState::Stored { .. }) || file.expires_at <= state.farm.now() {
        return Err(Failure::FileExpired);
    }
    let (parts, _) = request.into_parts();
    objects::give(&state, &file, &parts).await
}
