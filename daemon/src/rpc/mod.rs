//! The agents' door: accepts their connections and answers the service of `protocol`. Control only; pixels pass by
//! presigned URL. No TLS yet, so it listens on loopback only.

mod service;
mod task;

use crate::{blobs::Blobs, farm::Farm};
use futures::StreamExt;
use service::Session;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tarpc::server::{BaseChannel, Channel};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use tweenfarm_protocol::{codec, service::Farm as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcSettings {
    /// Connections at one time; one agent has one.
    pub connections_max: usize,
    /// A connection that has not said hello by then is closed.
    pub hello_within: Duration,
    /// How long the presigned URLs of a task hold: longer than any task, renewals included, may take.
    pub task_urls_for: Duration,
}

impl Default for RpcSettings {
    fn default() -> RpcSettings {
        RpcSettings {
            connections_max: 1024,
            hello_within: Duration::from_secs(10),
            task_urls_for: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Why the agents' door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("the agents' address {0} is not on loopback: agents speak without TLS, so use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    #[error("read the address of the agents' listener")]
    Address(#[source] std::io::Error),
}

/// Requests of one connection that are answered at a time: a long poll for each worker, and their renewals.
const REQUESTS_MAX: usize = 256;

/// Waits before it accepts again when the process has run out of something, such as file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Serves until `stop`; returns once every connection is closed. Calls under way are dropped, which loses their
/// replies only.
pub async fn serve(
    listener: TcpListener,
    farm: Farm,
    blobs: Blobs,
    settings: RpcSettings,
    stop: CancellationToken,
) -> Result<(), RpcError> {
    let address = listener.local_addr().map_err(RpcError::Address)?;
    if !address.ip().is_loopback() {
        return Err(RpcError::NotLoopback(address));
    }
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(settings.connections_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "could not accept an agent's connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            tracing::warn!(%peer, connections = settings.connections_max, "too many agents' connections: one is refused");
            continue;
        };
        let session = Session::new(farm.clone(), blobs.clone(), settings);
        let stop = stop.clone();
        let span = tracing::info_span!("agent", %peer);
        let served = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = converse(stream, &session, settings.hello_within) => {}
            }
            session.end();
            drop(permit);
        };
        connections.spawn(served.instrument(span));
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Answers one connection's requests until it closes or has kept silent for too long at the start.
async fn converse(stream: TcpStream, session: &Session, hello_within: Duration) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection stays as it is");
    }
    let channel = BaseChannel::with_defaults(codec::transport(stream));
    let requests = channel.execute(session.clone().serve());
    let answers = requests.for_each_concurrent(REQUESTS_MAX, |answer| answer);
    tokio::pin!(answers);
    tokio::select! {
        () = &mut answers => return,
        () = tokio::time::sleep(hello_within) => {}
    }
    if !session.is_introduced() {
        tracing::warn!("a connection said no hello in time: closed");
        return;
    }
    answers.await;
}
