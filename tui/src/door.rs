//! Ways to the operator API: the daemon's socket on its own machine, TLS from any other. A pass says where the daemon is,
//! how it is recognised and who comes; to anybody but the daemon it is of, nothing but a greeting is sent.

use crate::client::ClientError;
use rustls::pki_types::ServerName;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;
use tweenfarm_protocol::{join::is_host_and_port, operator::Pass, pinned};

/// A daemon that does not shake hands for this long is not there, or not one.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// A connection, whichever way it came about.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<Stream: AsyncRead + AsyncWrite + Send + Unpin> Connection for Stream {}

#[derive(Clone, Debug)]
pub enum Door {
    Socket(PathBuf),
    Network(Pass),
}

/// Why there is no way to the daemon.
#[derive(Debug, thiserror::Error)]
pub enum NoDoor {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the pass in {from} cannot be used: {source}")]
    Pass { from: String, source: tweenfarm_protocol::operator::NotAPass },
    #[error("--daemon takes https://HOST:PORT, such as https://farm.example.org:8091")]
    Address,
    #[error(
        "--daemon needs the pass that `tweenfarm operators add NAME` printed: put it into a file for --token-file, or into TWEENFARM_TOKEN"
    )]
    NoPass,
}

impl Door {
    /// The one in the network, if the command line asks for one. `daemon` wins over the address in the pass.
    pub fn in_network(
        daemon: Option<&str>,
        token_file: Option<&Path>,
        token: Option<&str>,
    ) -> Result<Option<Door>, NoDoor> {
        let (text, from) = match (token_file, token) {
            (Some(path), _) => {
                let unreadable = |source| NoDoor::Unreadable { path: path.to_owned(), source };
                (std::fs::read_to_string(path).map_err(unreadable)?, path.display().to_string())
            }
            (None, Some(token)) => (token.to_owned(), "TWEENFARM_TOKEN".to_owned()),
            (None, None) if daemon.is_some() => return Err(NoDoor::NoPass),
            (None, None) => return Ok(None),
        };
        let mut pass: Pass = text.parse().map_err(|source| NoDoor::Pass { from, source })?;
        if let Some(daemon) = daemon {
            let address = daemon.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
            pass.address = address.filter(|address| is_host_and_port(address)).ok_or(NoDoor::Address)?.to_owned();
        }
        Ok(Some(Door::Network(pass)))
    }

    /// What opens the door, where something does.
    pub fn token(&self) -> Option<&str> {
        match self {
            Door::Socket(_) => None,
            Door::Network(pass) => Some(&pass.token),
        }
    }

    pub async fn connect(&self) -> Result<Box<dyn Connection>, ClientError> {
        match self {
            Door::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|cause| ClientError::at_socket(path, cause))?;
                Ok(Box::new(stream))
            }
            Door::Network(pass) => {
                let failed = |sentence| ClientError::Network { address: pass.address.clone(), sentence };
                let met = tokio::time::timeout(HANDSHAKE_WITHIN, meet(pass)).await;
                let met = met.map_err(|_| failed(format!("no answer within {} s", HANDSHAKE_WITHIN.as_secs())))?;
                Ok(Box::new(met.map_err(|cause| failed(sentence(&cause)))?))
            }
        }
    }
}

/// Where, for people; the token is not told.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Socket(path) => path.display().fmt(f),
            Door::Network(pass) => write!(f, "{}@{}", pass.name, pass.address),
        }
    }
}

async fn meet(pass: &Pass) -> io::Result<impl Connection + use<>> {
    let host = pass.address.rsplit_once(':').map_or(pass.address.as_str(), |(host, _)| host);
    let host = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
    let config = pinned::client_config(pass.authority, Some(host.clone()), b"http/1.1").map_err(io::Error::other)?;
    let stream = TcpStream::connect(&pass.address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config)).connect(host, stream).await
}

fn sentence(cause: &io::Error) -> String {
    let refused = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match refused {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "it is not the daemon of this pass: it shows another certificate, so nothing was sent to it".to_owned()
        }
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::join::Fingerprint;

    fn pass() -> Pass {
        let (name, address) = ("ann".into(), "farm.example.org:8091".into());
        Pass { name, address, authority: Fingerprint([7; 32]), token: "tfo_secret".into() }
    }

    #[test]
    fn a_pass_opens_the_door_it_names_or_the_one_that_is_asked_for() {
        let line = pass().to_string();
        let found = |daemon| match Door::in_network(daemon, None, Some(&line)) {
            Ok(Some(Door::Network(pass))) => Ok(pass.address),
            Ok(_) => panic!("no door in the network"),
            Err(refused) => Err(refused.to_string()),
        };
        assert_eq!(found(None).unwrap(), "farm.example.org:8091");
        assert_eq!(found(Some("https://192.0.2.7:9000/")).unwrap(), "192.0.2.7:9000");
        let printed = format!("{line}\n\nann may use the operator API as viewer.\n");
        let kept = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(kept.path(), printed).unwrap();
        match Door::in_network(None, Some(kept.path()), None).unwrap() {
            Some(Door::Network(found)) => assert_eq!(found, pass(), "what was printed opens it as it is"),
            _ => panic!("no door in the network"),
        }
        assert!(Door::in_network(None, None, Some(&format!("{line} and more"))).is_err());
        assert!(found(Some("http://192.0.2.7:9000")).unwrap_err().contains("https://HOST:PORT"));
        assert!(Door::in_network(None, None, None).unwrap().is_none());
        assert!(matches!(Door::in_network(Some("https://a:1"), None, None), Err(NoDoor::NoPass)));
        let refused = Door::in_network(None, None, Some("tfo_secret")).unwrap_err().to_string();
        assert!(refused.contains("tweenfarm operators add") && !refused.contains("tfo_secret"), "{refused}");
        let shown = format!("{0} {0:?}", Door::Network(pass()));
        assert!(shown.contains("ann@farm.example.org:8091") && !shown.contains("secret"), "{shown}");
    }
}
