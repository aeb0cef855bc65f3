//! Files: a URL to upload to, a look into what was uploaded, a fresh URL to download.

use super::{
    clip::{self, ClipBody},
    project_body::file_in,
    projects,
};
use crate::{
    farm::{FarmError, Home, NewUpload},
    http::{HttpState, auth::Caller, body::Fields, error::Failure},
    model::FileState,
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};
use std::time::Duration;
use tweenfarm_protocol::ProjectId;

/// How long a presigned URL lives, for upload and download.
pub const URL_LIFE: Duration = Duration::from_secs(3600);
const FILENAME_LETTERS_MAX: usize = 255;
const CONTENT_TYPE_BYTES_MAX: usize = 100;

pub async fn presign(
    State(state): State<HttpState>,
    Caller(account): Caller,
    fields: Fields,
) -> Result<Json<Value>, Failure> {
    let filename = filename(fields.text("filename")?)?;
    let content_type = content_type(fields.text("content_type")?)?;
    let project: Option<ProjectId> = fields.optional_id("project_id")?;
    let size_bytes = match fields.optional_integer("size_bytes")? {
        Some(size) if size < 1 => return Err(Failure::invalid("size_bytes must be greater than 0")),
        Some(size) if size.unsigned_abs() > *state.upload_bytes_max.now() => {
            let sentence = format!("size_bytes is {size}, the most is {}", state.upload_bytes_max.now());
            return Err(Failure::TooLarge(sentence));
        }
        size => size.map(i64::unsigned_abs),
    };
    let home = project.map_or(Home::NewProject, Home::Project);
    let upload = NewUpload { account: account.id, home, filename, content_type };
    let file = state.farm.new_upload(upload).await?;
    Ok(Json(json!({
        "upload_url": state.blobs.presign_put(&file.key, &file.content_type, size_bytes, URL_LIFE),
        "key": file.key.as_str(),
        "r2_key": file.key.as_str(),
        "project_id": file.project,
        "file_id": file.id,
    })))
}

/// The last path component of what a client calls its file.
fn filename(text: &str) -> Result<String, Failure> {
    if text.is_empty() || text.chars().count() > FILENAME_LETTERS_MAX {
        return Err(Failure::invalid(format!("filename must have 1 to {FILENAME_LETTERS_MAX} characters")));
    }
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    if last.is_empty() || last.chars().any(char::is_control) {
        return Err(Failure::invalid("filename must end in the name of a file"));
    }
    Ok(last.to_owned())
}

/// `video/…`, as it will be signed and compared.
fn content_type(text: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
    let subtype = text.get(..6).filter(|kind| kind.eq_ignore_ascii_case("video/")).map(|_| &text[6..]);
    match subtype {
        Some(name) if !name.is_empty() && name.bytes().all(plain) && text.len() <= CONTENT_TYPE_BYTES_MAX => {
            Ok(text.to_owned())
        }
        _ => Err(Failure::invalid("content_type must be a video type such as video/mp4")),
    }
}

pub async fn probe(
    State(state): State<HttpState>,
    Caller(account): Caller,
    fields: Fields,
) -> Result<Json<ClipBody>, Failure> {
    let key = clip::key(&fields)?;
    let _held = state.locks.hold(&key).await;
    let file = clip::own_upload(&state, account.id, &key)?;
    let facts = state.prober.facts(&file).await?;
    Ok(Json(ClipBody::from(&facts)))
}

pub async fn download(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path((project, file)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let project = projects::own(&state, account.id, &project)?;
    let file = file_in(&state, &project, &file)?;
    match file.state {
        // An S3 server does not tell when an upload has arrived.
        FileState::Awaited if state.blobs.stat(&file.key).await?.is_none() => {
            return Err(FarmError::NotUploaded.into());
        }
        FileState::Deleted { .. } => return Err(Failure::FileExpired),
        FileState::Awaited | FileState::Stored { .. } if file.expires_at <= state.farm.now() => {
            return Err(Failure::FileExpired);
        }
        FileState::Awaited | FileState::Stored { .. } => {}
    }
    let url = state.blobs.presign_download(&file.key, &file.filename, URL_LIFE);
    Ok(Json(json!({ "url": url, "expires_in": URL_LIFE.as_secs() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_its_last_component() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(filename(text).ok().as_deref(), expected, "{text}");
        check("clip.mp4", Some("clip.mp4"));
        check("C:\\clips\\surf.mov", Some("surf.mov"));
        check("a/b/ö.mp4", Some("ö.mp4"));
        check("", None);
        check("folder/", None);
        check("a\nb", None);
        check(&"x".repeat(255), Some(&"x".repeat(255)));
        check(&"x".repeat(256), None);
    }

    #[test]
    fn only_a_video_type_is_taken() {
        let check = |text: &str, accepted: bool| assert_eq!(content_type(text).is_ok(), accepted, "{text}");
        check("video/mp4", true);
        check("video/x-matroska", true);
        check("Video/MP4", true);
        check("video/", false);
        check("video", false);
        check("image/png", false);
        check("video/mp4; codecs=avc1", false);
        check("video/mp4\r\nx: y", false);
        check("", false);
        check("ü", false);
        check("vidéo/mp4", false);
    }
}
