//! Connections over TLS for the operator API: handshakes beside each other, none of which holds up the next, and a
//! certificate of the farm's own authority that is renewed while the daemon runs, or one from files.

use super::serve::{Listener, Peer};
use crate::join::{
    Authority, AuthorityError,
    authority::{ends_at, fingerprint},
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::{Timestamp, join::Fingerprint};

/// A client that has not shaken hands by then is none.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait in the system's queue.
const HANDSHAKES_MAX: usize = 64;
/// After a failed accept (no file handles left) the next one would fail at once, too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    #[error("read the certificate and its key from {path} (operator.certificate, operator.key): PEM is expected")]
    File {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{0} holds no certificate (operator.certificate)")]
    NoCertificate(PathBuf),
    #[error("the certificate and its key do not go together, or are of a kind that cannot be used")]
    Unusable(#[source] rustls::Error),
    #[error("the operator API's certificate")]
    Authority(#[from] AuthorityError),
}

/// Whose certificate the daemon shows to operators.
pub enum Shown {
    /// The farm's own, for these hosts besides the daemon's one name.
    Own {
        authority: Arc<Authority>,
        hosts: Vec<String>,
    },
    Files {
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    },
}

impl Shown {
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Shown, SecureError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SecureError::File { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(failed(certificate))?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(failed(certificate))?;
        if chain.is_empty() {
            return Err(SecureError::NoCertificate(certificate.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
        Ok(Shown::Files { chain, key })
    }

    /// By which operators recognise the daemon: the authority's, or the last of the file's.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Shown::Own { authority, .. } => authority.fingerprint(),
            Shown::Files { chain, .. } => chain.last().map_or(Fingerprint([0; 32]), |last| fingerprint(last)),
        }
    }

    /// When the first of the certificates from files ends; the farm's own are made anew in time.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Shown::Own { .. } => None,
            Shown::Files { chain, .. } => chain.iter().filter_map(ends_at).min(),
        }
    }

    /// What is shown from now on, and until when.
    fn config(&self, now: Timestamp) -> Result<(Arc<ServerConfig>, Timestamp), SecureError> {
        let (chain, key, renew_at) = match self {
            Shown::Own { authority, hosts } => {
                let own = authority.for_daemon(now, hosts)?;
                (own.chain, own.key, own.renew_at)
            }
            Shown::Files { chain, key } => (chain.clone(), key.clone_key(), Timestamp(i64::MAX)),
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13]).map_err(SecureError::Unusable)?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(SecureError::Unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Arc::new(config), renew_at))
    }
}

/// Connections that have shaken hands.
pub struct SecureListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Peer)>,
}

impl SecureListener {
    /// Fails when what is to be shown cannot be.
    pub fn start(listener: TcpListener, shown: Shown, stop: CancellationToken) -> Result<SecureListener, SecureError> {
        let current = Mutex::new(shown.config(Timestamp::now())?);
        let (sender, ready) = mpsc::channel(1);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
            loop {
                let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    Err(cause) => {
                        tracing::warn!(
                            error = &cause as &dyn std::error::Error,
                            "an operator's connection could not be accepted"
                        );
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let acceptor = TlsAcceptor::from(config_now(&shown, &current));
                let sender = sender.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                        // Nobody takes it once the daemon stops.
                        Ok(Ok(stream)) => _ = sender.send((stream, Peer(address.ip()))).await,
                        Ok(Err(refused)) => tracing::info!(peer = %address, %refused, "no handshake with an operator"),
                        Err(_) => tracing::info!(peer = %address, "an operator's handshake took too long"),
                    }
                    drop(place);
                });
            }
        });
        Ok(SecureListener { ready })
    }
}

/// The one that is shown, made anew when its time has come; the one before it where that fails.
fn config_now(shown: &Shown, current: &Mutex<(Arc<ServerConfig>, Timestamp)>) -> Arc<ServerConfig> {
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Timestamp::now();
    if now >= current.1 {
        match shown.config(now) {
            Ok(fresh) => *current = fresh,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a certificate could not be renewed")
            }
        }
    }
    current.0.clone()
}

impl Listener for SecureListener {
    type Stream = TlsStream<TcpStream>;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Option<Peer>)> {
        match self.ready.recv().await {
            Some((stream, peer)) => Ok((stream, Some(peer))),
            // The task has stopped with the daemon; whoever serves hears of that by itself.
            None => std::future::pending().await,
        }
    }
}
