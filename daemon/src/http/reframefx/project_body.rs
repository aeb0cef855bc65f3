//! A project as the surface shows it, to its owner or to whoever has its share token.

use super::{job_body::JobBody, uploads::URL_LIFE};
use crate::{
    farm::FarmError,
    http::HttpState,
    model::{FileKind, FileState, MediaFile, Project, ShareToken},
};
use serde::Serialize;
use tweenfarm_protocol::{FileId, ProjectId};

/// Who looks at a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    Owner,
    /// Sees no storage key, because the keys name the owner; URLs go through the token and end with it.
    Guest(ShareToken),
}

#[derive(Serialize)]
pub struct ProjectBody {
    id: ProjectId,
    name: String,
    created_at: String,
    share_enabled: bool,
    share_token: Option<String>,
    files: Vec<FileBody>,
    jobs: Vec<JobBody>,
}

/// One file of a project.
#[derive(Serialize)]
pub struct FileBody {
    id: FileId,
    kind: &'static str,
    key: Option<String>,
    filename: String,
    content_type: String,
    size_bytes: Option<u64>,
    created_at: String,
    expires_at: String,
    download_url: Option<String>,
}

impl ProjectBody {
    pub fn of(state: &HttpState, project: &Project, viewer: Viewer) -> Result<ProjectBody, FarmError> {
        let files = state.farm.files_of(project.id)?;
        let files = files.iter().filter(|file| !matches!(file.state, FileState::Deleted { .. }));
        let jobs = state.farm.jobs_in(project.id)?;
        Ok(ProjectBody {
            id: project.id,
            name: project.name.clone(),
            created_at: project.created_at.to_iso_seconds(),
            share_enabled: project.share().is_some(),
            share_token: project.share().map(|token| token.to_string()),
            files: files.map(|file| FileBody::of(state, file, viewer)).collect(),
            jobs: jobs.iter().map(|job| JobBody::of(state, job, viewer)).collect::<Result<_, _>>()?,
        })
    }
}

impl FileBody {
    fn of(state: &HttpState, file: &MediaFile, viewer: Viewer) -> FileBody {
        let size_bytes = match &file.state {
            FileState::Stored { size_bytes, .. } => Some(*size_bytes),
            FileState::Awaited | FileState::Deleted { .. } => None,
        };
        let (kind, is_output) = match file.kind {
            FileKind::Input => ("input", false),
            FileKind::Output { .. } => ("output", true),
        };
        FileBody {
            id: file.id,
            kind,
            key: (viewer == Viewer::Owner).then(|| file.key.to_string()),
            filename: file.filename.clone(),
            content_type: file.content_type.clone(),
            size_bytes,
            created_at: file.created_at.to_iso_seconds(),
            expires_at: file.expires_at.to_iso_seconds(),
            download_url: if is_output { download_url(state, file, viewer) } else { None },
        }
    }
}

/// Where a file is read from, while it is there.
pub fn download_url(state: &HttpState, file: &MediaFile, viewer: Viewer) -> Option<String> {
    let there = matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
    there.then(|| match viewer {
        Viewer::Owner => state.blobs.presign_get(&file.key, URL_LIFE),
        Viewer::Guest(token) => format!("{}/share/{token}/files/{}", state.signer.origin(), file.id),
    })
}
