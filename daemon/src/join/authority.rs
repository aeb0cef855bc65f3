//! The farm's own authority: one key, made at the first start, that vouches for the daemon and for agents that joined.
//! Times are arguments.

use crate::{
    model::Agent,
    private_file::{self, PrivateFileError},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    iter,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_protocol::{
    Timestamp,
    join::{Certificate, DAEMON_NAME, Fingerprint},
    pinned,
};

pub use tweenfarm_protocol::pinned::fingerprint;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than any farm of one authority will stand: every agent has its hash, and a new one means joining anew.
const AUTHORITY_FOR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// An agent that was off for a season comes back without an operator; it renews after a third of this.
const AGENT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// Made anew at every start and, in a daemon that runs on, when a third of it is over.
pub const DAEMON_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// Clocks of machines without a time server differ by hours.
const BACKDATED: Duration = DAY;

/// From a day before `now` to the end of a certificate's life. The type is of a crate that only rcgen names.
macro_rules! span {
    ($now:expr, $life:expr) => {{
        let at = |moment: Timestamp| date_time_ymd(1970, 1, 1) + moment.since(Timestamp(0));
        (at($now.minus(BACKDATED)), at($now.plus($life)))
    }};
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the authority of the farm")]
    File(#[from] PrivateFileError),
    #[error(
        "{path} is not an authority: restore it from a backup, or delete it to make a new one (every agent has to join anew)"
    )]
    Broken { path: PathBuf },
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
}

/// Why a request for a certificate is not honoured.
#[derive(Debug, thiserror::Error)]
#[error("it is not a PKCS #10 request signed by its own key")]
pub struct RequestError(#[source] rcgen::Error);

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// The daemon's own certificate with the authority's behind it, and its key.
pub struct DaemonCertificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub renew_at: Timestamp,
}

/// A request that was signed by the key it is for. Of all it says only the key counts.
pub struct Request {
    public_key: rcgen::PublicKey,
}

impl Request {
    pub fn read(pem: &str) -> Result<Request, RequestError> {
        let read = CertificateSigningRequestParams::from_pem(pem).map_err(RequestError)?;
        Ok(Request { public_key: read.public_key })
    }

    /// Of the public key.
    pub fn key(&self) -> Fingerprint {
        fingerprint(&self.public_key.subject_public_key_info())
    }
}

impl Authority {
    /// Reads key and certificate from `path`, or makes them.
    pub fn load_or_create(path: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
        let pem = match private_file::read(path)? {
            Some(pem) => pem,
            None => {
                let pem = new_authority(now)?;
                private_file::create(path, pem.as_bytes())?;
                pem.into_bytes()
            }
        };
        Authority::read(&pem).ok_or_else(|| AuthorityError::Broken { path: path.to_owned() })
    }

    fn read(pem: &[u8]) -> Option<Authority> {
        let key = KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()?;
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let same = key_of(&certificate)? == fingerprint(&key.subject_public_key_info());
        let issuer = Issuer::from_ca_cert_der(&certificate, key).ok()?;
        same.then_some(Authority { issuer, certificate })
    }

    /// What an invitation carries and an agent compares.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.certificate)
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub fn ends_at(&self) -> Option<Timestamp> {
        ends_at(&self.certificate)
    }

    /// For programs that take certificates as files.
    pub fn certificate_pem(&self) -> String {
        pinned::certificate_pem(&self.certificate)
    }

    /// `hosts` are names and addresses that whoever does not know the daemon's one name may call it by.
    pub fn for_daemon(&self, now: Timestamp, hosts: &[String]) -> Result<DaemonCertificate, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(
            iter::once(DAEMON_NAME.to_owned()).chain(hosts.iter().cloned()).collect::<Vec<_>>(),
        )?;
        describe(&mut params, DAEMON_NAME, ExtendedKeyUsagePurpose::ServerAuth, now, DAEMON_FOR);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(DaemonCertificate {
            chain: vec![certificate.der().clone(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            renew_at: now.plus(DAEMON_FOR / 3),
        })
    }

    pub fn for_agent(&self, request: Request, agent: &Agent, now: Timestamp) -> Result<Certificate, AuthorityError> {
        let mut params = CertificateParams::default();
        describe(&mut params, &agent.name, ExtendedKeyUsagePurpose::ClientAuth, now, AGENT_FOR);
        let request = CertificateSigningRequestParams { params, public_key: request.public_key };
        let pem = request.signed_by(&self.issuer)?.pem();
        Ok(Certificate { pem, expires_in_seconds: AGENT_FOR.as_secs() })
    }
}

/// Key and certificate in one text, so that there are both or none.
fn new_authority(now: Timestamp) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name = name(&format!("tweenfarm {}", hex::encode(rand::random::<[u8; 4]>())));
    (params.not_before, params.not_after) = span!(now, AUTHORITY_FOR);
    params.serial_number = Some(serial());
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

fn describe(
    params: &mut CertificateParams,
    common_name: &str,
    use_for: ExtendedKeyUsagePurpose,
    now: Timestamp,
    life: Duration,
) {
    params.distinguished_name = name(common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // An agent's certificate never makes a daemon, nor the other way round.
    params.extended_key_usages = vec![use_for];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = span!(now, life);
    params.serial_number = Some(serial());
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Renewals of one key differ in their serial numbers; the first bit is 0, as X.509 has them positive.
fn serial() -> SerialNumber {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[0] &= 0x7F;
    SerialNumber::from_slice(&bytes)
}

/// The last moment of a certificate's life; none where it cannot be read.
pub fn ends_at(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    read.validity().not_after.timestamp().checked_mul(1_000_000).map(Timestamp)
}

/// The fingerprint of the public key in a certificate.
pub fn key_of(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
    let read = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(fingerprint(&read.subject_public_key_info()))
}
