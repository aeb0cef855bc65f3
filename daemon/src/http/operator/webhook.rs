//! What became of a job's webhook, without what may be a secret of the client's.

use super::job_id;
use crate::{
    farm::FarmError,
    http::{HttpState, error::Failure},
    model::{News, WebhookAttempt, WebhookEvents, WebhookStatus},
};
use axum::{
    Json,
    extract::{Path, State},
};
use tweenfarm_protocol::operator::{WebhookAttemptRow, WebhookView};

pub async fn one(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<WebhookView>, Failure> {
    let webhook = state.farm.webhook(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "webhook" })?;
    let WebhookEvents { progress, completed, failed } = webhook.events;
    let events = [("progress", progress), ("completed", completed), ("failed", failed)];
    let receiver =
        url::Url::parse(&webhook.url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
    let status = match webhook.status() {
        WebhookStatus::Pending => "pending",
        WebhookStatus::Delivered => "delivered",
        WebhookStatus::Failed => "failed",
    };
    Ok(Json(WebhookView {
        job: webhook.job,
        receiver,
        events: events.into_iter().filter(|(_, asked)| *asked).map(|(event, _)| event.to_owned()).collect(),
        signed: webhook.signed_with.is_some(),
        status: status.to_owned(),
        attempts: webhook.log.into_iter().map(row_of_attempt).collect(),
    }))
}

fn row_of_attempt(attempt: WebhookAttempt) -> WebhookAttemptRow {
    WebhookAttemptRow {
        at: attempt.at.to_iso_seconds(),
        news: match attempt.news {
            News::Progress { percent } => format!("{percent} %"),
            News::End => "end".to_owned(),
        },
        outcome: attempt.outcome.map_or_else(|failure| failure, |status| format!("answered {status}")),
    }
}
