//! Presigned URLs in the manner of AWS Signature Version 4: how they are made, for the built-in store and for a bucket of
//! an S3 server alike, so that clients can't tell, and how the daemon decides whether it made one. Pure: the time is an
//! argument.

use crate::model::ObjectKey;
use base64::Engine as _;
use rusty_s3::{Bucket, Credentials, Method, UrlStyle, signing::sign};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tweenfarm_protocol::{Timestamp, task::Presigned};
use url::Url;

/// Region of R2 and of the built-in store.
pub const REGION: &str = "auto";
/// What a browser is to save an object as.
const SAVED_AS: &str = "response-content-disposition";
/// The hash of an object that an agent or the daemon stored, as it was signed for.
pub const SHA256_HEADER: &str = "x-amz-meta-sha256";
/// The same in the form that servers check the bytes against, those that do.
const CHECKSUM_HEADER: &str = "x-amz-checksum-sha256";
/// Seven days: the longest life SigV4 knows, in seconds.
const EXPIRES_SECONDS_MAX: i64 = 604_800;
/// How far a signer's clock may be ahead of the store's.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(300);
/// `20260701T100430Z`
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Why the store does not honour a URL. The texts never say what the signature should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the URL must carry exactly the X-Amz parameters it was signed with: use it as it was given")]
    Parameters,
    #[error("the URL has expired: ask for a new one")]
    Expired,
    #[error("the URL is not valid yet: its date is in the future")]
    NotYet,
    #[error("the signature does not match the method, the key or the Content-Type: send what the URL was signed for")]
    Mismatch,
}

/// Access key and secret of the store.
#[derive(Clone, PartialEq)]
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

/// A bucket and how its objects are addressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// `http(s)://host[:port]`
    pub endpoint: Url,
    pub bucket: String,
    /// The bucket is in the path, otherwise in the name of the host.
    pub is_path_style: bool,
    pub region: String,
    /// Before every key; empty, or ends in `/`.
    pub prefix: String,
}

/// Makes and checks presigned URLs of one bucket.
#[derive(Clone, Debug)]
pub struct Signer {
    bucket: Bucket,
    prefix: String,
    credentials: Credentials,
}

/// What of an object is decided before it is stored; the URL takes nothing else.
#[derive(Clone, Copy, Debug)]
pub struct PutTerms<'a> {
    pub content_type: &'a str,
    pub size_bytes: Option<u64>,
    /// Lowercase hex.
    pub sha256: Option<&'a str>,
}

impl PutTerms<'_> {
    /// The headers that the upload has to send, in the order of their names.
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        if let Some(size_bytes) = self.size_bytes {
            add("content-length", size_bytes.to_string());
        }
        add("content-type", self.content_type.to_owned());
        if let Some(sha256) = self.sha256 {
            let digest = hex::decode(sha256).unwrap_or_default();
            add(CHECKSUM_HEADER, base64::engine::general_purpose::STANDARD.encode(digest));
            add(SHA256_HEADER, sha256.to_owned());
        }
        headers
    }
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
    /// For the built-in store; `public_url` is the origin that clients reach.
    pub fn new(public_url: &Url, bucket: &str, key: SigningKey) -> Result<Signer, SignerError> {
        let address = Address {
            endpoint: public_url.clone(),
            bucket: bucket.to_owned(),
            is_path_style: true,
            region: REGION.to_owned(),
            prefix: String::new(),
        };
        Signer::at(&address, key)
    }

    pub fn at(address: &Address, key: SigningKey) -> Result<Signer, SignerError> {
        let Address { endpoint, bucket, is_path_style, region, prefix } = address.clone();
        let style = if is_path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let made = Bucket::new(endpoint.clone(), style, bucket.clone(), region);
        let bucket = made.map_err(|source| SignerError { url: endpoint.to_string(), bucket, source })?;
        Ok(Signer { bucket, prefix, credentials: Credentials::new(key.access, key.secret) })
    }

    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The name of the object in its bucket.
    pub fn object(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub fn presign_get(&self, key: &ObjectKey, saved_as: Option<&str>, life: Duration, now: Timestamp) -> String {
        let query: Vec<_> = saved_as.map(|name| (SAVED_AS.to_owned(), attachment(name))).into_iter().collect();
        self.presign(Method::Get, key, query, Vec::new(), life, now).url
    }

    pub fn presign_put(&self, key: &ObjectKey, terms: &PutTerms<'_>, life: Duration, now: Timestamp) -> Presigned {
        self.presign(Method::Put, key, Vec::new(), terms.headers(), life, now)
    }

    /// Any request on one object; parameters and headers in the order of their names.
    pub fn presign(
        &self,
        method: Method,
        key: &ObjectKey,
        query: Vec<(String, String)>,
        headers: Vec<(String, String)>,
        life: Duration,
        now: Timestamp,
    ) -> Presigned {
        let expires = i64::try_from(life.as_secs()).unwrap_or(EXPIRES_SECONDS_MAX);
        let url = self.sign(method, key, &query, &headers, whole_second(now), expires);
        Presigned { url, headers }
    }

    /// The key in a URL of this bucket, whoever made it.
    pub fn key_of(&self, url: &Url) -> Option<ObjectKey> {
        let base = self.bucket.base_url();
        let path = url.path().strip_prefix(base.path()).filter(|_| url.origin() == base.origin())?;
        path.trim_start_matches('/').strip_prefix(self.prefix.as_str())?.parse().ok()
    }

    /// Signs the request again with its own parameters and compares.
    pub fn verify(&self, request: SignedRequest<'_>, now: Timestamp) -> Result<(), SignatureError> {
        let parameters = Parameters::read(request.query)?;
        let signed_at = parameters.date;
        let region = self.bucket.region();
        let scope = format!("{}/{}/{region}/s3/aws4_request", self.credentials.key(), signed_at.strftime("%Y%m%d"));
        if parameters.algorithm != "AWS4-HMAC-SHA256" {
            return Err(SignatureError::Parameters);
        }
        let headers = match (request.method, parameters.signed_headers.as_str()) {
            // A PUT is bound to its content type, so that an upload cannot become something else.
            (Method::Put, "content-type;host") => {
                let content_type = request.content_type.ok_or(SignatureError::Mismatch)?;
                vec![("content-type".to_owned(), content_type.to_owned())]
            }
            (Method::Get | Method::Head, "host") => Vec::new(),
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
        let query: Vec<_> = parameters.saved_as.map(|name| (SAVED_AS.to_owned(), name)).into_iter().collect();
        let expected = self.sign(request.method, request.key, &query, &headers, signed_at, parameters.expires_seconds);
        let expected = expected.rsplit_once("X-Amz-Signature=").map_or("", |(_, signature)| signature);
        let expected = expected.split('&').next().unwrap_or_default();
        let same = expected.as_bytes().ct_eq(parameters.signature.as_bytes())
            & scope.as_bytes().ct_eq(parameters.credential.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    fn sign(
        &self,
        method: Method,
        key: &ObjectKey,
        query: &[(String, String)],
        headers: &[(String, String)],
        at: jiff::Timestamp,
        expires_seconds: i64,
    ) -> String {
        let expires_seconds = u64::try_from(expires_seconds.clamp(1, EXPIRES_SECONDS_MAX)).unwrap_or(1);
        // rusty-s3 adds `host` itself and merges the two in order of their names.
        let url = sign(
            &at,
            method,
            self.bucket.object_url(&self.object(key.as_str())),
            self.credentials.key(),
            self.credentials.secret(),
            None,
            self.bucket.region(),
            expires_seconds,
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        );
        url.into()
    }
}

/// `Content-Disposition` of a download, for clients old and new (RFC 6266).
pub fn attachment(filename: &str) -> String {
    let plain = |letter: char| letter == ' ' || letter.is_ascii_graphic() && !"\"\\%".contains(letter);
    let ascii: String = filename.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    if ascii == filename {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let encoded = percent_encoding::utf8_percent_encode(filename, percent_encoding::NON_ALPHANUMERIC);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// SigV4 dates have whole seconds.
fn whole_second(now: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(now.0.div_euclid(1_000_000)).unwrap_or_default()
}

/// The six parameters of a presigned URL, each exactly once, the name to save it as, and no other.
struct Parameters {
    saved_as: Option<String>,
    algorithm: String,
    credential: String,
    date: jiff::Timestamp,
    expires_seconds: i64,
    signed_headers: String,
    signature: String,
}

impl Parameters {
    fn read(query: &str) -> Result<Parameters, SignatureError> {
        const NAMES: [&str; 7] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
            SAVED_AS,
        ];
        let mut values: [Option<String>; 7] = Default::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = NAMES.iter().position(|known| *known == name).ok_or(SignatureError::Parameters)?;
            if values[place].replace(value.into_owned()).is_some() {
                return Err(SignatureError::Parameters);
            }
        }
        let [
            Some(algorithm),
            Some(credential),
            Some(date),
            Some(expires),
            Some(signed_headers),
            Some(signature),
            saved_as,
        ] = values
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
        Ok(Parameters { saved_as, algorithm, credential, date, expires_seconds, signed_headers, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const VIDEO: PutTerms<'_> = PutTerms { content_type: "video/mp4", size_bytes: None, sha256: None };
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
        let url = signer().presign_put(&key("uploads/free/a/b/input/c-x.mp4"), &VIDEO, HOUR, NOW).url;
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
        let put = signer.presign_put(&clip, &VIDEO, HOUR, NOW).url;
        let get = signer.presign_get(&clip, None, HOUR, NOW);
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
        let url = signer.presign_get(&clip, None, HOUR, NOW);
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
        let url = signer.presign_get(&clip, None, HOUR, NOW);
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
        check(query(&foreign.unwrap().presign_get(&clip, None, HOUR, NOW)).to_owned());
    }

    #[test]
    fn a_name_is_saved_as_it_was_given_and_cannot_add_a_header() {
        let check = |name: &str, expected: &str| assert_eq!(attachment(name), expected, "{name}");
        check("output-60fps.mp4", "attachment; filename=\"output-60fps.mp4\"");
        check("süß.mp4", "attachment; filename=\"s__.mp4\"; filename*=UTF-8''s%C3%BC%C3%9F%2Emp4");
        check("a\"b.mp4", "attachment; filename=\"a_b.mp4\"; filename*=UTF-8''a%22b%2Emp4");
        check("a\r\nx: y", "attachment; filename=\"a__x: y\"; filename*=UTF-8''a%0D%0Ax%3A%20y");
    }
}
