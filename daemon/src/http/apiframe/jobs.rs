//! Jobs: submitting and reading them.

use super::{
    caller::Client,
    flaws,
    job_body::{self, JobBody},
    order::{self, Hook, Order},
    sources,
};
use crate::{
    farm::{Asked, FarmError, Idempotency, NewWebhook, Submission, Submitted},
    http::{HttpState, body::Fields, error::Failure, idempotency},
    model::{ApiKey, KeyHash},
    pricing,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use tweenfarm_protocol::{
    JobId,
    output::{OutputFormat, PictureSize},
};

const ROUTE: &str = "POST /v2/videos/upscale";

/// In this order: who asks, the body, whether it was asked before, the clip, its price, the balance.
pub async fn submit(
    State(state): State<HttpState>,
    client: Client,
    headers: HeaderMap,
    Fields(body): Fields,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let order = Order::read(&body)?;
    let idempotency = idempotency::read(&headers, ROUTE, &Value::Object(body))?;
    if let Some(asked) = &idempotency
        && let Some(first) = state.farm.first_answer(client.account.id, asked)?
    {
        return Ok(accepted(&first));
    }
    // What is in a URL's text is told now; what its host turns out to be, is looked at when it is asked.
    if let Some(hook) = &order.webhook {
        let refused = |refused| flaws::one(order::WEBHOOK_URL, &format!("Cannot be called: {refused}"));
        state.outbound.accepts(&hook.url).map_err(refused)?;
    }
    // A client that leaves loses its answer, nothing else.
    let submitted = tokio::spawn(accept(state, client, order, idempotency)).await;
    let submitted = submitted.map_err(|_| Failure::Internal("the job could not be accepted; it has been logged"))??;
    Ok(accepted(&submitted))
}

async fn accept(
    state: HttpState,
    client: Client,
    order: Order,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, Failure> {
    let signed_with = signing_key(&state, &client)?;
    let Client { account, .. } = client;
    let (file, source) = sources::look(&state, account.id, &order.video, &order.video_path()).await?;
    // From here to the job nobody exchanges the clip.
    let _held = state.locks.hold(&file.key).await;
    let video = &source.video;
    let size = order
        .short_side_px
        .map(|short_side_px| PictureSize::with_short_side(short_side_px, video.width_px, video.height_px));
    let size = size.transpose().map_err(|cause| {
        flaws::one(&order.resolution_path(), &format!("Does not suit a clip of these proportions: {cause}"))
    })?;
    let billed = pricing::billed_seconds(video.duration);
    let price = billed.zip(pricing::band(order.target_fps)).and_then(|(billed, band)| pricing::charge(billed, band));
    let price = price.ok_or(Failure::Internal("the clip could not be priced"))?;
    let submission = Submission {
        account: account.id,
        input_key: file.key,
        project: None,
        target_fps: order.target_fps,
        format: OutputFormat { size, ..OutputFormat::default() },
        watermark: false,
        drops_frames: order.model.drops_frames(),
        source,
        price,
        idempotency,
        webhook: order.webhook.map(|Hook { url, events }| NewWebhook { url, events, signed_with }),
        asked: Some(Asked { model: order.model.id().to_owned(), params: order.params.to_string() }),
    };
    Ok(state.farm.submit(submission).await?)
}

/// The key whose hash signs the job's webhooks: the one it comes with, or of who signed in the newest that works.
fn signing_key(state: &HttpState, client: &Client) -> Result<Option<KeyHash>, FarmError> {
    if let Some(key) = &client.key {
        return Ok(Some(key.hash));
    }
    let keys = state.farm.named_keys(client.account.id)?;
    Ok(keys.into_iter().rfind(ApiKey::is_active).map(|key| key.hash))
}

/// The status is the one the job has now: of a replay, the original's.
fn accepted(submitted: &Submitted) -> (StatusCode, Json<Value>) {
    let status = match job_body::status(&submitted.job) {
        // Not a status that a submission can be answered with.
        "CANCELLED" => "FAILED",
        status => status,
    };
    (StatusCode::ACCEPTED, Json(json!({ "jobId": submitted.job.id, "status": status })))
}

pub async fn show(
    State(state): State<HttpState>,
    client: Client,
    Path(id): Path<String>,
) -> Result<Json<JobBody>, Failure> {
    let id: JobId = id.parse().map_err(|_| flaws::one("id", "Must be a UUID"))?;
    let missing = FarmError::NotFound { what: "job" };
    let view = state.farm.job(id)?.filter(|view| view.job.account == client.account.id).ok_or(missing)?;
    let origin = state.farm.origin(id)?;
    Ok(Json(JobBody::of(&state, &view.job, origin.as_ref(), client.account.tier)?))
}
