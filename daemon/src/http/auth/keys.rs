//! The public keys of an identity provider (a JWK set), from a file or a URL: read when needed, kept for a while, and
//! read again when a token names a key that is not among them, as after a rotation. A key that the set no longer
//! holds stops being accepted with the next reading.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tweenfarm_protocol::Timestamp;
use url::Url;

/// How long a reading is good for: as long as Supabase lets its own edge keep the set.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// The pause between two readings, whatever tokens ask for: strangers can name any key.
const READ_EVERY: Duration = Duration::from_secs(60);
const FETCH_WITHIN: Duration = Duration::from_secs(5);
/// A set of a few keys is a few kilobytes.
const SET_BYTES_MAX: usize = 256 * 1024;
/// 2048 bits: shorter RSA keys are not to be trusted any more.
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// A key and the only algorithm it may be used with.
pub struct PublicKey {
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

#[derive(Clone, Debug)]
pub enum Source {
    File(PathBuf),
    Url { url: Url, http: reqwest::Client },
}

#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("read the key set {0}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("fetch the key set {url}")]
    Fetch {
        url: Url,
        #[source]
        source: reqwest::Error,
    },
    #[error("the key set is larger than {SET_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the key set is not a JWK set in JSON")]
    NotASet(#[source] serde_json::Error),
    #[error("the key set holds no key for ES256 or RS256 with a kid")]
    NoKey,
}

/// The set could not be read even once.
#[derive(Debug, PartialEq, Eq)]
pub struct NeverRead;

pub struct KeySet {
    source: Source,
    known: RwLock<Known>,
    /// One reading at a time; the others look at what it brought.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<PublicKey>>,
    read_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl KeySet {
    pub fn new(source: Source) -> KeySet {
        KeySet { source, known: RwLock::default(), reading: tokio::sync::Mutex::default() }
    }

    /// The client that fetches key sets: it follows nobody elsewhere and does not wait for long.
    pub fn http() -> reqwest::Result<reqwest::Client> {
        reqwest::Client::builder().timeout(FETCH_WITHIN).redirect(reqwest::redirect::Policy::none()).build()
    }

    /// The key a token names, if the set holds it.
    pub async fn find(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<PublicKey>>, NeverRead> {
        if self.is_due(kid, now) {
            let _one = self.reading.lock().await;
            // Whoever had the turn before may have read what is asked for.
            if self.is_due(kid, now) {
                self.read(now).await;
            }
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.read_at.map(|_| known.keys.get(kid).cloned()).ok_or(NeverRead)
    }

    fn is_due(&self, kid: &str, now: Timestamp) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let older = |at: Option<Timestamp>, span| at.is_none_or(|at| now.since(at) >= span);
        older(known.tried_at, READ_EVERY) && (older(known.read_at, KEPT_FOR) || !known.keys.contains_key(kid))
    }

    /// When the set can't be read, what was known stays.
    async fn read(&self, now: Timestamp) {
        let read = self.bytes().await.and_then(|bytes| parse(&bytes));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tried_at = Some(now);
        match read {
            Ok(keys) => {
                known.keys = keys;
                known.read_at = Some(now);
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the keys of sign-in tokens"),
        }
    }

    async fn bytes(&self) -> Result<Vec<u8>, KeySetError> {
        match &self.source {
            Source::File(path) => tokio::fs::read(path).await.map_err(|cause| KeySetError::File(path.clone(), cause)),
            Source::Url { url, http } => {
                let failed = |source| KeySetError::Fetch { url: url.clone(), source };
                let answer = http.get(url.clone()).send().await.map_err(failed)?;
                let mut answer = answer.error_for_status().map_err(failed)?;
                let mut bytes = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > SET_BYTES_MAX {
                        return Err(KeySetError::TooLarge);
                    }
                }
                Ok(bytes)
            }
        }
    }
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

/// The usable keys of a set by kid. Others in it (to encrypt with, of other kinds, secret ones) are passed over.
pub fn parse(bytes: &[u8]) -> Result<HashMap<String, Arc<PublicKey>>, KeySetError> {
    let set: RawSet = serde_json::from_slice(bytes).map_err(KeySetError::NotASet)?;
    let keys = set.keys.into_iter().filter_map(|key| usable(serde_json::from_value(key).ok()?));
    let keys: HashMap<_, _> = keys.map(|(kid, key)| (kid, Arc::new(key))).collect();
    if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(keys) }
}

/// The key's kind pins its algorithm; a set that says another one for it is not believed.
fn usable(jwk: Jwk) -> Option<(String, PublicKey)> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(key) if modulus_bytes(&key.n) >= RSA_MODULUS_BYTES_MIN => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        _ => return None,
    };
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    if !signs || jwk.common.key_algorithm.is_some_and(|said| said != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, PublicKey { algorithm, key }))
}

/// Of a modulus in base64url, leading zeros not counted.
fn modulus_bytes(n: &str) -> usize {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes = URL_SAFE_NO_PAD.decode(n).unwrap_or_default();
    bytes.len() - bytes.iter().take_while(|byte| **byte == 0).count()
}
