//! Blobs: the bytes of media objects, by key, and the presigned URLs that reach them.
//!
//! `Blobs` is what the rest of the daemon holds; it never sees HTTP. The disk store stands behind `BlobStore`, where
//! an S3 store can stand later: signing is the same for both.

pub mod disk;
pub mod key_file;
pub mod sign;
pub mod upload;

pub use disk::{DiskStore, StoredBlob};
pub use sign::{SignatureError, SignedRequest, Signer, SigningKey};
pub use upload::Upload;

use crate::model::ObjectKey;
use futures::future::BoxFuture;
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tweenfarm_protocol::Timestamp;

/// What the store knows of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobFacts {
    pub size_bytes: u64,
    /// SHA-256 of the bytes, lowercase hex, taken while they arrived.
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("the upload is larger than {limit_bytes} bytes: send a smaller file")]
    TooLarge { limit_bytes: u64 },
    #[error("the store is almost full: free space on its disk, or try again later")]
    Full,
    #[error("'{0}' is not a folder of the blob store: it must end in / and hold plain names")]
    Prefix(String),
    #[error("{doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl BlobError {
    /// Pairs an I/O failure with what was being done; a full disk becomes `Full`, whoever noticed it.
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BlobError {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full,
            _ => BlobError::Io { doing, path, source },
        }
    }
}

/// What any blob store can do for the daemon; bytes pass by presigned URL only.
pub trait BlobStore: Send + Sync {
    fn stat<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<BlobFacts>, BlobError>>;
    /// True when there was an object.
    fn delete<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<bool, BlobError>>;
    /// Deletes every object under a prefix that ends in `/`; the number of objects deleted.
    fn delete_prefix<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, BlobError>>;
    /// A file that a program such as the probe can read the object from, while nobody deletes it.
    fn readable<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<PathBuf>, BlobError>>;
}

/// A cheap handle on the blob store and its signer.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn BlobStore>,
    signer: Arc<Signer>,
}

impl Blobs {
    pub fn new(store: Arc<dyn BlobStore>, signer: Arc<Signer>) -> Blobs {
        Blobs { store, signer }
    }

    /// An absolute URL on the configured public base that reads the object for `life`.
    pub fn presign_get(&self, key: &ObjectKey, life: Duration) -> String {
        self.signer.presign_get(key, life, Timestamp::now())
    }

    /// An absolute URL that stores the object, for `life`, with exactly this Content-Type.
    pub fn presign_put(&self, key: &ObjectKey, content_type: &str, life: Duration) -> String {
        self.signer.presign_put(key, content_type, life, Timestamp::now())
    }

    pub async fn stat(&self, key: &ObjectKey) -> Result<Option<BlobFacts>, BlobError> {
        self.store.stat(key).await
    }

    pub async fn delete(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        self.store.delete(key).await
    }

    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64, BlobError> {
        self.store.delete_prefix(prefix).await
    }

    pub async fn readable(&self, key: &ObjectKey) -> Result<Option<PathBuf>, BlobError> {
        self.store.readable(key).await
    }
}
