//! The TLS handshake of whoever dials in over the network: a member shows the certificate of a key that the farm has on
//! record, a stranger may ask to join, anybody else is turned away before a byte of theirs is read.

use super::authority::{self, Authority, AuthorityError};
use crate::{farm::Farm, model::Agent};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, UnixTime},
    server::{
        Acceptor, NoServerSessionStorage, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tweenfarm_protocol::{
    Timestamp,
    join::{ALPN_AGENTS, ALPN_JOINING},
};

#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("it does not speak TLS 1.3 as agents do, or its certificate was refused: {0}")]
    Tls(#[source] io::Error),
    #[error("it asks for neither of the two services")]
    OtherProtocol,
    #[error("it is no member, or no longer")]
    NoMember,
    #[error("a certificate of the daemon could not be made")]
    Own(#[from] AuthorityError),
    #[error("the daemon's own certificate is not accepted")]
    Configuration(#[source] rustls::Error),
}

/// Who came in, and for what.
pub enum Handshake<Stream> {
    Member(Box<Agent>, TlsStream<Stream>),
    Stranger(TlsStream<Stream>),
}

pub struct Doorkeeper {
    authority: Arc<Authority>,
    farm: Farm,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<Shown>>,
}

/// What the daemon shows of itself until it is renewed.
#[derive(Clone)]
struct Shown {
    to_members: Arc<ServerConfig>,
    to_strangers: Arc<ServerConfig>,
    renew_at: Timestamp,
}

impl Doorkeeper {
    pub fn new(authority: Arc<Authority>, farm: Farm) -> Doorkeeper {
        Doorkeeper { authority, farm, provider: Arc::new(aws_lc_rs::default_provider()), shown: Mutex::default() }
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Takes as long as the other side lets it: the caller sets the limit.
    pub async fn greet<Stream>(&self, stream: Stream) -> Result<Handshake<Stream>, HandshakeError>
    where
        Stream: AsyncRead + AsyncWrite + Unpin,
    {
        let shown = self.shown(self.farm.now())?;
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(HandshakeError::Tls)?;
        let asks_for = |service: &[u8]| {
            let hello = start.client_hello();
            hello.alpn().is_some_and(|mut asked| asked.any(|asked| asked == service))
        };
        if asks_for(ALPN_AGENTS) {
            let stream = start.into_stream(shown.to_members).await.map_err(HandshakeError::Tls)?;
            // The verifier has looked already; who it was, only the certificate says.
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let key = certificate.and_then(authority::key_of).ok_or(HandshakeError::NoMember)?;
            let member = self.farm.member_with_key(key).ok().flatten().ok_or(HandshakeError::NoMember)?;
            Ok(Handshake::Member(Box::new(member), stream))
        } else if asks_for(ALPN_JOINING) {
            let stream = start.into_stream(shown.to_strangers).await.map_err(HandshakeError::Tls)?;
            Ok(Handshake::Stranger(stream))
        } else {
            Err(HandshakeError::OtherProtocol)
        }
    }

    fn shown(&self, now: Timestamp) -> Result<Shown, HandshakeError> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = shown.as_ref().filter(|shown| now < shown.renew_at) {
            return Ok(shown.clone());
        }
        let fresh = self.show(now)?;
        *shown = Some(fresh.clone());
        Ok(fresh)
    }

    fn show(&self, now: Timestamp) -> Result<Shown, HandshakeError> {
        let own = self.authority.for_daemon(now, &[])?;
        let members = Members::new(&self.authority, self.farm.clone(), self.provider.clone())?;
        let builder = || {
            let builder = ServerConfig::builder_with_provider(self.provider.clone());
            builder.with_protocol_versions(&[&TLS13]).map_err(HandshakeError::Configuration)
        };
        let certified = |mut config: ServerConfig, service: &[u8]| {
            config.alpn_protocols = vec![service.to_vec()];
            // A resumed session would pass by the verifier: every connection proves anew who it is.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Arc::new(config)
        };
        let to_members = builder()?
            .with_client_cert_verifier(Arc::new(members))
            .with_single_cert(own.chain.clone(), own.key.clone_key())
            .map_err(HandshakeError::Configuration)?;
        let to_strangers = builder()?
            .with_no_client_auth()
            .with_single_cert(own.chain, own.key)
            .map_err(HandshakeError::Configuration)?;
        Ok(Shown {
            to_members: certified(to_members, ALPN_AGENTS),
            to_strangers: certified(to_strangers, ALPN_JOINING),
            renew_at: own.renew_at,
        })
    }
}

/// Accepts a certificate of the farm's authority whose key is a member's.
struct Members {
    chain: Arc<dyn ClientCertVerifier>,
    farm: Farm,
}

impl Members {
    fn new(authority: &Authority, farm: Farm, provider: Arc<CryptoProvider>) -> Result<Members, HandshakeError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone()).map_err(HandshakeError::Configuration)?;
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let chain = chain.map_err(|cause| HandshakeError::Configuration(rustls::Error::General(cause.to_string())))?;
        Ok(Members { chain, farm })
    }
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Members")
    }
}

impl ClientCertVerifier for Members {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        let key = authority::key_of(certificate).ok_or(CertificateError::BadEncoding)?;
        match self.farm.member_with_key(key) {
            Ok(Some(_)) => Ok(verified),
            // Revoked, or of a farm whose store was restored from before it joined.
            Ok(None) => Err(CertificateError::Revoked.into()),
            // Whether it is a member cannot be known now; the agent tries again.
            Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
