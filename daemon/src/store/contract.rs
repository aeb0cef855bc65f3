//! What every store keeps: one suite, run against the store on disk and its twin in memory.

mod agents;
mod jobs;

use super::{MemoryStore, Store, StoreError, Write, sled};
use crate::model::*;
use proptest::prelude::*;
use std::{path::Path, sync::Arc};
use tweenfarm_protocol::{AccountId, EntryId, JobId, ProjectId, SlotRange, Timestamp};

use super::samples::*;

/// Runs a check against both stores.
fn both(check: impl Fn(&dyn Store)) {
    check(&MemoryStore::new());
    let folder = tempfile::tempdir().unwrap();
    check(&sled::open(folder.path()).unwrap());
}

#[test]
fn what_was_committed_is_read_back_whole() {
    both(|store| {
        let (account, project, input) = (account(1, "ada@example.org"), project(1, 1), input(1, 1, 1));
        let writes = [
            Write::PutAccount(account.clone()),
            Write::PutProject(project.clone()),
            Write::PutFile(input.clone()),
            Write::PutJob(job(1, 1, 10, rendering())),
        ];
        store.commit(&writes).unwrap();
        assert_eq!(store.account(account.id).unwrap(), Some(account.clone()));
        assert_eq!(store.account_with_email("ada@example.org").unwrap(), Some(account.id));
        assert_eq!(store.account_with_email("bob@example.org").unwrap(), None);
        assert_eq!(store.project(project.id).unwrap(), Some(project));
        assert_eq!(store.file(input.id).unwrap(), Some(input.clone()));
        assert_eq!(store.file_with_key(&input.key).unwrap(), Some(input));
        assert_eq!(store.job(JobId(id(1))).unwrap(), Some(job(1, 1, 10, rendering())));
        assert_eq!(store.job(JobId(id(2))).unwrap(), None);
    });
}

#[test]
fn a_job_in_any_state_is_read_back_as_it_was() {
    both(|store| {
        for (number, state) in (1_u128..).zip(every_state()) {
            let written = job(number, 1, 10, state);
            store.commit(&[Write::PutJob(written.clone())]).unwrap();
            assert_eq!(store.job(written.id).unwrap(), Some(written));
        }
    });
}

#[test]
fn the_active_key_is_the_newest_one_that_is_not_revoked() {
    both(|store| {
        let account = AccountId(id(1));
        let active = |store: &dyn Store| store.active_key(account).unwrap().map(|key| key.hash.0[0]);
        assert_eq!(active(store), None);
        store.commit(&[Write::PutKey(key(1, 1, None))]).unwrap();
        assert_eq!(active(store), Some(1));
        store.commit(&[Write::PutKey(key(1, 1, Some(5))), Write::PutKey(key(2, 1, None))]).unwrap();
        assert_eq!(active(store), Some(2));
        store.commit(&[Write::PutKey(key(2, 1, Some(6)))]).unwrap();
        assert_eq!(active(store), None);
        assert_eq!(store.key(KeyHash([2; 32])).unwrap(), Some(key(2, 1, Some(6))));
        assert_eq!(store.key(KeyHash([3; 32])).unwrap(), None);
    });
}

#[test]
fn an_account_has_many_named_keys_beside_the_active_one() {
    both(|store| {
        let names = |store: &dyn Store| -> Vec<u8> {
            store.named_keys(AccountId(id(1))).unwrap().iter().map(|key| key.hash.0[0]).collect()
        };
        store.commit(&[Write::PutKey(key(1, 1, None)), Write::PutKey(named_key(3, 1, None))]).unwrap();
        store.commit(&[Write::PutKey(named_key(2, 1, None)), Write::PutKey(named_key(4, 2, None))]).unwrap();
        assert_eq!(names(store), [2, 3]);
        assert_eq!(store.active_key(AccountId(id(1))).unwrap(), Some(key(1, 1, None)), "the rfx key is another thing");
        store.commit(&[Write::PutKey(named_key(2, 1, Some(9)))]).unwrap();
        assert_eq!(names(store), [2, 3], "a revoked key stays listed");
        assert_eq!(store.key(KeyHash([2; 32])).unwrap(), Some(named_key(2, 1, Some(9))));
        assert_eq!(store.key_used_at(KeyHash([2; 32])).unwrap(), None);
        for at in [5, 6].map(Timestamp) {
            store.commit(&[Write::PutKeyUse { key: KeyHash([2; 32]), at }]).unwrap();
            assert_eq!(store.key_used_at(KeyHash([2; 32])).unwrap(), Some(at));
        }
    });
}

#[test]
fn entries_come_in_sequence_and_a_refund_is_found_by_its_charge() {
    both(|store| {
        let account = AccountId(id(1));
        assert_eq!(store.last_entry(account).unwrap(), None);
        // Enough that an order by text or by a single byte would show.
        let entries: Vec<_> = (0..300).map(|sequence| entry(1, sequence, EntryKind::TrialGrant)).collect();
        let writes: Vec<_> = entries.iter().rev().cloned().map(Write::PutEntry).collect();
        store.commit(&writes).unwrap();
        let of_another = entry(2, 0, EntryKind::Refund { charge: EntryId(id(77)), job: JobId(id(1)) });
        store.commit(&[Write::PutEntry(of_another.clone())]).unwrap();
        assert_eq!(store.entries(account).unwrap(), entries);
        let before = |sequence, limit| -> Vec<u64> {
            store.entries_before(account, sequence, limit).unwrap().iter().map(|entry| entry.sequence).collect()
        };
        assert_eq!((before(None, 2), before(Some(257), 3)), (vec![299, 298], vec![256, 255, 254]));
        assert_eq!((before(Some(1), 9), before(Some(0), 9)), (vec![0], vec![]));
        assert_eq!(store.last_entry(account).unwrap().as_ref(), entries.last());
        assert_eq!(store.refund_of(EntryId(id(77))).unwrap(), Some(of_another.id));
        assert_eq!(store.refund_of(EntryId(id(78))).unwrap(), None);
    });
}

#[test]
fn files_past_their_time_come_in_order_of_its_end_page_by_page_until_they_are_deleted() {
    both(|store| {
        let until = |number, end| MediaFile { expires_at: Timestamp(end), ..input(number, 1, 1) };
        let files = [until(1, 30), until(2, -5), until(3, 20), until(u128::MAX, 20), until(5, 31), until(6, i64::MAX)];
        store.commit(&files.clone().map(Write::PutFile)).unwrap();
        store.commit(&[Write::PutJob(job(1, 1, 10, rendering()))]).unwrap();
        let page = |now: i64, after: Option<usize>, limit| {
            let found = store.files_due(Timestamp(now), after.map(|after| &files[after]), limit).unwrap();
            found.iter().map(|file| file.id.0.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(page(30, None, 2), [2, 3]);
        assert_eq!(page(30, Some(2), 2), [u128::MAX, 1]);
        assert_eq!(page(30, Some(0), 2), [0_u128; 0]);
        assert_eq!(page(-6, None, 2), [0_u128; 0]);
        assert_eq!(page(i64::MAX - 1, None, 9), [2, 3, u128::MAX, 1, 5]);
        // One that is given more time, one that is deleted, and one of which both is said at once.
        let deleted = |file: MediaFile| MediaFile { state: FileState::Deleted { at: Timestamp(1) }, ..file };
        store.commit(&[Write::PutFile(until(2, 40)), Write::PutFile(deleted(until(3, 20)))]).unwrap();
        store.commit(&[Write::PutFile(until(1, 5)), Write::PutFile(deleted(until(1, 6)))]).unwrap();
        assert_eq!(page(40, None, 9), [u128::MAX, 5, 2]);
    });
}

#[test]
fn purchases_and_reversals_are_found_by_their_events_and_a_reversal_by_its_purchase() {
    both(|store| {
        let bought = entry(1, 3, purchase("evt_1"));
        store.commit(&[Write::PutEntry(entry(1, 2, EntryKind::TrialGrant)), Write::PutEntry(bought.clone())]).unwrap();
        assert_eq!(store.payment("evt_1").unwrap().as_ref(), Some(&bought));
        assert_eq!(store.payment("evt_").unwrap(), None);
        let back = entry(1, 4, reversal(bought.id, "re_1"));
        assert_eq!(store.refund_of(bought.id).unwrap(), None);
        store.commit(&[Write::PutEntry(back.clone())]).unwrap();
        assert_eq!(store.refund_of(bought.id).unwrap(), Some(back.id));
        assert_eq!(store.payment("re_1").unwrap(), Some(back));
        assert_eq!(store.payment("evt_1").unwrap(), Some(bought));
    });
}

#[test]
fn a_story_comes_in_sequence_and_tells_its_length() {
    both(|store| {
        let lines: Vec<_> = (0..300).map(|sequence| story_line(1, sequence)).collect();
        store.commit(&lines.iter().rev().cloned().map(Write::PutStoryLine).collect::<Vec<_>>()).unwrap();
        store.commit(&[Write::PutStoryLine(story_line(2, 0))]).unwrap();
        assert_eq!(store.story(JobId(id(1))).unwrap(), lines);
        let length = |job| store.story_length(JobId(id(job))).unwrap();
        assert_eq!((length(1), length(2), length(3)), (300, 1, 0));
    });
}

#[test]
fn an_address_leads_to_the_account_that_had_it_first() {
    both(|store| {
        store.commit(&[Write::PutAccount(account(1, "a@x")), Write::PutAccount(account(2, "a@x"))]).unwrap();
        store.commit(&[Write::PutAccount(account(3, "a@x"))]).unwrap();
        let owner = |email: &str| store.account_with_email(email).unwrap().map(|account| account.0.as_u128());
        assert_eq!(owner("a@x"), Some(1));
        assert_eq!((store.accounts().unwrap().len(), store.totals().unwrap()), (3, (3, 0)));
        let behind = |number: Option<u128>, limit| -> Vec<u128> {
            let found = store.accounts_after(number.map(|number| AccountId(id(number))), limit).unwrap();
            found.iter().map(|account| account.id.0.as_u128()).collect()
        };
        assert_eq!((behind(None, 2), behind(Some(1), 9), behind(Some(3), 9)), (vec![1, 2], vec![2, 3], vec![]));
        // Who never was found by it does not take it along; who was, does.
        store.commit(&[Write::PutAccount(account(2, "b@x"))]).unwrap();
        assert_eq!((owner("a@x"), owner("b@x")), (Some(1), Some(2)));
        store.commit(&[Write::PutAccount(account(1, "c@x")), Write::PutAccount(account(1, "d@x"))]).unwrap();
        assert_eq!((owner("a@x"), owner("c@x"), owner("d@x")), (None, None, Some(1)));
        store.commit(&[Write::PutAccount(account(3, "a@x"))]).unwrap();
        assert_eq!(owner("a@x"), Some(3));
    });
}

#[test]
fn a_default_project_is_its_accounts_and_in_no_list() {
    both(|store| {
        let hidden = |number| Project { listed: false, ..project(number, 1) };
        store.commit(&[Write::PutProject(project(1, 1)), Write::PutProject(hidden(2))]).unwrap();
        assert_eq!(store.default_project(AccountId(id(1))).unwrap(), Some(ProjectId(id(2))));
        assert_eq!(store.default_project(AccountId(id(2))).unwrap(), None);
        assert_eq!(store.projects_of(AccountId(id(1)), 9, None).unwrap(), [project(1, 1)]);
        let deleted = Project { state: ProjectState::Deleted { at: Timestamp(40) }, ..hidden(2) };
        store.commit(&[Write::PutProject(deleted)]).unwrap();
        assert_eq!(store.default_project(AccountId(id(1))).unwrap(), None);
        store.commit(&[Write::PutProject(hidden(3))]).unwrap();
        assert_eq!(store.default_project(AccountId(id(1))).unwrap(), Some(ProjectId(id(3))));
    });
}

#[test]
fn what_a_job_was_asked_for_is_kept_beside_it() {
    both(|store| {
        store.commit(&[Write::PutOrigin(origin(1))]).unwrap();
        assert_eq!(store.origin(JobId(id(1))).unwrap(), Some(origin(1)));
        assert_eq!(store.origin(JobId(id(2))).unwrap(), None);
    });
}

#[test]
fn projects_come_newest_first_and_a_deleted_one_does_not_come() {
    both(|store| {
        let at = |number, of, at| Project { created_at: Timestamp(at), ..project(number, of) };
        for written in [at(1, 1, 10), at(2, 1, 20), at(3, 1, 30), at(4, 2, 25)] {
            store.commit(&[Write::PutProject(written)]).unwrap();
        }
        let of = |account, limit, before: Option<i64>| {
            let found = store.projects_of(AccountId(id(account)), limit, before.map(Timestamp)).unwrap();
            found.iter().map(|project| project.id.0.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(of(1, 9, None), [3, 2, 1]);
        assert_eq!(of(1, 2, None), [3, 2]);
        assert_eq!(of(1, 9, Some(30)), [2, 1]);
        let deleted = Project { state: ProjectState::Deleted { at: Timestamp(40) }, ..at(2, 1, 20) };
        store.commit(&[Write::PutProject(deleted.clone())]).unwrap();
        assert_eq!(of(1, 9, None), [3, 1]);
        assert_eq!(store.project(deleted.id).unwrap(), Some(deleted));
    });
}

#[test]
fn a_share_token_opens_its_project_until_it_is_taken_away() {
    both(|store| {
        let shared = project(1, 1);
        let opened = |number| store.project_with_share(share(number)).unwrap();
        store.commit(&[Write::PutProject(shared.clone())]).unwrap();
        assert_eq!(opened(1), Some(shared.clone()));
        assert_eq!(opened(2), None);
        let again = Project { state: ProjectState::Kept { share: Some(share(2)) }, ..shared.clone() };
        store.commit(&[Write::PutProject(again.clone())]).unwrap();
        assert_eq!((opened(1), opened(2)), (None, Some(again)));
        let deleted = Project { state: ProjectState::Deleted { at: Timestamp(40) }, ..shared };
        store.commit(&[Write::PutProject(deleted)]).unwrap();
        assert_eq!((opened(1), opened(2)), (None, None));
    });
}

#[test]
fn a_projects_files_and_jobs_are_found_and_no_others() {
    both(|store| {
        let later = MediaFile { created_at: Timestamp(8), ..input(2, 1, 1) };
        let writes = [input(1, 1, 1), later, input(3, 1, 2)].map(Write::PutFile);
        store.commit(&writes).unwrap();
        let elsewhere = Job { project: ProjectId(id(2)), ..job(3, 1, 30, rendering()) };
        for written in [job(1, 1, 10, rendering()), job(2, 1, 20, cancelled()), elsewhere] {
            store.commit(&[Write::PutJob(written)]).unwrap();
        }
        let files = store.files_of(ProjectId(id(1))).unwrap();
        assert_eq!(files.iter().map(|file| file.id.0.as_u128()).collect::<Vec<_>>(), [2, 1]);
        let jobs = store.jobs_in(ProjectId(id(1))).unwrap();
        assert_eq!(jobs.iter().map(|job| job.id.0.as_u128()).collect::<Vec<_>>(), [2, 1]);
    });
}

#[test]
fn a_store_from_before_an_index_is_indexed_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled::open(folder.path()).unwrap();
    let writes =
        [Write::PutProject(project(1, 1)), Write::PutFile(input(1, 1, 1)), Write::PutJob(job(1, 1, 10, rendering()))];
    store.commit(&writes).unwrap();
    store.sync().unwrap();
    drop(store);
    let db = raw(folder.path());
    for kind in [b"g", b"w", b"c", b"m", b"x"] {
        let keys: Vec<_> = db.scan_prefix(kind).keys().map(Result::unwrap).collect();
        assert_eq!(keys.len(), 1);
        db.remove(&keys[0]).unwrap();
    }
    db.insert(b"format-indexes", &[]).unwrap();
    db.flush().unwrap();
    drop(db);
    let store = sled::open(folder.path()).unwrap();
    let project = ProjectId(id(1));
    assert_eq!(store.projects_of(AccountId(id(1)), 9, None).unwrap().len(), 1);
    assert_eq!((store.files_of(project).unwrap().len(), store.jobs_in(project).unwrap().len()), (1, 1));
    assert_eq!(store.files_due(Timestamp(i64::MAX - 1), None, 9).unwrap().len(), 1);
    assert!(store.project_with_share(share(1)).unwrap().is_some());
}

#[test]
fn what_was_stopped_stays_so_until_it_is_said_otherwise() {
    both(|store| {
        assert_eq!(store.controls().unwrap(), Controls::default());
        store.commit(&[Write::PutControls(controls())]).unwrap();
        assert_eq!(store.controls().unwrap(), controls());
    });
}

#[test]
fn a_first_answer_is_kept_by_account_route_and_key_until_it_is_forgotten() {
    both(|store| {
        let account = AccountId(id(1));
        store
            .commit(&[Write::PutAnswer(answer("/jobs", "a", 10)), Write::PutAnswer(answer("/jobs", "b", 20))])
            .unwrap();
        assert_eq!(store.answer(account, "/jobs", "a").unwrap(), Some(answer("/jobs", "a", 10)));
        assert_eq!(store.answer(account, "/other", "a").unwrap(), None);
        assert_eq!(store.answer(AccountId(id(2)), "/jobs", "a").unwrap(), None);
        assert_eq!(store.answers_before(Timestamp(20)).unwrap(), [answer("/jobs", "a", 10)]);
        store.commit(&[Write::ForgetAnswer { account, route: "/jobs".into(), key: "a".into() }]).unwrap();
        assert_eq!(store.answer(account, "/jobs", "a").unwrap(), None);
        assert_eq!(store.answers_before(Timestamp(99)).unwrap(), [answer("/jobs", "b", 20)]);
    });
}

#[test]
fn a_webhook_is_open_while_something_is_due_or_being_sent() {
    both(|store| {
        let due = EndNews::Due { attempt: 1, not_before: Timestamp(3) };
        let put = |of, end| store.commit(&[Write::PutWebhook(webhook(of, end))]).unwrap();
        put(2, due);
        put(1, EndNews::Sending { attempt: 1 });
        put(3, EndNews::Open);
        let open = || store.open_webhooks().unwrap().iter().map(|job| job.0.as_u128()).collect::<Vec<_>>();
        assert_eq!(open(), [1, 2]);
        put(2, EndNews::Delivered);
        put(1, due);
        assert_eq!(open(), [1]);
        assert_eq!(store.webhook(JobId(id(1))).unwrap(), Some(webhook(1, due)));
        assert_eq!(store.webhook(JobId(id(4))).unwrap(), None);
    });
}

#[test]
fn later_writes_of_one_commit_win() {
    both(|store| {
        store.commit(&[Write::PutJob(job(1, 1, 10, rendering())), Write::PutJob(job(1, 1, 10, cancelled()))]).unwrap();
        assert_eq!(store.job(JobId(id(1))).unwrap().unwrap().state, cancelled());
        assert_eq!(store.open_jobs().unwrap(), []);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same writes leave both stores with the same content, also after the one on disk was reopened.
    #[test]
    fn both_stores_answer_alike(commits in prop::collection::vec(prop::collection::vec(any_write(), 1..6), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new();
        let disk = sled::open(folder.path()).unwrap();
        for writes in &commits {
            memory.commit(writes).unwrap();
            disk.commit(writes).unwrap();
        }
        prop_assert_eq!(everything(&memory), everything(&disk));
        disk.sync().unwrap();
        drop(disk);
        prop_assert_eq!(everything(&memory), everything(&sled::open(folder.path()).unwrap()));
    }
}

#[test]
fn what_was_never_synced_may_be_lost_and_what_was_is_kept() {
    let memory = MemoryStore::new();
    memory.commit(&[Write::PutAccount(account(1, "kept@example.org"))]).unwrap();
    memory.sync().unwrap();
    memory.commit(&[Write::PutAccount(account(2, "lost@example.org"))]).unwrap();
    let after = memory.crash();
    assert_eq!(after.accounts().unwrap(), [account(1, "kept@example.org")]);
}

#[test]
fn a_store_that_is_open_is_not_opened_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let _first = sled::open(folder.path()).unwrap();
    match sled::open(folder.path()).map(|_| ()) {
        Err(error @ StoreError::InUse { .. }) => assert!(error.to_string().contains("in use by another process")),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_damaged_record_is_named_and_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled::open(folder.path()).unwrap();
    store.commit(&[Write::PutJob(job(1, 1, 10, rendering())), Write::PutJob(job(2, 1, 20, rendering()))]).unwrap();
    store.sync().unwrap();
    drop(store);
    overwrite(folder.path(), &[b"j".as_slice(), id(1).as_bytes()].concat(), b"not a record");
    overwrite(folder.path(), b"q-too-short", b"");
    let store = sled::open(folder.path()).unwrap();
    match store.job(JobId(id(1))) {
        Err(error @ StoreError::Corrupt { .. }) => assert!(error.to_string().contains(&id(1).simple().to_string())),
        other => panic!("expected the damage to be named, got {other:?}"),
    }
    assert_eq!(store.job(JobId(id(2))).unwrap(), Some(job(2, 1, 20, rendering())));
    assert!(matches!(store.jobs_recent(5, None), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.open_jobs(), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(sled::open(folder.path()).unwrap());
    overwrite(folder.path(), b"format", &9_u32.to_be_bytes());
    let refusal = sled::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the store has format 9, this release reads format 1: run the release that wrote it"
    );
}

#[test]
fn a_job_with_thousands_of_segments_needs_no_large_pages_and_leaves_no_segments_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled::open(folder.path()).unwrap();
    let ready = SegmentState::Ready { attempt: 1, not_before: Timestamp(0) };
    let segment = |at: u64| Segment { slots: SlotRange::new(at, at + 1), state: ready.clone(), failures: vec![] };
    let long = |changed: u64| {
        let mut segments: Vec<_> = (0..3_000).map(segment).collect();
        segments[usize::try_from(changed).unwrap()].state =
            SegmentState::Ready { attempt: 2, not_before: Timestamp(1) };
        job(1, 1, 10, JobState::Rendering { segments })
    };
    for changed in 0..40 {
        store.commit(&[Write::PutJob(long(changed))]).unwrap();
    }
    store.sync().unwrap();
    assert_eq!(store.job(JobId(id(1))).unwrap(), Some(long(39)));
    assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
    store.commit(&[Write::PutJob(job(1, 1, 10, cancelled()))]).unwrap();
    drop(store);
    let db = raw(folder.path());
    assert_eq!(db.scan_prefix(b"s").count(), 0);
}

/// A closed store as sled sees it.
fn raw(folder: &Path) -> ::sled::Db {
    // sled's own threads hold its lock for a moment after it was closed.
    let opened = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        ::sled::open(folder).ok()
    });
    opened.expect("the store's lock is free")
}

/// Puts raw bytes into a closed store, as damage or another release would.
fn overwrite(folder: &Path, key: &[u8], bytes: &[u8]) {
    let db = raw(folder);
    db.insert(key, bytes).unwrap();
    db.flush().unwrap();
}

/// All that a store tells of the small world that `any_write` lives in.
fn everything(store: &dyn Store) -> String {
    let numbers = || 0_u128..4;
    let accounts = numbers().map(|number| {
        let account = AccountId(id(number));
        let keys = (store.active_key(account).unwrap(), store.key(KeyHash([number as u8; 32])).unwrap());
        let named = (store.named_keys(account).unwrap(), store.key_used_at(KeyHash([number as u8; 32])).unwrap());
        let ledger = (store.last_entry(account).unwrap(), store.entries(account).unwrap());
        let answers = ["a", "b"].map(|key| store.answer(account, "/jobs", key).unwrap());
        let jobs = (
            store.jobs_of(account, 3, None).unwrap(),
            store.jobs_of(account, 9, Some(JobPlace::before(Timestamp(2)))).unwrap(),
        );
        let projects = (store.projects_of(account, 3, None).unwrap(), store.default_project(account).unwrap());
        format!("{:?} {keys:?} {named:?} {ledger:?} {answers:?} {jobs:?} {projects:?}", store.account(account).unwrap())
    });
    let things = numbers().map(|number| {
        let file = store.file_with_key(&input(number, 1, 1).key).unwrap();
        let refund = store.refund_of(EntryId(id(number))).unwrap();
        let bought = store.payment(&number.to_string()).unwrap();
        let hook = store.webhook(JobId(id(number))).unwrap();
        let project = ProjectId(id(number));
        let in_it = (store.files_of(project).unwrap(), store.jobs_in(project).unwrap());
        let shared = (store.project_with_share(share(number)).unwrap(), store.origin(JobId(id(number))).unwrap());
        format!("{hook:?} {file:?} {refund:?} {bought:?} {:?} {in_it:?} {shared:?}", store.project(project).unwrap())
    });
    let addresses = ["a@x", "b@x"].map(|email| store.account_with_email(email).unwrap());
    let due = store.files_due(Timestamp(i64::MAX - 1), None, 9).unwrap();
    let whole = (
        addresses,
        due,
        store.open_webhooks().unwrap(),
        store.totals().unwrap(),
        store.jobs_recent(9, None).unwrap(),
        store.open_jobs().unwrap(),
        store.accounts().unwrap(),
    );
    format!("{:?} {:?} {whole:?}", accounts.collect::<Vec<_>>(), things.collect::<Vec<_>>())
}

fn any_write() -> impl Strategy<Value = Write> {
    let number = || 0_u128..4;
    prop_oneof![
        (number(), "[ab]@x").prop_map(|(number, email)| Write::PutAccount(account(number, &email))),
        (0_u8..4, number(), prop::option::of(0_i64..3)).prop_map(|(hash, of, at)| Write::PutKey(key(hash, of, at))),
        // An account of its own for each key: it never changes.
        (4_u8..7, prop::option::of(0_i64..3)).prop_map(|(hash, at)| Write::PutKey(named_key(
            hash,
            u128::from(hash) % 2,
            at
        ))),
        (0_u8..4, 0_i64..3).prop_map(|(hash, at)| Write::PutKeyUse { key: KeyHash([hash; 32]), at: Timestamp(at) }),
        (number(), 0_u64..3, number()).prop_map(|(of, sequence, charge)| {
            Write::PutEntry(entry(of, sequence, EntryKind::Refund { charge: EntryId(id(charge)), job: JobId(id(1)) }))
        }),
        (number(), prop_oneof![Just(EndNews::Open), Just(EndNews::Failed), Just(EndNews::Sending { attempt: 1 })])
            .prop_map(|(of, end)| Write::PutWebhook(webhook(of, end))),
        (number(), 0_u64..3, number()).prop_map(|(of, sequence, event)| Write::PutEntry(entry(
            of,
            sequence,
            purchase(&event.to_string())
        ))),
        (number(), 0_u64..3, number(), number()).prop_map(|(of, sequence, event, bought)| Write::PutEntry(entry(
            of,
            sequence,
            reversal(EntryId(id(bought)), &event.to_string())
        ))),
        (number(), any::<bool>()).prop_map(|(number, deleted)| {
            // An account of its own for each project: it never changes.
            let kept = project(number, number % 2);
            let state = if deleted { ProjectState::Deleted { at: Timestamp(40) } } else { kept.state };
            Write::PutProject(Project { state, ..kept })
        }),
        number().prop_map(|number| Write::PutOrigin(origin(number))),
        (4_u128..6, any::<bool>()).prop_map(|(number, deleted)| {
            // A default project is deleted once and not made again: each account has one here.
            let kept = Project { listed: false, ..project(number, number % 2) };
            let state = if deleted { ProjectState::Deleted { at: Timestamp(40) } } else { kept.state };
            Write::PutProject(Project { state, ..kept })
        }),
        number().prop_map(|number| Write::PutFile(input(number, 1, 1))),
        (number(), 0_usize..5).prop_map(|(number, state)| {
            // An account and a time of its own for each job: those never change.
            let (of, at) = (number % 2, i64::try_from(number).unwrap());
            Write::PutJob(job(number, of, at, every_state().swap_remove(state)))
        }),
        ("[ab]", 0_i64..3).prop_map(|(key, at)| Write::PutAnswer(answer("/jobs", &key, at))),
        "[ab]".prop_map(|key| Write::ForgetAnswer { account: AccountId(id(1)), route: "/jobs".into(), key }),
    ]
}

/// The handle is shared by threads.
#[test]
fn a_store_is_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(sled::open(folder.path()).unwrap());
    let reader = store.clone();
    let reading =
        std::thread::spawn(move || (0..200).map(|_| reader.entries(AccountId(id(1))).unwrap().len()).is_sorted());
    for sequence in 0..200 {
        store.commit(&[Write::PutEntry(entry(1, sequence, EntryKind::TrialGrant))]).unwrap();
    }
    assert!(reading.join().unwrap(), "a ledger was seen to shrink");
}
