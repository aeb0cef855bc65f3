//! Projects: made, listed, shown and deleted by their owner.

use super::{
    page::Page,
    project_body::{ProjectBody, Viewer},
};
use crate::{
    farm::FarmError,
    http::{HttpState, auth::Caller, body::OptionalFields, error::Failure},
    model::{Account, Project},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use tweenfarm_protocol::{AccountId, ProjectId, Timestamp};

const NAME_LETTERS_MAX: usize = 200;
const NAME_DEFAULT: &str = "Untitled project";

pub async fn list(State(state): State<HttpState>, Caller(account): Caller, page: Page) -> Result<Json<Value>, Failure> {
    let before = page.before(|id| project_time(&state, &account, id), "project")?;
    let projects = state.farm.projects_of(account.id, page.limit, before)?;
    let shown = projects.iter().map(|project| ProjectBody::of(&state, project, Viewer::Owner));
    let projects: Vec<ProjectBody> = shown.collect::<Result<_, _>>()?;
    Ok(Json(json!({ "projects": projects })))
}

/// Also of a deleted one: paging goes on when the last project of a page was deleted meanwhile.
fn project_time(state: &HttpState, account: &Account, id: uuid::Uuid) -> Result<Option<Timestamp>, FarmError> {
    let id = ProjectId(id);
    let found = match state.farm.project(id)? {
        Some(kept) => Some(kept),
        None => state.farm.deleted_project(id)?,
    };
    Ok(found.filter(|project| project.account == account.id).map(|project| project.created_at))
}

pub async fn add(
    State(state): State<HttpState>,
    Caller(account): Caller,
    OptionalFields(fields): OptionalFields,
) -> Result<(StatusCode, Json<ProjectBody>), Failure> {
    let name = match fields.optional_text("name")? {
        Some(text) => name(text)?,
        None => NAME_DEFAULT.to_owned(),
    };
    let project = state.farm.add_project(account.id, name).await?;
    Ok((StatusCode::CREATED, Json(ProjectBody::of(&state, &project, Viewer::Owner)?)))
}

fn name(text: &str) -> Result<String, Failure> {
    if text.is_empty() || text.chars().count() > NAME_LETTERS_MAX || text.chars().any(char::is_control) {
        let sentence = format!("name must have 1 to {NAME_LETTERS_MAX} characters and no line breaks");
        return Err(Failure::invalid(sentence));
    }
    Ok(text.to_owned())
}

/// The caller's own project; 403 for another's.
pub fn own(state: &HttpState, caller: AccountId, id: &str) -> Result<Project, Failure> {
    let id: ProjectId = id.parse().map_err(|_| FarmError::NotFound { what: "project" })?;
    let project = state.farm.project(id)?.ok_or(FarmError::NotFound { what: "project" })?;
    if project.account != caller {
        return Err(FarmError::NotYours { what: "project" }.into());
    }
    Ok(project)
}

pub async fn show(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path(id): Path<String>,
) -> Result<Json<ProjectBody>, Failure> {
    let project = own(&state, account.id, &id)?;
    Ok(Json(ProjectBody::of(&state, &project, Viewer::Owner)?))
}

pub async fn delete(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let project = own(&state, account.id, &id)?;
    state.farm.delete_project(account.id, project.id).await?;
    Ok(Json(json!({ "deleted": true, "project_id": project.id })))
}
