//! The store's signing key: made once, at the first start, in a file that only the daemon's user can read.

use super::sign::SigningKey;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{doing} the signing key {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a signing key: restore it, or delete it to make a new one (URLs given out stop working)")]
    Broken {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} can be read by other users: run chmod 600 on it")]
    Open { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    access: String,
    secret: String,
}

/// Reads the key at `path`, or makes one.
pub fn load_or_create(path: &Path) -> Result<SigningKey, KeyFileError> {
    let failed = |doing| move |source| KeyFileError::Io { doing, path: path.to_owned(), source };
    match fs::read(path) {
        Ok(text) => {
            let mode = fs::metadata(path).map_err(failed("look at"))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(KeyFileError::Open { path: path.to_owned() });
            }
            let record: KeyRecord = serde_json::from_slice(&text)
                .map_err(|source| KeyFileError::Broken { path: path.to_owned(), source })?;
            Ok(SigningKey { access: record.access, secret: record.secret })
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let record = KeyRecord {
                access: format!("TF{}", hex::encode_upper(rand::random::<[u8; 9]>())),
                secret: hex::encode(rand::random::<[u8; 32]>()),
            };
            create(path, &record).map_err(failed("make"))?;
            Ok(SigningKey { access: record.access, secret: record.secret })
        }
        Err(cause) => Err(failed("read")(cause)),
    }
}

/// Written beside its place and renamed, so that a crash leaves no half a key.
fn create(path: &Path, record: &KeyRecord) -> io::Result<()> {
    let half = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_user_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.json");
        let made = load_or_create(&path).unwrap();
        let read = load_or_create(&path).unwrap();
        assert_eq!((made.access, made.secret), (read.access, read.secret));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyFileError::Open { .. })));
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
