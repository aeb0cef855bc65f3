//! A bucket of an S3 server. Clients and agents read and write it by presigned URL; through the daemon pass only what it
//! has to look into, and what arrives at a route of its own.
//!
//! What an object's bytes hash to is known of everything that was stored under a signed hash. Of a client's upload it is
//! known once the daemon has read it, and remembered beside the ETag: a client may write any metadata, so none of it is
//! believed. What is remembered can be forgotten: then the object is read once more.

pub mod credentials;
mod parts;
pub mod traffic;
mod wire;

use super::{
    BlobError, BlobFacts, Readable, Seen, SigningKey, checked_prefix,
    sign::{Address, PutTerms, SHA256_HEADER, Signer, SignerError},
    staging::{StagedFile, Staging},
};
use crate::model::ObjectKey;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Method as http, Response, header};
use rusty_s3::{
    Method, S3Action,
    actions::{ListObjectsV2, ListObjectsV2Response},
};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::io::AsyncWriteExt;
use traffic::Traffic;
use tweenfarm_protocol::Timestamp;
use url::Url;
use wire::{Ask, Body, Wire};

/// How long a URL that the daemon asks by itself holds, retries included.
const OWN_URLS_FOR: Duration = Duration::from_secs(900);
const CHUNK_BYTES: usize = 256 * 1024;
/// The most that one CopyObject may copy.
const COPY_BYTES_MAX: u64 = 5 << 30;
/// Deletions under way at once.
const DELETIONS_AT_ONCE: usize = 16;
/// Hashes remembered; a farm has less uploads under way than this, by far.
const KNOWN_MAX: usize = 10_000;

/// Where the bucket is and how it is used.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// As the daemon and the agents reach it.
    pub address: Address,
    /// The endpoint that clients reach.
    pub public_endpoint: Url,
    pub key: SigningKey,
    /// Results that are larger go in parts of this size.
    pub part_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum S3OpenError {
    #[error(transparent)]
    Address(#[from] SignerError),
    #[error(transparent)]
    Staging(BlobError),
    #[error("set up HTTP")]
    Http(#[source] reqwest::Error),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct S3Store(Arc<Inner>);

struct Inner {
    /// The daemon signs for itself as it does for agents.
    agents: Signer,
    clients: Signer,
    staging: Staging,
    wire: Wire,
    part_bytes: u64,
    known: Mutex<HashMap<ObjectKey, Known>>,
    under_way: parts::UnderWay,
}

/// What the bytes of an object were when it had this tag.
struct Known {
    etag: String,
    sha256: String,
}

impl S3Store {
    /// `folder` holds what passes through the daemon; nothing is asked of the server yet.
    pub fn open(settings: S3Settings, folder: &Path, reserve_bytes: u64) -> Result<S3Store, S3OpenError> {
        let staging = folder.join("staging");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&staging);
        made.map_err(BlobError::io("create the folder", &staging)).map_err(S3OpenError::Staging)?;
        let S3Settings { address, public_endpoint, key, part_bytes } = settings;
        let agents = Signer::at(&address, key.clone())?;
        let clients = Signer::at(&Address { endpoint: public_endpoint, ..address }, key)?;
        Ok(S3Store(Arc::new(Inner {
            agents,
            clients,
            staging: Staging::new(staging, reserve_bytes),
            wire: Wire::new().map_err(S3OpenError::Http)?,
            part_bytes,
            known: Mutex::default(),
            under_way: parts::UnderWay::default(),
        })))
    }

    /// Whether the bucket can be listed: what is wrong with address or credentials shows here.
    pub async fn check(&self) -> Result<(), BlobError> {
        self.page("", None, Some(1)).await.map(|_| ())
    }

    pub fn traffic(&self) -> &Traffic {
        &self.0.wire.traffic
    }

    pub fn agents(&self) -> &Signer {
        &self.0.agents
    }

    pub fn clients(&self) -> &Signer {
        &self.0.clients
    }

    pub(super) fn staging(&self) -> &Staging {
        &self.0.staging
    }

    pub(super) async fn stat(&self, key: &ObjectKey) -> Result<Option<Seen>, BlobError> {
        let url = self.own_url(Method::Head, key);
        let asked = self.0.wire.send(Ask::new("look at an object", http::HEAD, url));
        let Some(answer) = asked.await? else { return Ok(None) };
        let size_bytes = header_of(&answer, header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        let size_bytes = size_bytes.ok_or(BlobError::Away {
            doing: "look at an object",
            why: "its answer has no Content-Length".to_owned(),
        })?;
        let etag = header_of(&answer, header::ETAG.as_str()).unwrap_or_default();
        let signed = header_of(&answer, SHA256_HEADER).filter(|_| !is_written_by_clients(key));
        let sha256 = signed.map(str::to_owned).or_else(|| self.known(key, etag));
        Ok(Some(Seen { size_bytes, sha256 }))
    }

    /// A copy in staging, hashed on its way.
    pub(super) async fn fetch(&self, key: &ObjectKey, limit_bytes: u64) -> Result<Option<Readable>, BlobError> {
        let Some(answer) = self.get(key).await? else { return Ok(None) };
        let announced = answer.content_length().unwrap_or(0);
        if announced > limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes });
        }
        self.0.staging.check_space(announced).await?;
        let (staged, file) = self.0.staging.file().await?;
        let mut file = tokio::io::BufWriter::with_capacity(CHUNK_BYTES, file);
        let facts = self.read(key, answer, limit_bytes, Some(&mut file)).await?;
        file.flush().await.map_err(BlobError::io("write", staged.path()))?;
        Ok(Some(Readable { path: staged.path().to_owned(), facts, _copy: Some(staged) }))
    }

    /// Reads the object to its end for its hash.
    pub(super) async fn read_facts(&self, key: &ObjectKey) -> Result<Option<BlobFacts>, BlobError> {
        let Some(answer) = self.get(key).await? else { return Ok(None) };
        self.read(key, answer, u64::MAX, None).await.map(Some)
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Response>, BlobError> {
        let url = self.own_url(Method::Get, key);
        self.0.wire.send(Ask::new("read an object", http::GET, url)).await
    }

    async fn read(
        &self,
        key: &ObjectKey,
        mut answer: Response,
        limit_bytes: u64,
        mut copy: Option<&mut tokio::io::BufWriter<tokio::fs::File>>,
    ) -> Result<BlobFacts, BlobError> {
        let etag = header_of(&answer, header::ETAG.as_str()).unwrap_or_default().to_owned();
        let (mut hash, mut size_bytes) = (Sha256::new(), 0_u64);
        while let Some(piece) = answer.chunk().await.map_err(wire::broken("read an object"))? {
            size_bytes += piece.len() as u64;
            if size_bytes > limit_bytes {
                return Err(BlobError::TooLarge { limit_bytes });
            }
            self.0.wire.traffic.read(piece.len() as u64);
            hash.update(&piece);
            if let Some(copy) = &mut copy {
                copy.write_all(&piece).await.map_err(BlobError::io("write", "a copy in staging"))?;
            }
        }
        let sha256 = hex::encode(hash.finalize());
        self.remember(key, etag, sha256.clone());
        Ok(BlobFacts { size_bytes, sha256 })
    }

    /// Stores what lies in staging.
    pub(super) async fn publish(
        &self,
        staged: &StagedFile,
        key: &ObjectKey,
        content_type: &str,
        facts: BlobFacts,
    ) -> Result<BlobFacts, BlobError> {
        let terms = PutTerms { content_type, size_bytes: Some(facts.size_bytes), sha256: Some(&facts.sha256) };
        let put = self.0.agents.presign_put(key, &terms, OWN_URLS_FOR, Timestamp::now());
        let sent = self.0.wire.send(Ask::put("store an object", put, Body::File(staged.path())));
        let answer = sent.await?.ok_or(BlobError::NoUpload)?;
        let etag = header_of(&answer, header::ETAG.as_str()).unwrap_or_default().to_owned();
        self.remember(key, etag, facts.sha256.clone());
        self.0.wire.traffic.written(facts.size_bytes);
        Ok(facts)
    }

    pub(super) async fn copy(&self, from: &ObjectKey, to: &ObjectKey) -> Result<bool, BlobError> {
        let Some(seen) = self.stat(from).await? else { return Ok(false) };
        if seen.size_bytes > COPY_BYTES_MAX {
            return self.copy_in_parts(from, to, &seen).await.map(|()| true);
        }
        let headers = vec![("x-amz-copy-source".to_owned(), self.copy_source(from))];
        let put = self.0.agents.presign(Method::Put, to, Vec::new(), headers, OWN_URLS_FOR, Timestamp::now());
        let asked = self.0.wire.send(Ask::put("copy an object", put, Body::None));
        let Some(answer) = asked.await? else { return Ok(false) };
        // It may fail after the status was sent.
        wire::proven("copy an object", answer).await.map(|_| true)
    }

    fn copy_source(&self, from: &ObjectKey) -> String {
        format!("/{}/{}", self.0.agents.bucket().name(), self.0.agents.object(from.as_str()))
    }

    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        let there = self.stat(key).await?.is_some();
        if there {
            self.clone().delete_object(self.0.agents.object(key.as_str())).await?;
        }
        Ok(there)
    }

    pub(super) async fn delete_prefix(&self, prefix: &str) -> Result<u64, BlobError> {
        checked_prefix(prefix)?;
        let (mut deleted, mut after) = (0, None);
        loop {
            let page = self.page(prefix, after, None).await?;
            let deletions = page.contents.into_iter().map(|object| self.clone().delete_object(object.key));
            let done: Vec<()> = stream::iter(deletions).buffer_unordered(DELETIONS_AT_ONCE).try_collect().await?;
            deleted += done.len() as u64;
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(deleted);
            }
        }
    }

    async fn delete_object(self, object: String) -> Result<(), BlobError> {
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let url = bucket.delete_object(Some(credentials), &object).sign(OWN_URLS_FOR);
        self.0.wire.send(Ask::new("delete an object", http::DELETE, url)).await.map(|_| ())
    }

    /// One request for every thousand objects below `root`, whatever their depth: an hourly sweep can afford that.
    pub(super) async fn folders(&self, root: &'static str, depth: usize) -> Result<Vec<String>, BlobError> {
        let (prefix, mut names, mut after) = (format!("{root}/"), BTreeSet::new(), None);
        let start = self.0.agents.object(&prefix).len();
        loop {
            let page = self.page(&prefix, after, None).await?;
            for object in &page.contents {
                let mut parts = object.key.get(start..).unwrap_or_default().split('/');
                if let (Some(name), Some(_)) = (parts.nth(depth - 1), parts.next()) {
                    names.insert(name.to_owned());
                }
            }
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(names.into_iter().collect());
            }
        }
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<String>,
        keys_max: Option<usize>,
    ) -> Result<ListObjectsV2Response, BlobError> {
        const DOING: &str = "list the bucket";
        let (bucket, credentials) = (self.0.agents.bucket(), self.0.agents.credentials());
        let mut list = bucket.list_objects_v2(Some(credentials));
        list.with_prefix(self.0.agents.object(prefix));
        if let Some(after) = after {
            list.with_continuation_token(after);
        }
        if let Some(keys_max) = keys_max {
            list.with_max_keys(keys_max);
        }
        let url = list.sign(OWN_URLS_FOR);
        let asked = self.0.wire.send(Ask::new(DOING, http::GET, url));
        let missing = || BlobError::Refused { doing: DOING, status: 404, code: "NoSuchBucket".to_owned() };
        let text = asked.await?.ok_or_else(missing)?.text().await.map_err(wire::broken(DOING))?;
        ListObjectsV2::parse_response(&text).map_err(|cause| BlobError::Away { doing: DOING, why: cause.to_string() })
    }

    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn own_url(&self, method: Method, key: &ObjectKey) -> String {
        self.0.agents.presign(method, key, Vec::new(), Vec::new(), OWN_URLS_FOR, Timestamp::now()).url
    }

    fn known(&self, key: &ObjectKey, etag: &str) -> Option<String> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| !etag.is_empty() && known.etag == etag).map(|known| known.sha256.clone())
    }

    fn remember(&self, key: &ObjectKey, etag: String, sha256: String) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key.clone(), Known { etag, sha256 });
    }
}

/// Whether URLs for writing the object are given to clients.
fn is_written_by_clients(key: &ObjectKey) -> bool {
    key.as_str().starts_with("uploads/")
}

fn header_of<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).and_then(|value| value.to_str().ok())
}
