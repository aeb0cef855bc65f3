//! When jobs will be done, guessed: what is left of each, what is before it, and how fast the farm is.
//!
//! Accounts share the farm by weight, each works its own jobs one after another, by rank. What is paused, and what nobody
//! here can do, is before nobody and has no end to be guessed. Where nobody idles, the moment a job is done
//! follows from the shares alone (generalised processor sharing, in virtual time); what joins take is left out.

use std::{collections::HashMap, time::Duration};
use tweenfarm_protocol::{AccountId, JobId};

/// What a guess needs of one open job; in the order in which the jobs of an account are worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    pub job: JobId,
    pub account: AccountId,
    /// Of the account, against those of others; at least 1.
    pub weight: u32,
    /// Pixels of output that are not rendered yet.
    pub pixels_left: u64,
    /// Pieces of it that are leased.
    pub leased: u32,
    /// Nothing keeps it from being worked on but what is before it.
    pub goes_on: bool,
}

/// How far every open job is from its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    eta: HashMap<JobId, Duration>,
    leased: HashMap<JobId, u32>,
    leased_all: u32,
}

impl Outlook {
    /// `pixels_per_second` is that of all workers that are here; 0 when none has been measured: then nothing is guessed.
    pub fn of(ahead: &[Ahead], pixels_per_second: u64) -> Outlook {
        let leased: HashMap<JobId, u32> = ahead.iter().map(|job| (job.job, job.leased)).collect();
        let leased_all = leased.values().sum();
        let eta = if pixels_per_second == 0 { HashMap::new() } else { guess(ahead, pixels_per_second) };
        Outlook { eta, leased, leased_all }
    }

    pub fn eta(&self, job: JobId) -> Option<Duration> {
        self.eta.get(&job).copied()
    }

    /// Of all that is leased now, the part that is this job's: 0..=100.
    pub fn share_percent(&self, job: JobId) -> u8 {
        let leased = self.leased.get(&job).copied().unwrap_or(0);
        u64::from(leased).saturating_mul(100).checked_div(u64::from(self.leased_all)).unwrap_or(0) as u8
    }
}

fn guess(ahead: &[Ahead], pixels_per_second: u64) -> HashMap<JobId, Duration> {
    // The virtual time at which each job is done: its account's work up to it, over the account's weight.
    let mut of_account: HashMap<AccountId, (f64, f64)> = HashMap::new();
    let mut done_at: Vec<(f64, &Ahead)> = Vec::with_capacity(ahead.len());
    for job in ahead.iter().filter(|job| job.goes_on) {
        let weight = f64::from(job.weight.max(1));
        let (virtual_time, of) = of_account.entry(job.account).or_insert((0.0, weight));
        *virtual_time += job.pixels_left as f64 / *of;
        done_at.push((*virtual_time, job));
    }
    // An account stops taking its share when its last job is done.
    let mut leaves: Vec<(f64, f64)> = of_account.values().copied().collect();
    leaves.sort_by(|a, b| a.0.total_cmp(&b.0));
    done_at.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut weights: f64 = leaves.iter().map(|(_, weight)| weight).sum();
    let (mut now, mut seconds, mut leaving) = (0.0, 0.0, leaves.into_iter().peekable());
    let mut eta = HashMap::with_capacity(ahead.len());
    for (until, job) in done_at {
        while let Some((left_at, weight)) = leaving.next_if(|(left_at, _)| *left_at < until) {
            seconds += (left_at - now) * weights / pixels_per_second as f64;
            (now, weights) = (left_at, weights - weight);
        }
        seconds += (until - now) * weights / pixels_per_second as f64;
        now = until;
        eta.insert(job.job, Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    eta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;

    fn ahead(job: u8, account: u8, weight: u32, pixels_left: u64) -> Ahead {
        let (job, account) = (JobId(samples::id(job.into())), AccountId(samples::id(account.into())));
        Ahead { job, account, weight, pixels_left, leased: 0, goes_on: true }
    }

    fn check(jobs: &[Ahead], expected: &[u64]) {
        let outlook = Outlook::of(jobs, 10);
        let seconds: Vec<u64> =
            jobs.iter().map(|job| outlook.eta(job.job).unwrap().as_secs_f64().round() as u64).collect();
        assert_eq!(seconds, expected);
    }

    #[test]
    fn accounts_share_and_jobs_of_one_account_wait_for_each_other() {
        check(&[ahead(1, 1, 1, 100)], &[10]);
        check(&[ahead(1, 1, 1, 100), ahead(2, 1, 1, 100)], &[10, 20]);
        check(&[ahead(1, 1, 1, 100), ahead(2, 2, 1, 100)], &[20, 20]);
        // The small one is done at half speed; then the large one has the farm for itself.
        check(&[ahead(1, 1, 1, 300), ahead(2, 2, 1, 100)], &[40, 20]);
        // Three quarters of the farm against one.
        check(&[ahead(1, 1, 3, 300), ahead(2, 2, 1, 300)], &[40, 60]);
        // All the work is done at the same time, whoever's it is.
        check(&[ahead(1, 1, 1, 50), ahead(2, 2, 2, 70), ahead(3, 1, 1, 30), ahead(4, 3, 1, 50)], &[17, 14, 20, 17]);
    }

    #[test]
    fn what_is_held_up_has_no_end_to_be_guessed_and_holds_nobody_up() {
        let jobs = [Ahead { goes_on: false, ..ahead(1, 1, 1, 100) }, ahead(2, 1, 1, 100), ahead(3, 2, 1, 100)];
        let outlook = Outlook::of(&jobs, 10);
        let seconds = jobs.map(|job| outlook.eta(job.job).map(|eta| eta.as_secs_f64().round() as u64));
        assert_eq!(seconds, [None, Some(20), Some(20)]);
    }

    #[test]
    fn without_a_measured_worker_nothing_is_guessed() {
        assert_eq!(Outlook::of(&[ahead(1, 1, 1, 100)], 0).eta(JobId(samples::id(1))), None);
    }

    #[test]
    fn shares_are_of_what_is_leased_now() {
        let jobs = [(1, 3), (2, 1), (3, 0)].map(|(id, leased)| Ahead { leased, ..ahead(id, id, 1, 1) });
        let outlook = Outlook::of(&jobs, 0);
        assert_eq!(jobs.map(|job| outlook.share_percent(job.job)), [75, 25, 0]);
        assert_eq!(Outlook::default().share_percent(jobs[0].job), 0);
    }
}
