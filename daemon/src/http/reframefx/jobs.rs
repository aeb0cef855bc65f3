//! Jobs: submitting, listing, polling.

use super::{
    clip,
    job_body::{JobBody, LiveJobBody},
    page::Page,
    project_body::Viewer,
};
use crate::{
    farm::{FarmError, Idempotency, Submission, Submitted},
    http::{HttpState, auth::Caller, body::Fields, error::Failure, idempotency},
    model::{Account, JobPlace, ObjectKey},
    pricing,
};
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use serde_json::{Value, json};
use tweenfarm_protocol::{JobId, ProjectId, output::OutputFormat};

const ROUTE: &str = "POST /jobs";

/// A submission whose fields are checked, before the clip was looked at.
struct Request {
    account: Account,
    key: ObjectKey,
    target_fps: u32,
    project: Option<ProjectId>,
    watermark: bool,
    idempotency: Option<Idempotency>,
}

pub async fn submit(
    State(state): State<HttpState>,
    Caller(account): Caller,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Json<Value>, Failure> {
    let key = clip::key(&fields)?;
    let target_fps = clip::target_fps(fields.integer("target_fps")?, "target_fps")?;
    let project: Option<ProjectId> = fields.optional_id("project_id")?;
    let watermark = fields.optional_bool("watermark")?.unwrap_or(false);
    // What the client meant, independent of the order of fields, of blanks and of fields that are ignored.
    let meant = json!([key.as_str(), target_fps, project, watermark]);
    let idempotency = idempotency::read(&headers, ROUTE, &meant)?;
    // Before the clip is looked at: it may be gone by now.
    if let Some(asked) = &idempotency
        && let Some(first) = state.farm.first_answer(account.id, asked)?
    {
        return Ok(Json(body_of(&first)));
    }
    let request = Request { account, key, target_fps, project, watermark, idempotency };
    // A client that leaves loses its answer; the key stays held until the farm has decided.
    let accepted = tokio::spawn(accept(state, request)).await;
    accepted.map_err(|_| Failure::Internal("the job could not be accepted; it has been logged"))?.map(Json)
}

async fn accept(state: HttpState, request: Request) -> Result<Value, Failure> {
    let Request { account, key, target_fps, project, watermark, idempotency } = request;
    let _held = state.locks.hold(&key).await;
    let file = clip::own_upload(&state, account.id, &key)?;
    if project.is_some_and(|project| project != file.project) {
        return Err(FarmError::OtherProject(file.project).into());
    }
    let source = state.prober.facts(&file).await?;
    if !clip::above(target_fps, &source) {
        return Err(clip::not_above(source.video.fps_shown()));
    }
    let billed = pricing::billed_seconds(source.video.duration);
    let price = billed.zip(pricing::band(target_fps)).and_then(|(billed, band)| pricing::charge(billed, band));
    let price = price.ok_or(Failure::Internal("the clip could not be priced"))?;
    let (account, input_key) = (account.id, key);
    let submission = Submission {
        account,
        input_key,
        project,
        target_fps,
        format: OutputFormat::default(),
        watermark,
        drops_frames: false,
        source,
        price,
        idempotency,
        asked: None,
        webhook: None,
    };
    Ok(body_of(&state.farm.submit(submission).await?))
}

fn body_of(submitted: &Submitted) -> Value {
    json!({
        "job_id": submitted.job.id,
        "status": "pending",
        "xeconds_charged": submitted.job.charged,
        "balance_after": submitted.balance_after,
    })
}

pub async fn list(State(state): State<HttpState>, Caller(account): Caller, page: Page) -> Result<Json<Value>, Failure> {
    let time_of = |id| {
        let job = state.farm.job(JobId(id))?.filter(|view| view.job.account == account.id);
        Ok(job.map(|view| view.job.created_at))
    };
    let before = page.before(time_of, "job")?;
    let jobs = state.farm.jobs_of(account.id, page.limit, before.map(JobPlace::before))?;
    let shown = jobs.iter().map(|job| JobBody::of(&state, job, Viewer::Owner, account.tier));
    let jobs: Vec<JobBody> = shown.collect::<Result<_, _>>()?;
    Ok(Json(json!({ "jobs": jobs })))
}

pub async fn show(
    State(state): State<HttpState>,
    Caller(account): Caller,
    Path(id): Path<String>,
) -> Result<Json<LiveJobBody>, Failure> {
    let id: JobId = id.parse().map_err(|_| FarmError::NotFound { what: "job" })?;
    let view = state.farm.job(id)?.ok_or(FarmError::NotFound { what: "job" })?;
    if view.job.account != account.id {
        return Err(FarmError::NotYours { what: "job" }.into());
    }
    Ok(Json(LiveJobBody::of(&state, &view, account.tier)?))
}
