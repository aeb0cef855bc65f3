//! The record of one run: counts, busy times and the first failure, written by the pipeline's threads.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tweenfarm_protocol::task::Failure;

/// Shared by the element, the probes on pads and the reader of the bus.
#[derive(Debug, Default)]
pub struct Record {
    /// Decoded frames that came before anything the segment shows.
    pub frames_passed: Count,
    /// Slots handed to the encoder, made or not.
    slots_shown: Count,
    first_shown: OnceLock<Instant>,
    /// Frames among them that the engine made.
    pub frames_made: Count,
    /// Frames that left the encoder.
    pub frames_encoded: Count,
    /// Frames of the timeline that the decoder did not give.
    pub frames_lost: Count,
    /// Pictures that the decoder gave and the timeline has no place for, such as the same one twice.
    pub frames_unplaced: Count,
    pub decode: Stopwatch,
    pub interpolate: Stopwatch,
    pub encode: Stopwatch,
    failure: Mutex<Option<Failure>>,
}

impl Record {
    /// One more slot was handed to the encoder.
    pub fn show(&self) {
        self.first_shown.get_or_init(Instant::now);
        self.slots_shown.add(1);
    }

    pub fn slots_shown(&self) -> u64 {
        self.slots_shown.get()
    }

    /// When the first slot was handed to the encoder.
    pub fn first_shown(&self) -> Option<Instant> {
        self.first_shown.get().copied()
    }

    /// Keeps the first failure: what follows from it says less.
    pub fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Busy time of one stage, used by one thread at a time.
#[derive(Debug, Default)]
pub struct Stopwatch {
    started: Mutex<Option<Instant>>,
    busy_us: AtomicU64,
}

impl Stopwatch {
    /// The stage is handed work; work it was handed before and did not answer is not counted.
    pub fn start(&self) {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The stage gave something, and goes on with what it has.
    pub fn lap(&self) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = started.replace(Instant::now()) {
            self.busy_us.fetch_add(u64::try_from(since.elapsed().as_micros()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Measures one piece of work.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        self.start();
        let done = work();
        self.lap();
        done
    }

    pub fn busy_ms(&self) -> u64 {
        self.busy_us.load(Ordering::Relaxed) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::task::FailureClass;

    #[test]
    fn the_first_failure_is_kept() {
        let record = Record::default();
        assert_eq!(record.failure(), None);
        let failure = |message: &str| Failure::new(FailureClass::Input, message.to_owned());
        record.fail(failure("the cause"));
        record.fail(failure("what came of it"));
        assert_eq!(record.failure(), Some(failure("the cause")));
    }

    #[test]
    fn a_stopwatch_that_was_never_started_counts_nothing() {
        let watch = Stopwatch::default();
        watch.lap();
        assert_eq!(watch.busy_ms(), 0);
    }
}
