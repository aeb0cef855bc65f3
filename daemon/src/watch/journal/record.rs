//! Items and outputs as they lie on disk. Old variants stay readable; `From` upgrades them.

use crate::intake::{Item, ItemId, ItemState, Place, Promise, Stage, Stamp};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};
use tweenfarm_protocol::{JobId, Timestamp};

#[derive(Serialize, Deserialize)]
pub enum ItemRecord {
    V1(ItemV1),
}

#[derive(Serialize, Deserialize)]
pub struct ItemV1 {
    id: [u8; 16],
    rule: String,
    path: Vec<u8>,
    stamp: StampV1,
    attempt: u32,
    tries: u32,
    waits: u32,
    again: bool,
    since: Timestamp,
    state: StateV1,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct StampV1 {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified_ns: i64,
}

#[derive(Serialize, Deserialize)]
enum StateV1 {
    Waiting,
    Working(StageV1),
    Retrying { from: StageV1, not_before: Timestamp, reason: String },
    Quarantined { reason: String },
    Skipped { reason: String },
    Done { output: Vec<u8> },
}

#[derive(Serialize, Deserialize)]
enum StageV1 {
    Taken,
    Uploaded { promise: PromiseV1, key: String },
    Submitted { promise: PromiseV1, job: JobId },
    Proven { promise: PromiseV1, job: JobId, result: [u8; 32] },
    Published { promise: PromiseV1, job: JobId },
}

#[derive(Serialize, Deserialize)]
struct PromiseV1 {
    source: [u8; 32],
    fps: u32,
    frames: u64,
    output: Vec<u8>,
}

/// A path that results are published under.
#[derive(Serialize, Deserialize)]
pub enum OutputRecord {
    V1(OutputV1),
}

#[derive(Serialize, Deserialize)]
pub struct OutputV1 {
    pub path: Vec<u8>,
    pub owner: [u8; 16],
    /// As it was published; `None` while it is on its way.
    pub stamp: Option<StampV1>,
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

impl From<Stamp> for StampV1 {
    fn from(Stamp { device, inode, size_bytes, modified_ns }: Stamp) -> StampV1 {
        StampV1 { device, inode, size_bytes, modified_ns }
    }
}

impl From<StampV1> for Stamp {
    fn from(StampV1 { device, inode, size_bytes, modified_ns }: StampV1) -> Stamp {
        Stamp { device, inode, size_bytes, modified_ns }
    }
}

impl From<&Promise> for PromiseV1 {
    fn from(promise: &Promise) -> PromiseV1 {
        let Promise { source, fps, frames, output } = promise;
        PromiseV1 { source: *source, fps: *fps, frames: *frames, output: bytes(output) }
    }
}

impl From<PromiseV1> for Promise {
    fn from(PromiseV1 { source, fps, frames, output }: PromiseV1) -> Promise {
        Promise { source, fps, frames, output: path(output) }
    }
}

impl From<&Stage> for StageV1 {
    fn from(stage: &Stage) -> StageV1 {
        match stage {
            Stage::Taken => StageV1::Taken,
            Stage::Uploaded { promise, place: Place(key) } => {
                StageV1::Uploaded { promise: promise.into(), key: key.clone() }
            }
            Stage::Submitted { promise, job } => StageV1::Submitted { promise: promise.into(), job: *job },
            Stage::Proven { promise, job, result } => {
                StageV1::Proven { promise: promise.into(), job: *job, result: *result }
            }
            Stage::Published { promise, job } => StageV1::Published { promise: promise.into(), job: *job },
        }
    }
}

impl From<StageV1> for Stage {
    fn from(stage: StageV1) -> Stage {
        match stage {
            StageV1::Taken => Stage::Taken,
            StageV1::Uploaded { promise, key } => Stage::Uploaded { promise: promise.into(), place: Place(key) },
            StageV1::Submitted { promise, job } => Stage::Submitted { promise: promise.into(), job },
            StageV1::Proven { promise, job, result } => Stage::Proven { promise: promise.into(), job, result },
            StageV1::Published { promise, job } => Stage::Published { promise: promise.into(), job },
        }
    }
}

impl From<&Item> for ItemRecord {
    fn from(item: &Item) -> ItemRecord {
        let state = match &item.state {
            ItemState::Waiting => StateV1::Waiting,
            ItemState::Working(stage) => StateV1::Working(stage.into()),
            ItemState::Retrying { from, not_before, reason } => {
                StateV1::Retrying { from: from.into(), not_before: *not_before, reason: reason.clone() }
            }
            ItemState::Quarantined { reason } => StateV1::Quarantined { reason: reason.clone() },
            ItemState::Skipped { reason } => StateV1::Skipped { reason: reason.clone() },
            ItemState::Done { output } => StateV1::Done { output: bytes(output) },
        };
        ItemRecord::V1(ItemV1 {
            id: item.id.0,
            rule: item.rule.clone(),
            path: bytes(&item.path),
            stamp: item.stamp.into(),
            attempt: item.attempt,
            tries: item.tries,
            waits: item.waits,
            again: item.again,
            since: item.since,
            state,
        })
    }
}

impl From<ItemRecord> for Item {
    fn from(ItemRecord::V1(item): ItemRecord) -> Item {
        let state = match item.state {
            StateV1::Waiting => ItemState::Waiting,
            StateV1::Working(stage) => ItemState::Working(stage.into()),
            StateV1::Retrying { from, not_before, reason } => {
                ItemState::Retrying { from: from.into(), not_before, reason }
            }
            StateV1::Quarantined { reason } => ItemState::Quarantined { reason },
            StateV1::Skipped { reason } => ItemState::Skipped { reason },
            StateV1::Done { output } => ItemState::Done { output: path(output) },
        };
        Item {
            id: ItemId(item.id),
            rule: item.rule,
            path: path(item.path),
            stamp: item.stamp.into(),
            attempt: item.attempt,
            tries: item.tries,
            waits: item.waits,
            again: item.again,
            since: item.since,
            state,
        }
    }
}
