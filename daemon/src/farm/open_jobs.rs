//! The jobs that have not ended, and what is asked of all of them at once: kept as they change, so that nobody has to
//! look at each.

use crate::model::{Job, JobPlace, JobState, SegmentState};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

#[derive(Debug, Default)]
pub(super) struct OpenJobs {
    jobs: BTreeMap<JobId, Job>,
    places: BTreeSet<JobPlace>,
    /// Those of which nothing is leased or rendered.
    untouched: BTreeSet<JobPlace>,
    of_account: HashMap<AccountId, u64>,
}

impl OpenJobs {
    pub(super) fn all(&self) -> &BTreeMap<JobId, Job> {
        &self.jobs
    }

    pub(super) fn get(&self, job: JobId) -> Option<&Job> {
        self.jobs.get(&job)
    }

    pub(super) fn insert(&mut self, job: Job) {
        self.remove(job.id);
        self.places.insert(job.place());
        if is_untouched(&job) {
            self.untouched.insert(job.place());
        }
        *self.of_account.entry(job.account).or_default() += 1;
        self.jobs.insert(job.id, job);
    }

    pub(super) fn remove(&mut self, job: JobId) -> Option<Job> {
        let job = self.jobs.remove(&job)?;
        self.places.remove(&job.place());
        self.untouched.remove(&job.place());
        if let Some(count) = self.of_account.get_mut(&job.account) {
            *count -= 1;
            if *count == 0 {
                self.of_account.remove(&job.account);
            }
        }
        Some(job)
    }

    /// Newest first, by time and then id; those that come after `after` in that order.
    pub(super) fn newest(&self, limit: usize, after: Option<JobPlace>) -> Vec<Job> {
        let behind = match after {
            Some(after) => self.places.range(..after),
            None => self.places.range(..),
        };
        behind.rev().take(limit).filter_map(|place| self.get(place.id)).cloned().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.jobs.len() as u64
    }

    pub(super) fn count_of(&self, account: AccountId) -> u64 {
        self.of_account.get(&account).copied().unwrap_or(0)
    }

    pub(super) fn count_untouched(&self) -> u64 {
        self.untouched.len() as u64
    }

    /// Since when the oldest of them waits.
    pub(super) fn untouched_since(&self) -> Option<Timestamp> {
        self.untouched.first().map(|place| place.created_at)
    }
}

fn is_untouched(job: &Job) -> bool {
    match &job.state {
        JobState::Rendering { segments } => {
            segments.iter().all(|segment| matches!(segment.state, SegmentState::Ready { .. }))
        }
        JobState::Joining { .. } | JobState::Marking { .. } | JobState::Ended { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Segment,
        store::samples::{self, id},
    };
    use tweenfarm_protocol::SlotRange;

    fn waiting() -> JobState {
        JobState::Rendering { segments: vec![Segment::new(SlotRange::new(0, 9), Timestamp(0))] }
    }

    #[test]
    fn what_is_asked_of_all_jobs_follows_each_change() {
        let mut open = OpenJobs::default();
        let check = |open: &OpenJobs, newest: &[u128], untouched, since: Option<i64>, of_first| {
            let ids: Vec<_> = open.newest(9, None).into_iter().map(|job| job.id).collect();
            let expected: Vec<_> = newest.iter().map(|number| JobId(id(*number))).collect();
            assert_eq!((ids, open.count()), (expected, newest.len() as u64));
            assert_eq!((open.count_untouched(), open.untouched_since()), (untouched, since.map(Timestamp)));
            assert_eq!(open.count_of(AccountId(id(1))), of_first);
        };
        check(&open, &[], 0, None, 0);
        open.insert(samples::job(1, 1, 30, waiting()));
        open.insert(samples::job(2, 2, 20, waiting()));
        open.insert(samples::job(3, 1, 20, waiting()));
        check(&open, &[1, 3, 2], 3, Some(20), 2);
        let after = open.get(JobId(id(3))).map(Job::place);
        assert_eq!(open.newest(9, after).len(), 1);
        assert_eq!(open.newest(1, None)[0].id, JobId(id(1)));
        open.insert(samples::job(2, 2, 20, samples::rendering()));
        check(&open, &[1, 3, 2], 2, Some(20), 2);
        open.remove(JobId(id(3)));
        check(&open, &[1, 2], 1, Some(30), 1);
        assert!(open.remove(JobId(id(3))).is_none());
        open.remove(JobId(id(1)));
        check(&open, &[2], 0, None, 0);
    }
}
