//! The state folder: what lies where, one agent at a time, how much room its disk has, and durable files in it.
//!
//! Knows no file's content.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The opened state folder; holds its lock until dropped.
#[derive(Debug)]
pub struct StateFolder {
    root: PathBuf,
    scratch: PathBuf,
    _lock: Lock,
}

#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    #[error(
        "use the state folder {path}: give the agent a folder that it may write (key 'state'), or run this as its owner"
    )]
    Unusable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another agent uses the state folder {0}: give each agent its own (key 'state')")]
    InUse(PathBuf),
    #[error("somebody else is joining with the state folder {0} at this moment: try again when that has ended")]
    Joining(PathBuf),
    #[error(
        "the agent at work with the state folder {0} has joined a farm: stop it first (systemctl stop tweenfarm-agent), \
         and it can join another"
    )]
    Member(PathBuf),
}

impl StateFolder {
    /// Makes what is missing, takes the lock and sweeps the scratch folder: what a killed agent left there is garbage.
    pub fn open(root: &Path) -> Result<StateFolder, StateFolderError> {
        let unusable = |source| StateFolderError::Unusable { path: root.to_owned(), source };
        make_private_folder(root).map_err(unusable)?;
        let lock = lock(&root.join("lock")).map_err(unusable)?;
        let lock = lock.ok_or_else(|| StateFolderError::InUse(root.to_owned()))?;
        let scratch = root.join("scratch");
        sweep(&scratch).map_err(unusable)?;
        let scratch = scratch.join(Uuid::now_v7().to_string());
        let folder = StateFolder { root: root.to_owned(), scratch, _lock: lock };
        for path in [folder.scratch(), folder.outbox(), folder.cache(), folder.shader_cache()] {
            make_private_folder(&path).map_err(unusable)?;
        }
        Ok(folder)
    }

    pub fn agent_id_file(&self) -> PathBuf {
        self.root.join("agent-id")
    }

    pub fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub fn shader_cache(&self) -> PathBuf {
        self.root.join("shader-cache")
    }

    /// Work in progress of this run: no worker of another run can reach it.
    pub fn scratch(&self) -> PathBuf {
        self.scratch.clone()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Removes what earlier runs left in `scratch`. A worker whose agent was killed may live for a moment yet: moved away first,
/// the folder is not where it would begin another file.
fn sweep(scratch: &Path) -> io::Result<()> {
    let swept = scratch.with_extension("swept");
    remove_if_there(&swept)?;
    match fs::rename(scratch, &swept) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.and_then(|()| remove_if_there(&swept)),
    }
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The state folder while its agent joins a farm; keeps other joins out until dropped.
#[derive(Debug)]
pub struct JoiningFolder {
    root: PathBuf,
    /// Whether an agent that has not joined is at work with it, and goes on so until it is restarted.
    pub at_work: bool,
    _locks: (Lock, Option<Lock>),
}

impl JoiningFolder {
    /// A package starts its agent before anybody can let it join: beside one that has not joined this is possible, because
    /// that one touches none of the files here. One that has joined writes its membership when it renews its certificate.
    pub fn open(root: &Path) -> Result<JoiningFolder, StateFolderError> {
        let unusable = |source| StateFolderError::Unusable { path: root.to_owned(), source };
        make_private_folder(root).map_err(unusable)?;
        let joining = lock(&root.join("joining-lock")).map_err(unusable)?;
        let joining = joining.ok_or_else(|| StateFolderError::Joining(root.to_owned()))?;
        let own = lock(&root.join("lock")).map_err(unusable)?;
        if own.is_none() && membership_file(root).exists() {
            return Err(StateFolderError::Member(root.to_owned()));
        }
        Ok(JoiningFolder { root: root.to_owned(), at_work: own.is_none(), _locks: (joining, own) })
    }

    pub fn membership_file(&self) -> PathBuf {
        membership_file(&self.root)
    }

    /// The key of a join that may not have been answered yet.
    pub fn key_file(&self) -> PathBuf {
        self.root.join("joining-key.pem")
    }
}

/// A file that is locked until this is dropped.
#[derive(Debug)]
struct Lock(fs::File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it would not do: a program that is being started at this moment holds it open too, until it is another one.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// None when somebody else has it.
fn lock(path: &Path) -> io::Result<Option<Lock>> {
    let file = fs::File::options().create(true).truncate(false).write(true).open(path)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Where an agent with this state folder keeps who it is to the daemon it joined.
pub fn membership_file(root: &Path) -> PathBuf {
    root.join("membership.json")
}

/// Only the agent's user reads it: tasks hold presigned addresses, the cache other people's clips.
fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Bytes that may still be written on the disk of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Writes a small file that only the agent's user reads, so that after a crash there is the old one or the new one,
/// whole.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = partial_of(path);
    {
        use io::Write;
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    fs::rename(&partial, path)?;
    sync_folder_of(path)
}

/// The name a file has until it is whole.
pub fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Makes renames and removals in the folder of `path` survive a power cut.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_kept_out_of_a_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(StateFolder::open(folder.path()), Err(StateFolderError::InUse(_))));
        drop(first);
        StateFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn an_agent_that_never_joined_may_be_at_work_while_it_joins_and_a_member_may_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!JoiningFolder::open(folder.path()).unwrap().at_work);
        let at_work = StateFolder::open(folder.path()).unwrap();
        let scratch = at_work.scratch().join("half.mp4");
        fs::write(&scratch, b"half").unwrap();
        let joining = JoiningFolder::open(folder.path()).unwrap();
        assert!(joining.at_work && scratch.exists());
        assert!(matches!(JoiningFolder::open(folder.path()), Err(StateFolderError::Joining(_))));
        fs::write(joining.membership_file(), b"{}").unwrap();
        drop(joining);
        assert!(matches!(JoiningFolder::open(folder.path()), Err(StateFolderError::Member(_))));
        drop(at_work);
        assert!(!JoiningFolder::open(folder.path()).unwrap().at_work);
    }

    #[test]
    fn no_agent_starts_in_a_folder_that_is_joining() {
        let folder = tempfile::tempdir().unwrap();
        let joining = JoiningFolder::open(folder.path()).unwrap();
        assert!(matches!(StateFolder::open(folder.path()), Err(StateFolderError::InUse(_))));
        drop(joining);
        StateFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn the_scratch_folder_is_swept_at_start_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        let before = state.scratch();
        fs::write(before.join("half.mp4"), b"half").unwrap();
        fs::write(state.outbox().join("kept"), b"kept").unwrap();
        drop(state);
        let state = StateFolder::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(state.scratch()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(state.outbox()).unwrap().count(), 1);
        let late = fs::write(before.join("late.mp4"), b"of a worker whose agent was killed");
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!folder.path().join("scratch.swept").exists());
    }

    #[test]
    fn an_unusable_state_folder_is_named_with_the_key_to_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = StateFolder::open(&file.join("state")).unwrap_err().to_string();
        assert!(error.contains("key 'state'"), "{error}");
    }
}
