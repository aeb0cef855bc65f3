//! What every store keeps of jobs: their lists, and which of them are open.

use super::{super::samples::*, both};
use crate::{model::*, store::Write};
use tweenfarm_protocol::{AccountId, JobId, Timestamp};

#[test]
fn jobs_come_newest_first_and_only_the_accounts_own() {
    both(|store| {
        // Before and after 1970, so that the sign of a moment is ordered, too.
        for (number, at) in [(1, -50), (2, 10), (3, 20), (4, 20), (5, 30)] {
            store.commit(&[Write::PutJob(job(number, 1, at, rendering()))]).unwrap();
        }
        store.commit(&[Write::PutJob(job(6, 2, 25, rendering()))]).unwrap();
        let numbers = |jobs: Vec<Job>| jobs.iter().map(|job| job.id.0.as_u128()).collect::<Vec<_>>();
        let of = |account, limit, before: Option<i64>| {
            numbers(
                store.jobs_of(AccountId(id(account)), limit, before.map(|at| JobPlace::before(Timestamp(at)))).unwrap(),
            )
        };
        assert_eq!(of(1, 10, None), [5, 4, 3, 2, 1]);
        assert_eq!(of(1, 2, None), [5, 4]);
        assert_eq!(of(1, 10, Some(20)), [2, 1]);
        assert_eq!(of(1, 10, Some(-50)), [0_u128; 0]);
        assert_eq!(of(2, 10, None), [6]);
        assert_eq!(of(u128::MAX, 10, None), [0_u128; 0]);
        assert_eq!(numbers(store.jobs_recent(3, None).unwrap()), [5, 6, 4]);
        // Two jobs of one moment: neither is left out between two pages.
        let last = |number, at| Some(JobPlace { created_at: Timestamp(at), id: JobId(id(number)) });
        assert_eq!(numbers(store.jobs_recent(9, last(4, 20)).unwrap()), [3, 2, 1]);
        assert_eq!(numbers(store.jobs_recent(1, last(3, 20)).unwrap()), [2]);
        assert_eq!(numbers(store.jobs_recent(9, last(1, -50)).unwrap()), [0_u128; 0]);
    });
}

#[test]
fn jobs_of_one_moment_are_paged_by_their_ids() {
    both(|store| {
        let writes: Vec<Write> = [3, 1, 2].map(|number| Write::PutJob(job(number, 1, 10, cancelled()))).into();
        store.commit(&writes).unwrap();
        let after = |place| -> Vec<u128> {
            let jobs = store.jobs_of(AccountId(id(1)), 2, place).unwrap();
            jobs.iter().map(|job| job.id.0.as_u128()).collect()
        };
        assert_eq!(after(None), [3, 2]);
        assert_eq!(after(Some(JobPlace { created_at: Timestamp(10), id: JobId(id(2)) })), [1]);
        assert_eq!(after(Some(JobPlace { created_at: Timestamp(10), id: JobId(id(1)) })), [0; 0]);
        assert_eq!(after(Some(JobPlace::before(Timestamp(10)))), [0; 0]);
        assert_eq!(after(Some(JobPlace::before(Timestamp(11)))), [3, 2]);
    });
}

#[test]
fn an_ended_job_is_not_open_any_more() {
    both(|store| {
        store.commit(&[Write::PutJob(job(1, 1, 10, rendering())), Write::PutJob(job(2, 1, 5, rendering()))]).unwrap();
        let open = || store.open_jobs().unwrap().iter().map(|job| job.id.0.as_u128()).collect::<Vec<_>>();
        assert_eq!(open(), [1, 2]);
        store.commit(&[Write::PutJob(job(1, 1, 10, cancelled()))]).unwrap();
        assert_eq!(open(), [2]);
        assert_eq!(store.jobs_recent(9, None).unwrap().len(), 2);
    });
}

#[test]
fn a_cancelled_job_is_open_with_its_segments_for_as_long_as_it_can_be_undone() {
    both(|store| {
        let undoable = job(1, 1, 10, cancelled_and_kept());
        store.commit(&[Write::PutJob(undoable.clone())]).unwrap();
        assert_eq!(store.open_jobs().unwrap(), [undoable]);
        store.commit(&[Write::PutJob(job(1, 1, 10, cancelled()))]).unwrap();
        assert_eq!((store.open_jobs().unwrap(), store.job(JobId(id(1))).unwrap().unwrap().kept()), (vec![], None));
    });
}
