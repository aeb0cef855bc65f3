//! One upload on its way into the disk store: written to staging while it is counted and hashed, then sealed
//! (durable, still invisible), then published under its key. Dropped at any point before that, it leaves nothing.

use super::{
    BlobError, BlobFacts, DiskStore,
    disk::{FACTS_VERSION, FactsRecord, blocking},
};
use crate::model::ObjectKey;
use sha2::{Digest, Sha256};
use std::{
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tokio::io::AsyncWriteExt;

/// Bytes gathered before a write goes to the disk: the network hands over pieces of a few kilobytes.
const WRITE_BYTES: usize = 256 * 1024;
/// The free space is asked for again after this many bytes.
const SPACE_CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// An upload that is arriving.
pub struct Upload {
    staged: Staged,
    file: tokio::io::BufWriter<tokio::fs::File>,
    hash: Sha256,
    size_bytes: u64,
    limit_bytes: u64,
    space_checked_bytes: u64,
}

/// An upload that arrived whole and is durable, but not visible yet.
pub struct SealedUpload {
    staged: Staged,
    facts: BlobFacts,
}

/// The staging file and what it is to become; the file is removed when this is dropped before it was published.
struct Staged {
    store: DiskStore,
    key: ObjectKey,
    content_type: String,
    path: StagedPath,
}

/// Where the bytes wait; `None` once they were published.
struct StagedPath(Option<PathBuf>);

impl Drop for StagedPath {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Nobody is left to tell; the orphan sweep looks here too.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl StagedPath {
    fn as_path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Upload {
    pub(super) async fn begin(
        store: DiskStore,
        key: ObjectKey,
        content_type: String,
        limit_bytes: u64,
    ) -> Result<Upload, BlobError> {
        blocking(move || {
            store.check_space(0)?;
            let path = store.staging().join(uuid::Uuid::new_v4().to_string());
            let file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(BlobError::io("create", &path))?;
            let staged = Staged { store, key, content_type, path: StagedPath(Some(path)) };
            let file = tokio::io::BufWriter::with_capacity(WRITE_BYTES, file.into());
            Ok(Upload { staged, file, hash: Sha256::new(), size_bytes: 0, limit_bytes, space_checked_bytes: 0 })
        })
        .await
    }

    /// Says early how many bytes are to come, so that a hopeless upload is refused before it starts.
    pub async fn expect(&self, size_bytes: u64) -> Result<(), BlobError> {
        if size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        let store = self.staged.store.clone();
        blocking(move || store.check_space(size_bytes)).await
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        if self.size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        if self.size_bytes - self.space_checked_bytes >= SPACE_CHECK_BYTES {
            self.space_checked_bytes = self.size_bytes;
            let store = self.staged.store.clone();
            blocking(move || store.check_space(0)).await?;
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).await.map_err(BlobError::io("write", self.staged.path.as_path()))
    }

    /// All bytes are there: makes them durable.
    pub async fn seal(mut self) -> Result<SealedUpload, BlobError> {
        let failed = || BlobError::io("write", self.staged.path.as_path());
        self.file.flush().await.map_err(failed())?;
        self.file.get_ref().sync_all().await.map_err(failed())?;
        let sha256 = hex::encode(self.hash.finalize());
        Ok(SealedUpload { staged: self.staged, facts: BlobFacts { size_bytes: self.size_bytes, sha256 } })
    }
}

impl SealedUpload {
    pub fn facts(&self) -> &BlobFacts {
        &self.facts
    }

    /// Makes the upload the object of its key, in place of an earlier one.
    pub async fn publish(self) -> Result<BlobFacts, BlobError> {
        let SealedUpload { staged, facts } = self;
        blocking(move || {
            let Staged { store, key, content_type, mut path } = staged;
            let record = FactsRecord {
                version: FACTS_VERSION,
                size_bytes: facts.size_bytes,
                sha256: facts.sha256.clone(),
                content_type,
            };
            store.publish(path.as_path(), &key, &record)?;
            path.0 = None;
            Ok(facts)
        })
        .await
    }
}
