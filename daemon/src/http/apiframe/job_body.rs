//! A job as the surface shows it. A job that came by the other surface is shown as what it amounts to here.

use super::{links::Target, models::Model};
use crate::{
    farm::FarmError,
    http::HttpState,
    model::{FileState, Job, JobEnd, JobState, MediaFile, Origin, Tier, Webhook, WebhookStatus},
    schedule::stage::Stage,
};
use serde::Serialize;
use serde_json::{Value, json};
use tweenfarm_protocol::{JobId, Xeconds};

/// An item of a list: everything but what was sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobItem {
    id: JobId,
    status: &'static str,
    model: String,
    progress: u8,
    result: Value,
    error: Option<String>,
    credit_cost: Xeconds,
    webhook_status: Option<&'static str>,
    created_at: String,
    completed_at: Option<String>,
    expired: bool,
}

/// A job alone, with what was sent.
#[derive(Serialize)]
pub struct JobBody {
    #[serde(flatten)]
    job: JobItem,
    input: Value,
}

/// What the surface calls the kind of a job.
pub fn model_of(origin: Option<&Origin>) -> &str {
    origin.map_or(Model::FrameInterpolate.id(), |origin| &origin.model)
}

pub fn status(job: &Job) -> &'static str {
    match Stage::of(job) {
        Stage::Done => "COMPLETED",
        Stage::Failed => "FAILED",
        Stage::Cancelled => "CANCELLED",
        Stage::Running => "PROCESSING",
        // Work that was lost is waited for again, but a job never goes back to the queue in the eyes of its owner.
        Stage::Waiting | Stage::Claimed if job.progress_percent > 0 => "PROCESSING",
        Stage::Waiting | Stage::Claimed => "QUEUED",
    }
}

/// What was charged, less what was given back.
pub fn credit_cost(job: &Job) -> Xeconds {
    let refunded = match &job.state {
        JobState::Ended { end: JobEnd::Failed { refunded, .. } | JobEnd::Cancelled { refunded, .. }, .. } => *refunded,
        JobState::Ended { end: JobEnd::Done { .. }, .. }
        | JobState::Rendering { .. }
        | JobState::Joining { .. }
        | JobState::Marking { .. } => Xeconds::ZERO,
    };
    job.charged.checked_sub(refunded).unwrap_or(Xeconds::ZERO)
}

/// The output that the account is given of a job that is done.
pub fn given(state: &HttpState, job: &Job, tier: Tier) -> Result<Option<MediaFile>, FarmError> {
    Ok(job.given(tier).map(|file| state.farm.file(file)).transpose()?.flatten())
}

/// Null before the job is done; the URL stays in it when the file is gone.
pub fn result(state: &HttpState, job: &Job, given: Option<&MediaFile>, tier: Tier) -> Value {
    let JobState::Ended { end: JobEnd::Done { facts, .. }, .. } = &job.state else { return Value::Null };
    let name = given.map_or("output.mp4", |file| &file.filename);
    json!({
        "videoUrl": Target::Result(job.id).url(&state.marks, name),
        "fps": job.target_fps,
        "width": facts.width_px,
        "height": facts.height_px,
        "durationSec": job.slot_count as f64 / f64::from(job.target_fps),
        "watermarked": job.is_given_marked(tier),
    })
}

fn error(job: &Job) -> Option<String> {
    match &job.state {
        JobState::Ended { end: JobEnd::Failed { error, .. }, .. } => Some(error.clone()),
        JobState::Ended { end: JobEnd::Cancelled { .. }, .. } => {
            Some("The job was cancelled by the operator of the farm".to_owned())
        }
        JobState::Ended { end: JobEnd::Done { .. }, .. }
        | JobState::Rendering { .. }
        | JobState::Joining { .. }
        | JobState::Marking { .. } => None,
    }
}

fn webhook_status(webhook: &Webhook) -> &'static str {
    match webhook.status() {
        WebhookStatus::Pending => "pending",
        WebhookStatus::Delivered => "delivered",
        WebhookStatus::Failed => "failed",
    }
}

impl JobItem {
    /// `tier` is the one that its account has now.
    pub fn of(state: &HttpState, job: &Job, origin: Option<&Origin>, tier: Tier) -> Result<JobItem, FarmError> {
        let file = given(state, job, tier)?;
        let ended_at = match &job.state {
            JobState::Ended { at, .. } => Some(*at),
            JobState::Rendering { .. } | JobState::Joining { .. } | JobState::Marking { .. } => None,
        };
        let is_kept =
            |file: &MediaFile| matches!(file.state, FileState::Stored { .. }) && file.expires_at > state.farm.now();
        Ok(JobItem {
            id: job.id,
            status: status(job),
            model: model_of(origin).to_owned(),
            progress: job.progress_percent,
            result: result(state, job, file.as_ref(), tier),
            error: error(job),
            credit_cost: credit_cost(job),
            webhook_status: state.farm.webhook(job.id)?.as_ref().map(webhook_status),
            created_at: job.created_at.to_iso_millis(),
            completed_at: ended_at.map(|at| at.to_iso_millis()),
            expired: Stage::of(job) == Stage::Done && !file.as_ref().is_some_and(is_kept),
        })
    }
}

impl JobBody {
    pub fn of(state: &HttpState, job: &Job, origin: Option<&Origin>, tier: Tier) -> Result<JobBody, FarmError> {
        // What was written down was JSON.
        let input = origin.and_then(|origin| serde_json::from_str(&origin.params).ok()).unwrap_or_default();
        Ok(JobBody { job: JobItem::of(state, job, origin, tier)?, input })
    }
}
