//! Sweeps: passes that compare what is with what should be. Each takes no input, and doing one twice is harmless.

pub mod audit;
pub mod cancelled;
pub mod key_uses;
pub mod leases;
pub mod orphans;
pub mod projects;
pub mod retention;

use crate::{
    farm::Farm,
    model::{About, What},
};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// When a sweep passes: at once, then this often. After a pass that took longer the next waits as long again.
fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Says what a pass did. One that found nothing to do is told, too: that it runs is worth knowing.
fn told(
    farm: &Farm,
    sweep: &'static str,
    started: Instant,
    ok: bool,
    (deleted, deleted_bytes): (u64, u64),
    text: String,
) {
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    farm.tell(What::Swept { sweep, ok, deleted, deleted_bytes, elapsed_ms }, About::default(), text);
}
