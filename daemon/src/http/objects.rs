//! Objects behind presigned URLs: PUT, GET and HEAD of the built-in store. The URL is the credential; nothing here
//! asks who the caller is. Where the store is an S3 server there are no such routes, and whoever asks the daemon for an
//! object by a URL of its own is sent there.

use super::{
    HttpState,
    error::Failure,
    openapi::{Access, Operation, Surface},
    range::{self, Part},
    reframefx,
};
use crate::{
    blobs::{BlobError, BuiltIn, SignedRequest, Upload, sign::attachment},
    model::{FileKind, FileState, JobState, MediaFile, ObjectKey},
};
use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::{Request, State},
    http::{self, HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, head, put},
};
use futures::StreamExt;
use rusty_s3::Method;
use std::{io::SeekFrom, time::Duration};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use tweenfarm_protocol::{JobId, Timestamp};

/// An upload of which nothing arrives for this long is given up.
const IDLE_MAX: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 256 * 1024;
/// Long enough for a download that breaks off and goes on by ranges.
const REDIRECT_LIFE: Duration = Duration::from_secs(60 * 60);
/// What an agent may deliver in one piece: far above two minutes of lossless 4K at 240 fps; the disk's reserve is
/// what protects the store.
const DELIVERY_BYTES_MAX: u64 = 64 << 30;

pub fn surface(bucket: &str) -> Surface {
    let (path, route) = (format!("/{bucket}/{{key}}"), format!("/{bucket}/{{*key}}"));
    let operation = |method, id, summary| {
        let operation = Operation::new(method, &path, Access::Presigned, ("Objects", id), summary);
        signed(operation.routed_as(route.clone()))
    };
    let read_it = reframefx::ranged(operation(http::Method::GET, "readObject", "The bytes of an object"));
    let head_it = reframefx::ranged(operation(http::Method::HEAD, "headObject", "What GET would send, without it"));
    let store_it = operation(http::Method::PUT, "storeObject", "Stores the bytes of an object")
        .says("The Content-Type must be the video type that the URL was signed for; a broken upload may be sent again.")
        .takes_bytes("application/octet-stream")
        .answers_bytes(200, "Stored", None)
        .refuses(404, "upload not found");
    Surface::default()
        .serve(read_it.refuses(404, "object not found"), get(read))
        .serve(head_it.refuses(404, "object not found"), head(read))
        .serve(store_it, put(store))
}

/// The query of a presigned URL.
fn signed(operation: Operation) -> Operation {
    let names = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"];
    names.into_iter().fold(operation, |operation, name| {
        let text = serde_json::json!({ "type": "string" });
        operation.parameter("query", &format!("X-Amz-{name}"), true, "As the presigned URL has it", text)
    })
}

/// The key of the URL's path, if a URL of this service could have it.
fn key_of(built_in: &BuiltIn, parts: &Parts) -> Result<ObjectKey, Failure> {
    let path = parts.uri.path();
    let key = path.strip_prefix('/').and_then(|path| path.strip_prefix(built_in.signer.bucket().name()));
    let key = key.and_then(|path| path.strip_prefix('/')).and_then(|key| key.parse().ok());
    key.ok_or(Failure::NotFound("object"))
}

fn verify(built_in: &BuiltIn, method: Method, key: &ObjectKey, parts: &Parts) -> Result<(), Failure> {
    let query = parts.uri.query().unwrap_or_default();
    let content_type = content_type(parts);
    Ok(built_in.signer.verify(SignedRequest { method, key, query, content_type }, Timestamp::now())?)
}

/// The store whose objects are served here; the routes are there only with it.
fn built_in(state: &HttpState) -> Result<&BuiltIn, Failure> {
    state.blobs.built_in().ok_or(Failure::NotFound("object"))
}

fn content_type(parts: &Parts) -> Option<&str> {
    parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

async fn store(State(state): State<HttpState>, request: Request) -> Result<StatusCode, Failure> {
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let store = built_in(&state)?;
    let key = key_of(store, &parts)?;
    let arrived = async {
        verify(store, Method::Put, &key, &parts)?;
        let limit_bytes = match may_be_written(&state, &key)? {
            Noted::ByTheFarm => state.intake.upload_bytes_max(&key).unwrap_or_else(|| *state.upload_bytes_max.now()),
            Noted::ByAReport => DELIVERY_BYTES_MAX,
            Noted::AsAProbe { limit_bytes } => limit_bytes,
        };
        let mut upload = store.disk.begin(&key, content_type(&parts).unwrap_or_default(), limit_bytes).await?;
        if let Some(size_bytes) = body.size_hint().exact() {
            upload.expect(size_bytes).await?;
        }
        receive(&mut body, &mut upload).await?;
        Ok::<Upload, Failure>(upload)
    };
    let upload = arrived.await?;
    // From here the client may leave: the object and what the farm knows of it change together.
    let kept = tokio::spawn(keep(state, key, upload));
    kept.await.map_err(|_| Failure::Internal("the upload could not be stored; it has been logged"))??;
    Ok(StatusCode::OK)
}

/// Streams the body into the upload. A client that leaves makes the body fail, and the dropped upload removes its file.
async fn receive(body: &mut BodyDataStream, upload: &mut Upload) -> Result<(), Failure> {
    loop {
        let piece = tokio::time::timeout(IDLE_MAX, body.next()).await.map_err(|_| Failure::Stalled)?;
        match piece {
            Some(Ok(bytes)) => upload.write(&bytes).await?,
            Some(Err(_)) => return Err(Failure::CutOff),
            None => return Ok(()),
        }
    }
}

/// Publishes an upload and tells the farm of it.
async fn keep(state: HttpState, key: ObjectKey, upload: Upload) -> Result<(), Failure> {
    let sealed = upload.seal().await?;
    let _held = state.locks.hold(&key).await;
    // Asked again: a job may have used the earlier upload while this one arrived.
    let noted = may_be_written(&state, &key)?;
    let facts = sealed.publish().await?;
    if noted == Noted::ByTheFarm {
        state.farm.upload_stored(key, facts.size_bytes, facts.sha256).await?;
    }
    Ok(())
}

/// Who keeps a record of a written object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    /// An upload: the farm knows its size and hash.
    ByTheFarm,
    /// Work or output of a job: its agent reports it.
    ByAReport,
    /// What a device on probation rendered.
    AsAProbe { limit_bytes: u64 },
}

/// Whether the object may (still) be written, and who notes that it was.
fn may_be_written(state: &HttpState, key: &ObjectKey) -> Result<Noted, Failure> {
    if let Some(file) = state.farm.file_by_key(key)? {
        return match (file.kind, file.state) {
            (FileKind::Input, FileState::Awaited | FileState::Stored { pinned: false, .. }) => Ok(Noted::ByTheFarm),
            (FileKind::Input, FileState::Deleted { .. }) => Err(crate::farm::FarmError::NotUploaded.into()),
            (FileKind::Input, FileState::Stored { pinned: true, .. }) | (FileKind::Output { .. }, _) => {
                Err(crate::farm::FarmError::Pinned.into())
            }
        };
    }
    if let Some(limit_bytes) = state.probation.awaits(key) {
        return Ok(Noted::AsAProbe { limit_bytes });
    }
    // An agent's delivery: once its job has ended nobody would ever delete what comes late.
    let job = state.farm.job(job_of(key).ok_or(Failure::NotFound("upload"))?)?;
    match job.map(|view| view.job) {
        // The master is there and its copy is made from it: whoever joined too slowly must not replace it.
        Some(job) if matches!(job.state, JobState::Marking { .. }) && *key == job.output_key() => {
            Err(crate::farm::FarmError::Pinned.into())
        }
        None => Err(Failure::JobOver),
        Some(job) if job.has_ended() => Err(Failure::JobOver),
        Some(_) => Ok(Noted::ByAReport),
    }
}

/// The job in `work/{job}/…` and in `outputs/{tier}/{account}/{project}/{job}/…`.
fn job_of(key: &ObjectKey) -> Option<JobId> {
    let mut parts = key.as_str().split('/');
    let job = match parts.next()? {
        "work" => parts.next()?,
        "outputs" => parts.nth(3)?,
        _ => return None,
    };
    job.parse().ok()
}

async fn read(State(state): State<HttpState>, request: Request) -> Result<Response, Failure> {
    let (parts, _) = request.into_parts();
    let store = built_in(&state)?;
    let key = key_of(store, &parts)?;
    // HEAD tells less than GET: a URL signed for GET may be asked for its size.
    verify(store, Method::Get, &key, &parts)?;
    let file = state.farm.file_by_key(&key)?;
    // Deleted by its owner or by retention: gone at once, also while the bytes are still being deleted.
    if file.as_ref().is_some_and(|file| matches!(file.state, FileState::Deleted { .. })) {
        return Err(Failure::NotFound("object"));
    }
    send(store, &key, file.as_ref().map(|file| file.filename.as_str()), &parts).await
}

/// A file or a part of it, for GET and HEAD of a URL that lasts: its bytes, or where they are.
pub async fn give(state: &HttpState, file: &MediaFile, parts: &Parts) -> Result<Response, Failure> {
    if let Some(store) = state.blobs.built_in() {
        return send(store, &file.key, Some(&file.filename), parts).await;
    }
    if state.blobs.stat(&file.key).await?.is_none() {
        return Err(Failure::NotFound("object"));
    }
    // 302 and no promise that it stays: the next request is to come here again, and is decided anew.
    let url = match parts.method {
        http::Method::HEAD => state.blobs.presign_head(&file.key, REDIRECT_LIFE),
        _ => state.blobs.presign_download(&file.key, &file.filename, REDIRECT_LIFE),
    };
    Ok((StatusCode::FOUND, [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store".to_owned())]).into_response())
}

/// An object or a part of it, for GET and HEAD; `filename` is what a browser saves it as.
async fn send(store: &BuiltIn, key: &ObjectKey, filename: Option<&str>, parts: &Parts) -> Result<Response, Failure> {
    let Some(mut blob) = store.disk.open_object(key).await? else {
        return Err(Failure::NotFound("object"));
    };
    let size_bytes = blob.facts.size_bytes;
    let etag = format!("\"{}\"", blob.facts.sha256);
    let mut headers = HeaderMap::new();
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, blob.content_type);
    set(header::ETAG, etag.clone());
    set(header::ACCEPT_RANGES, "bytes".into());
    let modified = http_date(blob.modified);
    set(header::LAST_MODIFIED, modified.clone());
    if let Some(filename) = filename {
        set(header::CONTENT_DISPOSITION, attachment(filename));
    }
    let asked = |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    // The comparison of If-None-Match is the weak one: a cache may have marked the tag.
    let names_it =
        |tags: &str| tags.trim() == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let unchanged = match asked(header::IF_NONE_MATCH) {
        Some(tags) => names_it(tags),
        None => asked(header::IF_MODIFIED_SINCE).is_some_and(|date| date == modified),
    };
    if unchanged {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // A range of another version of the object would be put together with this one's bytes.
    let same = asked(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let (status, first, length) = match range::part(asked(header::RANGE).filter(|_| same), size_bytes) {
        Part::Whole => (StatusCode::OK, 0, size_bytes),
        Part::Bytes { first, last } => {
            set(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size_bytes}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Part::Unsatisfiable => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size_bytes}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    set(header::CONTENT_LENGTH, length.to_string());
    if parts.method == axum::http::Method::HEAD {
        return Ok((status, headers).into_response());
    }
    if first > 0 {
        let sought = blob.file.seek(SeekFrom::Start(first)).await;
        sought.map_err(|source| BlobError::Io { doing: "read", path: key.as_str().into(), source })?;
    }
    let bytes = ReaderStream::with_capacity(blob.file.take(length), READ_BYTES);
    Ok((status, headers, Body::from_stream(bytes)).into_response())
}

/// `Wed, 01 Jul 2026 10:04:30 GMT`
fn http_date(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)).unwrap_or_default();
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_of_a_delivery_is_in_its_key() {
        let id = "0d8d0c6e-2a53-4a0a-9d55-3b1a9d1f2f10";
        let check = |key: &str, expected: Option<&str>| {
            let key: ObjectKey = key.parse().unwrap();
            assert_eq!(job_of(&key).map(|job| job.to_string()).as_deref(), expected, "{key}");
        };
        check(&format!("work/{id}/x.mp4"), Some(id));
        check(&format!("outputs/paid/a/b/{id}/output-60fps.mp4"), Some(id));
        check(&format!("uploads/paid/a/b/{id}/x.mp4"), None);
        check("work/x/y.mp4", None);
    }

    #[test]
    fn a_moment_is_written_as_http_wants_it() {
        assert_eq!(http_date(Timestamp(1_782_900_270_500_000)), "Wed, 01 Jul 2026 10:04:30 GMT");
    }
}
