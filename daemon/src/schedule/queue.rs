//! Which piece of which job a free worker gets next.

use super::order;
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
        let mut ready: Option<(u8, Spot)> = None;
        for (spot, piece) in job.state.pieces() {
            match piece.state {
                SegmentState::Ready { not_before, .. } if not_before <= now => {
                    let (early, _) = order::wanted(piece.slots, job.slot_count);
                    if ready.is_none_or(|(earliest, _)| early < earliest) {
                        ready = Some((early, spot));
                    }
                }
                SegmentState::Leased { .. } => *held.entry(job.account).or_default() += 1,
                SegmentState::Ready { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {}
            }
        }
        let Some((_, spot)) = ready else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobState, Segment};
    use crate::store::samples;
    use tweenfarm_protocol::{AgentId, LeaseId, SlotRange, task::Progress};
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp(100);

    fn ready(not_before: i64) -> SegmentState {
        SegmentState::Ready { attempt: 1, not_before: Timestamp(not_before) }
    }

    fn leased() -> SegmentState {
        SegmentState::Leased {
            lease: LeaseId(Uuid::nil()),
            agent: AgentId(Uuid::nil()),
            worker: 0,
            deadline: Timestamp(500),
            attempt: 1,
            progress: Progress::default(),
        }
    }

    fn job(number: u128, account: u128, at: i64, states: Vec<SegmentState>) -> Job {
        let segments = (0_u64..).zip(states);
        let segments = segments.map(|(at, state)| Segment { slots: SlotRange::new(at, at + 1), state }).collect();
        samples::job(number, account, at, JobState::Rendering { segments })
    }

    fn chosen(jobs: &[Job], turns: &Turns) -> Option<(u128, Spot)> {
        next(jobs.iter(), turns, NOW).map(|(job, spot)| (job.0.as_u128(), spot))
    }

    #[test]
    fn the_oldest_jobs_first_ready_piece_comes_first() {
        let check = |jobs: &[Job], expected| assert_eq!(chosen(jobs, &Turns::default()), expected);
        check(&[], None);
        check(&[job(1, 1, 10, vec![leased()])], None);
        check(&[job(1, 1, 10, vec![ready(101)])], None);
        check(&[job(1, 1, 10, vec![leased(), ready(101), ready(100)])], Some((1, Spot::Segment(2))));
        check(&[job(1, 1, 20, vec![ready(0)]), job(2, 1, 10, vec![ready(0)])], Some((2, Spot::Segment(0))));
        check(&[job(2, 1, 10, vec![ready(0)]), job(1, 1, 10, vec![ready(0)])], Some((1, Spot::Segment(0))));
    }

    #[test]
    fn a_join_is_a_piece_like_any_other() {
        let join = Segment { slots: SlotRange::new(0, 2), state: ready(0) };
        let joining = samples::job(1, 1, 10, JobState::Joining { segments: vec![], join });
        assert_eq!(chosen(&[joining], &Turns::default()), Some((1, Spot::Join)));
    }

    #[test]
    fn the_account_with_the_fewest_workers_comes_first_then_the_one_that_waited_longest() {
        let busy = job(1, 1, 10, vec![leased(), ready(0)]);
        let waiting = job(2, 2, 90, vec![ready(0)]);
        assert_eq!(chosen(&[busy, waiting.clone()], &Turns::default()), Some((2, Spot::Segment(0))));
        let other = job(3, 3, 10, vec![ready(0)]);
        let mut turns = Turns::default();
        turns.served(other.account);
        assert_eq!(chosen(&[other.clone(), waiting.clone()], &turns), Some((2, Spot::Segment(0))));
        turns.served(waiting.account);
        assert_eq!(chosen(&[other, waiting], &turns), Some((3, Spot::Segment(0))));
    }

    #[test]
    fn the_next_retry_is_known() {
        let jobs = [job(1, 1, 10, vec![leased(), ready(300)]), job(2, 1, 10, vec![ready(200)])];
        assert_eq!(next_ready_at(jobs.iter()), Some(Timestamp(200)));
        assert_eq!(next_ready_at(jobs[..0].iter()), None);
    }
}
