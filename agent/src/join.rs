//! Joining a farm by an invitation: looks where the daemon is, makes sure that it is the one that invited, and only then
//! shows the invitation's secret, for a certificate.

use crate::{
    discovery,
    identity::membership::{self, Farm, Membership, MembershipError},
    link::{dial, refused},
    state_folder::{JoiningFolder, write_durably},
};
use rustls::pki_types::CertificateDer;
use std::{io, sync::Arc, time::Duration};
use tarpc::{client, context};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tweenfarm_protocol::{
    Timestamp, codec,
    join::{ALPN_JOINING, Fingerprint, Invitation, JoinRefusal, JoinRequest, JoiningClient},
    pinned,
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
    state: &JoiningFolder,
    invitation: &Invitation,
    address: Option<String>,
) -> Result<Membership, JoinError> {
    let key = joining_key(state)?;
    let address = address.or(invitation.address.clone());
    let discovered = address.is_none();
    let (address, stream) = match address {
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
    let farm = Farm { daemon: address, discovered, authority_pem: pinned::certificate_pem(authority) };

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
    let _ = std::fs::remove_file(state.key_file());
    Ok(membership)
}

/// The key of an earlier try, or a new one that is on disk before it is shown: an answer that got lost is given again to
/// the same key only.
fn joining_key(state: &JoiningFolder) -> Result<String, JoinError> {
    let path = state.key_file();
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
    let config = pinned::client_config(authority, None, ALPN_JOINING).map_err(|cause| cause.to_string())?;
    let met = async {
        let stream = dial::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(pinned::daemon_name(), stream).await
    };
    let met = tokio::time::timeout(HANDSHAKE, met).await;
    let met = met.map_err(|_| format!("no answer within {} s", HANDSHAKE.as_secs()))?;
    met.map_err(|cause: io::Error| refused::sentence(&cause))
}

fn authority_among<'a>(
    shown: &'a [CertificateDer<'static>],
    wanted: Fingerprint,
) -> Option<&'a CertificateDer<'static>> {
    shown.iter().find(|certificate| pinned::fingerprint(certificate) == wanted)
}

#[cfg(test)]
mod tests;
