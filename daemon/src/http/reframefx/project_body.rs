//! A project as the surface shows it, to its owner or to whoever has its share token.

use super::{job_body::JobBody, uploads::URL_LIFE};
use crate::{
    farm::FarmError,
    http::HttpState,
    model::{FileKind, FileState, Job, MediaFile, Project, ShareToken, Tier},
};
use serde::Serialize;
use std::collections::HashSet;
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
        let tier = tier_of(state, project)?;
        let jobs = state.farm.jobs_in(project.id)?;
        let given: HashSet<FileId> = jobs.iter().filter_map(|job| job.given(tier)).collect();
        let files = state.farm.files_of(project.id)?;
        // Of a job with two outputs, the one its account is given.
        let is_shown = |file: &&MediaFile| match file.kind {
            _ if matches!(file.state, FileState::Deleted { .. }) => false,
            FileKind::Input => true,
            FileKind::Output { .. } => given.contains(&file.id),
        };
        let files = files.iter().filter(is_shown);
        Ok(ProjectBody {
            id: project.id,
            name: project.name.clone(),
            created_at: project.created_at.to_iso_seconds(),
            share_enabled: project.share().is_some(),
            share_token: project.share().map(|token| token.to_string()),
            files: files.map(|file| FileBody::of(state, file, viewer)).collect(),
            jobs: jobs.iter().map(|job| JobBody::of(state, job, viewer, tier)).collect::<Result<_, _>>()?,
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

/// The tier that a project's account has now.
fn tier_of(state: &HttpState, project: &Project) -> Result<Tier, FarmError> {
    let account = state.farm.account(project.account)?;
    Ok(account.map_or(Tier::Free, |account| account.tier))
}

/// A file of a project by its id, unless it is a clean master that is kept back: that one is not there for anybody.
pub fn file_in(state: &HttpState, project: &Project, id: &str) -> Result<MediaFile, FarmError> {
    let missing = FarmError::NotFound { what: "file" };
    let Ok(id) = id.parse::<FileId>() else { return Err(missing) };
    let Some(file) = state.farm.file(id)?.filter(|file| file.project == project.id) else { return Err(missing) };
    if let FileKind::Output { job } = file.kind {
        let tier = tier_of(state, project)?;
        let is_withheld = |job: Job| job.withholds(id, tier);
        if state.farm.job(job)?.is_none_or(|view| is_withheld(view.job)) {
            return Err(missing);
        }
    }
    Ok(file)
}

/// Where a file is read from, while it is there.
pub fn download_url(state: &HttpState, file: &MediaFile, viewer: Viewer) -> Option<String> {
    let there = matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
    there.then(|| match viewer {
        Viewer::Owner => state.blobs.presign_download(&file.key, &file.filename, URL_LIFE),
        Viewer::Guest(token) => format!("{}/share/{token}/files/{}", state.marks.origin(), file.id),
    })
}
