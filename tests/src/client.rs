//! A customer of the ReframeFX surface, as the contract describes it: bearer key, JSON, presigned URLs.
//!
//! Written from the contract alone; shares no code with the daemon.

use reqwest::{Body, Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::{fs::File, io::AsyncWriteExt};

#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service said no: its status and its `detail`.
    #[error("{what} was refused with {status}: {detail}")]
    Refused { what: String, status: StatusCode, detail: String },
    #[error("{what}: no answer")]
    NoAnswer {
        what: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{what}: the answer is not what the contract says: {answer}")]
    NotTheContract {
        what: String,
        answer: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{what}")]
    File {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

impl ClientError {
    /// Status and detail of a refusal.
    pub fn refusal(&self) -> Option<(u16, &str)> {
        match self {
            ClientError::Refused { status, detail, .. } => Some((status.as_u16(), detail)),
            ClientError::NoAnswer { .. } | ClientError::NotTheContract { .. } | ClientError::File { .. } => None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Me {
    pub id: String,
    pub email: String,
    pub balance_xeconds: i64,
    pub total_spent_usd: f64,
    pub api_key_hash: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Upload {
    pub upload_url: String,
    pub key: String,
    pub project_id: String,
    pub file_id: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Estimates {
    pub metadata: Metadata,
    pub estimates: Vec<Estimate>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub fps: f64,
    pub duration_sec: f64,
    pub width: u32,
    pub height: u32,
    pub codec: String,
    pub size_bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Estimate {
    pub target_fps: u32,
    pub band: String,
    pub multiplier: i64,
    pub charged_xeconds: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Submitted {
    pub job_id: String,
    pub status: String,
    pub xeconds_charged: i64,
    pub balance_after: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    pub id: String,
    pub status: String,
    pub live_status: String,
    pub input_key: String,
    pub output_key: Option<String>,
    pub output_url: Option<String>,
    pub input_duration_sec: f64,
    pub xeconds_charged: i64,
    #[serde(default)]
    pub xeconds_refunded: i64,
    pub target_fps: u32,
    #[serde(default)]
    pub watermarked: bool,
    pub fps_in: f64,
    pub fps_out: Option<f64>,
    pub completed_at: Option<String>,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub progress: Option<f64>,
    pub queue_depth: u64,
}

impl Job {
    pub fn is_over(&self) -> bool {
        matches!(self.live_status.as_str(), "done" | "failed")
    }
}

impl Client {
    /// `base` is the origin of the service, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str, key: &str) -> Result<Client, ClientError> {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|source| ClientError::NoAnswer { what: "set up HTTP".to_owned(), source })?;
        Ok(Client { http, base: base.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub async fn me(&self) -> Result<Me, ClientError> {
        self.call(Method::GET, "/me", None).await
    }

    pub async fn presign(&self, filename: &str, content_type: &str) -> Result<Upload, ClientError> {
        let body = json!({ "filename": filename, "content_type": content_type });
        self.call(Method::POST, "/upload/presign", Some(body)).await
    }

    /// PUTs a file to a presigned URL.
    pub async fn put_file(&self, url: &str, content_type: &str, path: &Path) -> Result<(), ClientError> {
        let failed = |source| ClientError::File { what: format!("read {}", path.display()), source };
        let file = File::open(path).await.map_err(failed)?;
        let size_bytes = file.metadata().await.map_err(failed)?.len();
        self.put(url, content_type, Some(size_bytes), Body::from(file)).await
    }

    /// PUTs a body to a presigned URL; without a size it goes out in chunks of unknown number.
    pub async fn put(
        &self,
        url: &str,
        content_type: &str,
        size_bytes: Option<u64>,
        body: Body,
    ) -> Result<(), ClientError> {
        let mut request = self.http.put(url).header(header::CONTENT_TYPE, content_type).body(body);
        if let Some(size_bytes) = size_bytes {
            request = request.header(header::CONTENT_LENGTH, size_bytes);
        }
        let what = "PUT of the upload".to_owned();
        let answer = request.send().await.map_err(|source| ClientError::NoAnswer { what: what.clone(), source })?;
        accepted(what, answer).await.map(|_| ())
    }

    /// Presign and PUT in one: the key of the uploaded file.
    pub async fn upload(&self, path: &Path) -> Result<Upload, ClientError> {
        let name = path.file_name().map_or("clip.mp4".into(), |name| name.to_string_lossy());
        let content_type = content_type_of(path);
        let upload = self.presign(&name, content_type).await?;
        self.put_file(&upload.upload_url, content_type, path).await?;
        Ok(upload)
    }

    pub async fn probe(&self, key: &str) -> Result<Metadata, ClientError> {
        self.call(Method::POST, "/probe", Some(json!({ "r2_key": key }))).await
    }

    pub async fn estimate_video(&self, key: &str, target_fps: &[u32]) -> Result<Estimates, ClientError> {
        let body = json!({ "r2_key": key, "target_fps_options": target_fps });
        self.call(Method::POST, "/pricing/estimate-video", Some(body)).await
    }

    pub async fn submit(&self, key: &str, target_fps: u32) -> Result<Submitted, ClientError> {
        self.call(Method::POST, "/jobs", Some(json!({ "r2_key": key, "target_fps": target_fps }))).await
    }

    /// With a word on the mark: true asks for one.
    pub async fn submit_marked(&self, key: &str, target_fps: u32, watermark: bool) -> Result<Submitted, ClientError> {
        let body = json!({ "r2_key": key, "target_fps": target_fps, "watermark": watermark });
        self.call(Method::POST, "/jobs", Some(body)).await
    }

    /// The first page of the account's jobs, newest first; how many there are on it.
    pub async fn jobs(&self) -> Result<usize, ClientError> {
        let answer: Value = self.call(Method::GET, "/jobs", None).await?;
        Ok(answer["jobs"].as_array().map_or(0, Vec::len))
    }

    pub async fn job(&self, id: &str) -> Result<Job, ClientError> {
        self.call(Method::GET, &format!("/jobs/{id}"), None).await
    }

    /// A fresh URL of a file, from the download route.
    pub async fn download_url(&self, project_id: &str, file_id: &str) -> Result<String, ClientError> {
        let path = format!("/projects/{project_id}/files/{file_id}/download");
        let answer: Value = self.call(Method::GET, &path, None).await?;
        Ok(answer["url"].as_str().unwrap_or_default().to_owned())
    }

    /// GETs a presigned URL into a file; the size in bytes.
    pub async fn download(&self, url: &str, path: &Path) -> Result<u64, ClientError> {
        let what = || "GET of the result".to_owned();
        let no_answer = |source| ClientError::NoAnswer { what: what(), source };
        let failed = |source| ClientError::File { what: format!("write {}", path.display()), source };
        let answer = self.http.get(url).send().await.map_err(no_answer)?;
        let mut answer = accepted(what(), answer).await?;
        let (mut file, mut size_bytes) = (File::create(path).await.map_err(failed)?, 0);
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            file.write_all(&chunk).await.map_err(failed)?;
            size_bytes += chunk.len() as u64;
        }
        file.sync_all().await.map_err(failed)?;
        Ok(size_bytes)
    }

    /// Any call with this account's key: the body of a 2xx answer, or the refusal.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, ClientError> {
        let what = format!("{method} {path}");
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|source| ClientError::NoAnswer { what: what.clone(), source })?;
        let answer = accepted(what.clone(), answer).await?;
        let text = answer.text().await.map_err(|source| ClientError::NoAnswer { what: what.clone(), source })?;
        serde_json::from_str(&text).map_err(|source| ClientError::NotTheContract { what, answer: text, source })
    }
}

async fn accepted(what: String, answer: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let detail = serde_json::from_str::<Value>(&text).ok();
    let detail = detail.as_ref().and_then(|body| body["detail"].as_str()).unwrap_or(&text).to_owned();
    Err(ClientError::Refused { what, status, detail })
}

pub fn content_type_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("mkv") => "video/x-matroska",
        Some("webm") => "video/webm",
        Some("mov") => "video/quicktime",
        _ => "video/mp4",
    }
}
