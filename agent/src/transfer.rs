//! Bytes over HTTP: a GET into a file that is checked while it streams, a PUT out of one.
//!
//! Presigned addresses are keys: no error and no log line from here holds one.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header;
use sha2::{Digest, Sha256};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use tweenfarm_protocol::task::{Fetch, Presigned};

/// A peer that sends or takes nothing for this long is gone. Disk stores answer a PUT after hashing and syncing the
/// whole file, hence not shorter.
const SILENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);

/// Larger than the 4 KiB default: fewer wake-ups for files of hundreds of megabytes.
const CHUNK_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("the blob store was not reachable or fell silent")]
    Network(#[source] reqwest::Error),
    #[error("the blob store stopped taking bytes")]
    Stalled,
    #[error("the blob store answered with HTTP status {0}")]
    Status(u16),
    #[error("{expected} bytes were announced, but {arrived} arrived")]
    Size { expected: u64, arrived: u64 },
    #[error("the bytes that arrived are not the announced ones: their SHA-256 differs")]
    Hash,
    #[error("a file of the agent could not be read or written")]
    File(#[source] io::Error),
}

/// An HTTP client without a total time limit: clips are large, silence is what counts.
#[derive(Clone, Debug)]
pub struct Transfer {
    http: reqwest::Client,
}

impl Transfer {
    pub fn new() -> Result<Transfer, TransferError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // A presigned address is for one host; following it elsewhere would hand the key on.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tweenfarm-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TransferError::network)?;
        Ok(Transfer { http })
    }

    /// Downloads to `path`, which exists afterwards only if size and hash are as announced. Synced, not renamed.
    pub async fn get(&self, fetch: &Fetch, path: &Path) -> Result<(), TransferError> {
        let result = self.get_into(fetch, path).await;
        if result.is_err() {
            // The error at hand is the one to tell; a file that stays is swept at the next start.
            let _ = tokio::fs::remove_file(path).await;
        }
        result
    }

    async fn get_into(&self, fetch: &Fetch, path: &Path) -> Result<(), TransferError> {
        let response = self.http.get(&fetch.url).send().await.map_err(TransferError::network)?;
        if !response.status().is_success() {
            return Err(TransferError::Status(response.status().as_u16()));
        }
        let mut file = tokio::fs::File::create(path).await.map_err(TransferError::File)?;
        let mut hash = Sha256::new();
        let mut arrived: u64 = 0;
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(TransferError::network)?;
            arrived += chunk.len() as u64;
            if arrived > fetch.size_bytes {
                return Err(TransferError::Size { expected: fetch.size_bytes, arrived });
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(TransferError::File)?;
        }
        if arrived != fetch.size_bytes {
            return Err(TransferError::Size { expected: fetch.size_bytes, arrived });
        }
        if hex::encode(hash.finalize()) != fetch.sha256 {
            return Err(TransferError::Hash);
        }
        file.flush().await.map_err(TransferError::File)?;
        file.sync_all().await.map_err(TransferError::File)
    }

    /// Streams the file at `path`, or a range of its bytes, to an address; the tag that the store gives it.
    pub async fn put(&self, to: &Presigned, path: &Path, part: Option<Range<u64>>) -> Result<String, TransferError> {
        let mut file = tokio::fs::File::open(path).await.map_err(TransferError::File)?;
        let whole = 0..file.metadata().await.map_err(TransferError::File)?.len();
        let part = part.unwrap_or(whole);
        let size_bytes = part.end.saturating_sub(part.start);
        file.seek(io::SeekFrom::Start(part.start)).await.map_err(TransferError::File)?;
        let (body, moved) = watched(ReaderStream::with_capacity(file.take(size_bytes), CHUNK_BYTES));
        let mut sending = self.http.put(&to.url).header(header::CONTENT_LENGTH, size_bytes);
        for (name, value) in to.headers.iter().filter(|(name, _)| name != header::CONTENT_LENGTH.as_str()) {
            sending = sending.header(name, value);
        }
        let response = tokio::select! {
            response = sending.body(reqwest::Body::wrap_stream(body)).send() => response.map_err(TransferError::network)?,
            () = silence(moved) => return Err(TransferError::Stalled),
        };
        match response.status() {
            status if status.is_success() => {
                let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
                Ok(tag.unwrap_or_default().to_owned())
            }
            status => Err(TransferError::Status(status.as_u16())),
        }
    }
}

/// Passes chunks on and tells each time that one was taken.
fn watched(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, tokio::sync::watch::Receiver<u64>) {
    let (taken, moved) = tokio::sync::watch::channel(0_u64);
    let chunks = chunks.inspect(move |_| taken.send_modify(|count| *count += 1));
    (chunks, moved)
}

/// Ends when nothing moved for `SILENCE`; the client's read timeout takes over once the body is sent.
async fn silence(mut moved: tokio::sync::watch::Receiver<u64>) {
    loop {
        match tokio::time::timeout(SILENCE, moved.changed()).await {
            Ok(Ok(())) => {}
            // The body is sent and dropped: the rest is waiting for the answer.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}

impl TransferError {
    fn network(cause: reqwest::Error) -> TransferError {
        TransferError::Network(cause.without_url())
    }

    /// Whether the same request may do better in a while.
    pub fn is_passing(&self) -> bool {
        match self {
            TransferError::Network(_) | TransferError::Stalled | TransferError::Size { .. } => true,
            TransferError::Status(status) => *status >= 500 || matches!(status, 408 | 429),
            TransferError::Hash | TransferError::File(_) => false,
        }
    }
}

/// Size and SHA-256 (lowercase hex) of a file. Blocks; call it off the async runtime.
pub fn measure(path: &Path) -> io::Result<(u64, String)> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; CHUNK_BYTES];
    let mut size_bytes = 0_u64;
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok((size_bytes, hex::encode(hash.finalize())));
        }
        hash.update(&buffer[..read]);
        size_bytes += read as u64;
    }
}

/// `measure` on a thread of its own.
pub async fn measured(path: PathBuf) -> io::Result<(u64, String)> {
    tokio::task::spawn_blocking(move || measure(&path)).await.map_err(io::Error::other)?
}
