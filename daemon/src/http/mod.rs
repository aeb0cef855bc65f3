//! HTTP: the public APIs (ReframeFX at the root, Apiframe under `/v2`), the objects behind presigned URLs, and the operator's API on a socket of its own.
//!
//! Handlers read, check and make one call into the farm; they hold no state and decide nothing about money.

pub mod apiframe;
pub mod auth;
mod body;
mod cors;
pub mod error;
mod idempotency;
pub mod intake;
pub mod limits;
mod linger;
mod locks;
mod objects;
mod openapi;
pub mod operator;
pub mod payments;
mod range;
pub mod reframefx;
pub mod secure;
pub mod serve;
mod stall;
mod studio;
#[cfg(test)]
mod tests;

use crate::{
    alerts::Certificate,
    blobs::Blobs,
    farm::{Audit, Farm, FarmError},
    history::Recorder,
    join::invitation::Inviter,
    live::Live,
    marks::Marks,
    metrics::Requests,
    model::Job,
    outbound::{Outbound, OutboundRules},
    preview::Previewer,
    probation::Probation,
    probe::Prober,
    webhooks::Described,
};
use apiframe::rates::{PlanLimits, PlanRules};
use auth::tokens::Tokens;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use error::{Api, Failure};
use intake::{Intake, IntakeRules};
use limits::{RateLimits, RateRules};
use openapi::{Access, Operation, Surface};
use payments::PaymentSecret;
use serde_json::json;
use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

/// A request that carries no clip is over by then: a probe waits 20 s for its turn and takes 20 s at most.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers reach. Cheap to clone.
#[derive(Clone)]
pub struct HttpState {
    pub farm: Farm,
    pub blobs: Blobs,
    /// Of the daemon's own URLs.
    pub marks: Arc<Marks>,
    pub prober: Prober,
    pub previewer: Previewer,
    pub locks: locks::KeyLocks,
    pub upload_bytes_max: Live<u64>,
    /// Of the store and the farm's keys, for a backup.
    pub state_folder: Arc<Path>,
    pub intake: Intake,
    pub outbound: Outbound,
    /// What the last audit found.
    pub audit: watch::Receiver<Audit>,
    pub inviter: Inviter,
    pub probation: Probation,
    pub history: Recorder,
    /// None while the operator API is on its socket only.
    pub secure_door: Option<operator::SecureDoor>,
    /// Whose end is told.
    pub certificates: Arc<[Certificate]>,
    pub operators_seen: operator::Seen,
    pub requests: Requests,
    /// Streams that would never end end with it.
    pub stop: CancellationToken,
    tokens: Arc<Tokens>,
    /// `None`: no payments are taken.
    payments: Option<PaymentSecret>,
    limits: RateLimits,
    plans: PlanLimits,
    studio_origin: Option<HeaderValue>,
}

/// What `HttpState` is made of.
pub struct HttpParts {
    pub farm: Farm,
    pub blobs: Blobs,
    pub marks: Marks,
    pub look: crate::probe::Look,
    pub upload_bytes_max: u64,
    pub state_folder: PathBuf,
    pub intake: IntakeRules,
    /// How URLs that clients name are asked.
    pub outbound: Outbound,
    pub audit: watch::Receiver<Audit>,
    pub inviter: Inviter,
    pub probation: Probation,
    pub history: Recorder,
    pub secure_door: Option<operator::SecureDoor>,
    pub certificates: Vec<Certificate>,
    pub stop: CancellationToken,
    pub tokens: Tokens,
    pub payments: Option<PaymentSecret>,
    pub rates: RateRules,
    pub plans: PlanRules,
    /// The origin of the web site that may use the API from a browser.
    pub studio_origin: Option<HeaderValue>,
}

impl HttpState {
    pub fn new(parts: HttpParts) -> HttpState {
        let upload_bytes_max = Live::new(parts.upload_bytes_max);
        HttpState {
            prober: Prober::new(parts.farm.clone(), parts.blobs.clone(), parts.look, upload_bytes_max.clone()),
            previewer: Previewer::new(parts.blobs.clone()),
            farm: parts.farm,
            blobs: parts.blobs,
            marks: Arc::new(parts.marks),
            locks: locks::KeyLocks::default(),
            upload_bytes_max,
            state_folder: parts.state_folder.into(),
            intake: Intake::new(parts.intake),
            outbound: parts.outbound,
            audit: parts.audit,
            inviter: parts.inviter,
            probation: parts.probation,
            history: parts.history,
            secure_door: parts.secure_door,
            certificates: parts.certificates.into(),
            operators_seen: operator::Seen::default(),
            requests: Requests::default(),
            stop: parts.stop,
            tokens: Arc::new(parts.tokens),
            payments: parts.payments,
            limits: RateLimits::new(parts.rates),
            plans: PlanLimits::new(parts.plans),
            studio_origin: parts.studio_origin,
        }
    }

    /// Goes on by these rules. Refused, it goes on by the old ones.
    pub fn take(&self, rules: LiveRules) -> reqwest::Result<()> {
        self.outbound.set_rules(rules.outbound)?;
        self.upload_bytes_max.set(rules.upload_bytes_max);
        self.intake.set_rules(rules.intake);
        self.limits.set(rules.rates);
        self.plans.set(rules.plans);
        Ok(())
    }
}

/// Of `HttpParts`, what a running daemon can be given anew.
pub struct LiveRules {
    pub upload_bytes_max: u64,
    pub intake: IntakeRules,
    pub outbound: OutboundRules,
    pub rates: RateRules,
    pub plans: PlanRules,
}

/// The public port: both surfaces, the objects, and whether the daemon lives.
pub fn router(state: HttpState) -> Router {
    let bucket = state.blobs.built_in().map(|built_in| built_in.signer.bucket().name().to_owned());
    let pages = studio::surface(&state.blobs.origin());
    let routes = surface(bucket.as_deref()).and(pages).with_document(&reframefx::book(), state.marks.origin());
    let routes = routes.merge(apiframe::routes(state.marks.origin()));
    edged(routes, Port::Public, &state).with_state(state)
}

/// Gives a job the words of the surface that has webhooks.
pub fn describer(state: HttpState) -> impl Fn(&Job) -> Result<Described, FarmError> + Send + Sync + 'static {
    move |job| apiframe::described(&state, job)
}

/// Everything that the public port serves and the document describes; `bucket` is that of the built-in store.
fn surface(bucket: Option<&str>) -> Surface {
    let health = Operation::new(Method::GET, "/healthz", Access::Public, ("Service", "getHealth"), "Whether it lives");
    let health = health.answers(200, "It does", "Health", json!({ "status": "ok" }));
    let json_routes = reframefx::surface().and(payments::surface()).serve(health, get(healthz)).around(|router| {
        router
            .layer(DefaultBodyLimit::max(body::JSON_BYTES_MAX))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME_MAX))
    });
    match bucket {
        Some(bucket) => json_routes.and(objects::surface(bucket)),
        None => json_routes,
    }
}

/// The operator API: on its socket, or in the network, where a token says who comes.
pub fn operator_router(state: HttpState, door: Door) -> Router {
    let routes = operator::routes().into_router();
    let routes = match door {
        Door::Socket => routes.layer(middleware::from_fn(operator::local)),
        Door::Network => routes.layer(middleware::from_fn_with_state(state.clone(), operator::by_token)),
    };
    let routes = routes
        .layer(DefaultBodyLimit::max(body::JSON_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME_MAX));
    edged(routes, Port::Operator, &state).with_state(state)
}

/// The socket of the watcher of folders: refusals as the operator's API says them.
pub fn intake_router(state: HttpState) -> Router {
    let routes = intake::routes()
        .layer(DefaultBodyLimit::max(intake::REPORT_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, intake::REQUEST_TIME_MAX));
    edged(routes, Port::Operator, &state).with_state(state)
}

/// Metrics and nothing else, without a token.
pub fn metrics_router(state: HttpState) -> Router {
    let routes = operator::metrics_route()
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIME_MAX));
    edged(routes, Port::Operator, &state).with_state(state)
}

/// By which way operators come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Socket,
    Network,
}

/// Which of its doors the daemon was asked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Public,
    Operator,
}

/// What every router has at its edge: sentences for all refusals, no panic that kills a connection, a request id, one
/// line in the log; for the public, limits and CORS, too.
fn edged(routes: Router<HttpState>, port: Port, state: &HttpState) -> Router<HttpState> {
    let routes = routes
        .fallback(|| async { Failure::NoRoute })
        .method_not_allowed_fallback(|| async { Failure::NoMethod })
        .layer(CatchPanicLayer::custom(after_panic));
    let requests = state.requests.clone();
    let observed = middleware::from_fn(move |request, next| observe(requests.clone(), port, request, next));
    if port == Port::Operator {
        let render = |request, next| error::render(Api::Operator, request, next);
        let routes = routes.layer(middleware::from_fn(render));
        return routes.layer(middleware::from_fn(linger::layer)).layer(observed);
    }
    let limits = state.limits.clone();
    routes
        .layer(middleware::from_fn(move |request, next| limits::check(limits.clone(), request, next)))
        .layer(middleware::from_fn(error::render_public))
        .layer(cors::layer(state.studio_origin.as_ref()))
        .layer(middleware::from_fn(linger::layer))
        .layer(observed)
}

fn after_panic(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("without a text"), "a handler panicked");
    axum::response::IntoResponse::into_response(Failure::Internal("something broke on the server; it has been logged"))
}

/// Gives each request an id, the log a line and the metrics a count: method and path, never the query, which may hold a signature, nor a
/// share token.
async fn observe(requests: Requests, port: Port, request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().to_string();
    let started = std::time::Instant::now();
    let (method, path) = (request.method().clone(), loggable(request.uri().path()));
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let bytes_in = length_of(request.headers());
    let span = tracing::info_span!("request", %id);
    let mut response = {
        use tracing::Instrument;
        next.run(request).instrument(span).await
    };
    let elapsed_ms = started.elapsed().as_millis();
    tracing::info!(%id, %method, path, status = response.status().as_u16(), elapsed_ms, "served");
    let door = if port == Port::Public { "public" } else { "operator" };
    requests.served(door, method.as_str(), &route, response.status().as_u16());
    // Objects are what lies behind a bucket's name.
    if port == Port::Public && route.ends_with("/{*key}") && response.status().is_success() {
        match method {
            Method::PUT => requests.blob_bytes("in", bytes_in),
            Method::GET => requests.blob_bytes("out", length_of(response.headers())),
            _ => {}
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What Content-Length says; 0 where nothing does.
fn length_of(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// A path without what opens something by itself.
fn loggable(path: &str) -> String {
    if path.starts_with(apiframe::FILES) {
        return format!("{}…", apiframe::FILES);
    }
    match path.strip_prefix("/share/") {
        Some(rest) => format!("/share/…{}", rest.find('/').map_or("", |at| &rest[at..])),
        None => path.to_owned(),
    }
}

/// Cheap on purpose: it says that the process answers, not that agents are there.
async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}
