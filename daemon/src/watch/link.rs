//! The watcher's link to the farm: calls on the daemon's intake door, and bytes to and from presigned URLs.
//!
//! Says of each failure whose it is; never tries again by itself.

use futures::StreamExt;
use reqwest::{Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    error::Error,
    fs::File,
    io::{self, Write},
    path::Path,
    time::Duration,
};
use tokio_util::io::ReaderStream;
use tweenfarm_protocol::{
    JobId,
    intake::{JobStanding, NewJob, NewJobAnswer, NewUpload, Orders, Report, UploadPlace},
    operator::Problem,
};

/// Longer than the daemon takes to look into the longest clip.
const ANSWER_WITHIN: Duration = Duration::from_secs(960);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Nothing of a download arrives for this long: the connection is dead.
const SILENT_MAX: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The daemon's own sentence.
    #[error("{sentence}")]
    Refused { status: StatusCode, sentence: String },
    #[error("the daemon cannot be reached: {0}")]
    Unreachable(String),
    #[error("the daemon's answer cannot be read, it may be of another release: {0}")]
    Unreadable(String),
    #[error("{doing} {what}: {source}")]
    File { doing: &'static str, what: String, source: io::Error },
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Link {
    door: reqwest::Client,
    bytes: reqwest::Client,
}

impl Link {
    pub fn new(socket: &Path) -> reqwest::Result<Link> {
        Ok(Link {
            door: reqwest::Client::builder().unix_socket(socket).timeout(ANSWER_WITHIN).build()?,
            bytes: reqwest::Client::builder().connect_timeout(CONNECT_WITHIN).read_timeout(SILENT_MAX).build()?,
        })
    }

    pub async fn place(&self, upload: &NewUpload) -> Result<UploadPlace, LinkError> {
        self.call(Method::POST, "/intake/uploads", None, Some(upload)).await
    }

    pub async fn submit(&self, job: &NewJob, name: &str) -> Result<NewJobAnswer, LinkError> {
        self.call(Method::POST, "/intake/jobs", Some(name), Some(job)).await
    }

    pub async fn standing(&self, job: JobId) -> Result<JobStanding, LinkError> {
        self.call(Method::GET, &format!("/intake/jobs/{job}"), None, None::<&()>).await
    }

    pub async fn report(&self, report: &Report) -> Result<Orders, LinkError> {
        self.call(Method::POST, "/intake/report", None, Some(report)).await
    }

    /// Sends an open file, from its beginning.
    pub async fn send(&self, place: &UploadPlace, file: File, size_bytes: u64) -> Result<(), LinkError> {
        let bytes = ReaderStream::with_capacity(
            tokio::io::AsyncReadExt::take(tokio::fs::File::from_std(file), size_bytes),
            READ_BYTES,
        );
        let request = self
            .bytes
            .put(&place.url)
            .header(header::CONTENT_TYPE, &place.content_type)
            .header(header::CONTENT_LENGTH, size_bytes)
            .body(reqwest::Body::wrap_stream(bytes));
        let answer = request.send().await.map_err(unreachable)?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(answer).await) }
    }

    /// Writes what a URL holds to a file; how much it was.
    pub async fn fetch(&self, url: &str, mut file: File, size_bytes: u64) -> Result<(), LinkError> {
        let answer = self.bytes.get(url).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let (mut pieces, mut left) = (answer.bytes_stream(), size_bytes);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(unreachable)?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                LinkError::Unreadable(format!("the result is longer than the {size_bytes} bytes it was said to have"))
            })?;
            let written = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file)).await;
            let failed = |source| LinkError::File { doing: "write", what: "the result".to_owned(), source };
            file = written.map_err(|_| failed(io::Error::other("the writer broke off")))?.map_err(failed)?;
        }
        if left > 0 {
            return Err(LinkError::Unreachable(format!("the result ended {left} bytes too early")));
        }
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        name: Option<&str>,
        body: Option<&impl Serialize>,
    ) -> Result<T, LinkError> {
        // The host is only a name: the socket decides where it goes.
        let mut request = self.door.request(method, format!("http://tweenfarmd{path}"));
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        answer.json().await.map_err(|cause| LinkError::Unreadable(whole_text(&cause)))
    }
}

async fn refused(answer: reqwest::Response) -> LinkError {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    // Of the objects' surface: another word for the same.
    let detail = |text: &str| {
        let body: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(body.get("detail")?.as_str()?.to_owned())
    };
    let sentence = serde_json::from_str::<Problem>(&text).map(|problem| problem.error).ok().or_else(|| detail(&text));
    LinkError::Refused { status, sentence: sentence.unwrap_or_else(|| format!("the answer is {status}")) }
}

fn unreachable(cause: reqwest::Error) -> LinkError {
    LinkError::Unreachable(whole_text(&cause.without_url()))
}

/// A presigned URL opens what it names: it is never part of a text.
fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
