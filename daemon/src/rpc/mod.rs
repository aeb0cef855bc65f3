//! The agents' doors: accepts their connections and answers the service of `protocol`. Control only; pixels pass by
//! presigned URL.
//!
//! Two doors. A Unix socket in the state folder for agents of this machine: whoever can open it runs as the daemon's
//! user. And a port for all others, where `join` settles in a TLS handshake who they are; nothing else is spoken there,
//! on loopback neither, because every user of a machine can reach its loopback.

mod caller;
mod delivery;
mod service;
mod task;
mod threshold;

use crate::{
    blobs::Blobs,
    farm::Farm,
    join::{Authority, Doorkeeper, Handshake, HandshakeError, welcome_stranger},
    probation::Probation,
};
use caller::Caller;
use futures::StreamExt;
use service::Session;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tarpc::server::{BaseChannel, Channel};
use threshold::{Place, Threshold};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use tweenfarm_protocol::{codec, service::Farm as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcSettings {
    /// Connections of agents at one time, on each door; one agent has one.
    pub connections_max: usize,
    /// A connection that has not said hello by then is closed.
    pub hello_within: Duration,
    /// A connection from the network that is not known by then, or has not joined, is closed.
    pub known_within: Duration,
    /// Connections from the network that are not known yet, together and from one address.
    pub unknown_max: usize,
    pub unknown_per_address_max: usize,
    /// How long the presigned URLs of a task hold: longer than any task, renewals included, may take.
    pub task_urls_for: Duration,
}

impl Default for RpcSettings {
    fn default() -> RpcSettings {
        RpcSettings {
            connections_max: 4096,
            hello_within: Duration::from_secs(10),
            known_within: Duration::from_secs(10),
            // A handshake holds some 50 KiB; a room of machines behind one address comes back within a few tries.
            unknown_max: 512,
            unknown_per_address_max: 32,
            task_urls_for: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What every conversation of both doors needs.
#[derive(Clone)]
pub struct Office {
    pub farm: Farm,
    pub blobs: Blobs,
    pub authority: Arc<Authority>,
    pub probation: Probation,
    pub settings: RpcSettings,
}

/// Requests of one connection that are answered at a time: a long poll for each worker, and their renewals.
const REQUESTS_MAX: usize = 256;

/// Waits before it accepts again when the process has run out of something, such as file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Serves agents of this machine until `stop`; returns once every connection is closed. Calls under way are dropped,
/// which loses their replies only.
pub async fn serve_local(listener: UnixListener, office: Office, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(office.settings.connections_max));
    while let Some((stream, _)) = accepted(&stop, || listener.accept()).await {
        let Ok(permit) = free.clone().try_acquire_owned() else {
            tracing::warn!(connections = office.settings.connections_max, "too many local agents: one is refused");
            continue;
        };
        let (office, stop) = (office.clone(), stop.clone());
        let served = async move {
            attend(stream, office, Caller::Local, stop).await;
            drop(permit);
        };
        connections.spawn(served.instrument(tracing::info_span!("agent", peer = "local", id = tracing::field::Empty)));
    }
    connections.close();
    connections.wait().await;
}

/// Serves agents of all machines until `stop`, as `serve_local` does.
pub async fn serve_network(listener: TcpListener, office: Office, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let settings = office.settings;
    let free = Arc::new(Semaphore::new(settings.connections_max));
    let threshold = Threshold::new(settings.unknown_max, settings.unknown_per_address_max);
    let doorkeeper = Arc::new(Doorkeeper::new(office.authority.clone(), office.farm.clone()));
    while let Some((stream, peer)) = accepted(&stop, || listener.accept()).await {
        let Some(place) = threshold.enter(peer.ip()) else {
            // Told at a level that a flood does not fill a disk with.
            tracing::debug!(%peer, "too many connections that are not known yet: one is refused");
            continue;
        };
        let (office, free, doorkeeper, stop) = (office.clone(), free.clone(), doorkeeper.clone(), stop.clone());
        let span = tracing::info_span!("agent", %peer, id = tracing::field::Empty);
        connections.spawn(receive(stream, peer, place, (office, free, doorkeeper), stop).instrument(span));
    }
    connections.close();
    connections.wait().await;
}

/// The next connection; none once told to stop.
async fn accepted<Stream, Peer, Accepting>(
    stop: &CancellationToken,
    accept: impl Fn() -> Accepting,
) -> Option<(Stream, Peer)>
where
    Accepting: Future<Output = io::Result<(Stream, Peer)>>,
{
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(error) => {
                tracing::warn!(%error, "could not accept an agent's connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

/// From the first byte of a connection of the network to its end.
async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    (office, free, doorkeeper): (Office, Arc<Semaphore>, Arc<Doorkeeper>),
    stop: CancellationToken,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "the connection stays as it is");
    }
    let known_within = office.settings.known_within;
    let met = async {
        match doorkeeper.greet(stream).await? {
            Handshake::Member(agent, stream) => Ok::<_, HandshakeError>(Some((agent, stream))),
            Handshake::Stranger(stream) => {
                welcome_stranger(stream, office.farm.clone(), office.authority.clone()).await;
                Ok(None)
            }
        }
    };
    let met = tokio::select! {
        met = tokio::time::timeout(known_within, met) => met,
        () = stop.cancelled() => return,
    };
    drop(place);
    match met {
        Ok(Ok(Some((agent, stream)))) => {
            let Ok(_permit) = free.try_acquire_owned() else {
                let connections = office.settings.connections_max;
                tracing::warn!(agent = %agent.id, connections, "too many agents' connections: one is refused");
                return;
            };
            attend(stream, office, Caller::Joined(agent), stop).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(refused)) => tracing::info!(%peer, %refused, "a connection was refused"),
        Err(_) => tracing::info!(%peer, "a connection said too little in time: closed"),
    }
}

/// Calls are small and answered at once, and a machine that lost power or its cable says no goodbye: the system asks
/// after half a minute of silence and gives up after another.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}

/// One known agent's conversation, until it closes, its agent is revoked or the daemon stops.
async fn attend(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    office: Office,
    caller: Caller,
    stop: CancellationToken,
) {
    let (farm, hello_within) = (office.farm.clone(), office.settings.hello_within);
    let member = caller.member();
    let session = Session::new(office, caller);
    let revoked = async {
        match member {
            Some(agent) => farm.until_revoked(agent).await,
            None => std::future::pending().await,
        }
    };
    // In this order: whoever is out hears nothing more, not even that there is nothing to do.
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = revoked => tracing::warn!("the agent was revoked: its connection is closed"),
        () = converse(stream, &session, hello_within) => {}
    }
    session.end();
}

/// Answers one connection's requests until it closes or has kept silent for too long at the start.
async fn converse(stream: impl AsyncRead + AsyncWrite + Send + 'static, session: &Session, hello_within: Duration) {
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
