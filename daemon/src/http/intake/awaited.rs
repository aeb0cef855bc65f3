//! Keys that the intake door gave out, for which its own limit of size holds. Kept in memory: after a restart of the daemon
//! a large upload is refused, and the watcher asks for another place.

use crate::model::ObjectKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tweenfarm_protocol::Timestamp;

/// By key, until when its URL can be used.
#[derive(Clone, Default)]
pub struct Awaited(Arc<Mutex<HashMap<ObjectKey, Timestamp>>>);

impl Awaited {
    pub fn add(&self, key: ObjectKey, until: Timestamp, now: Timestamp) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|_, until| *until > now);
        keys.insert(key, until);
    }

    pub fn holds(&self, key: &ObjectKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}
