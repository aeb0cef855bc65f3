//! What is counted of the farm's events since the daemon started: for metrics, for charts and for the operator's lists.
//! In memory only, of a bounded size; what has to be right for ever is in the store.

use crate::model::{Event, What};
use prometheus_client::metrics::histogram::Histogram;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};
use tweenfarm_protocol::{AgentId, Timestamp};

/// From a small segment on a fast card to a long one on a processor.
const SEGMENT_SECONDS: [f64; 12] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// From a fast disk of flash to one that is in trouble.
const SYNC_SECONDS: [f64; 10] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
const SWEEPS_KEPT: usize = 50;
/// Workers that were ever seen; the longest silent ones go first.
const WORKERS_KEPT: usize = 4096;
const DAY_MICROSECONDS: i64 = 24 * 3600 * 1_000_000;

#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Events by kind and word.
    pub events: BTreeMap<(&'static str, &'static str), u64>,
    pub frames: u64,
    pub frames_made: u64,
    /// Frames of pieces under way, as renewals tell of them; a piece that starts again counts again.
    pub frames_seen: u64,
    /// Failures by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// Sums of changes by kind of ledger entry.
    pub ledger: BTreeMap<&'static str, i64>,
    pub today: Today,
    /// Newest first.
    pub sweeps: VecDeque<Event>,
    pub workers: HashMap<(AgentId, u32), WorkerTally>,
}

/// What times are gathered in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Instruments {
    pub segment_seconds: Histogram,
    /// How long it took to make a group of commands durable.
    pub sync_seconds: Histogram,
}

impl Default for Instruments {
    fn default() -> Instruments {
        Instruments { segment_seconds: Histogram::new(SEGMENT_SECONDS), sync_seconds: Histogram::new(SYNC_SECONDS) }
    }
}

impl Instruments {
    /// A join or a mark is no segment.
    pub(super) fn count(&self, event: &Event) {
        if let What::Rendered { frames: 1.., elapsed_ms, .. } = event.what {
            self.segment_seconds.observe(elapsed_ms as f64 / 1000.0);
        }
    }
}

/// Ledger sums of one day, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Today {
    pub day: i64,
    pub ledger: BTreeMap<&'static str, i64>,
    pub jobs_done: u64,
    pub jobs_failed: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerTally {
    pub finished: u64,
    pub failed: u64,
    pub lost: u64,
    pub frames: u64,
    pub last_failure: Option<(Timestamp, String)>,
    pub last_at: Timestamp,
    /// Since when it has a piece in hand.
    busy_since: Option<Timestamp>,
    /// Spans in which it had one, oldest first.
    busy: VecDeque<(Timestamp, Timestamp)>,
}

/// Over which time it is said how busy a worker was.
pub const BUSY_OVER: Duration = Duration::from_secs(300);

impl WorkerTally {
    /// Of the last `BUSY_OVER`, or of `known_for` if that is shorter: 0..=100.
    pub fn busy_percent(&self, now: Timestamp, known_for: Duration) -> u8 {
        let over = BUSY_OVER.min(known_for);
        let from = now.minus(over);
        let spans = self.busy.iter().copied().chain(self.busy_since.map(|since| (since, now)));
        let busy: u128 = spans.map(|(start, end)| end.since(start.max(from)).as_micros()).sum();
        (busy * 100).checked_div(over.as_micros()).unwrap_or(0).min(100) as u8
    }

    fn began(&mut self, at: Timestamp) {
        self.busy_since.get_or_insert(at);
    }

    fn ended(&mut self, at: Timestamp) {
        if let Some(since) = self.busy_since.take() {
            self.busy.push_back((since, at));
        }
        let from = at.minus(BUSY_OVER);
        while self.busy.front().is_some_and(|(_, end)| *end < from) {
            self.busy.pop_front();
        }
    }
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        let (what, at) = (event.what, event.at);
        *self.events.entry((what.kind().name(), what.word())).or_default() += 1;
        let day = at.0.div_euclid(DAY_MICROSECONDS);
        if self.today.day != day {
            self.today = Today { day, ..Today::default() };
        }
        match what {
            What::Booked { kind, change } => {
                for sums in [&mut self.ledger, &mut self.today.ledger] {
                    let sum = sums.entry(kind).or_default();
                    *sum = sum.saturating_add(change.0);
                }
            }
            What::JobDone => self.today.jobs_done += 1,
            What::JobFailed => self.today.jobs_failed += 1,
            What::Rendered { frames, frames_made, .. } => {
                self.frames += frames;
                self.frames_made += frames_made;
            }
            What::Renewed { frames } => self.frames_seen += frames,
            What::PieceFailed(class) => *self.failures.entry(class_name(class)).or_default() += 1,
            What::Swept { .. } => {
                self.sweeps.push_front(event.clone());
                self.sweeps.truncate(SWEEPS_KEPT);
            }
            _ => {}
        }
        self.count_worker(event);
    }

    fn count_worker(&mut self, event: &Event) {
        let (Some(agent), Some(worker)) = (event.about.agent, event.about.worker) else { return };
        if self.workers.len() >= WORKERS_KEPT && !self.workers.contains_key(&(agent, worker)) {
            let silent = self.workers.iter().min_by_key(|(_, tally)| tally.last_at).map(|(who, _)| *who);
            silent.map(|who| self.workers.remove(&who));
        }
        let tally = self.workers.entry((agent, worker)).or_default();
        tally.last_at = event.at;
        match event.what {
            What::Leased | What::Renewed { .. } => tally.began(event.at),
            What::GivenBack => tally.ended(event.at),
            What::Rendered { frames, .. } => {
                tally.ended(event.at);
                tally.finished += 1;
                tally.frames += frames;
            }
            What::PieceFailed(_) => {
                tally.ended(event.at);
                tally.failed += 1;
                tally.last_failure = Some((event.at, event.text.clone()));
            }
            What::LeaseExpired => {
                tally.ended(event.at);
                tally.lost += 1;
                tally.last_failure = Some((event.at, event.text.clone()));
            }
            _ => {}
        }
    }
}

fn class_name(class: tweenfarm_protocol::task::FailureClass) -> &'static str {
    use tweenfarm_protocol::task::FailureClass::*;
    match class {
        Input => "input",
        Resource => "resource",
        Worker => "worker",
        Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::About, store::samples};
    use tweenfarm_protocol::{Xeconds, task::FailureClass};

    fn event(second: i64, what: What) -> Event {
        let about = About { agent: Some(AgentId(samples::id(1))), worker: Some(0), ..About::default() };
        Event::new(Timestamp(second * 1_000_000), what, about, "it happened")
    }

    #[test]
    fn a_worker_is_as_busy_as_it_had_pieces_in_hand() {
        let mut tally = Tally::default();
        let rendered = What::Rendered { frames: 120, frames_made: 60, elapsed_ms: 4_000 };
        for (second, what) in
            [(0, What::Leased), (10, What::Renewed { frames: 30 }), (30, rendered), (60, What::Leased)]
        {
            tally.count(&event(second, what));
        }
        let worker = &tally.workers[&(AgentId(samples::id(1)), 0)];
        assert_eq!((worker.finished, worker.frames, tally.frames_seen), (1, 120, 30));
        let busy =
            |second: i64, known: u64| worker.busy_percent(Timestamp(second * 1_000_000), Duration::from_secs(known));
        assert_eq!((busy(60, 60), busy(90, 90), busy(120, 1000), busy(700, 1000)), (50, 66, 30, 100));
    }

    #[test]
    fn a_new_day_begins_at_midnight() {
        let mut tally = Tally::default();
        let booked = |change| What::Booked { kind: "charge", change: Xeconds(change) };
        tally.count(&event(24 * 3600 - 1, booked(-5)));
        tally.count(&event(24 * 3600, booked(-2)));
        assert_eq!((tally.today.ledger["charge"], tally.ledger["charge"]), (-2, -7));
        tally.count(&event(24 * 3600, What::PieceFailed(FailureClass::Worker)));
        assert_eq!(tally.failures["worker"], 1);
    }
}
