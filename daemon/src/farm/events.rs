//! The farm's events as they are handed on: a ring that the writer fills and never waits for, and readers that each go
//! at their own pace. Who is slower than the ring is long is told how much was lost.

use super::tally::{Instruments, Tally};
use crate::model::{About, Event};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;
use tweenfarm_protocol::operator::Level;

/// Some minutes of a busy farm; an event takes about 300 bytes.
const KEPT_MAX: usize = 8192;

pub(super) struct Events {
    ring: Mutex<Ring>,
    /// How many events there have been.
    told: watch::Sender<u64>,
    tally: Mutex<Tally>,
    pub(super) instruments: Instruments,
}

#[derive(Default)]
struct Ring {
    /// Number of the first one that is kept.
    first: u64,
    kept: VecDeque<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Events {
        Events {
            ring: Mutex::default(),
            told: watch::Sender::new(0),
            tally: Mutex::default(),
            instruments: Instruments::default(),
        }
    }
}

impl Events {
    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            log(&event);
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).count(&event);
            self.instruments.count(&event);
            ring.kept.push_back(Arc::new(event));
            if ring.kept.len() > KEPT_MAX {
                ring.kept.pop_front();
                ring.first += 1;
            }
        }
        let told = ring.first + ring.kept.len() as u64;
        drop(ring);
        self.told.send_if_modified(|before| std::mem::replace(before, told) != told);
    }

    pub(super) fn reader(self: &Arc<Events>, from: From) -> EventReader {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ring.first + ring.kept.len() as u64;
        let next = match from {
            From::Now => end,
            From::Recent(count) => end.saturating_sub(count).max(ring.first),
            // A number that was never given is of another farm's life.
            From::After(seen) => seen.saturating_add(1).min(end),
        };
        drop(ring);
        EventReader { events: self.clone(), next, told: self.told.subscribe() }
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Now,
    /// With so many that have been, as far as they are kept.
    Recent(u64),
    /// Behind the one with this number.
    After(u64),
}

/// What a reader is told next.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Event(u64, Arc<Event>),
    /// So many were dropped before they were read.
    Lost(u64),
}

pub struct EventReader {
    events: Arc<Events>,
    next: u64,
    told: watch::Receiver<u64>,
}

impl EventReader {
    /// None once the farm is gone. A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            self.told.borrow_and_update();
            if let Some(told) = self.waiting() {
                return Some(told);
            }
            self.told.changed().await.ok()?;
        }
    }

    /// What is there already.
    pub fn waiting(&mut self) -> Option<Told> {
        let ring = self.events.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if self.next < ring.first {
            let lost = ring.first - self.next;
            self.next = ring.first;
            return Some(Told::Lost(lost));
        }
        let event = ring.kept.get(usize::try_from(self.next - ring.first).ok()?)?.clone();
        self.next += 1;
        Some(Told::Event(self.next - 1, event))
    }
}

/// One line in the daemon's own log, with all it concerns.
fn log(event: &Event) {
    let About { job, account, agent, worker, part, lease } = event.about;
    let (kind, what, text) = (event.what.kind().name(), event.what.word(), &event.text);
    macro_rules! line {
        ($macro:ident) => {
            tracing::$macro!(
                job = job.map(tracing::field::display),
                segment = part.map(tracing::field::display),
                lease = lease.map(tracing::field::display),
                agent = agent.map(tracing::field::display),
                worker,
                account = account.map(tracing::field::display),
                kind,
                what,
                "{text}"
            )
        };
    }
    match event.what.level() {
        Level::Debug => line!(debug),
        Level::Info => line!(info),
        Level::Warn => line!(warn),
        Level::Error => line!(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::What;
    use tweenfarm_protocol::Timestamp;

    fn event(number: u64) -> Event {
        Event::new(Timestamp(number as i64), What::Configured("tested"), About::default(), format!("event {number}"))
    }

    fn numbers(reader: &mut EventReader) -> Vec<u64> {
        std::iter::from_fn(|| reader.waiting())
            .map(|told| match told {
                Told::Event(number, event) => {
                    assert_eq!(event.at.0 as u64, number);
                    number
                }
                Told::Lost(count) => panic!("{count} were lost"),
            })
            .collect()
    }

    #[tokio::test]
    async fn a_reader_begins_where_it_wants_and_goes_on_where_it_was() {
        let events = Arc::new(Events::default());
        events.tell((0..5).map(event));
        let [mut now, mut recent, mut after] =
            [From::Now, From::Recent(2), From::After(0)].map(|from| events.reader(from));
        assert_eq!(
            (numbers(&mut now), numbers(&mut recent), numbers(&mut after)),
            (vec![], vec![3, 4], vec![1, 2, 3, 4])
        );
        events.tell((5..7).map(event));
        assert_eq!(now.next().await, Some(Told::Event(5, Arc::new(event(5)))));
        assert_eq!(numbers(&mut now), [6]);
        // A number of another life of the daemon: nothing is given twice, nothing is waited for.
        assert_eq!(numbers(&mut events.reader(From::After(99))), [0_u64; 0]);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_much_it_lost_and_holds_nobody_up() {
        let events = Arc::new(Events::default());
        let mut slow = events.reader(From::Now);
        let many = KEPT_MAX as u64 + 10;
        events.tell((0..many).map(event));
        assert_eq!(slow.next().await, Some(Told::Lost(10)));
        assert_eq!(numbers(&mut slow), (10..many).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let events = Arc::new(Events::default());
        let mut reader = events.reader(From::Now);
        let waiting = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        events.tell([event(0)]);
        assert_eq!(waiting.await.unwrap(), Some(Told::Event(0, Arc::new(event(0)))));
    }
}
