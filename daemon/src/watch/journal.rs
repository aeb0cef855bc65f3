//! What the watcher remembers: every file it took with how far it came, every content it made, every result it published.
//!
//! A stage is written and synced before the next one begins, so that a crash at any point is followed by going on. One
//! process at a time; what two tasks might change at once is changed under one lock.

mod record;

use crate::{
    intake::{Item, ItemId, ItemState, Stage, Stamp},
    store::{StoreError, sled::Tree},
};
use record::{ItemRecord, OutputRecord, OutputV1};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tweenfarm_protocol::{Timestamp, operator::WatchState};

const FORMAT: &[u8] = b"watch 1";

/// First byte of every key.
mod kind {
    pub const FORMAT: u8 = b'f';
    /// Item id → item.
    pub const ITEM: u8 = b'i';
    /// Rule, state, order, item id.
    pub const STATE: u8 = b's';
    /// Rule, SHA-256 of a source → item id.
    pub const CONTENT: u8 = b'c';
    /// Path of a result → who publishes there.
    pub const OUTPUT: u8 = b'o';
    /// Device, inode, size, time of change of a result.
    pub const OUTPUT_STAMP: u8 = b'n';
    /// SHA-256 of a result.
    pub const OUTPUT_CONTENT: u8 = b'h';
    /// Folder → where its file system was mounted.
    pub const MOUNT: u8 = b'm';
    /// Number of the last order that was carried out.
    pub const ORDERS: u8 = b'd';
}

/// Behind the owner of a content whose result was published.
const MADE: u8 = 1;

type Change = (Vec<u8>, Option<Vec<u8>>);
type Counts = HashMap<(String, WatchState), u64>;

pub struct Journal {
    tree: Tree,
    /// Held while a record is read and written back.
    counts: Mutex<Counts>,
}

/// Who publishes under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// This item, now or since before; with the result it published there, if any.
    Own(Option<Stamp>),
    Other(ItemId),
}

pub fn item_id(rule: &str, path: &Path) -> ItemId {
    let mut hash = Sha256::new();
    hash.update(rule.as_bytes());
    hash.update([0]);
    hash.update(path.as_os_str().as_bytes());
    ItemId(first(&hash.finalize()))
}

/// The first bytes of a hash.
fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&hash[..N]);
    bytes
}

fn short(text: &[u8]) -> [u8; 16] {
    first(&Sha256::digest(text))
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[kind][..], &parts.concat()].concat()
}

fn state_of(item: &Item) -> WatchState {
    match item.state {
        ItemState::Waiting => WatchState::Waiting,
        ItemState::Working(_) => WatchState::Working,
        ItemState::Retrying { .. } => WatchState::Retrying,
        ItemState::Quarantined { .. } => WatchState::Quarantined,
        ItemState::Skipped { .. } => WatchState::Skipped,
        ItemState::Done { .. } => WatchState::Done,
    }
}

/// Where an item stands in the list of its state: what waits by age, what is tried again by its time, what is over with
/// the newest first.
fn state_key(item: &Item) -> Vec<u8> {
    let order = match &item.state {
        ItemState::Waiting | ItemState::Working(_) => item.stamp.modified_ns,
        ItemState::Retrying { not_before, .. } => not_before.0,
        ItemState::Quarantined { .. } | ItemState::Skipped { .. } | ItemState::Done { .. } => !item.since.0,
    };
    // With the sign turned, negative numbers sort before the others.
    let order = (order ^ i64::MIN).to_be_bytes();
    key(kind::STATE, &[&short(item.rule.as_bytes()), &[state_of(item) as u8], &order, &item.id.0])
}

fn output_key(path: &Path) -> Vec<u8> {
    key(kind::OUTPUT, &[&short(path.as_os_str().as_bytes())])
}

fn stamp_key(stamp: &Stamp) -> Vec<u8> {
    let numbers = [stamp.device, stamp.inode, stamp.size_bytes, stamp.modified_ns as u64];
    key(kind::OUTPUT_STAMP, &[&numbers.map(u64::to_be_bytes).concat()])
}

fn content_key(rule: &str, sha256: &[u8; 32]) -> Vec<u8> {
    key(kind::CONTENT, &[&short(rule.as_bytes()), sha256])
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(value).map_err(|source| StoreError::Io { doing: "encode for", source: Box::new(source) })
}

fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes)
        .map_err(|source| StoreError::Corrupt { key: key.escape_ascii().to_string(), source: Box::new(source) })
}

impl Journal {
    pub fn open(folder: &Path) -> Result<Journal, StoreError> {
        let tree = Tree::open(folder)?;
        let at = key(kind::FORMAT, &[]);
        match tree.get(&at)? {
            None => tree.write([(at, Some(FORMAT.to_vec()))])?,
            Some(found) if found == FORMAT => {}
            Some(found) => {
                return Err(StoreError::Format { found: String::from_utf8_lossy(&found).into_owned(), known: 1 });
            }
        }
        tree.sync()?;
        let mut counts = Counts::new();
        for entry in tree.scan(&[kind::ITEM]) {
            let (at, bytes) = entry?;
            let item = Item::from(decode::<ItemRecord>(&at, &bytes)?);
            let state = state_of(&item);
            *counts.entry((item.rule, state)).or_default() += 1;
        }
        Ok(Journal { tree, counts: Mutex::new(counts) })
    }

    pub fn item(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        let at = key(kind::ITEM, &[&id.0]);
        let found = self.tree.get(&at)?;
        found.map(|bytes| decode::<ItemRecord>(&at, &bytes).map(Item::from)).transpose()
    }

    /// Durable after the next sync of anybody's: what waits is found again by a scan.
    pub fn put(&self, item: &Item) -> Result<(), StoreError> {
        let mut counts = self.lock();
        self.replace(&mut counts, self.item(item.id)?.as_ref(), Some(item), Vec::new())
    }

    /// Durable when it returns.
    pub fn put_synced(&self, item: &Item) -> Result<(), StoreError> {
        self.put(item)?;
        self.tree.sync()
    }

    /// Changes an item as it is now; the item after it, `None` when `change` left it as it was.
    pub fn change(&self, id: ItemId, change: impl FnOnce(Item) -> Option<Item>) -> Result<Option<Item>, StoreError> {
        let mut counts = self.lock();
        let Some(before) = self.item(id)? else { return Ok(None) };
        let Some(after) = change(before.clone()) else { return Ok(None) };
        self.replace(&mut counts, Some(&before), Some(&after), Vec::new())?;
        self.tree.sync()?;
        Ok(Some(after))
    }

    /// Forgets an item; that its content was made is not forgotten.
    pub fn forget(&self, id: ItemId) -> Result<(), StoreError> {
        let mut counts = self.lock();
        let Some(before) = self.item(id)? else { return Ok(()) };
        self.replace(&mut counts, Some(&before), None, Vec::new())?;
        self.tree.sync()
    }

    /// What is to be done next of a rule, marked as being done: first what waited to be tried again, then by age.
    pub fn begin_next(&self, rule: &str, now: Timestamp, wait_max: Duration) -> Result<Option<Item>, StoreError> {
        let mut counts = self.lock();
        for state in [WatchState::Retrying, WatchState::Waiting] {
            for id in self.ids(rule, state).take(if state == WatchState::Retrying { 64 } else { 1 }) {
                let Some(before) = self.item(id?)? else { continue };
                if let Some(begun) = before.clone().begun(now, wait_max) {
                    self.replace(&mut counts, Some(&before), Some(&begun), Vec::new())?;
                    return Ok(Some(begun));
                }
            }
        }
        Ok(None)
    }

    /// Items of a rule in a state, in the order of its list.
    pub fn list(&self, rule: &str, state: WatchState, limit: usize) -> Result<Vec<Item>, StoreError> {
        let ids = self.ids(rule, state).take(limit);
        ids.filter_map(|id| id.and_then(|id| self.item(id)).transpose()).collect()
    }

    pub fn count(&self, rule: &str, state: WatchState) -> u64 {
        self.lock().get(&(rule.to_owned(), state)).copied().unwrap_or(0)
    }

    /// Takes the content for an item of a rule; the item that has it, if that is another one which made it or is at it.
    pub fn claim_content(&self, rule: &str, sha256: &[u8; 32], id: ItemId) -> Result<Option<ItemId>, StoreError> {
        let _held = self.lock();
        let at = content_key(rule, sha256);
        if let Some(claim) = self.tree.get(&at)?
            && let (Some(owner), made) = (claim.get(..16), claim.get(16) == Some(&MADE))
        {
            let owner = ItemId(first(owner));
            if owner != id && (made || self.is_at_work(owner)?) {
                return Ok(Some(owner));
            }
            if made {
                return Ok(None);
            }
        }
        self.tree.write([(at, Some(id.0.to_vec()))]).map(|()| None)
    }

    /// Takes a path for an item's result; `exists` says whether a file is there.
    pub fn reserve_output(&self, path: &Path, id: ItemId, exists: bool) -> Result<Reserved, StoreError> {
        let _held = self.lock();
        let at = output_key(path);
        if let Some(OutputV1 { owner, stamp, .. }) = self.output(&at)? {
            if owner == id.0 {
                return Ok(Reserved::Own(stamp.map(Stamp::from)));
            }
            if exists || self.is_at_work(ItemId(owner))? {
                return Ok(Reserved::Other(ItemId(owner)));
            }
        }
        let record =
            OutputRecord::V1(OutputV1 { path: path.as_os_str().as_bytes().to_vec(), owner: id.0, stamp: None });
        self.tree.write([(at, Some(encode(&record)?))]).map(|()| Reserved::Own(None))
    }

    fn is_at_work(&self, id: ItemId) -> Result<bool, StoreError> {
        let state = self.item(id)?.map(|item| item.state);
        Ok(matches!(state, Some(ItemState::Waiting | ItemState::Working(_) | ItemState::Retrying { .. })))
    }

    /// An item goes on to having proven its result: from before it has its name, its content is known as a result.
    pub fn proven(&self, item: &Item) -> Result<(), StoreError> {
        let mut counts = self.lock();
        let mut extra = Vec::new();
        if let Some(Stage::Proven { result, .. }) = item.stage() {
            extra.push((key(kind::OUTPUT_CONTENT, &[result]), Some(Vec::new())));
        }
        self.replace(&mut counts, self.item(item.id)?.as_ref(), Some(item), extra)?;
        self.tree.sync()
    }

    /// An item goes on to having published its result, which is this file.
    pub fn published(&self, item: &Item, path: &Path, stamp: Stamp) -> Result<(), StoreError> {
        let mut counts = self.lock();
        let bytes = path.as_os_str().as_bytes().to_vec();
        let record = OutputRecord::V1(OutputV1 { path: bytes, owner: item.id.0, stamp: Some(stamp.into()) });
        let mut extra = vec![(output_key(path), Some(encode(&record)?)), (stamp_key(&stamp), Some(Vec::new()))];
        if let Some(promise) = item.promise() {
            let made = [&item.id.0[..], &[MADE]].concat();
            extra.push((content_key(&item.rule, &promise.source), Some(made)));
        }
        self.replace(&mut counts, self.item(item.id)?.as_ref(), Some(item), extra)?;
        self.tree.sync()
    }

    /// Whether a file is known as a result by its path, or by being the file that was published.
    pub fn is_output(&self, path: &Path, stamp: &Stamp) -> Result<bool, StoreError> {
        Ok(self.tree.get(&output_key(path))?.is_some() || self.tree.get(&stamp_key(stamp))?.is_some())
    }

    pub fn is_output_content(&self, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.tree.get(&key(kind::OUTPUT_CONTENT, &[sha256]))?.is_some())
    }

    /// What was published under a path, if it was.
    pub fn output_stamp(&self, path: &Path) -> Result<Option<Stamp>, StoreError> {
        Ok(self.output(&output_key(path))?.and_then(|output| output.stamp).map(Stamp::from))
    }

    /// Forgets the names of results that are `gone`: what is put there next is somebody's clip. Contents stay known.
    pub fn prune_outputs(&self, gone: impl Fn(&Path) -> bool) -> Result<(), StoreError> {
        for entry in self.tree.scan(&[kind::OUTPUT]) {
            let (at, bytes) = entry?;
            let OutputRecord::V1(output) = decode(&at, &bytes)?;
            if output.stamp.is_some() && gone(&PathBuf::from(std::ffi::OsString::from_vec(output.path))) {
                self.tree.write([(at, None)])?;
            }
        }
        Ok(())
    }

    pub fn mount(&self, folder: &Path) -> Result<Option<PathBuf>, StoreError> {
        let found = self.tree.get(&key(kind::MOUNT, &[folder.as_os_str().as_bytes()]))?;
        Ok(found.map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))))
    }

    pub fn set_mount(&self, folder: &Path, mount: &Path) -> Result<(), StoreError> {
        let at = key(kind::MOUNT, &[folder.as_os_str().as_bytes()]);
        self.tree.write([(at, Some(mount.as_os_str().as_bytes().to_vec()))])?;
        self.tree.sync()
    }

    /// The folders are taken as they are found next.
    pub fn forget_mounts(&self) -> Result<(), StoreError> {
        let all = self.tree.scan(&[kind::MOUNT]).map(|entry| entry.map(|(at, _)| (at, None)));
        self.tree.write(all.collect::<Result<Vec<_>, _>>()?)?;
        self.tree.sync()
    }

    pub fn orders_done(&self) -> Result<u64, StoreError> {
        let found = self.tree.get(&[kind::ORDERS])?;
        Ok(found.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    pub fn set_orders_done(&self, number: u64) -> Result<(), StoreError> {
        self.tree.write([(vec![kind::ORDERS], Some(number.to_be_bytes().to_vec()))])?;
        self.tree.sync()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self, rule: &str, state: WatchState) -> impl Iterator<Item = Result<ItemId, StoreError>> + use<> {
        let found = self.tree.scan(&key(kind::STATE, &[&short(rule.as_bytes()), &[state as u8]]));
        found.map(|entry| entry.map(|(at, _)| ItemId(first(&at[at.len() - 16..]))))
    }

    fn output(&self, at: &[u8]) -> Result<Option<OutputV1>, StoreError> {
        let found = self.tree.get(at)?;
        found.map(|bytes| decode::<OutputRecord>(at, &bytes).map(|OutputRecord::V1(output)| output)).transpose()
    }

    fn replace(
        &self,
        counts: &mut Counts,
        before: Option<&Item>,
        after: Option<&Item>,
        extra: Vec<Change>,
    ) -> Result<(), StoreError> {
        let mut changes = extra;
        if let Some(before) = before {
            changes.push((state_key(before), None));
            changes.push((key(kind::ITEM, &[&before.id.0]), None));
        }
        if let Some(after) = after {
            changes.push((state_key(after), Some(Vec::new())));
            changes.push((key(kind::ITEM, &[&after.id.0]), Some(encode(&ItemRecord::from(after))?)));
        }
        self.tree.write(changes)?;
        let mut count = |item: Option<&Item>, change: i64| {
            if let Some(item) = item {
                let count = counts.entry((item.rule.clone(), state_of(item))).or_default();
                *count = count.saturating_add_signed(change);
            }
        };
        count(before, -1);
        count(after, 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
