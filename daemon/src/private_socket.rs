//! Sockets in the file system that only one user opens: made here with mode 0600, or handed over by systemd with the rights
//! that its socket unit gives them.

use crate::systemd::sockets::Handed;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

/// The file of a socket that was made here; removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.0);
    }
}

/// The store's lock has made sure that no other daemon of this folder lives: a socket that is there is a leftover.
/// Without a file to remove where systemd holds the socket.
pub fn listen(handed: &mut Handed, path: &Path) -> io::Result<(UnixListener, Option<SocketFile>)> {
    if let Some(listener) = handed.file(path) {
        return Ok((UnixListener::from_std(listener)?, None));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok((listener, Some(SocketFile(path.to_owned()))))
}
