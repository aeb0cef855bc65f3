//! Presigned URLs in the manner of AWS Signature Version 4, path style: how they are made, and how the built-in
//! store decides whether it issued one. Pure: the time is an argument. An S3 store signs alike, so clients can't tell.

use crate::model::ObjectKey;
use hmac::{Hmac, KeyInit, Mac};
use rusty_s3::{Bucket, Credentials, Method, UrlStyle, signing::sign};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tweenfarm_protocol::Timestamp;
use url::Url;

/// Region of R2 and of the built-in store.
const REGION: &str = "auto";
/// Seven days: the longest life SigV4 knows, in seconds.
const EXPIRES_SECONDS_MAX: i64 = 604_800;
/// How far a signer's clock may be ahead of the store's.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(300);
/// `20260701T100430Z`
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Why the store does not honour a URL. The texts never say what the signature should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the URL must carry exactly the six X-Amz parameters it was signed with: use it as it was given")]
    Parameters,
    #[error("the URL has expired: ask for a new one")]
    Expired,
    #[error("the URL is not valid yet: its date is in the future")]
    NotYet,
    #[error("the signature does not match the method, the key or the Content-Type: send what the URL was signed for")]
    Mismatch,
}

/// Access key and secret of the store.
#[derive(Clone)]
pub struct SigningKey {
    pub access: String,
    pub secret: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("access", &self.access).finish_non_exhaustive()
    }
}

/// Why no signer could be made of what was configured.
#[derive(Debug, thiserror::Error)]
#[error("'{url}' with bucket '{bucket}' cannot be the address of the blob store")]
pub struct SignerError {
    url: String,
    bucket: String,
    #[source]
    source: rusty_s3::BucketError,
}

/// Makes and checks presigned URLs of one bucket.
#[derive(Clone, Debug)]
pub struct Signer {
    bucket: Bucket,
    credentials: Credentials,
}

/// What of a request its signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    pub method: Method,
    pub key: &'a ObjectKey,
    /// The query as it came, without the question mark.
    pub query: &'a str,
    pub content_type: Option<&'a str>,
}

impl Signer {
    /// `public_url` is the origin that clients reach, `http(s)://host[:port]`.
    pub fn new(public_url: &Url, bucket: &str, key: SigningKey) -> Result<Signer, SignerError> {
        let made = Bucket::new(public_url.clone(), UrlStyle::Path, bucket.to_owned(), REGION);
        let bucket =
            made.map_err(|source| SignerError { url: public_url.to_string(), bucket: bucket.to_owned(), source })?;
        Ok(Signer { bucket, credentials: Credentials::new(key.access, key.secret) })
    }

    /// `http(s)://host[:port]`, where clients reach the daemon.
    pub fn origin(&self) -> String {
        self.bucket.base_url().origin().ascii_serialization()
    }

    pub fn bucket_name(&self) -> &str {
        self.bucket.name()
    }

    /// What nobody without the secret can make of a text: for URLs that are to last.
    pub fn mark(&self, text: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.credentials.secret().as_bytes()).expect("any length is a key");
        // Set apart from everything else that is signed with the secret.
        mac.update(b"tweenfarm mark\n");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    pub fn presign_get(&self, key: &ObjectKey, life: Duration, now: Timestamp) -> String {
        let expires = i64::try_from(life.as_secs()).unwrap_or(EXPIRES_SECONDS_MAX);
        self.sign(Method::Get, key, None, whole_second(now), expires)
    }

    pub fn presign_put(&self, key: &ObjectKey, content_type: &str, life: Duration, now: Timestamp) -> String {
        let expires = i64::try_from(life.as_secs()).unwrap_or(EXPIRES_SECONDS_MAX);
        self.sign(Method::Put, key, Some(content_type), whole_second(now), expires)
    }

    /// Signs the request again with its own parameters and compares.
    pub fn verify(&self, request: SignedRequest<'_>, now: Timestamp) -> Result<(), SignatureError> {
        let parameters = Parameters::read(request.query)?;
        let signed_at = parameters.date;
        let scope = format!("{}/{}/{REGION}/s3/aws4_request", self.credentials.key(), signed_at.strftime("%Y%m%d"));
        if parameters.algorithm != "AWS4-HMAC-SHA256" {
            return Err(SignatureError::Parameters);
        }
        let content_type = match (request.method, parameters.signed_headers.as_str()) {
            // A PUT is bound to its content type, so that an upload cannot become something else.
            (Method::Put, "content-type;host") => Some(request.content_type.ok_or(SignatureError::Mismatch)?),
            (Method::Get | Method::Head, "host") => None,
            _ => return Err(SignatureError::Mismatch),
        };
        let signed = Timestamp(signed_at.as_microsecond());
        if signed > now.plus(CLOCK_AHEAD_MAX) {
            return Err(SignatureError::NotYet);
        }
        let life = Duration::from_secs(u64::try_from(parameters.expires_seconds).unwrap_or(0));
        if signed.plus(life) <= now {
            return Err(SignatureError::Expired);
        }
        let expected = self.sign(request.method, request.key, content_type, signed_at, parameters.expires_seconds);
        let expected = expected.rsplit_once("X-Amz-Signature=").map_or("", |(_, signature)| signature);
        let same = expected.as_bytes().ct_eq(parameters.signature.as_bytes())
            & scope.as_bytes().ct_eq(parameters.credential.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    fn sign(
        &self,
        method: Method,
        key: &ObjectKey,
        content_type: Option<&str>,
        at: jiff::Timestamp,
        expires_seconds: i64,
    ) -> String {
        let expires_seconds = u64::try_from(expires_seconds.clamp(1, EXPIRES_SECONDS_MAX)).unwrap_or(1);
        // rusty-s3 adds `host` itself and merges the two in order of their names.
        let headers = content_type.map(|value| ("content-type", value));
        let url = sign(
            &at,
            method,
            self.bucket.object_url(key.as_str()),
            self.credentials.key(),
            self.credentials.secret(),
            None,
            REGION,
            expires_seconds,
            std::iter::empty(),
            headers.into_iter(),
        );
        url.into()
    }
}

/// SigV4 dates have whole seconds.
fn whole_second(now: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(now.0.div_euclid(1_000_000)).unwrap_or_default()
}

/// The six parameters of a presigned URL; each exactly once, and no other.
struct Parameters {
    algorithm: String,
    credential: String,
    date: jiff::Timestamp,
    expires_seconds: i64,
    signed_headers: String,
    signature: String,
}

impl Parameters {
    fn read(query: &str) -> Result<Parameters, SignatureError> {
        const NAMES: [&str; 6] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ];
        let mut values: [Option<String>; 6] = Default::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = NAMES.iter().position(|known| *known == name).ok_or(SignatureError::Parameters)?;
            if values[place].replace(value.into_owned()).is_some() {
                return Err(SignatureError::Parameters);
            }
        }
        let [Some(algorithm), Some(credential), Some(date), Some(expires), Some(signed_headers), Some(signature)] =
            values
        else {
            return Err(SignatureError::Parameters);
        };
        let date = jiff::civil::DateTime::strptime(DATE_FORMAT, &date)
            .ok()
            .filter(|read| read.strftime(DATE_FORMAT).to_string() == date)
            .and_then(|read| read.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .ok_or(SignatureError::Parameters)?
            .timestamp();
        let digits = !expires.is_empty() && expires.len() <= 6 && expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires_seconds =
            expires.parse().ok().filter(|seconds| digits && (1..=EXPIRES_SECONDS_MAX).contains(seconds));
        let expires_seconds = expires_seconds.ok_or(SignatureError::Parameters)?;
        Ok(Parameters { algorithm, credential, date, expires_seconds, signed_headers, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    /// 2026-07-01T10:04:30.5Z
    const NOW: Timestamp = Timestamp(1_782_900_270_500_000);

    fn signer() -> Signer {
        let key = SigningKey { access: "TFTEST".into(), secret: "a secret of the tests".into() };
        Signer::new(&"http://127.0.0.1:8080".parse().unwrap(), "tweenfarm", key).unwrap()
    }

    fn key(text: &str) -> ObjectKey {
        text.parse().unwrap()
    }

    fn query(url: &str) -> &str {
        url.split_once('?').unwrap().1
    }

    #[test]
    fn a_url_has_the_customary_shape() {
        let url = signer().presign_put(&key("uploads/free/a/b/input/c-x.mp4"), "video/mp4", HOUR, NOW);
        assert!(
            url.starts_with(
                "http://127.0.0.1:8080/tweenfarm/uploads/free/a/b/input/c-x.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
            ),
            "{url}"
        );
        for part in [
            "X-Amz-Credential=TFTEST%2F20260701%2Fauto%2Fs3%2Faws4_request",
            "X-Amz-Date=20260701T100430Z",
            "X-Amz-Expires=3600",
            "X-Amz-SignedHeaders=content-type%3Bhost",
        ] {
            assert!(url.contains(part), "{part} in {url}");
        }
        let signature = url.rsplit_once("X-Amz-Signature=").unwrap().1;
        assert!(signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit()), "{signature}");
    }

    #[test]
    fn a_url_opens_what_it_was_signed_for_and_nothing_else() {
        let signer = signer();
        let (clip, other) = (key("uploads/free/a/b/input/c-x.mp4"), key("uploads/free/a/b/input/d-x.mp4"));
        let put = signer.presign_put(&clip, "video/mp4", HOUR, NOW);
        let get = signer.presign_get(&clip, HOUR, NOW);
        let check = |method, key: &ObjectKey, url: &str, content_type, expected: Result<(), SignatureError>| {
            let request = SignedRequest { method, key, query: query(url), content_type };
            assert_eq!(signer.verify(request, NOW), expected, "{method:?} {key} {content_type:?}");
        };
        check(Method::Put, &clip, &put, Some("video/mp4"), Ok(()));
        check(Method::Put, &clip, &put, Some("video/webm"), Err(SignatureError::Mismatch));
        check(Method::Put, &clip, &put, None, Err(SignatureError::Mismatch));
        check(Method::Put, &other, &put, Some("video/mp4"), Err(SignatureError::Mismatch));
        check(Method::Get, &clip, &put, Some("video/mp4"), Err(SignatureError::Mismatch));
        check(Method::Get, &clip, &get, None, Ok(()));
        check(Method::Get, &clip, &get, Some("text/plain"), Ok(()));
        check(Method::Get, &other, &get, None, Err(SignatureError::Mismatch));
        check(Method::Head, &clip, &get, None, Err(SignatureError::Mismatch));
        check(Method::Put, &clip, &get, Some("video/mp4"), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_url_lives_exactly_as_long_as_it_says() {
        let signer = signer();
        let clip = key("outputs/paid/a/b/c/output-60fps.mp4");
        let url = signer.presign_get(&clip, HOUR, NOW);
        let request = SignedRequest { method: Method::Get, key: &clip, query: query(&url), content_type: None };
        let at = |now: Timestamp| signer.verify(request, now);
        assert_eq!(at(NOW.plus(Duration::from_secs(3599))), Ok(()));
        assert_eq!(at(NOW.plus(HOUR)), Err(SignatureError::Expired));
        assert_eq!(at(NOW.minus(Duration::from_secs(299))), Ok(()));
        assert_eq!(at(NOW.minus(Duration::from_secs(302))), Err(SignatureError::NotYet));
    }

    #[test]
    fn changed_missing_doubled_and_foreign_parameters_are_refused() {
        let signer = signer();
        let clip = key("outputs/paid/a/b/c/output-60fps.mp4");
        let url = signer.presign_get(&clip, HOUR, NOW);
        let check = |query: String| {
            let request = SignedRequest { method: Method::Get, key: &clip, query: &query, content_type: None };
            assert!(signer.verify(request, NOW).is_err(), "{query}");
        };
        let good = query(&url);
        check(good.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"));
        check(good.replace("X-Amz-Expires=3600", "X-Amz-Expires=604801"));
        check(good.replace("X-Amz-Expires=3600", "X-Amz-Expires=0"));
        check(good.replace("X-Amz-Expires=3600", "X-Amz-Expires=-5"));
        check(good.replace("X-Amz-Date=20260701T100430Z", "X-Amz-Date=20260701T100431Z"));
        check(good.replace("X-Amz-Date=20260701T100430Z", "X-Amz-Date=yesterday"));
        check(good.replace("TFTEST", "OTHER"));
        check(good.replace("20260701%2Fauto", "20260701%2Fus-east-1"));
        check(good.replace("AWS4-HMAC-SHA256", "NONE"));
        check(format!("{good}&X-Amz-Expires=3600"));
        check(format!("{good}&response-content-type=text%2Fhtml"));
        for (place, _) in good.split('&').enumerate() {
            let without: Vec<&str> =
                good.split('&').enumerate().filter(|(at, _)| *at != place).map(|(_, part)| part).collect();
            check(without.join("&"));
        }
        check(String::new());
        check(good.replace("X-Amz-Signature=", "X-Amz-Signature=0"));
        let foreign = Signer::new(
            &"http://127.0.0.1:8080".parse().unwrap(),
            "tweenfarm",
            SigningKey { access: "TFTEST".into(), secret: "another secret".into() },
        );
        check(query(&foreign.unwrap().presign_get(&clip, HOUR, NOW)).to_owned());
    }
}
