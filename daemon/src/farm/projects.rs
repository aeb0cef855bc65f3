//! Commands on projects: made, shared, deleted.

use super::{error::FarmError, handle::Effect, jobs, transaction::Transaction};
use crate::{
    model::{FileState, Project, ProjectState, ShareToken},
    store::Write,
};
use tweenfarm_protocol::{AccountId, ProjectId};

pub(super) fn add(tx: &mut Transaction, account: AccountId, name: String) -> Result<Project, FarmError> {
    let account = tx.account(account)?.id;
    let id = ProjectId(tx.fresh_id());
    let state = ProjectState::Kept { share: None };
    let project = Project { id, account, name, listed: true, created_at: tx.now, state };
    tx.put(Write::PutProject(project.clone()));
    Ok(project)
}

/// The project of the account's jobs without one; made when it is first needed, also after it was deleted.
pub(super) fn default_of(tx: &mut Transaction, account: AccountId) -> Result<ProjectId, FarmError> {
    if let Some(known) = tx.default_project(account)? {
        return Ok(known);
    }
    let (id, state) = (ProjectId(tx.fresh_id()), ProjectState::Kept { share: None });
    let name = "Without a project".to_owned();
    tx.put(Write::PutProject(Project { id, account, name, listed: false, created_at: tx.now, state }));
    Ok(id)
}

fn own(tx: &Transaction, account: AccountId, id: ProjectId) -> Result<Project, FarmError> {
    let project = tx.project(id)?;
    if project.account == account { Ok(project) } else { Err(FarmError::NotYours { what: "project" }) }
}

/// The token that opens the project: the one it has, or `new`.
pub(super) fn share(
    tx: &mut Transaction,
    account: AccountId,
    id: ProjectId,
    new: ShareToken,
) -> Result<ShareToken, FarmError> {
    let project = own(tx, account, id)?;
    if let Some(token) = project.share() {
        return Ok(token);
    }
    tx.put(Write::PutProject(Project { state: ProjectState::Kept { share: Some(new) }, ..project }));
    Ok(new)
}

/// The token opens nothing any more. False when the project was not shared.
pub(super) fn unshare(tx: &mut Transaction, account: AccountId, id: ProjectId) -> Result<bool, FarmError> {
    let project = own(tx, account, id)?;
    let shared = project.share().is_some();
    if shared {
        tx.put(Write::PutProject(Project { state: ProjectState::Kept { share: None }, ..project }));
    }
    Ok(shared)
}

/// Jobs under way fail and are refunded, files and share are gone: one transaction. The bytes follow by an effect.
pub(super) fn delete(tx: &mut Transaction, account: AccountId, id: ProjectId) -> Result<(), FarmError> {
    let project = own(tx, account, id)?;
    for job in tx.jobs_in(id)? {
        if !job.has_ended() {
            jobs::fail_deleted(tx, job)?;
        }
    }
    for mut file in tx.files_of(id)? {
        if !matches!(file.state, FileState::Deleted { .. }) {
            file.state = FileState::Deleted { at: tx.now };
            tx.put(Write::PutFile(file));
        }
    }
    tx.put(Write::PutProject(Project { state: ProjectState::Deleted { at: tx.now }, ..project }));
    tx.effects.push(Effect::DeleteProject(id));
    Ok(())
}
