//! The store's signing key: made once, at the first start, in a file that only the daemon's user can read.

use super::sign::SigningKey;
use crate::private_file::{self, PrivateFileError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the signing key of the blob store")]
    File(#[from] PrivateFileError),
    #[error("{path} is not a signing key: restore it, or delete it to make a new one (URLs given out stop working)")]
    Broken {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    access: String,
    secret: String,
}

/// Reads the key at `path`, or makes one.
pub fn load_or_create(path: &Path) -> Result<SigningKey, KeyFileError> {
    let broken = |source| KeyFileError::Broken { path: path.to_owned(), source };
    let record: KeyRecord = match private_file::read(path)? {
        Some(text) => serde_json::from_slice(&text).map_err(broken)?,
        None => {
            let record = KeyRecord {
                access: format!("TF{}", hex::encode_upper(rand::random::<[u8; 9]>())),
                secret: hex::encode(rand::random::<[u8; 32]>()),
            };
            private_file::create(path, &serde_json::to_vec(&record).map_err(broken)?)?;
            record
        }
    };
    Ok(SigningKey { access: record.access, secret: record.secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn the_key_is_made_once_and_only_its_user_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.json");
        let made = load_or_create(&path).unwrap();
        let read = load_or_create(&path).unwrap();
        assert_eq!((made.access, made.secret), (read.access, read.secret));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyFileError::File(PrivateFileError::Open { .. }))));
    }

    #[test]
    fn a_broken_key_is_reported_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.json");
        fs::write(&path, "half a k").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyFileError::Broken { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"half a k");
    }
}
