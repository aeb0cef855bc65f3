//! What the watcher does to files: stamps them, hashes them, writes results beside their place, gives them their name without
//! ever taking somebody else's, moves and deletes sources. Every change that counts is synced, its folder too.

use crate::intake::{Stamp, place};
use rustix::{
    fs::{AtFlags, CWD, RenameFlags, StatVfs, linkat, renameat_with, statvfs},
    io::Errno,
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

const READ_BYTES: usize = 1 << 20;

/// The stamp of a plain file; `None` for folders, links, devices and pipes.
pub fn stamp_of(found: &Metadata) -> Option<Stamp> {
    let modified_ns = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    let (device, inode, size_bytes) = (found.dev(), found.ino(), found.size());
    found.is_file().then_some(Stamp { device, inode, size_bytes, modified_ns })
}

/// What is at a path now: never what a link there leads to.
pub fn stamp_at(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(stamp_of(&found)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Opens a plain file for reading. A link is refused, a pipe that took the file's place does not hold up.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).custom_flags(flags as i32).open(path)
}

pub fn sha256_of(mut file: impl Read) -> io::Result<[u8; 32]> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// Bytes free for us on the file system of a folder.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let StatVfs { f_bavail, f_frsize, .. } = statvfs(folder)?;
    Ok(f_bavail.saturating_mul(f_frsize))
}

/// A new file under the partial name of `whole`, in place of one that an earlier try left.
pub fn create_partial(whole: &Path) -> io::Result<File> {
    let partial = place::partial(whole);
    match fs::remove_file(&partial) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(partial)
}

pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Makes the folders that lead to a path; those that are new survive a power cut.
pub fn make_folders_to(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    make_folders_to(folder)?;
    match fs::create_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync_folder_of(folder)),
    }
}

/// Renames, unless something has the name: then `AlreadyExists`.
pub fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Network shares and some old file systems cannot say that.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_to_free(from, to)?,
        Err(cause) => return Err(cause.into()),
    }
    sync_folder_of(to)?;
    if from.parent() == to.parent() { Ok(()) } else { sync_folder_of(from) }
}

/// A second name never takes an existing one; where there are none, looking has to do.
fn link_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Ok(()) => fs::remove_file(from),
        Err(Errno::EXIST) => Err(Errno::EXIST.into()),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(Errno::EXIST.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Renames over what is there, which is our own.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Moves a file to a free name, also to another file system: there it is copied, compared, named, and only then deleted.
pub fn move_to_free(from: &Path, to: &Path) -> io::Result<()> {
    make_folders_to(to)?;
    match rename_to_free(from, to) {
        Err(cause) if cause.kind() == io::ErrorKind::CrossesDevices => {}
        done => return done,
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(Errno::EXIST.into());
    }
    let (mut source, mut copy) = (open(from)?, create_partial(to)?);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            length => {
                hash.update(&buffer[..length]);
                copy.write_all(&buffer[..length])?;
            }
        }
    }
    copy.set_modified(source.metadata()?.modified()?)?;
    copy.sync_all()?;
    let partial = place::partial(to);
    let read: [u8; 32] = hash.finalize().into();
    if sha256_of(File::open(&partial)?)? != read {
        return Err(io::Error::other("the copy differs from the source"));
    }
    rename_to_free(&partial, to)?;
    fs::remove_file(from)?;
    sync_folder_of(from)
}

pub fn delete(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder_of(path)
}

/// Files that processes of ours, or of anybody where we may see them, have open for writing. An answer of no file means
/// only that none was seen.
pub fn open_for_writing() -> std::collections::HashSet<(u64, u64)> {
    let mut found = std::collections::HashSet::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let is_number = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let Some(files) = is_number.then(|| fs::read_dir(process.path().join("fd")).ok()).flatten() else { continue };
        for file in files.flatten() {
            let info = process.path().join("fdinfo").join(file.file_name());
            let flags = fs::read_to_string(info).unwrap_or_default();
            let flags = flags.lines().find_map(|line| line.strip_prefix("flags:"));
            // The last octal digits hold the access mode: 1 writes, 2 reads and writes.
            let writes =
                flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0);
            if writes && let Some(stamp) = fs::metadata(file.path()).ok().as_ref().and_then(stamp_of) {
                found.insert((stamp.device, stamp.inode));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_never_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        for rename in [rename_to_free, link_to_free, move_to_free] {
            fs::write(&from, "ours").unwrap();
            fs::write(&to, "theirs").unwrap();
            assert_eq!(rename(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((fs::read(&from).unwrap(), fs::read(&to).unwrap()), (b"ours".to_vec(), b"theirs".to_vec()));
            fs::remove_file(&to).unwrap();
            rename(&from, &to).unwrap();
            assert!(!from.exists() && fs::read(&to).unwrap() == b"ours");
            fs::remove_file(&to).unwrap();
            // A dangling link has the name, too.
            fs::write(&from, "ours").unwrap();
            std::os::unix::fs::symlink("nowhere", &to).unwrap();
            assert_eq!(rename(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            fs::remove_file(&to).unwrap();
        }
    }

    #[test]
    fn a_file_moves_to_another_file_system_with_its_time_and_nothing_is_left_behind() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let (from, to) = (here.path().join("a"), there.path().join("x/y/a"));
        fs::write(&from, "clip").unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        move_to_free(&from, &to).unwrap();
        assert_eq!((fs::read(&to).unwrap(), from.exists()), (b"clip".to_vec(), false));
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), modified);
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_no_file_and_a_file_that_is_being_written_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        let held = File::create(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let stamp = stamp_at(&file).unwrap().unwrap();
        assert!(stamp_at(&link).unwrap().is_none() && open(&link).is_err() && open(&file).is_ok());
        assert!(open_for_writing().contains(&(stamp.device, stamp.inode)));
        drop(held);
        assert!(!open_for_writing().contains(&(stamp.device, stamp.inode)));
    }
}
