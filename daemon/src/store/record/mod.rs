//! Records: how the store writes things down. Versioned MessagePack with field names; one enum per kind keeps every
//! version ever written and upgrades to today's model, which itself knows nothing of encodings.
//!
//! Ids and units are written as they are. A released version never changes: a new field makes a new version.

mod account;
mod agent;
mod controls;
mod facts;
mod file;
mod job;
mod operator;
mod story;
mod webhook;

pub(super) use job::{JobRecord, SegmentRecord, split, unite};

use serde::{Serialize, de::DeserializeOwned};

pub(super) type RecordError = Box<dyn std::error::Error + Send + Sync>;

/// A model type and the record it is written as.
pub(super) trait Stored: Sized {
    type Record: Serialize + DeserializeOwned;
    fn to_record(&self) -> Self::Record;
    /// Fails when the record says something that the model cannot hold.
    fn from_record(record: Self::Record) -> Result<Self, RecordError>;
}

pub(super) fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, RecordError> {
    Ok(rmp_serde::to_vec_named(record)?)
}

pub(super) fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, RecordError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

#[cfg(test)]
mod tests;
