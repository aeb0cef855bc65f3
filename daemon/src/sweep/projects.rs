//! The bytes of deleted projects. A deletion asks for them to be deleted at once; the pass finds what a crash, or an
//! upload that was on its way, has left.

use super::orphans::OrphanError;
use crate::{blobs::Blobs, farm::Farm, model::ObjectKey};
use tweenfarm_protocol::ProjectId;

/// One pass; the number of objects deleted.
pub async fn pass(farm: &Farm, blobs: &Blobs) -> Result<u64, OrphanError> {
    let mut deleted = 0;
    for project in blobs.projects_with_objects().await? {
        deleted += clean_up_after(farm, blobs, project).await?;
    }
    Ok(deleted)
}

/// Deletes everything of a project that was deleted. A project that the farm does not know is left alone: its bytes
/// may be all that remains of it after an older store was restored.
pub async fn clean_up_after(farm: &Farm, blobs: &Blobs, id: ProjectId) -> Result<u64, OrphanError> {
    let Some(project) = farm.deleted_project(id)? else { return Ok(0) };
    let mut deleted = 0;
    for prefix in ObjectKey::project_prefixes(project.account, project.id) {
        deleted += blobs.delete_prefix(&prefix).await?;
    }
    Ok(deleted)
}
