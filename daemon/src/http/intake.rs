//! The intake door: a socket of its own, by which the watcher of folders uploads and submits for named accounts and tells
//! how its folders stand.
//!
//! The right to open the socket is the credential, as with the agents' door. What it gives is little: no key, no balance,
//! no job of another account, and of the named ones only to add jobs and to see how they stand.

mod awaited;
pub mod desk;

use super::{HttpState, body::Strict, error::Failure, idempotency};
use crate::{
    farm::{FarmError, Home, NewUpload, Submission},
    live::Live,
    model::{Account, FileKind, FileState, Job, JobEnd, JobState, ObjectKey},
    pricing,
    probe::ClipLimits,
};
use awaited::Awaited;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::HeaderMap,
    routing::{get, post},
};
use desk::Desk;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tweenfarm_protocol::{
    JobId, Rational,
    intake::{JobStanding, NewJob, NewJobAnswer, NewUpload as UploadAsked, Orders, Report, UploadPlace},
    output::OutputFormat,
};

/// A report names some hundred files.
pub const REPORT_BYTES_MAX: usize = 4 << 20;
/// Looking into a clip of an hour takes longer than into one of two minutes.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(900);
/// Long enough to begin an upload or a download after waiting for others.
const URL_LIFE: Duration = Duration::from_secs(3600);
const CONTENT_TYPE: &str = "video/mp4";
const FILENAME_LETTERS_MAX: usize = 255;
const ROUTE: &str = "POST /intake/jobs";

/// What the door lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeRules {
    /// E-mail addresses of the accounts that may be charged.
    pub accounts: BTreeSet<String>,
    pub upload_bytes_max: u64,
    pub duration_seconds_max: u64,
}

/// The door and what it remembers. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    rules: Live<IntakeRules>,
    awaited: Awaited,
    pub desk: Desk,
}

impl Intake {
    pub fn new(rules: IntakeRules) -> Intake {
        Intake { rules: Live::new(rules), awaited: Awaited::default(), desk: Desk::default() }
    }

    /// The largest upload under a key that this door gave out.
    pub fn upload_bytes_max(&self, key: &ObjectKey) -> Option<u64> {
        self.awaited.holds(key).then(|| self.rules.now().upload_bytes_max)
    }

    pub(super) fn set_rules(&self, rules: IntakeRules) {
        self.rules.set(rules);
    }
}

pub fn routes() -> Router<HttpState> {
    Router::new()
        .route("/intake/uploads", post(upload))
        .route("/intake/jobs", post(submit))
        .route("/intake/jobs/{job}", get(standing))
        .route("/intake/report", post(report))
}

/// One of the accounts that the configuration names.
fn account(state: &HttpState, email: &str) -> Result<Account, Failure> {
    if !state.intake.rules.now().accounts.contains(email) {
        return Err(Failure::NotTakenIn(email.to_owned()));
    }
    Ok(state.farm.account_with_email(email)?.ok_or(FarmError::NotFound { what: "account" })?)
}

async fn upload(
    State(state): State<HttpState>,
    Strict(asked): Strict<UploadAsked>,
) -> Result<Json<UploadPlace>, Failure> {
    let account = account(&state, &asked.account)?;
    let limit_bytes = state.intake.rules.now().upload_bytes_max;
    if asked.size_bytes > limit_bytes {
        let sentence =
            format!("the file has {} bytes, the most is {limit_bytes} (intake.upload_bytes_max)", asked.size_bytes);
        return Err(Failure::TooLarge(sentence));
    }
    // A name is for people here: bytes that are no text have been replaced by then.
    let filename: String =
        asked.filename.chars().filter(|letter| !letter.is_control()).take(FILENAME_LETTERS_MAX).collect();
    let filename = if filename.is_empty() { "clip".to_owned() } else { filename.replace(['/', '\\'], "_") };
    let new =
        NewUpload { account: account.id, home: Home::NewProject, filename, content_type: CONTENT_TYPE.to_owned() };
    let file = state.farm.new_upload(new).await?;
    state.intake.awaited.add(file.key.clone(), state.farm.now().plus(URL_LIFE), state.farm.now());
    let url = state.blobs.presign_put(&file.key, CONTENT_TYPE, Some(asked.size_bytes), URL_LIFE);
    Ok(Json(UploadPlace { key: file.key.to_string(), url, content_type: CONTENT_TYPE.to_owned() }))
}

async fn submit(
    State(state): State<HttpState>,
    headers: HeaderMap,
    Strict(asked): Strict<NewJob>,
) -> Result<Json<NewJobAnswer>, Failure> {
    // A watcher that leaves loses its answer; the key stays held until the farm has decided.
    let accepted = tokio::spawn(accept(state, headers, asked)).await;
    accepted.map_err(|_| Failure::Internal("the job could not be accepted; it has been logged"))?.map(Json)
}

async fn accept(state: HttpState, headers: HeaderMap, asked: NewJob) -> Result<NewJobAnswer, Failure> {
    let account = account(&state, &asked.account)?;
    // Not the upload: a watcher that lost its notes uploads once more, and means the same job.
    let meant = json!([asked.sha256, asked.target_fps]);
    let idempotency = idempotency::read(&headers, ROUTE, &meant)?;
    if let Some(named) = &idempotency
        && let Some(first) = state.farm.first_answer(account.id, named)?
    {
        return Ok(answer(&first.job));
    }
    let key: ObjectKey = asked.key.parse().map_err(|cause| Failure::invalid(format!("key: {cause}")))?;
    let _held = state.locks.hold(&key).await;
    let file = state.farm.file_by_key(&key)?.filter(|file| file.account == account.id && file.kind == FileKind::Input);
    let file = file.ok_or(FarmError::NotUploaded)?;
    // Longer than names are remembered: an upload of this door is for one job.
    if let Some(first) = state.farm.jobs_in(file.project)?.into_iter().find(|job| job.input == file.id) {
        return Ok(answer(&first));
    }
    if !pricing::TARGET_FPS.contains(&asked.target_fps) {
        let (least, most) = (pricing::TARGET_FPS.start(), pricing::TARGET_FPS.end());
        return Err(Failure::invalid(format!("target_fps must be from {least} to {most}")));
    }
    let rules = state.intake.rules.now();
    let limits = ClipLimits { bytes_max: rules.upload_bytes_max, seconds_max: rules.duration_seconds_max };
    let source = state.prober.facts_within(&file, limits).await?;
    let stored = state.farm.file(file.id)?.map(|file| file.state);
    if !matches!(stored, Some(FileState::Stored { sha256, .. }) if sha256 == asked.sha256) {
        return Err(Failure::OtherBytes);
    }
    if Rational::whole(i64::from(asked.target_fps)) <= source.video.average_rate {
        let fps = source.video.fps_shown();
        return Err(Failure::invalid(format!("target_fps must be greater than the source fps ({fps})")));
    }
    let billed = pricing::billed_seconds(source.video.duration);
    let price = billed.zip(pricing::band(asked.target_fps)).and_then(|(billed, band)| pricing::charge(billed, band));
    let submission = Submission {
        account: account.id,
        input_key: key,
        project: None,
        target_fps: asked.target_fps,
        format: OutputFormat::default(),
        watermark: false,
        drops_frames: false,
        source,
        price: price.ok_or(Failure::Internal("the clip could not be priced"))?,
        idempotency,
        asked: None,
        webhook: None,
    };
    Ok(answer(&state.farm.submit(submission).await?.job))
}

fn answer(job: &Job) -> NewJobAnswer {
    NewJobAnswer { job: job.id, charged: job.charged, frames: job.slot_count }
}

async fn standing(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobStanding>, Failure> {
    let id: JobId = job.parse().map_err(|_| FarmError::NotFound { what: "job" })?;
    let view = state.farm.job(id)?.ok_or(FarmError::NotFound { what: "job" })?;
    let owner = state.farm.account(view.job.account)?.ok_or(FarmError::NotFound { what: "job" })?;
    if !state.intake.rules.now().accounts.contains(&owner.email) {
        return Err(FarmError::NotFound { what: "job" }.into());
    }
    let JobState::Ended { end, .. } = &view.job.state else {
        return Ok(Json(JobStanding::Open { progress_percent: view.progress_percent }));
    };
    Ok(Json(match end {
        JobEnd::Failed { error, .. } => JobStanding::Failed { error: error.clone() },
        JobEnd::Cancelled { .. } => JobStanding::Cancelled,
        JobEnd::Done { output, .. } => {
            let given = state.farm.file(view.job.given(owner.tier).unwrap_or(*output))?;
            match given.map(|file| (file.key, file.state)) {
                Some((key, FileState::Stored { size_bytes, sha256, .. })) => {
                    JobStanding::Done { url: state.blobs.presign_get(&key, URL_LIFE), size_bytes, sha256 }
                }
                _ => JobStanding::Gone,
            }
        }
    }))
}

async fn report(State(state): State<HttpState>, Strict(report): Strict<Report>) -> Json<Orders> {
    Json(state.intake.desk.take(report, state.farm.now()))
}
