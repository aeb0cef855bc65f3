//! `submit`: one file to the farm and, with `--wait`, its result back, as a customer of the ReframeFX API does it.

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Body, Method, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{fs::File, io::AsyncWriteExt, time::sleep};

const POLL_EVERY: Duration = Duration::from_secs(1);
/// A daemon that was restarted is back by then.
const MISSED_POLLS_MAX: u32 = 60;

#[derive(Debug, clap::Args)]
pub struct Submit {
    /// The clip
    pub file: PathBuf,
    /// Frames per second of the result: 24 to 240
    #[arg(long)]
    pub fps: u32,
    /// Where the result goes; this waits for it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Wait until the job has ended
    #[arg(long)]
    pub wait: bool,
    /// The public API
    #[arg(long, env = "TWEENFARM_API", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub api: String,
    /// File with the API key of the account that pays; TWEENFARM_KEY may hold the key itself. Without either, the key
    /// that `tweenfarm up` made
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("{path} cannot be read: {source}")]
    Clip { path: PathBuf, source: io::Error },
    #[error("{0} is there already: name another file, or move it away")]
    OutputExists(PathBuf),
    #[error("{path} cannot be written: {source}")]
    Output { path: PathBuf, source: io::Error },
    #[error("no API key: set TWEENFARM_KEY, or give --key-file (no key is in {0}); `tweenfarm users add` makes one")]
    NoKey(PathBuf),
    #[error("the API at {api} cannot be reached: {source}. Is the daemon running, and is this its address (--api)?")]
    Unreachable { api: String, source: reqwest::Error },
    #[error("{what} was refused ({status}): {detail}")]
    Refused { what: &'static str, status: StatusCode, detail: String },
    #[error("the answer to {what} cannot be read, the API may be another product's: {source}")]
    Unreadable { what: &'static str, source: serde_json::Error },
    #[error("job {job} failed, {refunded} xeconds were given back: {error}")]
    Failed { job: String, refunded: i64, error: String },
}

#[derive(Deserialize)]
struct Upload {
    upload_url: String,
    key: String,
    project_id: String,
}

#[derive(Deserialize)]
struct Accepted {
    job_id: String,
    xeconds_charged: i64,
    balance_after: i64,
}

#[derive(Deserialize)]
struct Job {
    live_status: String,
    output_url: Option<String>,
    #[serde(default)]
    xeconds_refunded: i64,
    error: Option<String>,
    progress: Option<f64>,
}

/// What is printed at the end.
#[derive(Serialize)]
pub struct Done {
    pub job: String,
    pub xeconds_charged: i64,
    pub balance_after: i64,
    /// `submitted` or `done`
    pub state: &'static str,
    pub output: Option<PathBuf>,
    pub output_bytes: Option<u64>,
}

struct Api<'a> {
    http: reqwest::Client,
    base: &'a str,
    key: String,
}

pub async fn run(asked: &Submit) -> Result<Done, SubmitError> {
    if let Some(output) = asked.output.as_ref().filter(|output| output.exists()) {
        return Err(SubmitError::OutputExists(output.clone()));
    }
    let base = asked.api.trim_end_matches('/');
    let api = Api { http: reqwest::Client::new(), base, key: key(asked.key_file.as_deref())? };
    let bar = bar();
    let upload = api.upload(&asked.file, &bar).await?;
    let body = json!({ "r2_key": upload.key, "project_id": upload.project_id, "target_fps": asked.fps });
    let accepted: Accepted = api.call("the job", Method::POST, "/jobs", Some(body)).await?;
    let mut done = Done {
        job: accepted.job_id,
        xeconds_charged: accepted.xeconds_charged,
        balance_after: accepted.balance_after,
        state: "submitted",
        output: None,
        output_bytes: None,
    };
    if asked.wait || asked.output.is_some() {
        let url = api.ended(&done.job, &bar).await?;
        done.state = "done";
        if let Some(output) = &asked.output {
            done.output_bytes = Some(api.download(&url, output, &bar).await?);
            done.output = Some(output.clone());
        }
    }
    bar.finish_and_clear();
    Ok(done)
}

/// On standard error, and only where that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("{msg:<12} {bar:30} {percent:>3} %  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn key(file: Option<&Path>) -> Result<String, SubmitError> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => {
            if let Some(key) = std::env::var("TWEENFARM_KEY").ok().filter(|key| !key.is_empty()) {
                return Ok(key);
            }
            crate::up::key_file(&crate::up::default_folder())
        }
    };
    let text = std::fs::read_to_string(&path).map_err(|_| SubmitError::NoKey(path))?;
    Ok(text.trim().to_owned())
}

impl Api<'_> {
    async fn upload(&self, path: &Path, bar: &ProgressBar) -> Result<Upload, SubmitError> {
        let unread = |source| SubmitError::Clip { path: path.to_owned(), source };
        let file = File::open(path).await.map_err(unread)?;
        let size_bytes = file.metadata().await.map_err(unread)?.len();
        let name = path.file_name().map_or("clip.mp4".into(), |name| name.to_string_lossy());
        let content_type = content_type_of(path);
        let body = json!({ "filename": name, "content_type": content_type });
        let upload: Upload = self.call("the upload", Method::POST, "/upload/presign", Some(body)).await?;
        bar.set_length(size_bytes.max(1));
        bar.set_message("uploading");
        let sent = bar.clone();
        let parts = futures::stream::try_unfold(file, move |mut file| {
            let sent = sent.clone();
            async move {
                let mut part = vec![0; 1 << 18];
                let length = tokio::io::AsyncReadExt::read(&mut file, &mut part).await?;
                part.truncate(length);
                sent.inc(length as u64);
                Ok::<_, io::Error>((length > 0).then_some((part, file)))
            }
        });
        let request = self.http.put(&upload.upload_url).header(header::CONTENT_TYPE, content_type);
        let request = request.header(header::CONTENT_LENGTH, size_bytes).body(Body::wrap_stream(parts));
        self.accepted("the clip", request).await?;
        Ok(upload)
    }

    /// The URL of the result, once the job is done.
    async fn ended(&self, job: &str, bar: &ProgressBar) -> Result<String, SubmitError> {
        bar.reset();
        bar.set_length(100);
        let mut missed = 0;
        loop {
            let answer: Result<Job, SubmitError> =
                self.call("the job's state", Method::GET, &format!("/jobs/{job}"), None).await;
            match answer {
                Ok(state) if state.live_status == "done" => return Ok(state.output_url.unwrap_or_default()),
                Ok(state) if state.live_status == "failed" => {
                    let error = state.error.unwrap_or_else(|| "it was cancelled".to_owned());
                    return Err(SubmitError::Failed { job: job.to_owned(), refunded: state.xeconds_refunded, error });
                }
                Ok(state) => {
                    missed = 0;
                    bar.set_message(state.live_status);
                    bar.set_position(state.progress.unwrap_or(0.0) as u64);
                }
                // The job goes on while the daemon is restarted, and so does the waiting for it.
                Err(SubmitError::Unreachable { .. }) if missed < MISSED_POLLS_MAX => {
                    missed += 1;
                    bar.set_message("no answer");
                }
                Err(error) => return Err(error),
            }
            sleep(POLL_EVERY).await;
        }
    }

    /// Beside the output first, so that a file of that name is a whole one.
    async fn download(&self, url: &str, output: &Path, bar: &ProgressBar) -> Result<u64, SubmitError> {
        let mut partial = output.as_os_str().to_owned();
        partial.push(".partial");
        let unwritten = |source| SubmitError::Output { path: output.to_owned(), source };
        let mut answer = self.accepted("the result", self.http.get(url)).await?;
        bar.reset();
        bar.set_length(answer.content_length().unwrap_or(0).max(1));
        bar.set_message("fetching");
        let mut file = File::create(&partial).await.map_err(unwritten)?;
        let mut size_bytes = 0;
        while let Some(part) = answer.chunk().await.map_err(|source| self.unreachable(source))? {
            file.write_all(&part).await.map_err(unwritten)?;
            size_bytes += part.len() as u64;
            bar.inc(part.len() as u64);
        }
        file.sync_all().await.map_err(unwritten)?;
        tokio::fs::rename(&partial, output).await.map_err(unwritten)?;
        Ok(size_bytes)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, SubmitError> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let text = self.accepted(what, request).await?.text().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_str(&text).map_err(|source| SubmitError::Unreadable { what, source })
    }

    async fn accepted(
        &self,
        what: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, SubmitError> {
        let answer = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let body: Option<Value> = serde_json::from_str(&text).ok();
        let detail = body.as_ref().and_then(|body| body["detail"].as_str()).unwrap_or(&text).to_owned();
        Err(SubmitError::Refused { what, status, detail })
    }

    fn unreachable(&self, source: reqwest::Error) -> SubmitError {
        SubmitError::Unreachable { api: self.base.to_owned(), source }
    }
}

fn content_type_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("mkv") => "video/x-matroska",
        Some("webm") => "video/webm",
        Some("mov") => "video/quicktime",
        Some("avi") => "video/x-msvideo",
        Some("ts" | "mts" | "m2ts") => "video/mp2t",
        _ => "video/mp4",
    }
}
