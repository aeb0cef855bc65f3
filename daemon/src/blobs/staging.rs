//! Staging: files of this machine that bytes pass through, on their way into the store or fetched to be looked into.
//! What lies here is of no worth after a restart.

use super::{BlobError, blocking};
use crate::live::Live;
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Staging {
    folder: Arc<PathBuf>,
    /// Nothing is begun while less than this would stay free.
    reserve_bytes: Live<u64>,
}

/// A file in the folder; removed when this is dropped, unless it was renamed away.
#[derive(Debug)]
pub struct StagedFile {
    path: PathBuf,
}

impl StagedFile {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Nobody is left to tell; the orphan sweep looks here too.
        let _ = fs::remove_file(&self.path);
    }
}

impl Staging {
    /// `folder` exists.
    pub(super) fn new(folder: PathBuf, reserve_bytes: u64) -> Staging {
        Staging { folder: Arc::new(folder), reserve_bytes: Live::new(reserve_bytes) }
    }

    /// A new empty file, open for writing.
    pub(super) async fn file(&self) -> Result<(StagedFile, tokio::fs::File), BlobError> {
        let staging = self.clone();
        blocking(move || {
            staging.check_space_blocking(0)?;
            let path = staging.folder.join(uuid::Uuid::new_v4().to_string());
            let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let file = made.map_err(BlobError::io("create", &path))?;
            Ok((StagedFile { path }, file.into()))
        })
        .await
    }

    /// Refuses with `Full` when `more_bytes` would eat into the reserve.
    pub(super) async fn check_space(&self, more_bytes: u64) -> Result<(), BlobError> {
        let staging = self.clone();
        blocking(move || staging.check_space_blocking(more_bytes)).await
    }

    /// What others than root could still write.
    pub(super) fn free_bytes(&self) -> Result<u64, BlobError> {
        let folder = self.folder.as_path();
        let disk = rustix::fs::statvfs(folder)
            .map_err(|cause| BlobError::io("ask for the free space of", folder)(cause.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    pub(super) fn reserve_bytes(&self) -> u64 {
        *self.reserve_bytes.now()
    }

    pub(super) fn set_reserve_bytes(&self, bytes: u64) {
        self.reserve_bytes.set(bytes);
    }

    fn check_space_blocking(&self, more_bytes: u64) -> Result<(), BlobError> {
        let free_bytes = self.free_bytes()?;
        if free_bytes < self.reserve_bytes().saturating_add(more_bytes) { Err(BlobError::Full) } else { Ok(()) }
    }

    /// Deletes files that nothing has written to for `idle`; the number of them.
    pub(super) async fn clear(&self, idle: Duration) -> Result<u64, BlobError> {
        let folder = self.folder.clone();
        blocking(move || {
            let failed = |cause| BlobError::io("clear the folder", folder.as_path())(cause);
            let now = SystemTime::now();
            let mut removed = 0;
            for entry in fs::read_dir(folder.as_path()).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                let idle_for = modified.map(|time| now.duration_since(time).unwrap_or_default());
                // An upload that ended meanwhile took its file away itself.
                if idle_for.is_ok_and(|idle_for| idle_for >= idle) && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }
}
