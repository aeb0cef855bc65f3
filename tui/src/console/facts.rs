//! What the console knows of the farm, and since when. It only takes in what the daemon said; it works nothing out.

use super::picture::Picture;
use std::collections::{HashMap, VecDeque};
use tweenfarm_protocol::{
    AccountId, JobId, Timestamp,
    operator::{
        AgentRow, DutyRow, EventRow, FileRow, History, JobDetail, JobRow, JobSchedule, LedgerRow, LogRow, Me, QueueRow,
        Retention, Status, UserRow, WatchView,
    },
};

/// Events that are kept for the Events screen; the daemon keeps more of them, and each job its whole log.
pub const EVENTS_KEPT: usize = 5_000;

/// One answer of the daemon and when it came.
#[derive(Clone, Debug)]
pub struct Known<T> {
    pub value: Option<T>,
    pub at: Option<Timestamp>,
    /// Why the last try brought nothing.
    pub refused: Option<String>,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known { value: None, at: None, refused: None }
    }
}

impl<T: PartialEq> Known<T> {
    /// Whether it was news.
    pub fn learn(&mut self, value: T, at: Timestamp) -> bool {
        let news = self.refused.is_some() || self.value.as_ref() != Some(&value);
        *self = Known { value: Some(value), at: Some(at), refused: None };
        news
    }
}

impl<T> Known<T> {
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub me: Known<Me>,
    pub status: Known<Status>,
    pub history: Known<History>,
    pub jobs: Known<Jobs>,
    pub job: Known<JobDetail>,
    pub schedule: Known<JobSchedule>,
    pub queue: Known<QueueRow>,
    pub duties: Known<Vec<DutyRow>>,
    pub log: Known<(JobId, Vec<LogRow>)>,
    pub preview: Known<Picture>,
    pub agents: Known<Vec<AgentRow>>,
    pub users: Known<Vec<UserRow>>,
    pub ledger: Known<(AccountId, Vec<LedgerRow>)>,
    pub retention: Known<Retention>,
    pub files: Known<Vec<FileRow>>,
    pub watch: Known<WatchView>,
    /// Oldest first; numbered from the first that this console saw.
    pub events: VecDeque<(u64, EventRow)>,
    events_seen: u64,
}

impl Facts {
    pub fn happened(&mut self, events: Vec<EventRow>) {
        for event in events {
            if self.events.len() == EVENTS_KEPT {
                self.events.pop_front();
            }
            self.events.push_back((self.events_seen, event));
            self.events_seen += 1;
        }
    }

    /// The percent that an event tells is newer than the row it is about.
    pub fn progress(&mut self, events: &[EventRow]) {
        let Some(jobs) = self.jobs.value.as_mut() else { return };
        for event in events {
            if let (Some(job), Some(percent)) = (event.job, event.progress_percent)
                && let Some(row) = jobs.row_mut(job)
            {
                row.progress_percent = percent;
            }
        }
    }
}

/// Jobs, newest first; of a farm with a long history, the newest of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    rows: Vec<JobRow>,
    places: HashMap<JobId, usize>,
}

impl Jobs {
    pub fn rows(&self) -> &[JobRow] {
        &self.rows
    }

    pub fn row(&self, job: JobId) -> Option<&JobRow> {
        self.places.get(&job).map(|place| &self.rows[*place])
    }

    fn row_mut(&mut self, job: JobId) -> Option<&mut JobRow> {
        self.places.get(&job).map(|place| &mut self.rows[*place])
    }

    /// Takes rows in, whatever part of the list they are, and says whether any was news. Version 7 ids sort by the time
    /// they were made.
    pub fn merge(&mut self, rows: Vec<JobRow>) -> bool {
        let (mut grown, mut news) = (false, false);
        for row in rows {
            match self.places.get(&row.job) {
                Some(place) => {
                    news |= self.rows[*place] != row;
                    self.rows[*place] = row;
                }
                None => {
                    self.places.insert(row.job, self.rows.len());
                    self.rows.push(row);
                    grown = true;
                }
            }
        }
        if grown {
            self.rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.job));
            self.places = self.rows.iter().enumerate().map(|(place, row)| (row.job, place)).collect();
        }
        grown || news
    }
}

#[cfg(test)]
mod tests {
    use super::{super::seeded, *};

    #[test]
    fn rows_that_come_in_parts_are_one_list_newest_first() {
        let mut jobs = Jobs::default();
        let mut rows = seeded::jobs(100);
        let newest = rows.iter().map(|row| row.job).max();
        jobs.merge(rows.split_off(60));
        jobs.merge(rows.split_off(20));
        jobs.merge(rows);
        assert_eq!(jobs.rows().len(), 100);
        assert_eq!(jobs.rows().first().map(|row| row.job), newest);
        assert!(jobs.rows().windows(2).all(|pair| pair[0].job > pair[1].job));
        let mut changed = jobs.rows()[40].clone();
        changed.progress_percent = 77;
        let job = changed.job;
        jobs.merge(vec![changed]);
        assert_eq!(jobs.rows().len(), 100);
        assert_eq!(jobs.row(job).map(|row| row.progress_percent), Some(77));
    }

    #[test]
    fn the_oldest_events_make_room() {
        let mut facts = Facts::default();
        for _ in 0..EVENTS_KEPT / 100 + 1 {
            facts.happened(vec![seeded::event(0); 100]);
        }
        assert_eq!(facts.events.len(), EVENTS_KEPT);
        assert_eq!(facts.events.front().map(|(number, _)| *number), Some(100));
    }
}
