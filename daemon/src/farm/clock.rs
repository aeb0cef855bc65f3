//! Time and fresh ids, as the farm gets them: behind a trait, so that a test can be at any hour of any day.

use tweenfarm_protocol::Timestamp;
use uuid::Uuid;

pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// A new id. Version 7: ids of one kind sort by the time they were made.
    fn fresh_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// This machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
