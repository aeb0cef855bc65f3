//! Joining a farm by an invitation: looks where the daemon is, makes sure that it is the one that invited, and only then
//! shows the invitation's secret, for a certificate.

use crate::{
    discovery,
    identity::membership::{self, Farm, Membership, MembershipError},
    link::{dial, refused},
    state_folder::{StateFolder, write_durably},
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use sha2::{Digest, Sha256};
use std::{io, sync::Arc, time::Duration};
use tarpc::{client, context};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tweenfarm_protocol::{
    Timestamp, codec,
    join::{ALPN_JOINING, Fingerprint, Invitation, JoinRefusal, JoinRequest, JoiningClient},
    service::PROTOCOL_VERSIONS,
};

/// A daemon that does not shake hands for this long is not there, or not one.
const HANDSHAKE: Duration = Duration::from_secs(10);
const LOOK_AROUND: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("reach the daemon at {address}: {sentence}")]
    Unreachable { address: String, sentence: String },
    #[error(
        "no daemon of the local network is the one that invited ({seen} were found): give its address with --daemon HOST:PORT"
    )]
    NotFound { seen: usize },
    #[error("look around in the local network")]
    Discovery(#[from] discovery::DiscoveryError),
    #[error("the daemon refused")]
    Refused(#[from] JoinRefusal),
    #[error("the connection to the daemon broke during the call: try again with the same line")]
    Broken(#[source] client::RpcError),
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error("keep the agent's key in the state folder")]
    Key(#[source] io::Error),
}

/// Joins and keeps what was given. Safe to try again with the same line when it broke off in the middle.
/// `address` wins over the invitation's.
pub async fn join(
    state: &StateFolder,
    invitation: &Invitation,
    address: Option<String>,
) -> Result<Membership, JoinError> {
    let key = joining_key(state)?;
    let (address, stream) = match address.or(invitation.address.clone()) {
        Some(address) => {
            let stream = meet(&address, invitation.authority).await;
            let stream = stream.map_err(|sentence| JoinError::Unreachable { address: address.clone(), sentence })?;
            (address, stream)
        }
        None => look_for(invitation.authority).await?,
    };
    let authority = authority_among(stream.get_ref().1.peer_certificates().unwrap_or_default(), invitation.authority);
    let authority = authority.ok_or_else(|| JoinError::Unreachable {
        address: address.clone(),
        sentence: "it did not show the authority of the farm".to_owned(),
    })?;
    let farm = Farm { daemon: address, authority_pem: pem_of(authority) };

    let request = JoinRequest {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        name: invitation.name.clone(),
        secret: invitation.secret.clone(),
        certificate_request: membership::certificate_request(&key)?,
    };
    let transport = codec::limited(stream, codec::JOINING_BYTES_MAX);
    let daemon = JoiningClient::new(client::Config::default(), transport).spawn();
    let joined = daemon.join(context::current(), request).await.map_err(JoinError::Broken)??;

    let who = (joined.agent, invitation.name.clone());
    let membership = Membership::new(who, farm, key, joined.certificate, Timestamp::now());
    // What cannot be used later is better known now.
    membership.tls()?;
    membership.write(&state.membership_file())?;
    // From here on the key is in the membership; a leftover is used by no later join but a repeated one.
    let _ = std::fs::remove_file(state.joining_key_file());
    Ok(membership)
}

/// The key of an earlier try, or a new one that is on disk before it is shown: an answer that got lost is given again to
/// the same key only.
fn joining_key(state: &StateFolder) -> Result<String, JoinError> {
    let path = state.joining_key_file();
    match std::fs::read_to_string(&path) {
        Ok(key) if membership::certificate_request(&key).is_ok() => Ok(key),
        Ok(_) | Err(_) => {
            let key = membership::new_key()?;
            write_durably(&path, key.as_bytes()).map_err(JoinError::Key)?;
            Ok(key)
        }
    }
}

/// Everything in the local network that calls itself a daemon, until one proves to be it.
async fn look_for(authority: Fingerprint) -> Result<(String, TlsStream<tokio::net::TcpStream>), JoinError> {
    let found = discovery::look_around(LOOK_AROUND).await?;
    for daemon in &found {
        for address in &daemon.addresses {
            match meet(address, authority).await {
                Ok(stream) => return Ok((address.clone(), stream)),
                Err(sentence) => tracing::debug!(address, sentence, "not the daemon that invited"),
            }
        }
    }
    Err(JoinError::NotFound { seen: found.len() })
}

/// A connection to whoever has the authority with this fingerprint; to anybody else nothing but a greeting is sent.
async fn meet(address: &str, authority: Fingerprint) -> Result<TlsStream<tokio::net::TcpStream>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(InvitedBy { authority, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let config = config.map_err(|cause| cause.to_string())?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN_JOINING.to_vec()];
    config.resumption = Resumption::disabled();
    let met = async {
        let stream = dial::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(dial::daemon_name(), stream).await
    };
    let met = tokio::time::timeout(HANDSHAKE, met).await;
    let met = met.map_err(|_| format!("no answer within {} s", HANDSHAKE.as_secs()))?;
    met.map_err(|cause: io::Error| refused::sentence(&cause))
}

fn authority_among<'a>(
    shown: &'a [CertificateDer<'static>],
    wanted: Fingerprint,
) -> Option<&'a CertificateDer<'static>> {
    shown.iter().find(|certificate| Fingerprint(Sha256::digest(certificate).into()) == wanted)
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(certificate);
    let lines: String = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// Believes the authority whose certificate has this fingerprint, which the daemon shows behind its own, and nobody else.
#[derive(Debug)]
struct InvitedBy {
    authority: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for InvitedBy {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        behind: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let matches =
            |certificate: &&CertificateDer<'_>| Fingerprint(Sha256::digest(certificate).into()) == self.authority;
        let authority = behind.iter().find(matches).ok_or(CertificateError::ApplicationVerificationFailure)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let chain = chain.map_err(|cause| rustls::Error::General(cause.to_string()))?;
        chain.verify_server_cert(own, &[], name, status, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
