//! Tells the daemon every few seconds how rules and files stand, and carries out what an operator asked for meanwhile.

use super::{
    board::Board,
    config::Rule,
    journal::{Journal, item_id},
    link::Link,
};
use crate::{
    intake::{Item, ItemId, ItemState},
    store::StoreError,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::{
    Timestamp,
    intake::{NumberedOrder, Report},
    operator::{WatchFileRow, WatchOrder, WatchRuleRow, WatchState},
};

const EVERY: Duration = Duration::from_secs(2);
/// Rows of each rule: all that need somebody, within reason; the next and the newest of the others.
const ROWS: [(WatchState, usize); 6] = [
    (WatchState::Working, 100),
    (WatchState::Retrying, 100),
    (WatchState::Quarantined, 500),
    (WatchState::Waiting, 50),
    (WatchState::Skipped, 50),
    (WatchState::Done, 50),
];
/// Rows of all rules together: what one answer of the operator's API holds.
const ROWS_MAX: usize = 5000;

pub struct Reporter {
    pub rules: Vec<Arc<Rule>>,
    pub journal: Arc<Journal>,
    pub board: Arc<Board>,
    pub link: Link,
    pub waiting: Arc<Notify>,
    pub stop: CancellationToken,
}

impl Reporter {
    pub async fn run(self) {
        let started_at = Timestamp::now().to_iso_seconds();
        let mut heard = true;
        loop {
            match self.once(&started_at).await {
                Ok(()) => {
                    if !heard {
                        tracing::info!("the daemon can be reached again");
                    }
                    heard = true;
                }
                Err(error) => {
                    if heard {
                        tracing::warn!(%error, "the daemon is not told how the folders stand");
                    }
                    heard = false;
                }
            }
            if self.stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }

    async fn once(&self, started_at: &str) -> anyhow::Result<()> {
        let report = self.report(started_at)?;
        let Some(answer) = self.stop.run_until_cancelled(self.link.report(&report)).await else { return Ok(()) };
        for order in answer?.orders {
            self.carry_out(&order)?;
        }
        Ok(())
    }

    fn report(&self, started_at: &str) -> Result<Report, StoreError> {
        let mut report = Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: started_at.to_owned(),
            orders_done: self.journal.orders_done()?,
            ..Report::default()
        };
        for rule in &self.rules {
            let news = self.board.folder(&rule.name);
            let count = |state| self.journal.count(&rule.name, state);
            for (state, limit) in ROWS {
                let left = ROWS_MAX.saturating_sub(report.files.len());
                for item in self.journal.list(&rule.name, state, limit.min(left))? {
                    report.files.push(self.row(item, state));
                }
            }
            let settling = news.settling_first.into_iter().take(ROWS_MAX.saturating_sub(report.files.len()));
            report.files.extend(settling.map(|(path, size_bytes, since)| WatchFileRow {
                file: item_id(&rule.name, &path).to_string(),
                rule: rule.name.clone(),
                path: path.to_string_lossy().into_owned(),
                state: WatchState::Settling,
                since: since.to_iso_seconds(),
                size_bytes,
                doing: None,
                job: None,
                progress_percent: None,
                tries: 0,
                reason: None,
                retry_at: None,
                output: None,
            }));
            report.rules.push(WatchRuleRow {
                rule: rule.name.clone(),
                folder: rule.folder.to_string_lossy().into_owned(),
                target: rule.target.to_string(),
                account: rule.account.clone(),
                trouble: news.trouble,
                scanned_at: news.scanned_at.map(Timestamp::to_iso_seconds),
                settling: news.settling,
                waiting: count(WatchState::Waiting),
                working: count(WatchState::Working),
                retrying: count(WatchState::Retrying),
                quarantined: count(WatchState::Quarantined),
                skipped: count(WatchState::Skipped),
                done: count(WatchState::Done),
            });
        }
        Ok(report)
    }

    fn row(&self, item: Item, state: WatchState) -> WatchFileRow {
        let promised = item.promise().map(|promise| promise.output.to_string_lossy().into_owned());
        let (reason, retry_at, output) = match &item.state {
            ItemState::Waiting | ItemState::Working(_) => (None, None, promised),
            ItemState::Retrying { reason, not_before, .. } => {
                (Some(reason.clone()), Some(not_before.to_iso_seconds()), promised)
            }
            ItemState::Quarantined { reason } | ItemState::Skipped { reason } => (Some(reason.clone()), None, None),
            ItemState::Done { output } => (None, None, Some(output.to_string_lossy().into_owned())),
        };
        let stage = item.stage();
        WatchFileRow {
            doing: stage.filter(|_| state == WatchState::Working).map(|stage| stage.doing().to_owned()),
            job: stage.and_then(|stage| stage.job()),
            progress_percent: self.board.progress(item.id),
            file: item.id.to_string(),
            path: item.path.to_string_lossy().into_owned(),
            state,
            since: item.since.to_iso_seconds(),
            size_bytes: item.stamp.size_bytes,
            tries: item.tries,
            reason,
            retry_at,
            output,
            rule: item.rule,
        }
    }

    /// Once each: the number is kept with what was done.
    fn carry_out(&self, order: &NumberedOrder) -> Result<(), StoreError> {
        if order.number <= self.journal.orders_done()? {
            return Ok(());
        }
        let now = Timestamp::now();
        if let Ok(id) = order.file.parse::<ItemId>() {
            let changed = self.journal.change(id, |item| match order.order {
                WatchOrder::Release => item.released(now),
                WatchOrder::Retry => item.retried(now),
            })?;
            let file = &order.file;
            match changed {
                Some(item) => {
                    tracing::info!(rule = item.rule, path = %item.path.display(), order = ?order.order, "ordered")
                }
                None => tracing::info!(file, order = ?order.order, "this order changes nothing"),
            }
        }
        self.journal.set_orders_done(order.number)?;
        self.waiting.notify_waiters();
        Ok(())
    }
}
