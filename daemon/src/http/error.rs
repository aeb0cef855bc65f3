//! Failures and their statuses: the one place that pairs them, for every API of the daemon.
//!
//! A handler returns a `Failure`; `render` at the edge of each router gives it that API's body, and gives one to
//! refusals that axum or a layer made too, so that no error leaves without a sentence.

use crate::{
    blobs::{BlobError, SignatureError},
    farm::FarmError,
    preview::PreviewError,
    probe::LookError,
};
use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};
use tweenfarm_media::{ProbeError, StillError};
use tweenfarm_protocol::{
    Xeconds,
    operator::{Problem, Role},
};

/// Which API answers: they differ in the body of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    ReframeFx,
    Apiframe,
    Operator,
}

impl Api {
    /// Which API of the public port a path belongs to, routes that do not exist included.
    pub fn of_path(path: &str) -> Api {
        if path == "/v2" || path.starts_with("/v2/") { Api::Apiframe } else { Api::ReframeFx }
    }
}

/// What is wrong with which field of a request: sentences by dotted path.
pub type Flaws = BTreeMap<String, Vec<String>>;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The sentence names the field.
    #[error("{0}")]
    Invalid(String),
    #[error("Validation error")]
    Fields(Flaws),
    #[error("this farm does not run {0}: GET /v2/models lists what it does")]
    NotRun(&'static str),
    #[error("the file could not be stored: try again later")]
    Storage(#[source] BlobError),
    #[error("send a sign-in token or an API key (rfx_live_…) as 'Authorization: Bearer …'")]
    NoCredentials,
    #[error(
        "send an operator's token as 'Authorization: Bearer …': `tweenfarm operators add NAME` on the daemon's machine makes one"
    )]
    NoOperator,
    #[error("this takes the role {least}, and yours is {has}: ask an admin")]
    Role { least: Role, has: Role },
    #[error("the API key is not valid: it may have been replaced or revoked")]
    BadCredentials,
    #[error("the token is not valid: {0}")]
    BadToken(&'static str),
    #[error("the signature of the event is not valid: {0}")]
    PaymentSignature(&'static str),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("{0} is not among the accounts that folders may be charged to: add it to intake.accounts of the daemon")]
    NotTakenIn(String),
    #[error("the upload holds other bytes than the sha256 is of: upload the clip again")]
    OtherBytes,
    #[error("the job of this object has ended")]
    JobOver,
    #[error("no route has this path: see the API reference")]
    NoRoute,
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("File expired")]
    FileExpired,
    #[error("the path exists, but not with this method")]
    NoMethod,
    #[error("the body stopped coming: send the request again")]
    Stalled,
    #[error("the body ended before its Content-Length: send the upload again")]
    CutOff,
    #[error("{0}")]
    TooLarge(String),
    #[error("too many requests: wait for as many seconds as Retry-After says")]
    TooMany(Duration),
    #[error("{0}: try again in a few seconds")]
    Busy(&'static str),
    #[error(transparent)]
    Farm(#[from] FarmError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("no picture of this job: {0}")]
    Preview(#[source] PreviewError),
    #[error("{0}")]
    Internal(&'static str),
}

impl From<LookError> for Failure {
    fn from(error: LookError) -> Failure {
        match error {
            LookError::NotUploaded => Failure::Farm(FarmError::NotUploaded),
            LookError::TooManyBytes { .. } | LookError::TooLong { .. } => Failure::TooLarge(error.to_string()),
            LookError::Busy => Failure::Busy("too many clips are being looked into"),
            LookError::Probe(error) => Failure::Probe(error),
            LookError::Blob(error) => Failure::Blob(error),
            LookError::Farm(error) => Failure::Farm(error),
            LookError::Lost => Failure::Internal("the look into the clip broke off; try again later"),
        }
    }
}

impl From<PreviewError> for Failure {
    fn from(error: PreviewError) -> Failure {
        match error {
            PreviewError::Blob(error) => Failure::Blob(error),
            PreviewError::Busy => Failure::Busy("other pictures are being made"),
            PreviewError::Lost => Failure::Internal("the making of the picture broke off; try again later"),
            PreviewError::NothingMade | PreviewError::Gone | PreviewError::Still(_) => Failure::Preview(error),
        }
    }
}

impl Failure {
    pub fn invalid(sentence: impl Into<String>) -> Failure {
        Failure::Invalid(sentence.into())
    }

    /// The status, for each API; no `_` for the failure: a new one has to choose.
    pub fn status(&self, api: Api) -> StatusCode {
        match (self, api) {
            (Failure::Invalid(_) | Failure::Fields(_) | Failure::CutOff, _) => StatusCode::BAD_REQUEST,
            (Failure::NoCredentials | Failure::NoOperator | Failure::BadCredentials | Failure::BadToken(_), _) => {
                StatusCode::UNAUTHORIZED
            }
            (Failure::Role { .. }, _) => StatusCode::FORBIDDEN,
            (
                Failure::PaymentSignature(_)
                | Failure::Signature(_)
                | Failure::JobOver
                | Failure::NotRun(_)
                | Failure::NotTakenIn(_),
                _,
            ) => StatusCode::FORBIDDEN,
            (Failure::OtherBytes, _) => StatusCode::CONFLICT,
            (Failure::Storage(_), _) => StatusCode::BAD_GATEWAY,
            // The Apiframe surface knows neither 408 nor 413.
            (Failure::Stalled | Failure::TooLarge(_), Api::Apiframe) => StatusCode::BAD_REQUEST,
            (Failure::NoRoute | Failure::NotFound(_) | Failure::FileExpired, _) => StatusCode::NOT_FOUND,
            (Failure::NoMethod, _) => StatusCode::METHOD_NOT_ALLOWED,
            (Failure::Stalled, _) => StatusCode::REQUEST_TIMEOUT,
            (Failure::TooLarge(_), _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Failure::TooMany(_), _) => StatusCode::TOO_MANY_REQUESTS,
            (Failure::Busy(_), _) => StatusCode::SERVICE_UNAVAILABLE,
            (Failure::Internal(_), _) => StatusCode::INTERNAL_SERVER_ERROR,
            (Failure::Farm(failure), api) => farm_status(failure, api),
            (Failure::Blob(failure), Api::Apiframe) => match failure {
                BlobError::TooLarge { .. } => StatusCode::BAD_REQUEST,
                BlobError::Full
                | BlobError::Prefix(_)
                | BlobError::Io { .. }
                | BlobError::Away { .. }
                | BlobError::Refused { .. }
                | BlobError::NoUpload => StatusCode::SERVICE_UNAVAILABLE,
            },
            (Failure::Blob(failure), Api::ReframeFx | Api::Operator) => match failure {
                BlobError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                BlobError::Full | BlobError::Away { .. } | BlobError::Refused { .. } | BlobError::NoUpload => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                BlobError::Prefix(_) | BlobError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
            (Failure::Preview(failure), _) => match failure {
                PreviewError::Still(StillError::Tool(_)) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::NOT_FOUND,
            },
            (Failure::Probe(failure), _) => match failure {
                ProbeError::Empty
                | ProbeError::NotMedia
                | ProbeError::NoVideo
                | ProbeError::SingleFrame
                | ProbeError::Damaged(_)
                | ProbeError::TooExpensive => StatusCode::BAD_REQUEST,
                ProbeError::Tool(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// What the client reads. Facts about this machine stay in the log.
    fn public_text(&self, api: Api, status: StatusCode) -> String {
        match self {
            // The Apiframe contract's own words.
            Failure::NoCredentials if api == Api::Apiframe => "API key is required".to_owned(),
            Failure::BadCredentials if api == Api::Apiframe => "Invalid API key".to_owned(),
            Failure::Farm(FarmError::InsufficientXeconds { .. }) if api == Api::Apiframe => {
                "Insufficient credits".to_owned()
            }
            Failure::Farm(FarmError::InsufficientXeconds { needed, available }) if api == Api::Operator => {
                format!("the account needs {needed} xeconds for this and has {available}: a grant raises its balance")
            }
            // The contract's own form, with a capital letter.
            Failure::Farm(FarmError::InsufficientXeconds { needed, available }) => {
                format!("Need {needed} xeconds, have {available}")
            }
            // Said of the server, not to the person: what to install is in the log.
            failure if status == StatusCode::INTERNAL_SERVER_ERROR => match failure {
                Failure::Internal(sentence) => (*sentence).to_owned(),
                _ => "something broke on the server; it has been logged, try again later".to_owned(),
            },
            // Where a disk failed is nobody's business either.
            Failure::Blob(failure) if status == StatusCode::SERVICE_UNAVAILABLE => match failure {
                BlobError::Full => failure.to_string(),
                _ => "the store is unavailable".to_owned(),
            },
            failure => failure.to_string(),
        }
    }
}

fn farm_status(failure: &FarmError, api: Api) -> StatusCode {
    match (failure, api) {
        (FarmError::NotFound { .. } | FarmError::NotUploaded, _) => StatusCode::NOT_FOUND,
        // Whether something of another account exists is not told there.
        (FarmError::NotYours { .. }, Api::Apiframe) => StatusCode::NOT_FOUND,
        (FarmError::NotYours { .. } | FarmError::Pinned, _) => StatusCode::FORBIDDEN,
        (FarmError::InsufficientXeconds { .. }, _) => StatusCode::PAYMENT_REQUIRED,
        (FarmError::OtherProject(_) | FarmError::Amount(_) | FarmError::TrialOver, _) => StatusCode::BAD_REQUEST,
        (FarmError::EmailTaken, _) => StatusCode::CONFLICT,
        // Operators alone ask for what leads to these.
        (FarmError::JobEnded | FarmError::NothingToUndo | FarmError::NotFailed | FarmError::SourceGone, _) => {
            StatusCode::CONFLICT
        }
        // The ReframeFX surface knows no 409.
        (FarmError::IdempotencyConflict | FarmError::PaymentConflict | FarmError::AlreadyReversed, Api::ReframeFx) => {
            StatusCode::BAD_REQUEST
        }
        (
            FarmError::IdempotencyConflict | FarmError::PaymentConflict | FarmError::AlreadyReversed,
            Api::Apiframe | Api::Operator,
        ) => StatusCode::CONFLICT,
        (FarmError::Replaced | FarmError::QueueFull | FarmError::Unavailable | FarmError::Closing, _) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

const RETRY_SECONDS: u64 = 5;

/// Seconds after which a refused request is worth sending again.
fn retry_after_seconds(failure: &Failure) -> u64 {
    match failure {
        // Rounded up: a client that comes back a moment early is refused again.
        Failure::TooMany(wait) => wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        Failure::Blob(BlobError::Full) | Failure::Farm(FarmError::QueueFull) => 60,
        _ => RETRY_SECONDS,
    }
}

/// A failure on its way to `render`, which knows the API.
#[derive(Clone)]
struct Carried(Arc<Failure>);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Carried(Arc::new(self)));
        response
    }
}

/// Error body of the ReframeFX surface.
#[derive(Serialize)]
struct Detail {
    detail: String,
}

/// Error body of the Apiframe surface: its client reads `error` as a text, and what stands beside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Flaws>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_required: Option<Xeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_available: Option<Xeconds>,
}

impl Envelope {
    fn of(text: String, failure: Option<&Failure>) -> Envelope {
        let (mut details, mut credits_required, mut credits_available) = (None, None, None);
        match failure {
            Some(Failure::Fields(flaws)) => details = Some(flaws.clone()),
            Some(Failure::Farm(FarmError::InsufficientXeconds { needed, available })) => {
                (credits_required, credits_available) = (Some(*needed), Some(*available));
            }
            _ => {}
        }
        Envelope { error: text, details, credits_required, credits_available }
    }
}

/// The outermost layer of the public port: gives every error its status and the body of the API that its path is of.
pub async fn render_public(request: Request, next: Next) -> Response {
    let api = Api::of_path(request.uri().path());
    render(api, request, next).await
}

/// The outermost layer of a router: gives every error its status and the API's body.
pub async fn render(api: Api, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(Carried(failure)) = response.extensions_mut().remove::<Carried>() {
        let status = failure.status(api);
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(error = &*failure as &dyn Error, "a request failed");
        } else if let Failure::Blob(error @ (BlobError::Away { .. } | BlobError::Refused { .. })) = &*failure {
            tracing::warn!(error = error as &dyn Error, "a request waits for the blob store");
        }
        give_body(&mut response, api, status, failure.public_text(api, status), Some(&failure));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let seconds = HeaderValue::from(retry_after_seconds(&failure));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return response;
    }
    // A refusal that a layer made by itself: the same body, the status it chose.
    let status = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE if api == Api::Apiframe => StatusCode::BAD_REQUEST,
        status => status,
    };
    if status.is_client_error() || status.is_server_error() {
        let text = status.canonical_reason().unwrap_or("the request was not served").to_owned();
        give_body(&mut response, api, status, text, None);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
    }
    response
}

/// Headers that say more of a refusal (`Allow`, `Content-Range`) stay.
fn give_body(response: &mut Response, api: Api, status: StatusCode, text: String, failure: Option<&Failure>) {
    let (parts, body) = match api {
        Api::ReframeFx => (status, Json(Detail { detail: text })).into_response(),
        Api::Apiframe => (status, Json(Envelope::of(text, failure))).into_response(),
        Api::Operator => (status, Json(Problem { error: text })).into_response(),
    }
    .into_parts();
    *response.status_mut() = status;
    *response.body_mut() = body;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(parts.headers);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_too_low_is_told_in_the_contracts_words() {
        let failure = Failure::Farm(FarmError::InsufficientXeconds { needed: Xeconds(122), available: Xeconds(120) });
        let status = failure.status(Api::ReframeFx);
        assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
        assert_eq!(failure.public_text(Api::ReframeFx, status), "Need 122 xeconds, have 120");
    }

    #[test]
    fn what_broke_on_this_machine_is_not_told_to_clients() {
        let failure = Failure::Blob(BlobError::Io {
            doing: "read",
            path: "/srv/secret/place".into(),
            source: std::io::Error::other("disk"),
        });
        let status = failure.status(Api::ReframeFx);
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!failure.public_text(Api::ReframeFx, status).contains("secret"));
    }
}
