//! The disk store: `objects/{key}` holds the bytes, `facts/{key}` their size, hash and type, `staging/` what is
//! still arriving. All on one file system, so that a rename publishes an object whole or not at all.
//!
//! Facts have a tree of their own rather than a name beside the object, because every suffix is a legal key. They
//! are on disk before their object is visible, and an object that is replaced goes first: whatever moment the power
//! fails in, an object that is there has its own facts.

use super::{BlobError, BlobFacts, BlobStore, upload::Upload};
use crate::model::ObjectKey;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tweenfarm_protocol::{JobId, ProjectId, Timestamp};

/// What `facts/{key}` holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FactsRecord {
    pub version: u32,
    pub size_bytes: u64,
    pub sha256: String,
    pub content_type: String,
}

pub(super) const FACTS_VERSION: u32 = 1;

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
    /// Uploads are refused while less than this would stay free.
    reserve_bytes: u64,
}

impl DiskStore {
    /// Makes the folders that are missing.
    pub fn open(root: &Path, reserve_bytes: u64) -> Result<DiskStore, BlobError> {
        for folder in ["objects", "facts", "staging"] {
            let folder = root.join(folder);
            create_folder_durably(&folder).map_err(BlobError::io("create the folder", &folder))?;
        }
        Ok(DiskStore { root: Arc::new(root.to_owned()), reserve_bytes })
    }

    /// Starts an upload of at most `limit_bytes` bytes; nothing is visible under the key until it is published.
    pub async fn begin(&self, key: &ObjectKey, content_type: &str, limit_bytes: u64) -> Result<Upload, BlobError> {
        Upload::begin(self.clone(), key.clone(), content_type.to_owned(), limit_bytes).await
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

    /// What others than root could still write.
    pub fn free_bytes(&self) -> Result<u64, BlobError> {
        let staging = self.staging();
        let disk = rustix::fs::statvfs(&staging)
            .map_err(|cause| BlobError::io("ask for the free space of", &staging)(cause.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// What uploads leave free.
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Refuses with `Full` when `more_bytes` would eat into the reserve.
    pub(super) fn check_space(&self, more_bytes: u64) -> Result<(), BlobError> {
        let free_bytes = self.free_bytes()?;
        if free_bytes < self.reserve_bytes.saturating_add(more_bytes) { Err(BlobError::Full) } else { Ok(()) }
    }

    /// Deletes staging files that nothing has written to for `idle`; the number of them.
    pub async fn clear_staging(&self, idle: Duration) -> Result<u64, BlobError> {
        let staging = self.staging();
        blocking(move || {
            let failed = |cause| BlobError::io("clear the folder", &staging)(cause);
            let now = SystemTime::now();
            let mut removed = 0;
            for entry in fs::read_dir(&staging).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                let idle_for = modified.map(|time| now.duration_since(time).unwrap_or_default());
                // An upload that ended meanwhile took its file away itself.
                if idle_for.is_ok_and(|idle_for| idle_for >= idle) && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Jobs that have something under `work/`.
    pub async fn jobs_with_work(&self) -> Result<Vec<JobId>, BlobError> {
        let work = self.root.join("objects").join("work");
        blocking(move || {
            let entries = match fs::read_dir(&work) {
                Ok(entries) => entries,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(cause) => return Err(BlobError::io("list the folder", work)(cause)),
            };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            Ok(names.filter_map(|name| name.parse().ok()).collect())
        })
        .await
    }

    /// Projects that have something under `uploads/` or `outputs/`.
    pub async fn projects_with_objects(&self) -> Result<Vec<ProjectId>, BlobError> {
        let objects = self.root.join("objects");
        blocking(move || {
            // {root}/{tier}/{account}/{project}
            let mut folders = vec![objects.join("uploads"), objects.join("outputs")];
            for _ in 0..3 {
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
            let names = folders.iter().filter_map(|folder| folder.file_name()?.to_str());
            let mut found: Vec<ProjectId> = names.filter_map(|name| name.parse().ok()).collect();
            found.sort_unstable();
            found.dedup();
            Ok(found)
        })
        .await
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
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

    /// Makes a staged file the object of `key`. Blocks.
    pub(super) fn publish(&self, staged: &Path, key: &ObjectKey, record: &FactsRecord) -> Result<(), BlobError> {
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
        let folder = prefix.strip_suffix('/').ok_or_else(|| BlobError::Prefix(prefix.to_owned()))?;
        // A prefix with a name behind it is a key: what makes keys safe makes the folder safe.
        format!("{prefix}x").parse::<ObjectKey>().map_err(|_| BlobError::Prefix(prefix.to_owned()))?;
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

impl BlobStore for DiskStore {
    fn stat<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<BlobFacts>, BlobError>> {
        Box::pin(async move { Ok(self.open_object(key).await?.map(|blob| blob.facts)) })
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<bool, BlobError>> {
        let (store, key) = (self.clone(), key.clone());
        Box::pin(blocking(move || store.delete_blocking(&key)))
    }

    fn delete_prefix<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, BlobError>> {
        let (store, prefix) = (self.clone(), prefix.to_owned());
        Box::pin(blocking(move || store.delete_prefix_blocking(&prefix)))
    }

    fn readable<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<PathBuf>, BlobError>> {
        Box::pin(async move {
            let there = self.open_object(key).await?.is_some();
            Ok(there.then(|| self.object_path(key)))
        })
    }
}

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(cause) => Err(BlobError::io("work in", "the blob store")(io::Error::other(cause))),
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
    use crate::blobs::Blobs;

    fn key(text: &str) -> ObjectKey {
        text.parse().unwrap()
    }

    async fn put(store: &DiskStore, key: &ObjectKey, bytes: &[u8]) -> BlobFacts {
        let mut upload = store.begin(key, "video/mp4", 1000).await.unwrap();
        upload.write(bytes).await.unwrap();
        upload.seal().await.unwrap().publish().await.unwrap()
    }

    fn staged(root: &Path) -> usize {
        fs::read_dir(root.join("staging")).unwrap().count()
    }

    #[tokio::test]
    async fn a_published_object_is_there_with_its_size_and_hash() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        let clip = key("uploads/free/a/b/input/c-clip.mp4");
        assert_eq!(store.stat(&clip).await.unwrap(), None);
        let facts = put(&store, &clip, b"abc").await;
        assert_eq!(facts.size_bytes, 3);
        assert_eq!(facts.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(store.stat(&clip).await.unwrap(), Some(facts));
        assert_eq!(fs::read(store.readable(&clip).await.unwrap().unwrap()).unwrap(), b"abc");
        assert_eq!(store.open_object(&clip).await.unwrap().unwrap().content_type, "video/mp4");
        assert_eq!(staged(root.path()), 0);
    }

    #[tokio::test]
    async fn a_second_upload_replaces_the_first_with_its_facts() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        let clip = key("uploads/free/a/b/input/c-clip.mp4");
        let first = put(&store, &clip, b"abc").await;
        let second = put(&store, &clip, b"abd").await;
        assert_ne!(first.sha256, second.sha256);
        assert_eq!(store.stat(&clip).await.unwrap(), Some(second));
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
        assert_eq!(store.stat(&clip).await.unwrap(), None);
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
    async fn a_prefix_is_deleted_whole_and_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        for name in ["work/one/a.mp4", "work/one/b.mp4", "work/onetwo/c.mp4"] {
            put(&store, &key(name), b"abc").await;
        }
        let signer = Signer::new(
            &"http://localhost".parse().unwrap(),
            "b",
            SigningKey { access: "a".into(), secret: "s".into() },
        );
        let blobs = Blobs::new(Arc::new(store.clone()), Arc::new(signer.unwrap()));
        assert_eq!(blobs.delete_prefix("work/one/").await.unwrap(), 2);
        assert_eq!(blobs.delete_prefix("work/one/").await.unwrap(), 0);
        assert_eq!(blobs.stat(&key("work/one/a.mp4")).await.unwrap(), None);
        assert!(blobs.stat(&key("work/onetwo/c.mp4")).await.unwrap().is_some());
        for wrong in ["work/one", "work/../", "/", "", "uploads/../../", "objects/"] {
            assert!(matches!(blobs.delete_prefix(wrong).await, Err(BlobError::Prefix(_))), "{wrong}");
        }
        assert!(blobs.delete(&key("work/onetwo/c.mp4")).await.unwrap());
        assert!(!blobs.delete(&key("work/onetwo/c.mp4")).await.unwrap());
    }

    #[tokio::test]
    async fn an_object_whose_facts_are_missing_or_of_another_size_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        let clip = key("work/a/b.mp4");
        put(&store, &clip, b"abc").await;
        fs::write(store.object_path(&clip), b"abcd").unwrap();
        assert_eq!(store.stat(&clip).await.unwrap(), None);
        fs::remove_file(store.facts_path(&clip)).unwrap();
        assert_eq!(store.stat(&clip).await.unwrap(), None);
    }

    #[tokio::test]
    async fn staging_leftovers_are_cleared_once_they_are_idle() {
        let root = tempfile::tempdir().unwrap();
        let store = DiskStore::open(root.path(), 0).unwrap();
        fs::write(root.path().join("staging/left-over"), b"half").unwrap();
        assert_eq!(store.clear_staging(Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(store.clear_staging(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(staged(root.path()), 0);
    }

    use super::super::{Signer, SigningKey};
}
