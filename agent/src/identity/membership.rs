//! What an agent has of the farm it joined: its key, its certificate, the authority it believes, and where the daemon
//! is. One file that only the agent's user can read; whoever has it is this agent.

use crate::state_folder::write_durably;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tweenfarm_protocol::{
    AgentId, Timestamp,
    join::{ALPN_AGENTS, Certificate, Fingerprint},
    pinned,
};

#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error("read or write what the agent was given when it joined, in {path}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold what an agent is given when it joins: remove it and join with a new invitation")]
    Damaged { path: PathBuf },
    #[error("the agent's key could not be used")]
    Key(#[from] rcgen::Error),
    #[error("the agent's certificate cannot be used: join with a new invitation")]
    Certificate(#[source] rustls::Error),
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub agent: AgentId,
    /// As it was invited.
    pub name: String,
    /// Host and port where it last was.
    pub daemon: String,
    /// Whether it was found by looking around in the local network, and may be looked for there again.
    #[serde(default)]
    pub discovered: bool,
    authority_pem: String,
    key_pem: String,
    certificate_pem: String,
    /// By this machine's clock.
    pub renew_at: Timestamp,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership").field("agent", &self.agent).field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

/// The farm as an agent that just joined has come to know it.
pub struct Farm {
    pub daemon: String,
    pub discovered: bool,
    pub authority_pem: String,
}

impl Membership {
    pub fn new(
        (agent, name): (AgentId, String),
        farm: Farm,
        key_pem: String,
        certificate: Certificate,
        now: Timestamp,
    ) -> Membership {
        let Farm { daemon, discovered, authority_pem } = farm;
        let renew_at = now.plus(certificate.renew_in());
        Membership {
            agent,
            name,
            daemon,
            discovered,
            authority_pem,
            key_pem,
            certificate_pem: certificate.pem,
            renew_at,
        }
    }

    /// None when the agent never joined.
    pub fn read(path: &Path) -> Result<Option<Membership>, MembershipError> {
        match std::fs::read(path) {
            Ok(text) => {
                let read = serde_json::from_slice(&text);
                read.map(Some).map_err(|_| MembershipError::Damaged { path: path.to_owned() })
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(MembershipError::File { path: path.to_owned(), source }),
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), MembershipError> {
        let failed = |source| MembershipError::File { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|cause| failed(cause.into()))?;
        write_durably(path, &text).map_err(failed)
    }

    /// The TLS of a connection to the daemon: believes the farm's authority alone, shows this agent's certificate.
    pub fn tls(&self) -> Result<ClientConfig, MembershipError> {
        let damaged = || MembershipError::Certificate(rustls::Error::General("it is no PEM".to_owned()));
        let authority = CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).map_err(|_| damaged())?;
        let certificate = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes()).map_err(|_| damaged())?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|_| damaged())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(MembershipError::Certificate)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(MembershipError::Certificate)?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .map_err(MembershipError::Certificate)?;
        config.alpn_protocols = vec![ALPN_AGENTS.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// By which the farm is recognised.
    pub fn authority(&self) -> Option<Fingerprint> {
        let authority = CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).ok()?;
        Some(pinned::fingerprint(&authority))
    }

    /// What a fresh certificate is asked for with.
    pub fn certificate_request(&self) -> Result<String, MembershipError> {
        certificate_request(&self.key_pem)
    }

    fn renewed(&self, certificate: Certificate, now: Timestamp) -> Membership {
        let renew_at = now.plus(certificate.renew_in());
        Membership { certificate_pem: certificate.pem, renew_at, ..self.clone() }
    }
}

/// PKCS #10, PEM: the key, signed by itself. Who the agent is, is the farm's to say.
pub fn certificate_request(key_pem: &str) -> Result<String, MembershipError> {
    let key = KeyPair::from_pem(key_pem)?;
    Ok(CertificateParams::default().serialize_request(&key)?.pem()?)
}

/// A new key, PEM. It never leaves this machine.
pub fn new_key() -> Result<String, MembershipError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// The membership in use: read at every dial, replaced by a renewal.
#[derive(Clone, Debug)]
pub struct Current {
    path: PathBuf,
    membership: Arc<Mutex<Membership>>,
}

impl Current {
    pub fn new(path: PathBuf, membership: Membership) -> Current {
        Current { path, membership: Arc::new(Mutex::new(membership)) }
    }

    pub fn get(&self) -> Membership {
        self.membership.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// On disk before it is used. A certificate that does not fit the key changes nothing.
    pub fn renew(&self, certificate: Certificate, now: Timestamp) -> Result<(), MembershipError> {
        let renewed = self.get().renewed(certificate, now);
        renewed.tls()?;
        renewed.write(&self.path)?;
        self.replace(renewed);
        Ok(())
    }

    /// The daemon is at another address from now on. Dialed even where it cannot be written down.
    pub fn moved(&self, daemon: String) -> Result<(), MembershipError> {
        let moved = Membership { daemon, ..self.get() };
        self.replace(moved.clone());
        moved.write(&self.path)
    }

    fn replace(&self, membership: Membership) {
        *self.membership.lock().unwrap_or_else(PoisonError::into_inner) = membership;
    }
}
