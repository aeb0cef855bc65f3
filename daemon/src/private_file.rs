//! Small files that only the daemon's user may read: keys. Written whole or not at all.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    #[error("{doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} can be read by other users: run chmod 600 on it")]
    Open { path: PathBuf },
}

/// None when there is no such file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, PrivateFileError> {
    let failed = |doing| move |source| PrivateFileError::Io { doing, path: path.to_owned(), source };
    match fs::read(path) {
        Ok(content) => {
            let mode = fs::metadata(path).map_err(failed("look at"))?.permissions().mode();
            let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
            if mode & forbidden(path, credentials.as_deref().map(Path::new)) != 0 {
                return Err(PrivateFileError::Open { path: path.to_owned() });
            }
            Ok(Some(content))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("read")(cause)),
    }
}

/// Rights that nobody but the owner may have. What systemd hands over (LoadCredential=) is root's, and read by the unit's user
/// through an access list, which the mode shows as a right of the group's.
fn forbidden(path: &Path, credentials: Option<&Path>) -> u32 {
    if credentials.is_some() && path.parent() == credentials { 0o037 } else { 0o077 }
}

/// Written beside its place and renamed, so that a crash leaves no half a key.
pub fn create(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let half = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&half, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(|source| PrivateFileError::Io { doing: "make", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_credential_of_systemd_may_show_a_right_to_read_of_the_group() {
        let unit = Path::new("/run/credentials/tweenfarmd.service");
        let rights = |path: &str, credentials| forbidden(Path::new(path), credentials);
        assert_eq!(0o440 & rights("/run/credentials/tweenfarmd.service/s3", Some(unit)), 0);
        for mode in [0o444, 0o460, 0o410, 0o644] {
            assert_ne!(mode & rights("/run/credentials/tweenfarmd.service/s3", Some(unit)), 0, "{mode:o}");
        }
        assert_eq!(rights("/etc/tweenfarm/s3.toml", Some(unit)), 0o077);
        assert_eq!(rights("/run/credentials/tweenfarmd.service/s3", None), 0o077);
        assert_eq!(rights("s3.toml", None), 0o077);
    }
}
