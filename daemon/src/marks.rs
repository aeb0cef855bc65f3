//! Marks: what nobody without the daemon's key can make of a text, for URLs of the daemon's own that are to last.
//!
//! The key is the daemon's, not the blob store's: other credentials for a bucket leave every URL as it is.

use crate::blobs::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

/// Where clients reach the daemon, and the key that its marks are made with.
#[derive(Clone)]
pub struct Marks {
    origin: String,
    secret: String,
}

impl Marks {
    pub fn new(public_url: &Url, key: &SigningKey) -> Marks {
        Marks { origin: public_url.origin().ascii_serialization(), secret: key.secret.clone() }
    }

    /// `http(s)://host[:port]`, where clients reach the daemon.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn mark(&self, text: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length is a key");
        // Set apart from everything else that is signed with the secret.
        mac.update(b"tweenfarm mark\n");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}
