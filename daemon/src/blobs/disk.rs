//! Objects in a folder: `objects/{key}` holds the bytes, `facts/{key}` their size, hash and type, `staging/` what is
//! still arriving. All on one file system, so that a rename publishes an object whole or not at all.
//!
//! Facts have a tree of their own rather than a name beside the object, because every suffix is a legal key. They
//! are on disk before their object is visible, and an object that is replaced goes first: whatever moment the power
//! fails in, an object that is there has its own facts.

use super::{
    BlobError, BlobFacts, blocking,
    staging::{StagedFile, Staging},
    upload::{Destination, Upload},
};
use crate::model::ObjectKey;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tweenfarm_protocol::Timestamp;

/// What `facts/{key}` holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FactsRecord {
    version: u32,
    size_bytes: u64,
    sha256: String,
    content_type: String,
}

const FACTS_VERSION: u32 = 1;

/// An object opened for reading; it stays readable even when its key is deleted or replaced meanwhile.
#[derive(Debug)]
pub struct StoredBlob {
    pub file: tokio::fs::File,
    pub facts: BlobFacts,
    pub content_type: String,
    pub modified: Timestamp,
}

/// Objects in a folder of this machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DiskStore {
    root: Arc<PathBuf>,
    staging: Staging,
}

impl DiskStore {
    /// Makes the folders that are missing.
    pub fn open(root: &Path, reserve_bytes: u64) -> Result<DiskStore, BlobError> {
        for folder in ["objects", "facts", "staging"] {
            let folder = root.join(folder);
            create_folder_durably(&folder).map_err(BlobError::io("create the folder", &folder))?;
        }
        let staging = Staging::new(root.join("staging"), reserve_bytes);
        Ok(DiskStore { root: Arc::new(root.to_owned()), staging })
    }

    /// Starts an upload of at most `limit_bytes` bytes; nothing is visible under the key until it is published.
    pub async fn begin(&self, key: &ObjectKey, content_type: &str, limit_bytes: u64) -> Result<Upload, BlobError> {
        let (destination, staging) = (Destination::Disk(self.clone()), self.staging.clone());
        Upload::begin(destination, staging, key.clone(), content_type.to_owned(), limit_bytes).await
    }

    /// Opens an object; `None` when there is none.
    pub async fn open_object(&self, key: &ObjectKey) -> Result<Option<StoredBlob>, BlobError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || {
            let path = store.object_path(&key);
            let file = match fs::File::open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(cause) => return Err(BlobError::io("open the object", path)(cause)),
            };
            let metadata = file.metadata().map_err(BlobError::io("look at the object", &path))?;
            let Some(record) = store.read_facts(&key)?.filter(|record| record.size_bytes == metadata.len()) else {
                return Ok(None);
            };
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            Ok(Some(StoredBlob {
                file: file.into(),
                facts: BlobFacts { size_bytes: record.size_bytes, sha256: record.sha256 },
                content_type: record.content_type,
                modified: Timestamp::default().plus(modified.unwrap_or_default()),
            }))
        })
        .await
    }

    pub(super) fn staging(&self) -> &Staging {
        &self.staging
    }

    /// The names of the folders `depth` levels below `root`, a folder of keys.
    pub(super) async fn folders(&self, root: &'static str, depth: usize) -> Result<Vec<String>, BlobError> {
        let root = self.root.join("objects").join(root);
        blocking(move || {
            let mut folders = vec![root];
            for _ in 0..depth {
                let mut inner = Vec::new();
                for folder in folders {
                    match fs::read_dir(&folder) {
                        Ok(entries) => inner.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
                        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                        Err(cause) => return Err(BlobError::io("list the folder", folder)(cause)),
                    }
                }
                folders = inner;
            }
            Ok(folders.iter().filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned())).collect())
        })
        .await
    }

    /// Makes a staged file the object of `key`.
    pub(super) async fn publish(
        &self,
        staged: StagedFile,
        key: ObjectKey,
        content_type: String,
        facts: BlobFacts,
    ) -> Result<BlobFacts, BlobError> {
        let store = self.clone();
        blocking(move || {
            let BlobFacts { size_bytes, sha256 } = facts.clone();
            let record = FactsRecord { version: FACTS_VERSION, size_bytes, sha256, content_type };
            store.publish_blocking(staged.path(), &key, &record)?;
            Ok(facts)
        })
        .await
    }

    /// Gives an object a second key, in place of what that one named; false when there is none. Takes no room: an
    /// object is never written again, only replaced, so that two keys can lead to the same bytes.
    pub(super) async fn copy(&self, from: ObjectKey, to: ObjectKey) -> Result<bool, BlobError> {
        let store = self.clone();
        blocking(move || {
            let Some(record) = store.read_facts(&from)? else { return Ok(false) };
            let linked = store.root.join("staging").join(uuid::Uuid::new_v4().to_string());
            match fs::hard_link(store.object_path(&from), &linked) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(cause) => return Err(BlobError::io("link the object", linked)(cause)),
            }
            let published = store.publish_blocking(&linked, &to, &record);
            if published.is_err() {
                let _ = fs::remove_file(&linked);
            }
            published.map(|()| true)
        })
        .await
    }

    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        let (store, key) = (self.clone(), key.clone());
        blocking(move || store.delete_blocking(&key)).await
    }

    pub(super) async fn delete_prefix(&self, prefix: &str) -> Result<u64, BlobError> {
        let (store, prefix) = (self.clone(), prefix.to_owned());
        blocking(move || store.delete_prefix_blocking(&prefix)).await
    }

    pub(super) fn object_path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join("objects").join(key.as_str())
    }

    pub(super) fn facts_path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join("facts").join(key.as_str())
    }

    fn read_facts(&self, key: &ObjectKey) -> Result<Option<FactsRecord>, BlobError> {
        let path = self.facts_path(key);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(BlobError::io("read", path)(cause)),
        };
        let record: FactsRecord = serde_json::from_slice(&text)
            .map_err(|cause| BlobError::io("read", path)(io::Error::new(io::ErrorKind::InvalidData, cause)))?;
        Ok(Some(record))
    }

    fn publish_blocking(&self, staged: &Path, key: &ObjectKey, record: &FactsRecord) -> Result<(), BlobError> {
        let (object, facts) = (self.object_path(key), self.facts_path(key));
        for path in [&object, &facts] {
            let folder = path.parent().unwrap_or(&self.root);
            create_folder_durably(folder).map_err(BlobError::io("create the folder", folder))?;
        }
        // An object that is replaced goes first: its bytes must never be seen with the new facts.
        if remove_if_there(&object).map_err(BlobError::io("remove", &object))? {
            sync_parent(&object).map_err(BlobError::io("sync the folder of", &object))?;
        }
        let staged_facts = staged.with_extension("facts");
        let written = write_durably(&staged_facts, record).and_then(|()| fs::rename(&staged_facts, &facts));
        if let Err(cause) = written {
            let _ = fs::remove_file(&staged_facts);
            return Err(BlobError::io("write", facts)(cause));
        }
        sync_parent(&facts).map_err(BlobError::io("sync the folder of", &facts))?;
        fs::rename(staged, &object).map_err(BlobError::io("publish", &object))?;
        sync_parent(&object).map_err(BlobError::io("sync the folder of", &object))
    }

    fn delete_blocking(&self, key: &ObjectKey) -> Result<bool, BlobError> {
        let (object, facts) = (self.object_path(key), self.facts_path(key));
        let there = remove_if_there(&object).map_err(BlobError::io("remove", &object))?;
        remove_if_there(&facts).map_err(BlobError::io("remove", &facts))?;
        Ok(there)
    }

    fn delete_prefix_blocking(&self, prefix: &str) -> Result<u64, BlobError> {
        let folder = super::checked_prefix(prefix)?;
        let objects = self.root.join("objects").join(folder);
        let removed = count_files(&objects).map_err(BlobError::io("list the folder", &objects))?;
        for tree in [objects, self.root.join("facts").join(folder)] {
            match fs::remove_dir_all(&tree) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(BlobError::io("remove the folder", tree)(cause));
                }
                _ => {}
            }
        }
        Ok(removed)
    }
}

/// True when there was a file.
fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

fn write_durably(path: &Path, record: &FactsRecord) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()
}

/// `create_dir_all` whose folders survive a power cut: each new one is synced into its parent.
fn create_folder_durably(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder_durably(parent)?;
    }
    // Customers' clips: for the daemon's user only, wherever the folder lies.
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Two uploads of one project may come here at once.
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        _ => sync_parent(folder),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}

fn count_files(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(cause) => return Err(cause),
    };
    let mut files = 0;
    for entry in entries {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count_files(&entry.path())? } else { 1 };
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn key(text: &str) -> ObjectKey {
        text.parse().unwrap()
    }

    async fn put(store: &DiskStore, key: &ObjectKey, bytes: &[u8]) -> BlobFacts {
        let mut upload = store.begin(key, "video/mp4", 1000).await.unwrap();
        upload.write(bytes).await.unwrap();
        upload.seal().await.unwrap().publish().await.unwrap()
    }

    async fn stat(store: &DiskStore, key: &ObjectKey) -> Option<BlobFacts> {
        store.open_object(key).await.unwrap().map(|blob| blob.facts)
    }

    fn staged(root: &Path) -> usize {
        fs::read_dir(root.join("staging")).unwrap().count()
    }

    #[tokio::test]
    async fn an_upload_that_is_dropped_or_too_large_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        let clip = key("uploads/free/a/b/input/c-clip.mp4");
        let mut upload = store.begin(&clip, "video/mp4", 1000).await.unwrap();
        upload.write(b"half of a cl").await.unwrap();
        assert_eq!(staged(root.path()), 1);
        drop(upload);
        assert_eq!(staged(root.path()), 0);

        let mut upload = store.begin(&clip, "video/mp4", 10).await.unwrap();
        upload.write(b"0123456789").await.unwrap();
        assert!(matches!(upload.write(b"x").await, Err(BlobError::TooLarge { limit_bytes: 10 })));
        drop(upload);
        let sealed = store.begin(&clip, "video/mp4", 10).await.unwrap().seal().await.unwrap();
        drop(sealed);
        assert_eq!(staged(root.path()), 0);
        assert_eq!(stat(&store, &clip).await, None);
    }

    #[tokio::test]
    async fn an_upload_that_would_eat_into_the_reserve_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), u64::MAX / 2).unwrap();
        let begun = store.begin(&key("uploads/free/a/b/input/c-clip.mp4"), "video/mp4", 10).await;
        assert!(matches!(begun, Err(BlobError::Full)));
        assert_eq!(staged(root.path()), 0);
    }

    #[tokio::test]
    async fn an_object_whose_facts_are_missing_or_of_another_size_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        let clip = key("work/a/b.mp4");
        put(&store, &clip, b"abc").await;
        fs::write(store.object_path(&clip), b"abcd").unwrap();
        assert_eq!(stat(&store, &clip).await, None);
        fs::remove_file(store.facts_path(&clip)).unwrap();
        assert_eq!(stat(&store, &clip).await, None);
    }

    #[tokio::test]
    async fn staging_leftovers_are_cleared_once_they_are_idle() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        fs::write(root.path().join("staging/left-over"), b"half").unwrap();
        assert_eq!(store.staging().clear(Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(store.staging().clear(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(staged(root.path()), 0);
    }
}
