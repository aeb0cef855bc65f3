//! Sockets that systemd holds open and hands over at the start, found by the address that a key names.
//!
//! They outlive the daemon: who calls while it restarts waits instead of being refused. Their files and their rights are
//! the socket unit's, so that the daemon neither makes nor removes them.

use listenfd::ListenFd;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

/// What was handed over and not yet taken.
#[derive(Debug, Default)]
pub struct Handed {
    ports: Vec<(SocketAddr, TcpListener)>,
    files: Vec<(PathBuf, UnixListener)>,
}

#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    #[error("look at socket {position} of those that systemd handed over")]
    Look {
        position: usize,
        #[source]
        source: io::Error,
    },
    #[error(
        "systemd handed over a socket, number {0}, that is neither a stream port nor a socket file: see ListenStream="
    )]
    Kind(usize),
    #[error(
        "systemd holds a socket at {0} for the daemon, which no key of its configuration names: let http.listen, rpc.listen, rpc.socket or operator.socket name it, or take it out of the socket unit"
    )]
    Unnamed(String),
}

/// Takes over what systemd left in the environment; nothing where it left nothing.
pub fn take() -> Result<Handed, SocketsError> {
    let mut handed = Handed::default();
    let mut inherited = ListenFd::from_env();
    for position in 0..inherited.len() {
        let look = |source| SocketsError::Look { position, source };
        // Either call leaves a socket of the other kind where it is and calls that an error.
        if let Ok(Some(port)) = inherited.take_tcp_listener(position) {
            port.set_nonblocking(true).map_err(look)?;
            handed.ports.push((port.local_addr().map_err(look)?, port));
        } else if let Ok(Some(file)) = inherited.take_unix_listener(position) {
            file.set_nonblocking(true).map_err(look)?;
            let path = file.local_addr().map_err(look)?.as_pathname().map(Path::to_owned);
            handed.files.push((path.ok_or(SocketsError::Kind(position))?, file));
        } else {
            return Err(SocketsError::Kind(position));
        }
    }
    Ok(handed)
}

impl Handed {
    pub fn port(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let position = self.ports.iter().position(|(bound, _)| *bound == address)?;
        Some(self.ports.swap_remove(position).1)
    }

    pub fn file(&mut self, path: &Path) -> Option<UnixListener> {
        let position = self.files.iter().position(|(bound, _)| bound == path)?;
        Some(self.files.swap_remove(position).1)
    }

    /// After all keys had their turn: a socket that is left would take calls which nobody answers.
    pub fn finish(self) -> Result<(), SocketsError> {
        let files = self.files.iter().map(|(path, _)| path.display().to_string());
        match self.ports.iter().map(|(address, _)| address.to_string()).chain(files).next() {
            Some(unnamed) => Err(SocketsError::Unnamed(unnamed)),
            None => Ok(()),
        }
    }
}
