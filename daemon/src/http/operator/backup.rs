//! A backup of the store and the keys, taken while the daemon runs.

use crate::http::{HttpState, error::Failure};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use tokio_util::io::ReaderStream;

/// It is whole before its first byte leaves, so that a slow reader holds up nobody.
pub async fn download(State(state): State<HttpState>) -> Result<Response, Failure> {
    let file = state.farm.back_up(state.state_folder.to_path_buf()).await?;
    let length = file.metadata().map_err(|_| Failure::Internal("the backup cannot be read; see the log"))?.len();
    let stream = ReaderStream::new(tokio::fs::File::from_std(file));
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(stream)).into_response())
}
