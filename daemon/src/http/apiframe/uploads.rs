//! `/v2/uploads`: one file of a form, kept for two hours under a URL that opens to whoever has it.

use super::{
    caller::Client,
    flaws,
    links::Target,
    sniff::{self, Kind},
};
use crate::{
    blobs::{BlobError, Upload},
    farm::{Home, NewUpload},
    http::{HttpState, error::Failure},
    model::{FileState, MediaFile},
};
use axum::{
    Json,
    extract::{
        FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};
use bytes::BytesMut;
use serde_json::{Value, json};
use std::time::Duration;

/// The part that holds the file; others are passed over.
const PART: &str = "file";
/// An upload of which nothing arrives for this long is given up.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The largest file, and room for the form around it.
pub const FORM_BYTES_MAX: usize = (50 << 20) + (1 << 20);
const NAME_LETTERS_MAX: usize = 100;

pub async fn add(
    State(state): State<HttpState>,
    client: Client,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let mut form = Multipart::from_request(request, &state)
        .await
        .map_err(|_| Failure::invalid("the body must be a form: multipart/form-data with the part 'file'"))?;
    while let Some(part) = within(form.next_field()).await? {
        if part.name() == Some(PART) {
            let (file, kind) = store(&state, client.account.id, part).await?;
            return Ok((StatusCode::CREATED, Json(body(&state, &file, kind))));
        }
    }
    Err(flaws::one(PART, "Required"))
}

fn body(state: &HttpState, file: &MediaFile, kind: Kind) -> Value {
    let size_bytes = match &file.state {
        FileState::Stored { size_bytes, .. } => *size_bytes,
        FileState::Awaited | FileState::Deleted { .. } => 0,
    };
    json!({
        "id": file.id,
        "url": Target::Upload(file.id).url(&state.marks, &file.filename),
        "kind": kind.family.name(),
        "contentType": kind.content_type,
        "byteSize": size_bytes,
        "expiresAt": file.expires_at.to_iso_millis(),
    })
}

/// A step of reading the form.
async fn within<T>(step: impl Future<Output = Result<T, MultipartError>>) -> Result<T, Failure> {
    let read = tokio::time::timeout(IDLE_MAX, step).await.map_err(|_| Failure::Stalled)?;
    read.map_err(|refusal| match refusal.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(sniff::MP4),
        _ => Failure::invalid(format!("the form cannot be read: {}", refusal.body_text())),
    })
}

fn too_large(kind: Kind) -> Failure {
    let sentence = format!("A file of kind {} has at most {} bytes", kind.family.name(), kind.family.bytes_max());
    flaws::one(PART, &sentence)
}

/// Streams the part to the store; its kind is known before the first byte is written.
async fn store(
    state: &HttpState,
    account: tweenfarm_protocol::AccountId,
    mut part: Field<'_>,
) -> Result<(MediaFile, Kind), Failure> {
    let mut start = BytesMut::new();
    while start.len() < sniff::BYTES_NEEDED
        && let Some(piece) = within(part.chunk()).await?
    {
        start.extend_from_slice(&piece);
    }
    let Some(kind) = sniff::kind_of(&start) else {
        let sentence = "Must be a PNG, JPEG, WebP, GIF, MP4, WebM, MOV, MP3, WAV, OGG or M4A file, by its own bytes";
        return Err(flaws::one(PART, sentence));
    };
    let filename = filename(part.file_name(), kind);
    let new = NewUpload { account, home: Home::Temporary, filename, content_type: kind.content_type.to_owned() };
    let file = state.farm.new_upload(new).await?;
    let failed = |error| match error {
        BlobError::TooLarge { .. } => too_large(kind),
        error => Failure::Storage(error),
    };
    let mut upload = state.blobs.begin(&file.key, kind.content_type, kind.family.bytes_max()).await.map_err(failed)?;
    upload.write(&start).await.map_err(failed)?;
    while let Some(piece) = within(part.chunk()).await? {
        upload.write(&piece).await.map_err(failed)?;
    }
    Ok((keep(state, file, upload).await?, kind))
}

/// Publishes what has arrived and tells the farm of it. Spawned: from here the client may leave.
pub async fn keep(state: &HttpState, file: MediaFile, upload: Upload) -> Result<MediaFile, Failure> {
    let state = state.clone();
    let kept = tokio::spawn(async move {
        let facts = upload.seal().await.map_err(Failure::Storage)?.publish().await.map_err(Failure::Storage)?;
        Ok::<_, Failure>(state.farm.upload_stored(file.key, facts.size_bytes, facts.sha256).await?)
    });
    kept.await.map_err(|_| Failure::Internal("the upload could not be stored; it has been logged"))?
}

/// The client's name for it, if it is one, with an ending that says what it is.
fn filename(named: Option<&str>, kind: Kind) -> String {
    let last = named.and_then(|name| name.rsplit(['/', '\\']).next()).unwrap_or_default();
    let plain: String = last.chars().filter(|letter| !letter.is_control()).take(NAME_LETTERS_MAX).collect();
    let stem = plain.rsplit_once('.').map_or(plain.as_str(), |(stem, _)| stem);
    format!("{}.{}", if stem.trim_matches('.').is_empty() { "upload" } else { stem }, kind.extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_and_ends_as_what_it_is() {
        let check = |named: Option<&str>, expected: &str| assert_eq!(filename(named, sniff::MP4), expected);
        check(None, "upload.mp4");
        check(Some("upload"), "upload.mp4");
        check(Some("../../etc/beach.mov"), "beach.mp4");
        check(Some("C:\\clips\\süß.v2.mp4"), "süß.v2.mp4");
        check(Some(".."), "upload.mp4");
        check(Some("a\r\nb"), "ab.mp4");
        check(Some(&"x".repeat(300)), &format!("{}.mp4", "x".repeat(100)));
    }
}
