//! The watchdog: systemd hears that the daemon lives only after it was seen to work.
//!
//! Proven each time: the writer takes a command and answers, and the public API answers a request. The request goes to
//! the routes, not through the port: whoever holds all its connections must not get the daemon restarted.

use crate::{
    farm::{Farm, FarmError},
    http::serve::Peer,
};
use axum::{Router, body::Body, http::Request};
use sd_notify::NotifyState;
use std::{net::Ipv4Addr, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Signs of life in the time that systemd allows for one: a single slow answer is no death.
pub(super) const SIGNS_PER_LIMIT: u32 = 3;

#[derive(Debug, thiserror::Error)]
enum NoSign {
    #[error("the farm's writer does not answer")]
    Writer(#[source] FarmError),
    #[error("the public API answers GET /healthz with {0}")]
    Api(axum::http::StatusCode),
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// Sends signs of life until `stop`; at once over where systemd does not watch.
pub async fn run(farm: Farm, api: Router, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let every = limit / SIGNS_PER_LIMIT;
    while let Some(()) = stop.run_until_cancelled(tokio::time::sleep(every)).await {
        let proven = tokio::time::timeout(every, prove(&farm, api.clone())).await;
        match proven.unwrap_or(Err(NoSign::Late(every))) {
            Ok(()) => super::tell(&[NotifyState::Watchdog]),
            Err(NoSign::Writer(FarmError::Closing)) => return,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "systemd gets no sign of life");
            }
        }
    }
}

async fn prove(farm: &Farm, api: Router) -> Result<(), NoSign> {
    farm.pulse().await.map_err(NoSign::Writer)?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = axum::http::Uri::from_static("/healthz");
    // As serve.rs does for requests that came in: limits count by address.
    request.extensions_mut().insert(Peer(Ipv4Addr::LOCALHOST.into()));
    let answer = api.oneshot(request).await.unwrap_or_else(|never| match never {});
    // Too many requests from this address, which many clients may share, is an answer as good as any.
    if answer.status().is_server_error() { Err(NoSign::Api(answer.status())) } else { Ok(()) }
}
