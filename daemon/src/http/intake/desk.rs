//! Between the watcher and the operator: the last report, and the orders that the watcher has not carried out yet.
//!
//! In memory: the watcher keeps what counts, and reports every few seconds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tweenfarm_protocol::{
    Timestamp,
    intake::{NumberedOrder, Orders, Report},
    operator::{WatchOrder, WatchView, WatcherRow},
};

/// The watcher calls every 2 s.
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// An operator's marks of a whole list.
const ORDERS_MAX: usize = 10_000;
/// Orders given with one answer.
const ORDERS_AT_ONCE: usize = 500;

#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    last: Option<(Report, Timestamp)>,
    orders: VecDeque<NumberedOrder>,
    /// Of the last order; above all that the watcher has seen, of an earlier daemon included.
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error("no watcher is connected: start tweenfarm-watch")]
    NoWatcher,
    #[error("{ORDERS_MAX} orders wait for the watcher already")]
    Full,
}

impl Desk {
    pub fn take(&self, report: Report, now: Timestamp) -> Orders {
        let mut state = self.state();
        state.number = state.number.max(report.orders_done);
        state.orders.retain(|order| order.number > report.orders_done);
        state.last = Some((report, now));
        Orders { orders: state.orders.iter().take(ORDERS_AT_ONCE).cloned().collect() }
    }

    pub fn order(&self, file: String, order: WatchOrder, now: Timestamp) -> Result<(), DeskError> {
        let mut state = self.state();
        if !state.last.as_ref().is_some_and(|(_, at)| is_connected(*at, now)) {
            return Err(DeskError::NoWatcher);
        }
        if state.orders.len() >= ORDERS_MAX {
            return Err(DeskError::Full);
        }
        state.number += 1;
        let number = state.number;
        state.orders.push_back(NumberedOrder { number, file, order });
        Ok(())
    }

    pub fn view(&self, now: Timestamp) -> WatchView {
        let Some((report, at)) = self.state().last.clone() else { return WatchView::default() };
        let watcher = WatcherRow {
            version: report.version,
            started_at: report.started_at,
            heard_at: at.to_iso_seconds(),
            connected: is_connected(at, now),
        };
        WatchView { watcher: Some(watcher), rules: report.rules, files: report.files }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_connected(heard_at: Timestamp, now: Timestamp) -> bool {
    now.since(heard_at) < SILENT_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn report(orders_done: u64) -> Report {
        Report { orders_done, ..Report::default() }
    }

    #[test]
    fn an_order_is_given_until_it_is_reported_as_done_also_by_a_daemon_that_began_anew() {
        let desk = Desk::default();
        assert_eq!(desk.order("f".into(), WatchOrder::Retry, NOW), Err(DeskError::NoWatcher));
        // The watcher has carried out 41 orders of an earlier daemon.
        assert!(desk.take(report(41), NOW).orders.is_empty());
        desk.order("f".into(), WatchOrder::Retry, NOW).unwrap();
        desk.order("g".into(), WatchOrder::Release, NOW).unwrap();
        let numbers = |orders: Orders| orders.orders.iter().map(|order| order.number).collect::<Vec<_>>();
        assert_eq!(numbers(desk.take(report(41), NOW)), [42, 43]);
        assert_eq!(numbers(desk.take(report(41), NOW)), [42, 43]);
        assert_eq!(numbers(desk.take(report(42), NOW)), [43]);
        assert!(desk.take(report(43), NOW).orders.is_empty());
    }

    #[test]
    fn a_watcher_that_went_silent_is_shown_as_gone_with_what_it_told_last() {
        let desk = Desk::default();
        assert_eq!(desk.view(NOW), WatchView::default());
        desk.take(report(0), NOW);
        let connected = |now| desk.view(now).watcher.unwrap().connected;
        assert!(connected(NOW.plus(Duration::from_secs(5))) && !connected(NOW.plus(SILENT_AFTER)));
        let late = desk.order("f".into(), WatchOrder::Retry, NOW.plus(SILENT_AFTER));
        assert_eq!(late, Err(DeskError::NoWatcher));
    }
}
