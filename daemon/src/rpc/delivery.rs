//! Deliveries: how a finished result comes into the blob store, and from where it was delivered to where it belongs.

use super::task::CONTENT_TYPE;
use crate::{
    blobs::{BlobError, BlobFacts, Blobs},
    model::ObjectKey,
};
use std::time::Duration;
use tweenfarm_protocol::service::{Placement, Refusal};

/// What an agent may deliver in one piece: far above two minutes of lossless 4K at 240 fps.
const RESULT_BYTES_MAX: u64 = 64 << 30;
/// What S3 can put together.
const PARTS_MAX: usize = 10_000;

/// Whether the delivered bytes are there, and, when they are an output, now under its key. Doing it twice is harmless.
///
/// Only the lease that is reported moves an output there, so that what a worker delivers too late changes nothing.
pub(super) async fn settle(
    blobs: &Blobs,
    result: &ObjectKey,
    output: Option<&ObjectKey>,
    facts: &BlobFacts,
) -> Result<bool, BlobError> {
    if let Some(output) = output
        && blobs.stat(output).await?.is_some_and(|seen| seen.is(facts))
    {
        return Ok(true);
    }
    // An agent of the release before delivers without a word on the hash: then it is read once.
    let of_that_size = blobs.stat(result).await?.is_some_and(|seen| seen.size_bytes == facts.size_bytes);
    let same = |found: BlobFacts| found.sha256.eq_ignore_ascii_case(&facts.sha256);
    if !of_that_size || !blobs.facts(result).await?.is_some_and(same) {
        return Ok(false);
    }
    match output {
        Some(output) => blobs.copy(result, output).await,
        None => Ok(true),
    }
}

pub(super) async fn place(
    blobs: &Blobs,
    key: &ObjectKey,
    facts: BlobFacts,
    life: Duration,
) -> Result<Placement, Refusal> {
    let is_hash =
        facts.sha256.len() == 64 && facts.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash || facts.size_bytes == 0 || facts.size_bytes > RESULT_BYTES_MAX {
        return Err(Refusal::Request("a result has 1 byte to 64 GiB and a SHA-256 in lowercase hex".to_owned()));
    }
    blobs.placement(key, CONTENT_TYPE, &facts, life).await.map_err(|error| refused(&error, key))
}

/// Spawned: a server may need longer to put parts together than the caller waits, and is then not asked twice in vain.
pub(super) async fn put_together(
    blobs: Blobs,
    key: ObjectKey,
    upload: String,
    etags: Vec<String>,
) -> Result<(), Refusal> {
    if etags.is_empty() || etags.len() > PARTS_MAX {
        return Err(Refusal::Request(format!("an upload has 1 to {PARTS_MAX} parts")));
    }
    let done = tokio::spawn(async move {
        let done = blobs.put_together(&key, &upload, &etags).await;
        done.map_err(|error| refused(&error, &key))
    });
    done.await.map_err(|_| Refusal::Unavailable)?
}

fn refused(error: &BlobError, key: &ObjectKey) -> Refusal {
    if matches!(error, BlobError::NoUpload) {
        return Refusal::NotDelivered;
    }
    tracing::warn!(error = error as &dyn std::error::Error, %key, "a result cannot be delivered yet");
    Refusal::Unavailable
}
