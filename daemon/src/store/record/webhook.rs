//! Records of webhooks.

use super::{RecordError, Stored};
use crate::model::{EndNews, KeyHash, News, ProgressNews, Webhook, WebhookAttempt, WebhookEvents};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{JobId, Timestamp};

#[derive(Serialize, Deserialize)]
pub enum WebhookRecord {
    V1 {
        job: JobId,
        url: String,
        progress: bool,
        completed: bool,
        failed: bool,
        signed_with: Option<[u8; 32]>,
        progress_percent: u8,
        progress_is_due: bool,
        progress_delivered: Option<bool>,
        end: EndNewsV1,
        log: Vec<AttemptV1>,
    },
}

#[derive(Serialize, Deserialize)]
pub enum EndNewsV1 {
    Open,
    Unasked,
    Due { attempt: u32, not_before: Timestamp },
    Sending { attempt: u32 },
    Delivered,
    Failed,
}

#[derive(Serialize, Deserialize)]
pub struct AttemptV1 {
    at: Timestamp,
    /// `None`: of the end.
    percent: Option<u8>,
    status: Option<u16>,
    failure: String,
}

impl From<EndNews> for EndNewsV1 {
    fn from(end: EndNews) -> EndNewsV1 {
        match end {
            EndNews::Open => EndNewsV1::Open,
            EndNews::Unasked => EndNewsV1::Unasked,
            EndNews::Due { attempt, not_before } => EndNewsV1::Due { attempt, not_before },
            EndNews::Sending { attempt } => EndNewsV1::Sending { attempt },
            EndNews::Delivered => EndNewsV1::Delivered,
            EndNews::Failed => EndNewsV1::Failed,
        }
    }
}

impl From<EndNewsV1> for EndNews {
    fn from(end: EndNewsV1) -> EndNews {
        match end {
            EndNewsV1::Open => EndNews::Open,
            EndNewsV1::Unasked => EndNews::Unasked,
            EndNewsV1::Due { attempt, not_before } => EndNews::Due { attempt, not_before },
            EndNewsV1::Sending { attempt } => EndNews::Sending { attempt },
            EndNewsV1::Delivered => EndNews::Delivered,
            EndNewsV1::Failed => EndNews::Failed,
        }
    }
}

impl From<WebhookAttempt> for AttemptV1 {
    fn from(attempt: WebhookAttempt) -> AttemptV1 {
        let percent = match attempt.news {
            News::Progress { percent } => Some(percent),
            News::End => None,
        };
        let (status, failure) =
            attempt.outcome.map_or_else(|failure| (None, failure), |status| (Some(status), String::new()));
        AttemptV1 { at: attempt.at, percent, status, failure }
    }
}

impl From<AttemptV1> for WebhookAttempt {
    fn from(attempt: AttemptV1) -> WebhookAttempt {
        let news = attempt.percent.map_or(News::End, |percent| News::Progress { percent });
        WebhookAttempt { at: attempt.at, news, outcome: attempt.status.ok_or(attempt.failure) }
    }
}

impl Stored for Webhook {
    type Record = WebhookRecord;

    fn to_record(&self) -> WebhookRecord {
        let Webhook { job, url, events, signed_with, progress, end, log } = self.clone();
        WebhookRecord::V1 {
            job,
            url,
            progress: events.progress,
            completed: events.completed,
            failed: events.failed,
            signed_with: signed_with.map(|hash| hash.0),
            progress_percent: progress.percent,
            progress_is_due: progress.is_due,
            progress_delivered: progress.delivered,
            end: end.into(),
            log: log.into_iter().map(AttemptV1::from).collect(),
        }
    }

    fn from_record(record: WebhookRecord) -> Result<Webhook, RecordError> {
        let WebhookRecord::V1 {
            job,
            url,
            progress,
            completed,
            failed,
            signed_with,
            progress_percent: percent,
            progress_is_due: is_due,
            progress_delivered: delivered,
            end,
            log,
        } = record;
        Ok(Webhook {
            job,
            url,
            events: WebhookEvents { progress, completed, failed },
            signed_with: signed_with.map(KeyHash),
            progress: ProgressNews { percent, is_due, delivered },
            end: end.into(),
            log: log.into_iter().map(WebhookAttempt::from).collect(),
        })
    }
}
