//! CORS: the one web site whose scripts may use the API and the objects from a browser.

use axum::http::{HeaderName, HeaderValue, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Browsers ask again after this; the longest that the common ones keep an answer.
const PREFLIGHT_LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// Answers preflights, and tells browsers that the site may read what it asked for. Without an origin, none may.
pub fn layer(studio_origin: Option<&HeaderValue>) -> CorsLayer {
    let allowed = studio_origin.cloned();
    let origin = AllowOrigin::predicate(move |origin, _| allowed.as_ref() == Some(origin));
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-api-key"),
        ])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_DISPOSITION,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            header::RETRY_AFTER,
            super::REQUEST_ID,
        ])
        .max_age(PREFLIGHT_LIFE)
}
