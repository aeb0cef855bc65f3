//! Ways to the daemon: its socket on its own machine, TLS from any other.

use super::moved::{self, Search};
use crate::{
    config::{Config, DaemonAt},
    identity::membership::{Current, Membership, MembershipError},
    state_folder,
};
use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tweenfarm_protocol::pinned::daemon_name;

/// How the agent reaches the daemon.
pub trait Dial: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Where it dials now, for the log.
    fn target(&self) -> String;
    /// Who the agent is there, when it joined; none where it may call itself what it likes.
    fn member(&self) -> Option<Current> {
        None
    }
    /// After dials in vain; where the daemon is found is where the next one goes.
    fn look_elsewhere(&self) -> impl Future<Output = Search> + Send {
        std::future::ready(Search::Needless)
    }
}

/// Where an agent that never joined looks for a daemon of its machine, unless it is told.
const LOCAL_SOCKET: &str = "/run/tweenfarm/agents.sock";
/// What a package's agent is told to do, which starts before anybody can let it join.
const NEVER_JOINED: &str = "this agent has joined no farm: where the daemon is on another machine, run `tweenfarm-agent join LINE` with \
                            the line that `tweenfarm invite NAME` prints there, and restart the agent";

#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    #[error(
        "this agent has not joined the farm of {0}: run `tweenfarm-agent join LINE` with the line that `tweenfarm invite \
         NAME` prints, or name the socket of a daemon on this machine (key 'daemon')"
    )]
    NotJoined(String),
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

/// What the configuration and a membership come to.
pub enum ToDaemon {
    /// The daemon's socket: who may open it is its business.
    Local(PathBuf),
    /// Over TLS, both sides showing who they are. The address is only where to look: where the configuration says, or
    /// where the daemon was last.
    Joined { address: Option<String>, current: Current },
}

impl ToDaemon {
    pub fn of(config: &Config) -> Result<ToDaemon, NoWay> {
        let path = state_folder::membership_file(&config.state);
        let membership = match &config.daemon {
            DaemonAt::Socket(socket) => return Ok(ToDaemon::Local(socket.clone())),
            DaemonAt::Unsaid | DaemonAt::Address(_) => Membership::read(&path)?,
        };
        match (&config.daemon, membership) {
            (DaemonAt::Address(address), None) => Err(NoWay::NotJoined(address.clone())),
            (DaemonAt::Address(address), Some(membership)) => {
                Ok(ToDaemon::Joined { address: Some(address.clone()), current: Current::new(path, membership) })
            }
            (_, Some(membership)) => Ok(ToDaemon::Joined { address: None, current: Current::new(path, membership) }),
            (_, None) => Ok(ToDaemon::Local(LOCAL_SOCKET.into())),
        }
    }
}

impl Dial for ToDaemon {
    type Stream = Stream;

    async fn dial(&self) -> io::Result<Stream> {
        match self {
            ToDaemon::Local(socket) => Ok(Stream::Local(UnixStream::connect(socket).await?)),
            ToDaemon::Joined { current, .. } => Ok(Stream::Tls(Box::new(meet(&self.target(), &current.get()).await?))),
        }
    }

    fn target(&self) -> String {
        match self {
            ToDaemon::Local(socket) => socket.display().to_string(),
            ToDaemon::Joined { address, current } => address.clone().unwrap_or_else(|| current.get().daemon),
        }
    }

    fn member(&self) -> Option<Current> {
        match self {
            ToDaemon::Local(_) => None,
            ToDaemon::Joined { current, .. } => Some(current.clone()),
        }
    }

    async fn look_elsewhere(&self) -> Search {
        let (address, current) = match self {
            ToDaemon::Local(socket) if socket == Path::new(LOCAL_SOCKET) => {
                return Search::Vain(NEVER_JOINED.to_owned());
            }
            ToDaemon::Local(_) => return Search::Needless,
            ToDaemon::Joined { address, current } => (address, current),
        };
        let membership = current.get();
        if address.is_some() || !membership.discovered {
            return moved::not_looked_for();
        }
        let search = moved::look_for(&membership).await;
        if let Search::Found(address) = &search
            && let Err(cause) = current.moved(address.clone())
        {
            tracing::warn!(%cause, "where the daemon is now is forgotten with the next start");
        }
        search
    }
}

/// A connection to whoever proves to be of the farm that was joined; anybody else learns nothing of this agent.
pub async fn meet(address: &str, membership: &Membership) -> io::Result<TlsStream<TcpStream>> {
    let config = membership.tls().map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(daemon_name(), connect(address).await?).await
}

/// TCP to a daemon. Calls are small and answered at once, so waiting to fill a packet only delays them; a daemon whose
/// machine lost its power is noticed by the calls themselves.
pub async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub enum Stream {
    Local(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Local(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Local(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Local(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Local(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_agent_that_waits_for_a_daemon_of_its_machine_is_told_how_to_join_another() {
        let advice = ToDaemon::Local(LOCAL_SOCKET.into()).look_elsewhere().await;
        assert!(matches!(advice, Search::Vain(said) if said.contains("tweenfarm-agent join LINE")));
        let named = ToDaemon::Local("/srv/farm/agents.sock".into()).look_elsewhere().await;
        assert!(matches!(named, Search::Needless));
    }
}
