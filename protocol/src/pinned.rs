//! How a daemon is recognised over TLS: its chain holds the certificate whose fingerprint a person handed over, in an
//! invitation or in an operator's pass. No public authority is asked, and to anybody else nothing but a greeting is sent.

use crate::join::{DAEMON_NAME, Fingerprint};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The farm's authority vouches for one daemon, so that its certificate needs no host name.
pub fn daemon_name() -> ServerName<'static> {
    ServerName::try_from(DAEMON_NAME).expect("the daemon's name is a plain word")
}

pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(bytes).into())
}

/// A certificate as programs take it from files.
pub fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// The TLS of who shows no certificate of its own. With a `host` a certificate that an operator got elsewhere will do:
/// the very one with this fingerprint, or one for that host which it vouches for.
pub fn client_config(
    authority: Fingerprint,
    host: Option<ServerName<'static>>,
    service: &[u8],
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let pinned = Arc::new(Pinned { authority, host, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = config.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth();
    config.alpn_protocols = vec![service.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[derive(Debug)]
struct Pinned {
    authority: Fingerprint,
    host: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        behind: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let matches = |certificate: &&CertificateDer<'_>| fingerprint(certificate) == self.authority;
        // One that vouches for itself and is the very one that was named needs nobody else's word.
        if self.host.is_some() && matches(&own) {
            return Ok(ServerCertVerified::assertion());
        }
        let authority = behind.iter().find(matches).ok_or(CertificateError::ApplicationVerificationFailure)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let chain = chain.map_err(|cause| Error::General(cause.to_string()))?;
        let as_daemon = chain.verify_server_cert(own, behind, &daemon_name(), status, now);
        match &self.host {
            Some(host) => as_daemon.or_else(|_| chain.verify_server_cert(own, behind, host, status, now)),
            None => as_daemon,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
