//! Whether a folder is really there: a root that is not mounted is not an empty root.
//!
//! Device numbers change with every mount of a network share, so what is remembered is where the file system of a folder is
//! mounted. A folder that has come nearer to the root file system has lost its mount; one that has gone deeper has got one.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Why a folder is left alone for now.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    #[error("{0} is not there: is it mounted?")]
    Missing(PathBuf),
    #[error("{0} is no folder")]
    NotAFolder(PathBuf),
    #[error("{folder} cannot be read: {source}")]
    Unreadable { folder: PathBuf, source: io::Error },
    #[error("{folder} has no {marker}, which marker says it has when it is mounted")]
    NoMarker { folder: PathBuf, marker: PathBuf },
    #[error(
        "{folder} was on the file system mounted at {was} and is now on the one at {is}: mount it, or start tweenfarm-watch once with --accept-folders if that is meant"
    )]
    OtherMount { folder: PathBuf, was: PathBuf, is: PathBuf },
}

/// Where the file system of `folder` is mounted, to be remembered; `was` is what was remembered.
pub fn check(folder: &Path, marker: Option<&Path>, was: Option<&Path>) -> Result<PathBuf, Absent> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Absent::Missing(folder.to_owned()),
        _ => Absent::Unreadable { folder: folder.to_owned(), source },
    };
    let found = fs::metadata(folder).map_err(unreadable)?;
    if !found.is_dir() {
        return Err(Absent::NotAFolder(folder.to_owned()));
    }
    let is = mount_of(folder, found.dev()).map_err(unreadable)?;
    if let Some(was) = was
        && was != is
        && was.starts_with(&is)
    {
        return Err(Absent::OtherMount { folder: folder.to_owned(), was: was.to_owned(), is });
    }
    match marker {
        Some(marker) if fs::symlink_metadata(folder.join(marker)).is_err() => {
            Err(Absent::NoMarker { folder: folder.to_owned(), marker: marker.to_owned() })
        }
        _ => Ok(is),
    }
}

/// The last folder on the way up that is of the same device.
fn mount_of(folder: &Path, device: u64) -> io::Result<PathBuf> {
    let real = fs::canonicalize(folder)?;
    let same = |ancestor: &&Path| fs::metadata(ancestor).is_ok_and(|found| found.dev() == device);
    Ok(real.ancestors().take_while(same).last().unwrap_or(&real).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lost_its_mount_is_absent_and_one_that_got_a_mount_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let is = check(&folder, None, None).unwrap();
        assert!(folder.starts_with(&is));
        assert_eq!(check(&folder, None, Some(&is)).unwrap(), is);
        // It was a mount of its own.
        assert!(matches!(check(&folder, None, Some(&folder.join("deeper"))), Err(Absent::OtherMount { .. })));
        // Before, only what is above was there.
        if let Some(above) = is.parent() {
            assert_eq!(check(&folder, None, Some(above)).unwrap(), is);
        }
    }

    #[test]
    fn a_folder_that_is_gone_a_file_and_one_without_its_marker_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, marker) = (folder.path(), Path::new(".mounted"));
        assert!(matches!(check(&folder.join("x"), None, None), Err(Absent::Missing(_))));
        fs::write(folder.join("file"), "").unwrap();
        assert!(matches!(check(&folder.join("file"), None, None), Err(Absent::NotAFolder(_))));
        assert!(matches!(check(folder, Some(marker), None), Err(Absent::NoMarker { .. })));
        fs::write(folder.join(marker), "").unwrap();
        assert!(check(folder, Some(marker), None).is_ok());
    }
}
