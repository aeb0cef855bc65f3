//! One lock per object key, held while an upload is published and while a request looks at the object and acts on
//! what it saw: a clip can't be exchanged between its price and its job.

use crate::model::ObjectKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::OwnedMutexGuard;

type Locks = Mutex<HashMap<ObjectKey, Weak<tokio::sync::Mutex<()>>>>;

#[derive(Clone, Default)]
pub struct KeyLocks(Arc<Locks>);

impl KeyLocks {
    /// Waits until nobody else holds the key.
    pub async fn hold(&self, key: &ObjectKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let lock = locks.get(key).and_then(Weak::upgrade).unwrap_or_default();
            // Keys that nobody holds any more would stay for ever.
            locks.retain(|_, lock| lock.strong_count() > 0);
            locks.insert(key.clone(), Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_key_is_held_by_one_at_a_time_and_forgotten_afterwards() {
        let locks = KeyLocks::default();
        let (one, two) = (key("uploads/a"), key("uploads/b"));
        let held = locks.hold(&one).await;
        drop(locks.hold(&two).await);
        let mut second = Box::pin(locks.hold(&one));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(held);
        drop(second.await);
        drop(locks.hold(&two).await);
        assert!(!locks.0.lock().unwrap().contains_key(&one));
    }
}
