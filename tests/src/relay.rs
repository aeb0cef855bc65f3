//! A relay between an agent and the daemon's socket, which can be cut: nothing passes then and nobody is told, as when a
//! cable is pulled.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cable {
    Whole,
    Cut,
}

pub struct Relay {
    socket: PathBuf,
    cable: watch::Sender<Cable>,
    _accepting: AbortOnDropHandle<()>,
}

impl Relay {
    /// Listens at `socket` and passes on to `daemon`.
    pub fn start(socket: &Path, daemon: &Path) -> Result<Relay> {
        let listener = UnixListener::bind(socket).context("listen for an agent")?;
        let (cable, seen) = watch::channel(Cable::Whole);
        let accepting = tokio::spawn(accept(listener, daemon.to_owned(), seen));
        Ok(Relay { socket: socket.to_owned(), cable, _accepting: AbortOnDropHandle::new(accepting) })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn cut(&self) {
        self.cable.send_replace(Cable::Cut);
    }

    /// What was held back is lost; connections from now on pass.
    pub fn restore(&self) {
        self.cable.send_replace(Cable::Whole);
    }
}

async fn accept(listener: UnixListener, daemon: PathBuf, cable: watch::Receiver<Cable>) {
    while let Ok((agent, _)) = listener.accept().await {
        let (daemon, cable) = (daemon.clone(), cable.clone());
        // Connections end with the relay's runtime.
        tokio::spawn(pass(agent, daemon, cable));
    }
}

/// Passes on until the cable is cut, then keeps both ends open and silent until it is whole again.
async fn pass(mut agent: UnixStream, daemon: PathBuf, mut cable: watch::Receiver<Cable>) {
    let mut to_daemon = None;
    if *cable.borrow_and_update() == Cable::Whole {
        let Ok(mut daemon) = UnixStream::connect(daemon).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut agent, &mut daemon) => return,
            _ = cable.wait_for(|cable| *cable == Cable::Cut) => {}
        }
        to_daemon = Some(daemon);
    }
    // Only a relay that is gone ends the wait otherwise.
    let _ = cable.wait_for(|cable| *cable == Cable::Whole).await;
    drop((agent, to_daemon));
}
