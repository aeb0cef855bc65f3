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
            if mode & 0o077 != 0 {
                return Err(PrivateFileError::Open { path: path.to_owned() });
            }
            Ok(Some(content))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed("read")(cause)),
    }
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
