//! Blobs: the bytes of media objects, by key, and the presigned URLs that reach them.
//!
//! `Blobs` is what the rest of the daemon holds. Behind it is one of two stores: a folder of this machine, whose objects
//! the daemon serves itself, or a bucket of an S3 server, with which clients and agents deal directly.

#[cfg(test)]
mod contract;
pub mod disk;
pub mod key_file;
pub mod s3;
pub mod sign;
mod staging;
pub mod upload;

pub use disk::{DiskStore, StoredBlob};
pub use sign::{SignatureError, SignedRequest, Signer, SigningKey};
pub use upload::Upload;

use crate::model::ObjectKey;
use s3::{S3Store, traffic::Traffic};
use sign::PutTerms;
use staging::{StagedFile, Staging};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tweenfarm_protocol::{JobId, ProjectId, Timestamp, service::Placement};
use upload::Destination;
use url::Url;

/// What the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobFacts {
    pub size_bytes: u64,
    /// SHA-256 of the bytes, lowercase hex.
    pub sha256: String,
}

/// What the store knows of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub size_bytes: u64,
    /// None when only its bytes could tell.
    pub sha256: Option<String>,
}

impl Seen {
    pub fn is(&self, facts: &BlobFacts) -> bool {
        let same_hash = |sha256: &String| sha256.eq_ignore_ascii_case(&facts.sha256);
        self.size_bytes == facts.size_bytes && self.sha256.as_ref().is_some_and(same_hash)
    }
}

/// A file that a program such as the probe reads an object from, while nobody deletes it.
#[derive(Debug)]
pub struct Readable {
    path: PathBuf,
    pub facts: BlobFacts,
    /// A copy made for this; it goes with it.
    _copy: Option<StagedFile>,
}

impl Readable {
    pub fn path(&self) -> &Path {
        &self.path
    }
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
    /// The S3 server is away or has trouble of its own: later it may do.
    #[error("the S3 server does not do its part ({doing}): {why}")]
    Away { doing: &'static str, why: String },
    /// The S3 server says no, and will say so again.
    #[error("the S3 server refused to {doing} with status {status} ({code}): check [blobs] in the configuration")]
    Refused { doing: &'static str, status: u16, code: String },
    #[error("no such upload in parts is under way: begin anew")]
    NoUpload,
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

/// The built-in store: objects on this machine's disk, behind URLs that the daemon signs and serves itself.
#[derive(Clone)]
pub struct BuiltIn {
    pub disk: DiskStore,
    pub signer: Arc<Signer>,
}

/// A cheap handle on the blob store.
#[derive(Clone)]
pub enum Blobs {
    BuiltIn(BuiltIn),
    S3(S3Store),
}

impl Blobs {
    pub fn on_disk(disk: DiskStore, signer: Signer) -> Blobs {
        Blobs::BuiltIn(BuiltIn { disk, signer: Arc::new(signer) })
    }

    /// The store whose objects the daemon has to serve, if it is that one.
    pub fn built_in(&self) -> Option<&BuiltIn> {
        match self {
            Blobs::BuiltIn(built_in) => Some(built_in),
            Blobs::S3(_) => None,
        }
    }

    /// `http(s)://host[:port]` that the URLs of clients name.
    pub fn origin(&self) -> String {
        let signer = match self {
            Blobs::BuiltIn(built_in) => &built_in.signer,
            Blobs::S3(store) => store.clients(),
        };
        signer.bucket().base_url().origin().ascii_serialization()
    }

    /// An absolute URL that a client reads the object at, for `life`.
    pub fn presign_get(&self, key: &ObjectKey, life: Duration) -> String {
        match self {
            Blobs::BuiltIn(built_in) => built_in.signer.presign_get(key, None, life, Timestamp::now()),
            Blobs::S3(store) => store.clients().presign_get(key, None, life, Timestamp::now()),
        }
    }

    /// The same, where a browser saves the object under a name.
    pub fn presign_download(&self, key: &ObjectKey, filename: &str, life: Duration) -> String {
        match self {
            // It serves the object itself and knows the name.
            Blobs::BuiltIn(built_in) => built_in.signer.presign_get(key, None, life, Timestamp::now()),
            Blobs::S3(store) => store.clients().presign_get(key, Some(filename), life, Timestamp::now()),
        }
    }

    /// `presign_get` for HEAD: an S3 server takes no other method than the one signed for.
    pub fn presign_head(&self, key: &ObjectKey, life: Duration) -> String {
        match self {
            Blobs::BuiltIn(_) => self.presign_get(key, life),
            Blobs::S3(store) => {
                let head = rusty_s3::Method::Head;
                store.clients().presign(head, key, Vec::new(), Vec::new(), life, Timestamp::now()).url
            }
        }
    }

    /// An absolute URL at which a client stores the object, for `life`, with exactly this Content-Type and, in a store
    /// that cannot stop an upload on its way, exactly this size, if it is known.
    pub fn presign_put(&self, key: &ObjectKey, content_type: &str, size_bytes: Option<u64>, life: Duration) -> String {
        let terms = PutTerms { content_type, size_bytes: None, sha256: None };
        match self {
            Blobs::BuiltIn(built_in) => built_in.signer.presign_put(key, &terms, life, Timestamp::now()).url,
            Blobs::S3(store) => {
                let terms = PutTerms { size_bytes, ..terms };
                store.clients().presign_put(key, &terms, life, Timestamp::now()).url
            }
        }
    }

    /// `presign_get` for an agent.
    pub fn agent_get(&self, key: &ObjectKey, life: Duration) -> String {
        match self {
            Blobs::BuiltIn(_) => self.presign_get(key, life),
            Blobs::S3(store) => store.agents().presign_get(key, None, life, Timestamp::now()),
        }
    }

    /// `presign_put` for an agent that does not ask for a `placement`.
    pub fn agent_put(&self, key: &ObjectKey, content_type: &str, life: Duration) -> String {
        match self {
            Blobs::BuiltIn(_) => self.presign_put(key, content_type, None, life),
            Blobs::S3(store) => {
                let terms = PutTerms { content_type, size_bytes: None, sha256: None };
                store.agents().presign_put(key, &terms, life, Timestamp::now()).url
            }
        }
    }

    /// How an agent is to deliver a result whose bytes are known.
    pub async fn placement(
        &self,
        key: &ObjectKey,
        content_type: &str,
        facts: &BlobFacts,
        life: Duration,
    ) -> Result<Placement, BlobError> {
        if self.stat(key).await?.is_some_and(|seen| seen.is(facts)) {
            return Ok(Placement::There);
        }
        match self {
            Blobs::BuiltIn(built_in) => {
                let terms = PutTerms { content_type, size_bytes: None, sha256: None };
                Ok(Placement::Whole(built_in.signer.presign_put(key, &terms, life, Timestamp::now())))
            }
            Blobs::S3(store) => store.placement(key, content_type, facts, life).await,
        }
    }

    /// Makes the parts of an upload one object; `etags` are what the store said to each, in their order.
    pub async fn put_together(&self, key: &ObjectKey, upload: &str, etags: &[String]) -> Result<(), BlobError> {
        match self {
            Blobs::BuiltIn(_) => Err(BlobError::NoUpload),
            Blobs::S3(store) => store.put_together(key, upload, etags).await,
        }
    }

    /// The key of a URL that `presign_get` or `presign_download` made and that still holds; none for any other URL.
    pub fn key_of(&self, url: &Url) -> Option<Result<ObjectKey, SignatureError>> {
        let signer = match self {
            Blobs::BuiltIn(built_in) => &built_in.signer,
            Blobs::S3(store) => store.clients(),
        };
        let key = signer.key_of(url)?;
        let query = url.query().unwrap_or_default();
        let request = SignedRequest { method: rusty_s3::Method::Get, key: &key, query, content_type: None };
        Some(signer.verify(request, Timestamp::now()).map(|()| key))
    }

    /// Starts an object that comes through the daemon; nothing is visible under the key until it is published.
    pub async fn begin(&self, key: &ObjectKey, content_type: &str, limit_bytes: u64) -> Result<Upload, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.begin(key, content_type, limit_bytes).await,
            Blobs::S3(store) => {
                let (destination, staging) = (Destination::S3(store.clone()), store.staging().clone());
                Upload::begin(destination, staging, key.clone(), content_type.to_owned(), limit_bytes).await
            }
        }
    }

    pub async fn stat(&self, key: &ObjectKey) -> Result<Option<Seen>, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => {
                let found = built_in.disk.open_object(key).await?;
                Ok(found.map(|StoredBlob { facts: BlobFacts { size_bytes, sha256 }, .. }| Seen {
                    size_bytes,
                    sha256: Some(sha256),
                }))
            }
            Blobs::S3(store) => store.stat(key).await,
        }
    }

    /// The object as a file of this machine, with its hash; a copy of it, where the store is another machine.
    pub async fn readable(&self, key: &ObjectKey, limit_bytes: u64) -> Result<Option<Readable>, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => {
                let found = built_in.disk.open_object(key).await?;
                let path = built_in.disk.object_path(key);
                Ok(found.map(|StoredBlob { facts, .. }| Readable { path, facts, _copy: None }))
            }
            Blobs::S3(store) => store.fetch(key, limit_bytes).await,
        }
    }

    /// The object's hash, read out of its bytes if nobody knows it.
    pub async fn facts(&self, key: &ObjectKey) -> Result<Option<BlobFacts>, BlobError> {
        match (self.stat(key).await?, self) {
            (Some(Seen { size_bytes, sha256: Some(sha256) }), _) => Ok(Some(BlobFacts { size_bytes, sha256 })),
            (Some(_), Blobs::S3(store)) => store.read_facts(key).await,
            (None, _) | (Some(_), Blobs::BuiltIn(_)) => Ok(None),
        }
    }

    /// Gives an object a second key, inside the store; false when there is no such object.
    pub async fn copy(&self, from: &ObjectKey, to: &ObjectKey) -> Result<bool, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.copy(from.clone(), to.clone()).await,
            Blobs::S3(store) => store.copy(from, to).await,
        }
    }

    /// True when there was an object.
    pub async fn delete(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.delete(key).await,
            Blobs::S3(store) => store.delete(key).await,
        }
    }

    /// Deletes every object under a prefix that ends in `/`; the number of objects deleted.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.delete_prefix(prefix).await,
            Blobs::S3(store) => store.delete_prefix(prefix).await,
        }
    }

    /// With the S3 server; nothing where there is none.
    pub fn traffic(&self) -> Traffic {
        match self {
            Blobs::BuiltIn(_) => Traffic::default(),
            Blobs::S3(store) => store.traffic().clone(),
        }
    }

    /// Free on this machine's disk, where objects lie or pass through.
    pub fn free_bytes(&self) -> Result<u64, BlobError> {
        self.staging().free_bytes()
    }

    /// What uploads leave free of it.
    pub fn reserve_bytes(&self) -> u64 {
        self.staging().reserve_bytes()
    }

    pub fn set_reserve_bytes(&self, bytes: u64) {
        self.staging().set_reserve_bytes(bytes);
    }

    /// Deletes what lies half done on this machine and was not written to for `idle`; the number of files.
    pub async fn clear_staging(&self, idle: Duration) -> Result<u64, BlobError> {
        self.staging().clear(idle).await
    }

    fn staging(&self) -> &Staging {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.staging(),
            Blobs::S3(store) => store.staging(),
        }
    }

    /// Ends uploads in parts that were begun before `before` and never put together; the number of them.
    pub async fn abort_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
        match self {
            Blobs::BuiltIn(_) => Ok(0),
            Blobs::S3(store) => store.abort_unfinished(before).await,
        }
    }

    /// Jobs that have something under `work/`.
    pub async fn jobs_with_work(&self) -> Result<Vec<JobId>, BlobError> {
        Ok(self.folders("work", 1).await?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Projects that have something under `uploads/` or `outputs/`: `{root}/{tier}/{account}/{project}`.
    pub async fn projects_with_objects(&self) -> Result<Vec<ProjectId>, BlobError> {
        let names = [self.folders("uploads", 3).await?, self.folders("outputs", 3).await?].concat();
        let mut found: Vec<ProjectId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn folders(&self, root: &'static str, depth: usize) -> Result<Vec<String>, BlobError> {
        match self {
            Blobs::BuiltIn(built_in) => built_in.disk.folders(root, depth).await,
            Blobs::S3(store) => store.folders(root, depth).await,
        }
    }
}

/// The prefix without its last slash. With a name behind it a prefix is a key: what makes keys safe makes it safe.
fn checked_prefix(prefix: &str) -> Result<&str, BlobError> {
    let wrong = || BlobError::Prefix(prefix.to_owned());
    let folder = prefix.strip_suffix('/').ok_or_else(wrong)?;
    format!("{prefix}x").parse::<ObjectKey>().map_err(|_| wrong())?;
    Ok(folder)
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(cause) => Err(BlobError::io("work in", "the blob store")(io::Error::other(cause))),
    }
}
