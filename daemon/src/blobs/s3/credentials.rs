//! The credentials of the bucket: in a file that only the daemon's user can read, or handed over by the environment.

use crate::{
    blobs::SigningKey,
    private_file::{self, PrivateFileError},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("the credentials of the S3 server")]
    File(#[from] PrivateFileError),
    #[error("{0} is not there: blobs.credentials_file names it")]
    Missing(PathBuf),
    #[error(
        "{0} does not hold the credentials of an S3 server: two lines are expected, access_key_id = \"…\" and \
         secret_access_key = \"…\""
    )]
    Broken(PathBuf),
}

/// Where they come from; `Given` was in the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialsFrom {
    File(PathBuf),
    Given(SigningKey),
}

impl CredentialsFrom {
    pub fn read(&self) -> Result<SigningKey, CredentialsError> {
        match self {
            CredentialsFrom::File(path) => read(path),
            CredentialsFrom::Given(key) => Ok(key.clone()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    access_key_id: String,
    secret_access_key: String,
}

fn read(path: &Path) -> Result<SigningKey, CredentialsError> {
    // What the parser says would quote the secret.
    let broken = || CredentialsError::Broken(path.to_owned());
    let text = private_file::read(path)?.ok_or_else(|| CredentialsError::Missing(path.to_owned()))?;
    let text = String::from_utf8(text).map_err(|_| broken())?;
    let source = config::File::from_str(&text, config::FileFormat::Toml);
    let read = config::Config::builder().add_source(source).build().and_then(config::Config::try_deserialize);
    let Lines { access_key_id, secret_access_key } = read.map_err(|_| broken())?;
    if access_key_id.is_empty() || secret_access_key.is_empty() {
        return Err(broken());
    }
    Ok(SigningKey { access: access_key_id, secret: secret_access_key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn credentials_are_two_lines_that_nobody_else_can_read_and_no_error_quotes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3.toml");
        let check = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            CredentialsFrom::File(path.clone()).read()
        };
        let good = "access_key_id = \"GK1\"\nsecret_access_key = \"hidden\"\n";
        assert_eq!(check(good, 0o600).unwrap(), SigningKey { access: "GK1".into(), secret: "hidden".into() });
        assert!(matches!(check(good, 0o640), Err(CredentialsError::File(PrivateFileError::Open { .. }))));
        for wrong in ["", "access_key_id = \"GK1\"", "secret_access_key = hidden", "[default]\nhidden = 1"] {
            let error = check(wrong, 0o600).unwrap_err();
            assert!(matches!(error, CredentialsError::Broken(_)), "{wrong}");
            assert!(!format!("{error:?} {error}").contains("hidden"), "{wrong}");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(CredentialsFrom::File(path).read(), Err(CredentialsError::Missing(_))));
    }
}
