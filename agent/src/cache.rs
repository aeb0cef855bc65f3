//! The cache of sources: files named by their SHA-256, downloaded once, the longest unused thrown out first.
//!
//! A file in it is whole, proven and synced; what is not yet lies beside it as `.partial`. Never evicts a file in use.

use crate::{
    state_folder::{free_bytes, partial_of, sync_folder_of},
    transfer::{Transfer, TransferError},
};
use backon::{ExponentialBuilder, Retryable};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::{Duration, SystemTime},
};
use tweenfarm_protocol::task::{Failure, FailureClass, Fetch};

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("'{0}' is not a SHA-256 in lowercase hex")]
    NotAHash(String),
    #[error("the clip needs {needed_bytes} bytes, but the agent's disk has {free_bytes} left above its reserve")]
    DiskFull { needed_bytes: u64, free_bytes: u64 },
    #[error("the clip could not be downloaded")]
    Download(#[source] TransferError),
    #[error("the agent's cache could not be read or written")]
    Folder(#[source] io::Error),
}

impl CacheError {
    /// The failed task's report: no paths, and the innermost reason in the same sentence.
    pub fn into_failure(self) -> Failure {
        let class = match &self {
            CacheError::NotAHash(_) => FailureClass::Internal,
            CacheError::DiskFull { .. } | CacheError::Download(_) | CacheError::Folder(_) => FailureClass::Resource,
        };
        let message = match &self {
            CacheError::Download(cause) => format!("{self}: {cause}"),
            CacheError::NotAHash(_) | CacheError::DiskFull { .. } | CacheError::Folder(_) => self.to_string(),
        };
        Failure::new(class, message)
    }
}

/// Cheap to clone; all clones are one cache.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    bytes_max: u64,
    disk_reserve_bytes: u64,
    transfer: Transfer,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    entries: HashMap<String, Entry>,
    /// Who downloads a key holds its gate; others wait there.
    gates: HashMap<String, Weak<tokio::sync::Mutex<()>>>,
    uses: u64,
}

struct Entry {
    size_bytes: u64,
    /// Rank of the last use: larger is later.
    used: u64,
    pins: u32,
}

/// A file of the cache in use; it stays until this is dropped.
pub struct Pinned {
    cache: Arc<Inner>,
    key: String,
    path: PathBuf,
}

impl Pinned {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(entry) = self.cache.index().entries.get_mut(&self.key) {
            // Saturating: a damaged file is replaced under its users, whose pins went with the old entry.
            entry.pins = entry.pins.saturating_sub(1);
        }
    }
}

impl Cache {
    /// Opens the folder and forgets what is not whole.
    pub fn open(folder: &Path, bytes_max: u64, disk_reserve_bytes: u64, transfer: Transfer) -> io::Result<Cache> {
        let mut found: Vec<(SystemTime, String, u64)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let facts = entry.metadata()?;
            if facts.is_file() && is_key(&name) {
                found.push((facts.modified()?, name, facts.len()));
            } else if facts.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        found.sort();
        let mut index = Index::default();
        for (_, key, size_bytes) in found {
            index.uses += 1;
            index.entries.insert(key, Entry { size_bytes, used: index.uses, pins: 0 });
        }
        let inner =
            Inner { folder: folder.to_owned(), bytes_max, disk_reserve_bytes, transfer, index: Mutex::new(index) };
        Ok(Cache { inner: Arc::new(inner) })
    }

    /// The file a `Fetch` speaks of, downloaded if it is not here. Dropping the future stops the download.
    pub async fn get(&self, fetch: &Fetch) -> Result<Pinned, CacheError> {
        if !is_key(&fetch.sha256) {
            return Err(CacheError::NotAHash(fetch.sha256.clone()));
        }
        let gate = self.inner.gate(&fetch.sha256);
        let _turn = gate.lock().await;
        if let Some(pinned) = self.inner.pin(fetch)? {
            return Ok(pinned);
        }
        let (inner, size_bytes) = (self.inner.clone(), fetch.size_bytes);
        let made = tokio::task::spawn_blocking(move || inner.make_room(size_bytes));
        made.await.expect("making room does not panic")?;
        let path = self.inner.folder.join(&fetch.sha256);
        let partial = partial_of(&path);
        // A store that is away is away for every worker: another attempt would fare no better, and a job has few. The
        // lease is kept alive meanwhile. After some four minutes it may be this machine's network, and another is to try.
        (|| self.inner.transfer.get(fetch, &partial))
            .retry(
                ExponentialBuilder::default().with_jitter().with_max_delay(Duration::from_secs(15)).with_max_times(20),
            )
            .when(TransferError::is_passing)
            .notify(|cause, wait: Duration| {
                tracing::warn!(%cause, wait_ms = wait.as_millis() as u64, "a download failed, trying again");
            })
            .await
            .map_err(CacheError::Download)?;
        let placed = path.clone();
        let renamed = tokio::task::spawn_blocking(move || {
            fs::rename(&partial, &placed)?;
            sync_folder_of(&placed)
        });
        renamed.await.expect("renaming a file does not panic").map_err(CacheError::Folder)?;
        Ok(self.inner.add(fetch, path))
    }

    pub fn size_bytes(&self) -> u64 {
        self.inner.index().size_bytes()
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().expect("no holder of the cache's index panics")
    }

    fn gate(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut index = self.index();
        index.gates.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = index.gates.get(key).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        index.gates.insert(key.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Takes a file that is here. One whose size is not as announced was damaged from outside and goes.
    fn pin(self: &Arc<Self>, fetch: &Fetch) -> Result<Option<Pinned>, CacheError> {
        let path = self.folder.join(&fetch.sha256);
        let mut index = self.index();
        if !index.entries.contains_key(&fetch.sha256) {
            return Ok(None);
        }
        let sound = fs::metadata(&path).is_ok_and(|facts| facts.len() == fetch.size_bytes);
        if !sound {
            index.entries.remove(&fetch.sha256);
            return remove_if_there(&path).map(|()| None).map_err(CacheError::Folder);
        }
        index.uses += 1;
        let used = index.uses;
        if let Some(entry) = index.entries.get_mut(&fetch.sha256) {
            entry.used = used;
            entry.pins += 1;
        }
        // The file's time carries the order of use over a restart; without it the order is merely older.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(Pinned { cache: self.clone(), key: fetch.sha256.clone(), path }))
    }

    fn add(self: &Arc<Self>, fetch: &Fetch, path: PathBuf) -> Pinned {
        let mut index = self.index();
        index.uses += 1;
        let entry = Entry { size_bytes: fetch.size_bytes, used: index.uses, pins: 1 };
        index.entries.insert(fetch.sha256.clone(), entry);
        Pinned { cache: self.clone(), key: fetch.sha256.clone(), path }
    }

    /// Throws out the longest unused until `needed_bytes` fit under the limit and on the disk.
    fn make_room(&self, needed_bytes: u64) -> Result<(), CacheError> {
        let mut index = self.index();
        loop {
            let free = free_bytes(&self.folder).map_err(CacheError::Folder)?.saturating_sub(self.disk_reserve_bytes);
            let fits_limit = index.size_bytes().saturating_add(needed_bytes) <= self.bytes_max;
            if fits_limit && needed_bytes <= free {
                return Ok(());
            }
            let Some(key) = index.longest_unused() else {
                // All that is left is in use. The limit then yields to the work at hand, the disk cannot.
                return match needed_bytes <= free {
                    true => Ok(()),
                    false => Err(CacheError::DiskFull { needed_bytes, free_bytes: free }),
                };
            };
            index.entries.remove(&key);
            remove_if_there(&self.folder.join(&key)).map_err(CacheError::Folder)?;
        }
    }
}

impl Index {
    fn size_bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.size_bytes).sum()
    }

    fn longest_unused(&self) -> Option<String> {
        let unused = self.entries.iter().filter(|(_, entry)| entry.pins == 0);
        unused.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone())
    }
}

/// Keys become file names: nothing but a hash may.
fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
