//! The journal keeps what it was told over a new opening, and its lists are those of its items.

use super::*;
use crate::intake::{Failure, Place, Promise, RetryRules, retry};
use proptest::prelude::*;
use tweenfarm_protocol::JobId;
use uuid::Uuid;

const RULES: RetryRules = RetryRules { tries_max: 2, wait: Duration::from_secs(10), wait_max: Duration::from_secs(60) };

fn stamp(number: u8) -> Stamp {
    Stamp { device: 1, inode: u64::from(number), size_bytes: 5, modified_ns: i64::from(number % 3) - 1 }
}

fn item(number: u8) -> Item {
    let path = PathBuf::from(std::ffi::OsString::from_vec(vec![b'a', 0xff, number]));
    Item::new(item_id("clips", &path), "clips", path, stamp(number), Timestamp(i64::from(number)))
}

fn promise(number: u8) -> Promise {
    Promise { source: [number; 32], fps: 60, frames: 120, output: format!("/out/{number}.mp4").into() }
}

fn stages(number: u8) -> [Stage; 5] {
    let (promise, job) = (promise(number), JobId(Uuid::from_u128(9)));
    [
        Stage::Taken,
        Stage::Uploaded { promise: promise.clone(), place: Place("uploads/x".into()) },
        Stage::Submitted { promise: promise.clone(), job },
        Stage::Proven { promise: promise.clone(), job, result: [7; 32] },
        Stage::Published { promise, job },
    ]
}

#[derive(Clone, Debug)]
enum Deed {
    Put(u8),
    Begin,
    Move(u8, usize),
    Fail(u8),
    End(u8, usize),
    Forget(u8),
    Reopen,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0_u8..6).prop_map(Deed::Put),
        Just(Deed::Begin),
        (0_u8..6, 0_usize..5).prop_map(|(number, stage)| Deed::Move(number, stage)),
        (0_u8..6).prop_map(Deed::Fail),
        (0_u8..6, 0_usize..3).prop_map(|(number, end)| Deed::End(number, end)),
        (0_u8..6).prop_map(Deed::Forget),
        Just(Deed::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Against a plain map: what was put is there, in one list only, counted there, also after a new opening.
    #[test]
    fn every_item_is_in_the_list_of_its_state_and_counted_once(deeds in proptest::collection::vec(any_deed(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        let mut twin: HashMap<ItemId, Item> = HashMap::new();
        let mut now = Timestamp(0);
        for deed in deeds {
            now = now.plus(Duration::from_secs(7));
            match deed {
                Deed::Put(number) => {
                    journal.put(&item(number)).unwrap();
                    twin.insert(item(number).id, item(number));
                }
                Deed::Begin => {
                    if let Some(begun) = journal.begin_next("clips", now, RULES.wait_max).unwrap() {
                        let known = twin[&begun.id].clone();
                        prop_assert_eq!(known.begun(now, RULES.wait_max), Some(begun.clone()));
                        twin.insert(begun.id, begun);
                    } else {
                        let due = |item: &Item| !matches!(item.state, ItemState::Working(_))
                            && item.clone().begun(now, RULES.wait_max).is_some();
                        prop_assert!(!twin.values().any(due));
                    }
                }
                Deed::Move(number, stage) => {
                    let stage = stages(number)[stage].clone();
                    if let Some(after) = journal.change(item(number).id, |item| Some(item.at(stage, now))).unwrap() {
                        twin.insert(after.id, after);
                    }
                }
                Deed::Fail(number) => {
                    let failed = |item| retry::after(item, Failure::Step("x".into()), &RULES, now);
                    if let Some(after) = journal.change(item(number).id, failed).unwrap() {
                        twin.insert(after.id, after);
                    }
                }
                Deed::End(number, end) => {
                    let state = [
                        ItemState::Skipped { reason: "x".into() },
                        ItemState::Done { output: "/o".into() },
                        ItemState::Quarantined { reason: "y".into() },
                    ][end].clone();
                    if let Some(after) = journal.change(item(number).id, |item| Some(item.ended(state, now))).unwrap() {
                        twin.insert(after.id, after);
                    }
                }
                Deed::Forget(number) => {
                    journal.forget(item(number).id).unwrap();
                    twin.remove(&item(number).id);
                }
                Deed::Reopen => {
                    drop(journal);
                    journal = Journal::open(folder.path()).unwrap();
                }
            }
            for state in WatchState::ALL {
                let listed = journal.list("clips", state, 100).unwrap();
                let mut expected: Vec<&Item> = twin.values().filter(|item| state_of(item) == state).collect();
                expected.sort_by_key(|item| state_key(item));
                prop_assert_eq!(listed.iter().collect::<Vec<_>>(), expected);
                prop_assert_eq!(journal.count("clips", state), listed.len() as u64);
                prop_assert!(journal.list("clips2", state, 100).unwrap().is_empty());
            }
        }
    }
}

#[test]
fn what_waits_is_begun_in_the_order_of_age_and_what_was_tried_before_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for number in [2, 1, 0, 3] {
        journal.put(&item(number)).unwrap();
    }
    let tried = retry::after(item(2).at(Stage::Taken, Timestamp(0)), Failure::Step("x".into()), &RULES, Timestamp(0));
    journal.put_synced(&tried.unwrap()).unwrap();
    let begin = |seconds: i64| {
        let begun = journal.begin_next("clips", Timestamp(seconds * 1_000_000), RULES.wait_max).unwrap();
        begun.map(|item| item.stamp.inode)
    };
    // Times of change are -1, 0, 1, -1; the second is not due yet, then it is.
    let order = [begin(1), begin(1), begin(20), begin(20), begin(20)];
    assert!(order[0] == Some(0) || order[0] == Some(3), "{order:?}");
    assert_eq!(order[2..], [Some(2), Some(1), None]);
}

#[test]
fn a_content_is_one_items_while_it_is_at_work_and_for_good_once_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let (one, two) = (item(1), item(2));
    journal.put(&one).unwrap();
    journal.put(&two).unwrap();
    let claim = |item: &Item| journal.claim_content("clips", &[1; 32], item.id).unwrap();
    assert_eq!((claim(&one), claim(&one), claim(&two)), (None, None, Some(one.id)));
    assert_eq!(journal.claim_content("others", &[1; 32], two.id).unwrap(), None);
    // In quarantine it makes nothing: another file of the same content may be tried.
    journal.put(&one.clone().ended(ItemState::Quarantined { reason: "x".into() }, Timestamp(1))).unwrap();
    assert_eq!((claim(&two), claim(&one)), (None, Some(two.id)));
    let published = two.clone().at(stages(1)[4].clone(), Timestamp(2));
    journal.published(&published, Path::new("/out/1.mp4"), stamp(9)).unwrap();
    journal.forget(two.id).unwrap();
    assert_eq!(claim(&one), Some(two.id));
}

#[test]
fn a_result_is_known_by_its_path_its_stamp_and_its_content_and_its_name_is_free_once_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let (one, two, path) = (item(1), item(2), Path::new("/out/1.mp4"));
    journal.put(&one).unwrap();
    assert_eq!(journal.reserve_output(path, one.id, false).unwrap(), Reserved::Own(None));
    assert_eq!(journal.reserve_output(path, two.id, false).unwrap(), Reserved::Other(one.id));
    assert!(journal.is_output(path, &stamp(5)).unwrap());
    journal.proven(&one.clone().at(stages(1)[3].clone(), Timestamp(1))).unwrap();
    assert!(journal.is_output_content(&[7; 32]).unwrap());
    let published = one.clone().at(stages(1)[4].clone(), Timestamp(2));
    journal.published(&published, path, stamp(9)).unwrap();
    journal.put(&published.ended(ItemState::Done { output: path.into() }, Timestamp(3))).unwrap();
    assert_eq!(journal.reserve_output(path, one.id, true).unwrap(), Reserved::Own(Some(stamp(9))));
    assert_eq!(journal.reserve_output(path, two.id, true).unwrap(), Reserved::Other(one.id));
    // Renamed by somebody, it is the same file.
    assert!(journal.is_output(Path::new("/in/renamed.mp4"), &stamp(9)).unwrap());
    journal.prune_outputs(|_| false).unwrap();
    assert!(journal.is_output(path, &stamp(5)).unwrap());
    journal.prune_outputs(|gone| gone == path).unwrap();
    assert!(!journal.is_output(path, &stamp(5)).unwrap());
    assert_eq!(journal.reserve_output(path, two.id, false).unwrap(), Reserved::Own(None));
}
