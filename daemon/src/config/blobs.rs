//! `[blobs]`: which store holds the bytes, and where it is.

use super::{Check, ConfigError, ROUTE_NAMES};
use crate::{
    blobs::{
        SigningKey,
        s3::credentials::CredentialsFrom,
        sign::{Address, REGION},
    },
    model::ObjectKey,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

section!(RawBlobs {
    kind: String = "disk".into(),
    folder: Option<PathBuf> = None,
    bucket: String = "tweenfarm".into(),
    endpoint: Option<String> = None,
    public_endpoint: Option<String> = None,
    region: Option<String> = None,
    style: Option<String> = None,
    prefix: Option<String> = None,
    credentials_file: Option<PathBuf> = None,
    part_bytes: Option<u64> = None,
});

/// Which store it is.
#[derive(Clone, Debug, PartialEq)]
pub enum BlobsConfig {
    Disk { bucket: String },
    S3(Box<S3Config>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct S3Config {
    pub address: Address,
    pub public_endpoint: Url,
    pub credentials: CredentialsFrom,
    pub part_bytes: u64,
}

/// As every S3 server takes them, but for the last of an object.
const PART_BYTES: std::ops::RangeInclusive<u64> = 5 << 20..=5 << 30;
const PART_BYTES_USUAL: u64 = 64 << 20;

impl Check<'_> {
    pub(super) fn blobs(&self, raw: RawBlobs) -> Result<BlobsConfig, ConfigError> {
        match raw.kind.as_str() {
            "disk" => {
                self.no_s3_keys(&raw)?;
                Ok(BlobsConfig::Disk { bucket: self.bucket_of_disk(raw.bucket)? })
            }
            "s3" => Ok(BlobsConfig::S3(Box::new(self.s3(raw)?))),
            other => Err(self.wrong("blobs.kind", format!("{other:?}"), "disk or s3")),
        }
    }

    /// A key that has no effect is a mistake, most likely a forgotten `kind`.
    fn no_s3_keys(&self, raw: &RawBlobs) -> Result<(), ConfigError> {
        let given = [
            ("blobs.endpoint", raw.endpoint.is_some()),
            ("blobs.public_endpoint", raw.public_endpoint.is_some()),
            ("blobs.region", raw.region.is_some()),
            ("blobs.style", raw.style.is_some()),
            ("blobs.prefix", raw.prefix.is_some()),
            ("blobs.credentials_file", raw.credentials_file.is_some()),
            ("blobs.part_bytes", raw.part_bytes.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => {
                Err(self.written.missing(key, key, "is of an S3 server: it needs kind = \"s3\" beside it"))
            }
            None => Ok(()),
        }
    }

    fn s3(&self, raw: RawBlobs) -> Result<S3Config, ConfigError> {
        let missing = |key, needed: &str| self.written.missing(key, "blobs.kind", needed);
        let endpoint = raw.endpoint.ok_or_else(|| {
            missing(
                "blobs.endpoint",
                "needed with kind = \"s3\": the server's address, such as \"https://s3.example.org\"",
            )
        })?;
        let endpoint = self.origin_url("blobs.endpoint", &endpoint)?;
        let public_endpoint = match raw.public_endpoint {
            Some(text) => self.origin_url("blobs.public_endpoint", &text)?,
            None => endpoint.clone(),
        };
        let is_path_style = match raw.style.as_deref() {
            None | Some("path") => true,
            Some("virtual-host") => false,
            Some(other) => return Err(self.wrong("blobs.style", format!("{other:?}"), "path or virtual-host")),
        };
        let credentials = match raw.credentials_file {
            Some(path) => CredentialsFrom::File(path),
            None => CredentialsFrom::Given(key_of_environment().ok_or_else(|| {
                missing(
                    "blobs.credentials_file",
                    "needed with kind = \"s3\", unless AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are in the environment",
                )
            })?),
        };
        let address = Address {
            endpoint,
            bucket: self.bucket_of_s3(raw.bucket)?,
            is_path_style,
            region: self.region(raw.region)?,
            prefix: self.prefix(raw.prefix.unwrap_or_default())?,
        };
        let part_bytes = raw.part_bytes.unwrap_or(PART_BYTES_USUAL);
        let part_bytes = self.within("blobs.part_bytes", part_bytes, PART_BYTES)?;
        Ok(S3Config { address, public_endpoint, credentials, part_bytes })
    }

    fn bucket_of_disk(&self, name: String) -> Result<String, ConfigError> {
        if !is_bucket(&name) || name.contains('.') {
            return Err(self.wrong("blobs.bucket", format!("{name:?}"), "3 to 63 of a-z, 0-9 and -, no - at an end"));
        }
        if ROUTE_NAMES.contains(&name.as_str()) {
            return Err(self.wrong("blobs.bucket", format!("{name:?}"), "not the name of a route of the API"));
        }
        Ok(name)
    }

    fn bucket_of_s3(&self, name: String) -> Result<String, ConfigError> {
        if is_bucket(&name) {
            return Ok(name);
        }
        let accepted = "3 to 63 of a-z, 0-9, - and ., a letter or digit at both ends";
        Err(self.wrong("blobs.bucket", format!("{name:?}"), accepted))
    }

    fn region(&self, region: Option<String>) -> Result<String, ConfigError> {
        let region = region.unwrap_or_else(|| REGION.to_owned());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=64).contains(&region.len()) && region.bytes().all(plain) {
            return Ok(region);
        }
        Err(self.wrong(
            "blobs.region",
            format!("{region:?}"),
            "the server's name for it, such as auto, garage, us-east-1",
        ))
    }

    fn prefix(&self, prefix: String) -> Result<String, ConfigError> {
        // What makes a key safe makes its beginning safe.
        let is_plain = format!("work/{prefix}x").parse::<ObjectKey>().is_ok();
        if prefix.is_empty() || prefix.ends_with('/') && prefix.len() <= 100 && is_plain {
            return Ok(prefix);
        }
        let accepted = "folders of letters, digits, ., _ and - that end in /, at most 100 bytes, such as \"farm/\"";
        Err(self.wrong("blobs.prefix", format!("{prefix:?}"), accepted))
    }
}

fn is_bucket(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let ends_plain = !name.starts_with(['-', '.']) && !name.ends_with(['-', '.']);
    (3..=63).contains(&name.len()) && name.bytes().all(plain) && ends_plain
}

/// The names that every other program of S3 reads.
fn key_of_environment() -> Option<SigningKey> {
    let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(SigningKey { access: read("AWS_ACCESS_KEY_ID")?, secret: read("AWS_SECRET_ACCESS_KEY")? })
}
