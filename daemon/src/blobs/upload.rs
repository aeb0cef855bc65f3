//! One object on its way through the daemon into the store: written to staging while it is counted and hashed, then
//! sealed (durable, still invisible), then published under its key. Dropped at any point before that, it leaves nothing.

use super::{BlobError, BlobFacts, DiskStore, s3::S3Store, staging::StagedFile, staging::Staging};
use crate::model::ObjectKey;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

/// Bytes gathered before a write goes to the disk: the network hands over pieces of a few kilobytes.
const WRITE_BYTES: usize = 256 * 1024;
/// The free space is asked for again after this many bytes.
const SPACE_CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// Where an upload ends.
#[derive(Clone)]
pub(super) enum Destination {
    Disk(DiskStore),
    S3(S3Store),
}

/// An upload that is arriving.
pub struct Upload {
    place: Place,
    staging: Staging,
    staged: StagedFile,
    file: tokio::io::BufWriter<tokio::fs::File>,
    hash: Sha256,
    size_bytes: u64,
    limit_bytes: u64,
    space_checked_bytes: u64,
}

/// An upload that arrived whole and is durable, but not visible yet.
pub struct SealedUpload {
    place: Place,
    staged: StagedFile,
    facts: BlobFacts,
}

/// What the staged bytes are to become.
struct Place {
    destination: Destination,
    key: ObjectKey,
    content_type: String,
}

impl Upload {
    pub(super) async fn begin(
        destination: Destination,
        staging: Staging,
        key: ObjectKey,
        content_type: String,
        limit_bytes: u64,
    ) -> Result<Upload, BlobError> {
        let (staged, file) = staging.file().await?;
        let file = tokio::io::BufWriter::with_capacity(WRITE_BYTES, file);
        let place = Place { destination, key, content_type };
        let hash = Sha256::new();
        Ok(Upload { place, staging, staged, file, hash, size_bytes: 0, limit_bytes, space_checked_bytes: 0 })
    }

    /// Says early how many bytes are to come, so that a hopeless upload is refused before it starts.
    pub async fn expect(&self, size_bytes: u64) -> Result<(), BlobError> {
        if size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        self.staging.check_space(size_bytes).await
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        if self.size_bytes > self.limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes: self.limit_bytes });
        }
        if self.size_bytes - self.space_checked_bytes >= SPACE_CHECK_BYTES {
            self.space_checked_bytes = self.size_bytes;
            self.staging.check_space(0).await?;
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).await.map_err(BlobError::io("write", self.staged.path()))
    }

    /// All bytes are there: makes them durable.
    pub async fn seal(mut self) -> Result<SealedUpload, BlobError> {
        let failed = || BlobError::io("write", self.staged.path());
        self.file.flush().await.map_err(failed())?;
        self.file.get_ref().sync_all().await.map_err(failed())?;
        let facts = BlobFacts { size_bytes: self.size_bytes, sha256: hex::encode(self.hash.finalize()) };
        Ok(SealedUpload { place: self.place, staged: self.staged, facts })
    }
}

impl SealedUpload {
    pub fn facts(&self) -> &BlobFacts {
        &self.facts
    }

    /// Makes the upload the object of its key, in place of an earlier one.
    pub async fn publish(self) -> Result<BlobFacts, BlobError> {
        let SealedUpload { place: Place { destination, key, content_type }, staged, facts } = self;
        match destination {
            Destination::Disk(disk) => disk.publish(staged, key, content_type, facts).await,
            Destination::S3(store) => store.publish(&staged, &key, &content_type, facts).await,
        }
    }
}
