//! One sled tree on disk, opened and synced so that what was synced survives a power cut.
//!
//! sled 0.34 flushes every 500 ms by itself unless told not to, and its flush loses acknowledged writes in a power cut:
//! `sync` therefore flushes and then syncs the data file through a handle of its own. A page of up to 16 records that
//! outgrows 128 KiB goes to a file in `blobs/` that sled never syncs: records are small, and `sync` looks after such files,
//! should there be any.

use super::{StoreError, io_error};
use ::sled::{Batch, Db};
use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// sled's own threads may hold its lock for a moment after a store was closed in the same process.
const LOCK_TRIES: u32 = 20;
const LOCK_TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

pub struct Tree {
    db: Db,
    /// A second handle on sled's data file, for the sync that its flush leaves out.
    data: File,
    folder: PathBuf,
    /// Files of `blobs/` that have been synced: sled writes each once.
    synced_blobs: Mutex<HashSet<OsString>>,
}

/// A key with what it leads to.
pub type Entry = (Vec<u8>, Vec<u8>);

impl Tree {
    /// Opens the tree in `folder`, making it if there is none. One process at a time.
    pub fn open(folder: &Path) -> Result<Tree, StoreError> {
        let existed = data_file(folder).exists();
        // sled's files are made readable for everybody: the folder is not.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| io_error("make the folder of", source))?;
        let config = ::sled::Config::new().path(folder).flush_every_ms(None).mode(::sled::Mode::HighThroughput);
        let mut tries_left = LOCK_TRIES;
        let db = loop {
            match config.open() {
                Ok(db) => break db,
                Err(::sled::Error::Io(cause)) if is_locked(&cause) => {
                    tries_left -= 1;
                    if tries_left == 0 {
                        return Err(StoreError::InUse { folder: folder.display().to_string() });
                    }
                    std::thread::sleep(LOCK_TRY_AGAIN_AFTER);
                }
                Err(error) => return Err(io_error("open", error)),
            }
        };
        let data = File::options().read(true).write(true).open(data_file(folder));
        let data = data.map_err(|source| io_error("open the data file of", source))?;
        let tree = Tree { db, data, folder: folder.to_owned(), synced_blobs: Mutex::default() };
        if !existed {
            tree.sync()?;
            sync_folder(folder)?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_folder(parent)?;
            }
        }
        Ok(tree)
    }

    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.db.get(key).map_err(|source| io_error("read", source))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    /// Everything whose key begins like this, in the order of the keys.
    pub fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Entry, StoreError>> + use<> {
        let found = self.db.scan_prefix(prefix);
        found.map(|entry| {
            let (key, value) = entry.map_err(|source| io_error("read", source))?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    /// Puts what has a value and removes what has none: all of it, or nothing. Durable after the next `sync`.
    pub fn write(&self, changes: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(|source| io_error("write", source))
    }

    /// When it returns, everything written before survives a power cut.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|source| io_error("flush", source))?;
        self.sync_blobs()?;
        self.data.sync_data().map_err(|source| io_error("sync", source))
    }

    fn sync_blobs(&self) -> Result<(), StoreError> {
        let failed = |source| io_error("sync the large pages of", source);
        let folder = self.folder.join("blobs");
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = HashSet::new();
        let mut any_new = false;
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !synced.contains(&entry.file_name()) {
                match File::open(entry.path()).and_then(|blob| blob.sync_all()) {
                    Ok(()) => any_new = true,
                    // sled collected it meanwhile.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                }
            }
            present.insert(entry.file_name());
        }
        *synced = present;
        if any_new { sync_folder(&folder) } else { Ok(()) }
    }
}

fn data_file(folder: &Path) -> PathBuf {
    folder.join("db")
}

/// A name in a folder survives a power cut once the folder itself is synced.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| io_error("sync the folder of", source))
}

/// sled takes an advisory lock on its file and passes on, in text, that another process holds it.
fn is_locked(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::WouldBlock || cause.to_string().contains("could not acquire lock")
}
