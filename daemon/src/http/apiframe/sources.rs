//! The clip that a request names by URL, as a file of the caller's account: what this farm gave a URL to is taken as it
//! lies, anything else is fetched.

use super::{
    flaws,
    links::{self, Target},
    uploads,
};
use crate::{
    blobs::BlobError,
    farm::{Home, NewUpload},
    http::{
        HttpState,
        error::{Api, Failure},
    },
    model::{FileState, MediaFile, ObjectKey},
    outbound::OutboundError,
    pricing,
    probe::LookError,
};
use axum::http::StatusCode;
use std::time::Duration;
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::AccountId;
use url::Url;

/// Fetching and looking in together: a client that waits in vain would leave a job it does not know of.
const WITHIN: Duration = Duration::from_secs(20);
const NAME_LETTERS_MAX: usize = 100;
/// Of a fetched clip, whatever its server called it.
const CONTENT_TYPE: &str = "application/octet-stream";

/// A file of the account with its facts; `path` is the field that named it, for what is wrong with it.
pub async fn look(
    state: &HttpState,
    account: AccountId,
    url: &Url,
    path: &str,
) -> Result<(MediaFile, SourceFacts), Failure> {
    let looked = tokio::time::timeout(WITHIN, async {
        let file = find(state, account, url, path).await?;
        let facts = state.prober.facts(&file).await.map_err(|error| unusable(error, path))?;
        Ok((file, facts))
    });
    let late = || flaws::one(path, "Could not be fetched and looked into in time: 20 s are allowed for it");
    looked.await.map_err(|_| late())?
}

async fn find(state: &HttpState, account: AccountId, url: &Url, path: &str) -> Result<MediaFile, Failure> {
    let file = match ours(state, url) {
        None => return fetch(state, account, url, path).await,
        Some(Ok(file)) => file,
        Some(Err(Failure::Farm(error))) => return Err(Failure::Farm(error)),
        Some(Err(_)) => return Err(flaws::one(path, "Nothing is at this URL of the farm, or not any more")),
    };
    if file.account == account { Ok(file) } else { copy(state, account, &file).await }
}

/// The file behind a URL of this farm: an upload, a result, or a presigned object. None when the URL is another's.
fn ours(state: &HttpState, url: &Url) -> Option<Result<MediaFile, Failure>> {
    if let Some(key) = state.blobs.key_of(url) {
        return Some(key.map_err(Failure::from).and_then(|key| stored(state, &key)));
    }
    let is_of_daemon = url.origin().ascii_serialization() == state.marks.origin();
    is_of_daemon.then(|| {
        let nothing = || Failure::NotFound("file");
        let rest = url.path().strip_prefix(links::PREFIX).ok_or_else(nothing)?;
        let (kind, rest) = rest.split_once('/').ok_or_else(nothing)?;
        let token = rest.split('/').next().unwrap_or_default();
        Target::read(&state.marks, kind, token).ok_or_else(nothing)?.file(state)
    })
}

fn stored(state: &HttpState, key: &ObjectKey) -> Result<MediaFile, Failure> {
    let file = state.farm.file_by_key(key)?.ok_or(Failure::NotFound("file"))?;
    let there = matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
    if there { Ok(file) } else { Err(Failure::FileExpired) }
}

/// Another account's file, whose URL this caller was given: a job needs one of its own, that its owner cannot delete.
async fn copy(state: &HttpState, account: AccountId, theirs: &MediaFile) -> Result<MediaFile, Failure> {
    let limit_bytes = pricing::VIDEO_BYTES_MAX;
    match state.blobs.stat(&theirs.key).await? {
        None => return Err(Failure::NotFound("file")),
        Some(seen) if seen.size_bytes > limit_bytes => return Err(BlobError::TooLarge { limit_bytes }.into()),
        Some(_) => {}
    }
    let (filename, content_type) = (theirs.filename.clone(), theirs.content_type.clone());
    let file = state.farm.new_upload(NewUpload { account, home: Home::Temporary, filename, content_type }).await?;
    // What the copy is, its own bytes tell when it is looked into.
    if state.blobs.copy(&theirs.key, &file.key).await? { Ok(file) } else { Err(Failure::NotFound("file")) }
}

/// A clip that lies elsewhere; what it is, its own bytes tell when it is looked into.
async fn fetch(state: &HttpState, account: AccountId, url: &Url, path: &str) -> Result<MediaFile, Failure> {
    let unfetched = |error: OutboundError| match error {
        OutboundError::Busy => Failure::Busy("too many clips are being fetched"),
        OutboundError::Store(BlobError::TooLarge { limit_bytes }) => {
            flaws::one(path, &format!("Must have at most {limit_bytes} bytes"))
        }
        OutboundError::Store(error) => Failure::Blob(error),
        error => flaws::one(path, &format!("Could not be fetched: {error}")),
    };
    // Before anything is written down.
    state.outbound.accepts(url.as_str()).map_err(|refused| unfetched(refused.into()))?;
    let filename = url.path_segments().and_then(|mut parts| parts.next_back()).filter(|name| !name.is_empty());
    let filename = filename.unwrap_or("source").chars().take(NAME_LETTERS_MAX).collect();
    let new = NewUpload { account, home: Home::Temporary, filename, content_type: CONTENT_TYPE.to_owned() };
    let file = state.farm.new_upload(new).await?;
    let mut upload = state.blobs.begin(&file.key, CONTENT_TYPE, *state.upload_bytes_max.now()).await?;
    state.outbound.fetch(url, &mut upload, WITHIN).await.map_err(unfetched)?;
    uploads::keep(state, file, upload).await
}

/// What is wrong with a clip is wrong with the field that names it; what is wrong here is not.
fn unusable(error: LookError, path: &str) -> Failure {
    let sentence = error.to_string();
    let failure = Failure::from(error);
    match failure.status(Api::Apiframe) {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => flaws::one(path, &sentence),
        _ => failure,
    }
}
