//! Sign-in tokens: JWTs as Supabase issues them. Verifies the signature with the one key and the one algorithm that
//! fit, then asks `claims` whom the token speaks for. Makes no account and holds no session.

use super::{
    claims::{self, Identity},
    keys::{self, KeySet, KeySetError, NeverRead, PublicKey, Source},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tweenfarm_protocol::Timestamp;
use url::Url;

/// RFC 7518, section 3.2: a secret of HS256 is no shorter than its hash.
const SECRET_BYTES_MIN: usize = 32;

/// Where the keys of sign-in tokens come from; nothing: only API keys are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSettings {
    /// The project's secret, for HS256.
    pub secret_file: Option<PathBuf>,
    /// Public keys, for ES256 and RS256.
    pub keys: Option<KeysFrom>,
    /// The only issuer to be trusted; `None`: the keys say enough.
    pub issuer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFrom {
    File(PathBuf),
    Url(Url),
}

#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("auth.jwt_secret_file: read {0}")]
    Secret(PathBuf, #[source] std::io::Error),
    #[error(
        "auth.jwt_secret_file: {0} holds fewer than {SECRET_BYTES_MIN} bytes: put the project's whole JWT secret there"
    )]
    ShortSecret(PathBuf),
    #[error("auth.jwks_file: {path} cannot be used")]
    Keys {
        path: PathBuf,
        #[source]
        source: KeySetError,
    },
    #[error("set up the fetching of auth.jwks_url")]
    Http(#[from] reqwest::Error),
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    Refused(&'static str),
    /// The provider's keys could not be read so far.
    KeysUnavailable,
}

#[derive(Default)]
pub struct Tokens {
    secret: Option<DecodingKey>,
    keys: Option<KeySet>,
    issuer: Option<String>,
}

impl Tokens {
    /// Reads the secret and checks a key file now, so that a mistake is told at the start.
    pub fn open(settings: &TokenSettings) -> Result<Tokens, TokensError> {
        let secret = settings.secret_file.as_deref().map(read_secret).transpose()?;
        let keys = match &settings.keys {
            None => None,
            Some(KeysFrom::File(path)) => {
                check_key_file(path).map_err(|source| TokensError::Keys { path: path.clone(), source })?;
                Some(KeySet::new(Source::File(path.clone())))
            }
            Some(KeysFrom::Url(url)) => Some(KeySet::new(Source::Url { url: url.clone(), http: KeySet::http()? })),
        };
        Ok(Tokens { secret, keys, issuer: settings.issuer.clone() })
    }

    /// Whom the token speaks for.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if self.secret.is_none() && self.keys.is_none() {
            return Err(TokenError::Refused("this farm takes API keys only"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Refused("it is not a JWT"))?;
        let named;
        // The token chooses among our keys, never how a key is used.
        let key = match header.alg {
            Algorithm::HS256 => self.secret.as_ref(),
            algorithm @ (Algorithm::ES256 | Algorithm::RS256) => {
                named = self.named(header.kid.as_deref(), now).await?;
                named.as_ref().filter(|key| key.algorithm == algorithm).map(|key| &key.key)
            }
            _ => None,
        };
        let key = key.ok_or(TokenError::Refused("it is signed with a key or an algorithm that is not accepted"))?;
        let data = jsonwebtoken::decode::<Map<String, Value>>(token, key, &signature_only(header.alg));
        let data = data.map_err(|_| TokenError::Refused("its signature is not valid"))?;
        claims::check(&data.claims, self.issuer.as_deref(), now).map_err(TokenError::Refused)
    }

    async fn named(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<PublicKey>>, TokenError> {
        let (Some(keys), Some(kid)) = (&self.keys, kid) else { return Ok(None) };
        keys.find(kid, now).await.map_err(|NeverRead| TokenError::KeysUnavailable)
    }
}

fn read_secret(path: &Path) -> Result<DecodingKey, TokensError> {
    let bytes = std::fs::read(path).map_err(|cause| TokensError::Secret(path.to_owned(), cause))?;
    // An editor's newline is not part of the secret.
    let bytes = bytes.trim_ascii();
    if bytes.len() < SECRET_BYTES_MIN {
        return Err(TokensError::ShortSecret(path.to_owned()));
    }
    Ok(DecodingKey::from_secret(bytes))
}

fn check_key_file(path: &Path) -> Result<(), KeySetError> {
    let bytes = std::fs::read(path).map_err(|cause| KeySetError::File(path.to_owned(), cause))?;
    keys::parse(&bytes).map(|_| ())
}

/// The claims are checked by `claims`, with the farm's clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}
