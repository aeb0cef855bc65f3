//! A backup: the store's records and the farm's keys in one file, proven by a hash, and a state folder made from it.
//!
//! The writer copies the store between two groups of commands, so that a backup holds all of a transaction or none of it,
//! whatever the daemon is doing. The clips are not in it: they are files that never change, copied by any other means.

use crate::{
    private_file::{self, PrivateFileError},
    store::{Store, StoreError, sled::Tree},
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const MAGIC: &[u8] = b"tweenfarm-backup 1\n";
/// Keys of the farm: without them agents and presigned URLs would not know it again.
const KEY_FILES: [&str; 2] = ["signing-key.json", "authority.pem"];
const KEY_FILE: u8 = b'f';
const RECORD: u8 = b'r';
const END: u8 = b'e';
const HASH_BYTES: usize = 32;
/// A record is a few kilobytes; a length beyond this is damage, not data.
const PART_BYTES_MAX: usize = 64 << 20;
/// Records put into the new store at a time.
const BATCH: usize = 1000;
const STORE: &str = "store";
/// Renamed once it is whole.
const STORE_PARTIAL: &str = "store.partial";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} is no backup of a Tweenfarm")]
    NotABackup(PathBuf),
    #[error("{0} is damaged or cut off: its hash is not that of its content; take another backup")]
    Damaged(PathBuf),
    #[error("{0} holds a store already: restore into an empty state folder, or move that one away first")]
    Occupied(PathBuf),
    #[error("could not {doing} {path}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] PrivateFileError),
}

/// What was in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    pub records: u64,
}

/// The backup as a file without a name, at its beginning. It takes as much of the state folder's disk as the store.
pub fn make(store: &dyn Store, state_folder: &Path) -> Result<File, BackupError> {
    let path = state_folder.join(format!("backup-{}.partial", uuid::Uuid::new_v4()));
    let failed = |doing| {
        let path = path.clone();
        move |source| BackupError::Io { doing, path, source }
    };
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(failed("make"))?;
    // Nothing is left of it, however this ends.
    fs::remove_file(&path).map_err(failed("unname"))?;
    let mut out = Hashed { inner: BufWriter::new(file), hash: Sha256::new() };
    let mut records = 0_u64;
    let write = |out: &mut Hashed<BufWriter<File>>, kind, key: &[u8], value: &[u8]| {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
        out.write_all(&[kind])?;
        out.write_all(&length(key)?.to_be_bytes())?;
        out.write_all(&length(value)?.to_be_bytes())?;
        out.write_all(key)?;
        out.write_all(value)
    };
    out.write_all(MAGIC).map_err(failed("write"))?;
    for name in KEY_FILES {
        if let Some(content) = private_file::read(&state_folder.join(name))? {
            write(&mut out, KEY_FILE, name.as_bytes(), &content).map_err(failed("write"))?;
        }
    }
    store.copy(&mut |key, value| {
        records += 1;
        write(&mut out, RECORD, key, value)
    })?;
    let end = |out: &mut Hashed<BufWriter<File>>| {
        out.write_all(&[END])?;
        out.write_all(&records.to_be_bytes())?;
        let hash = out.hash.clone().finalize();
        out.inner.write_all(&hash)?;
        out.inner.flush()
    };
    end(&mut out).map_err(failed("write"))?;
    let mut file = out.inner.into_inner().map_err(|error| failed("write")(error.into_error()))?;
    file.rewind().map_err(failed("read"))?;
    Ok(file)
}

/// Makes store and keys in `state_folder` from a backup. Looks at all of it before it writes anything.
pub fn restore(backup: &Path, state_folder: &Path) -> Result<Restored, BackupError> {
    let failed = |doing| move |source| BackupError::Io { doing, path: backup.to_owned(), source };
    let mut file = File::open(backup).map_err(failed("open"))?;
    let length = file.metadata().map_err(failed("look at"))?.len();
    prove(&mut file, length, backup)?;
    let folder = state_folder.join(STORE);
    if folder.exists() {
        return Err(BackupError::Occupied(folder));
    }
    let in_folder = |doing| move |source| BackupError::Io { doing, path: state_folder.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_folder).map_err(in_folder("make"))?;
    let partial = state_folder.join(STORE_PARTIAL);
    match fs::remove_dir_all(&partial) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(in_folder("tidy")(source)),
        _ => {}
    }
    let tree = Tree::open(&partial)?;
    let mut input = BufReader::new(file);
    skip(&mut input, MAGIC.len()).map_err(failed("read"))?;
    let (mut records, mut batch) = (0, Vec::new());
    while let Some((kind, key, value)) = next(&mut input).map_err(failed("read"))? {
        if kind == KEY_FILE {
            let name = KEY_FILES.iter().find(|name| name.as_bytes() == key);
            let name = name.ok_or_else(|| BackupError::NotABackup(backup.to_owned()))?;
            private_file::create(&state_folder.join(name), &value)?;
            continue;
        }
        records += 1;
        batch.push((key, Some(value)));
        if batch.len() == BATCH {
            tree.write(std::mem::take(&mut batch))?;
        }
    }
    tree.write(batch)?;
    tree.sync()?;
    drop(tree);
    fs::rename(&partial, &folder).map_err(in_folder("finish"))?;
    File::open(state_folder).and_then(|folder| folder.sync_all()).map_err(in_folder("sync"))?;
    Ok(Restored { records })
}

/// Reads a backup to its end: the hash there has to be that of all before it.
fn prove(file: &mut File, length: u64, path: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Io { doing: "read", path: path.to_owned(), source };
    let mut begins = vec![0; MAGIC.len()];
    let begun = file.read_exact(&mut begins);
    if begun.is_err() || begins != MAGIC {
        return Err(BackupError::NotABackup(path.to_owned()));
    }
    file.rewind().map_err(failed)?;
    let hashed = length.checked_sub(HASH_BYTES as u64).ok_or_else(|| BackupError::Damaged(path.to_owned()))?;
    let mut hash = Sha256::new();
    io::copy(&mut Read::by_ref(file).take(hashed), &mut HashOnly(&mut hash)).map_err(failed)?;
    let mut expected = [0; HASH_BYTES];
    file.read_exact(&mut expected).map_err(failed)?;
    if hash.finalize().as_slice() != expected {
        return Err(BackupError::Damaged(path.to_owned()));
    }
    file.rewind().map_err(failed)
}

type Part = (u8, Vec<u8>, Vec<u8>);

fn next(input: &mut impl Read) -> io::Result<Option<Part>> {
    let mut kind = [0];
    input.read_exact(&mut kind)?;
    if kind[0] == END {
        return Ok(None);
    }
    let mut lengths = [[0; 4]; 2];
    for length in &mut lengths {
        input.read_exact(length)?;
    }
    let mut parts = [Vec::new(), Vec::new()];
    for (part, length) in parts.iter_mut().zip(lengths) {
        let length = u32::from_be_bytes(length) as usize;
        if length > PART_BYTES_MAX {
            return Err(io::Error::other("a record is longer than any can be"));
        }
        part.resize(length, 0);
        input.read_exact(part)?;
    }
    let [key, value] = parts;
    Ok(Some((kind[0], key, value)))
}

fn skip(input: &mut impl Read, length: usize) -> io::Result<()> {
    input.read_exact(&mut vec![0; length])
}

/// Hashes what is written through it.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct HashOnly<'a>(&'a mut Sha256);

impl Write for HashOnly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Write as StoreWrite, samples, sled};
    use std::os::unix::fs::PermissionsExt;

    /// A store with an account, and a backup of it.
    fn backed_up() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        private_file::create(&folder.path().join("signing-key.json"), b"{\"access\": 1}").unwrap();
        let store = sled::open(&folder.path().join(STORE)).unwrap();
        store.commit(&[StoreWrite::PutAccount(samples::account(1, "ann@example.org"))]).unwrap();
        let mut made = make(&store, folder.path()).unwrap();
        let path = folder.path().join("farm.backup");
        io::copy(&mut made, &mut File::create(&path).unwrap()).unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_restored_is_what_was_there() {
        let (_folder, backup) = backed_up();
        let other = tempfile::tempdir().unwrap();
        let into = other.path().join("state");
        assert!(restore(&backup, &into).unwrap().records > 0);
        for private in [&into, &into.join(STORE)] {
            assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700);
        }
        let store = sled::open(&into.join(STORE)).unwrap();
        assert_eq!(store.accounts().unwrap(), [samples::account(1, "ann@example.org")]);
        assert_eq!(fs::read(into.join("signing-key.json")).unwrap(), b"{\"access\": 1}");
        drop(store);
        assert!(matches!(restore(&backup, &into), Err(BackupError::Occupied(_))), "nothing is written over");
    }

    #[test]
    fn a_backup_that_is_damaged_anywhere_is_refused_and_leaves_nothing() {
        let (folder, backup) = backed_up();
        let good = fs::read(&backup).unwrap();
        let into = folder.path().join("restored");
        let check = |bytes: &[u8], phrase: &str| {
            fs::write(&backup, bytes).unwrap();
            let refused = restore(&backup, &into).unwrap_err().to_string();
            assert!(refused.contains(phrase), "{refused}");
            assert!(!into.exists());
        };
        check(&good[..good.len() - 1], "damaged");
        check(&good[..MAGIC.len() + 3], "damaged");
        check(b"", "no backup");
        check(b"something else entirely, and long enough", "no backup");
        for place in (MAGIC.len()..good.len()).step_by(7) {
            let mut bytes = good.clone();
            bytes[place] ^= 0x40;
            check(&bytes, "damaged");
        }
    }
}
