//! The clip that a request names by URL, as a file of the caller's account: what this farm gave a URL to is taken as it
//! lies, anything else is fetched.

use super::{
    flaws,
    links::{self, Target},
    uploads,
};
use crate::{
    blobs::{BlobError, SignedRequest},
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
use rusty_s3::Method;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{AccountId, Timestamp};
use url::Url;

/// Fetching and looking in together: a client that waits in vain would leave a job it does not know of.
const WITHIN: Duration = Duration::from_secs(20);
const COPY_BYTES: usize = 256 * 1024;
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
    if url.origin().ascii_serialization() != state.signer.origin() {
        return fetch(state, account, url, path).await;
    }
    let file = ours(state, url).map_err(|failure| match failure {
        Failure::Farm(error) => Failure::Farm(error),
        _ => flaws::one(path, "Nothing is at this URL of the farm, or not any more"),
    })?;
    if file.account == account { Ok(file) } else { copy(state, account, &file).await }
}

/// The file behind a URL of this farm: an upload, a result, or a presigned object.
fn ours(state: &HttpState, url: &Url) -> Result<MediaFile, Failure> {
    let nothing = || Failure::NotFound("file");
    if let Some(rest) = url.path().strip_prefix(links::PREFIX) {
        let (kind, rest) = rest.split_once('/').ok_or_else(nothing)?;
        let token = rest.split('/').next().unwrap_or_default();
        return Target::read(&state.signer, kind, token).ok_or_else(nothing)?.file(state);
    }
    let key = url.path().strip_prefix('/').and_then(|path| path.strip_prefix(state.signer.bucket_name()));
    let key = key.and_then(|path| path.strip_prefix('/')).and_then(|key| key.parse::<ObjectKey>().ok());
    let key = key.ok_or_else(nothing)?;
    let query = url.query().unwrap_or_default();
    let request = SignedRequest { method: Method::Get, key: &key, query, content_type: None };
    state.signer.verify(request, Timestamp::now())?;
    let file = state.farm.file_by_key(&key)?.ok_or_else(nothing)?;
    let there = matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
    if there { Ok(file) } else { Err(Failure::FileExpired) }
}

/// Another account's file, whose URL this caller was given: a job needs one of its own, that its owner cannot delete.
async fn copy(state: &HttpState, account: AccountId, theirs: &MediaFile) -> Result<MediaFile, Failure> {
    let Some(mut blob) = state.disk.open_object(&theirs.key).await? else {
        return Err(Failure::NotFound("file"));
    };
    let content_type = blob.content_type.clone();
    let new = NewUpload { account, home: Home::Temporary, filename: theirs.filename.clone(), content_type };
    let file = state.farm.new_upload(new).await?;
    let mut upload = state.disk.begin(&file.key, &blob.content_type, pricing::VIDEO_BYTES_MAX).await?;
    let mut piece = vec![0; COPY_BYTES];
    loop {
        let read = blob.file.read(&mut piece).await;
        let failed = |source| BlobError::Io { doing: "read", path: theirs.key.as_str().into(), source };
        match read.map_err(failed)? {
            0 => return uploads::keep(state, file, upload).await,
            length => upload.write(&piece[..length]).await?,
        }
    }
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
    let mut upload = state.disk.begin(&file.key, CONTENT_TYPE, state.upload_bytes_max).await?;
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
