//! Which piece of which job a free worker gets next.

use crate::model::{Job, SegmentState, Spot};
use std::collections::HashMap;
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

/// When each account was last handed a worker, as a running number. Forgotten in a restart, which is harmless.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    last: HashMap<AccountId, u64>,
    count: u64,
}

impl Turns {
    pub fn served(&mut self, account: AccountId) {
        self.count += 1;
        self.last.insert(account, self.count);
    }

    fn of(&self, account: AccountId) -> u64 {
        self.last.get(&account).copied().unwrap_or(0)
    }
}

/// The next piece: of the account that holds the fewest workers, and among equals of the one served longest ago, so
/// that one account's hundred jobs do not starve another's single one; within an account the oldest job first.
pub fn next<'a>(jobs: impl Iterator<Item = &'a Job>, turns: &Turns, now: Timestamp) -> Option<(JobId, Spot)> {
    let mut held: HashMap<AccountId, u32> = HashMap::new();
    let mut oldest: HashMap<AccountId, (&Job, Spot)> = HashMap::new();
    for job in jobs {
        let mut ready = None;
        for (spot, piece) in job.state.pieces() {
            match piece.state {
                SegmentState::Ready { not_before, .. } if not_before <= now => ready = ready.or(Some(spot)),
                SegmentState::Leased { .. } => *held.entry(job.account).or_default() += 1,
                SegmentState::Ready { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {}
            }
        }
        let Some(spot) = ready else { continue };
        let first = oldest.entry(job.account).or_insert((job, spot));
        if age(job) < age(first.0) {
            *first = (job, spot);
        }
    }
    let order = |job: &Job| (held.get(&job.account).copied().unwrap_or(0), turns.of(job.account), age(job));
    oldest.into_values().min_by_key(|(job, _)| order(job)).map(|(job, spot)| (job.id, spot))
}

/// When the next piece that waits after a failure may be tried again; none when nothing waits.
pub fn next_ready_at<'a>(jobs: impl Iterator<Item = &'a Job>) -> Option<Timestamp> {
    jobs.flat_map(|job| job.state.pieces())
        .filter_map(|(_, piece)| match piece.state {
            SegmentState::Ready { not_before, .. } => Some(not_before),
            SegmentState::Leased { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => None,
        })
        .min()
}

fn age(job: &Job) -> (Timestamp, JobId) {
    (job.created_at, job.id)
}
