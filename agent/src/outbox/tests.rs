use super::*;
use crate::testing::{
    blob_store::BlobStore,
    daemon::{Daemon, agent},
    eventually, job, lease, sha256,
};
use std::collections::VecDeque;
use tweenfarm_protocol::{
    service::{PLACEMENTS_SINCE, Placement},
    task::{Delivered, Presigned, RenderFacts},
};

const FILE: &[u8] = b"a finished segment";

struct Fixture {
    folder: tempfile::TempDir,
    store: BlobStore,
    daemon: Daemon,
    stop: CancellationToken,
    link: Link,
    leases: Leases,
}

impl Fixture {
    async fn new() -> Fixture {
        let (store, daemon, stop) = (BlobStore::start().await, Daemon::start().await, CancellationToken::new());
        let link = daemon.link(&stop);
        let leases = Leases::new(link.clone(), agent());
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("outbox")).unwrap();
        daemon.book().leased.insert(lease(1));
        daemon.book().places = VecDeque::from([Placement::Whole(at(store.url("out")))]);
        Fixture { folder, store, daemon, stop, link, leases }
    }

    fn outbox(&self) -> Outbox {
        let patience = Patience { min: Duration::from_millis(5), max: Duration::from_millis(20) };
        let folder = self.folder.path().join("outbox");
        Outbox::open(&folder, self.link.clone(), &self.leases, Transfer::new().unwrap(), patience).unwrap()
    }

    fn entry(&self) -> Entry {
        let done = Delivered { size_bytes: FILE.len() as u64, sha256: sha256(FILE), facts: RenderFacts::default() };
        let deliver = Deliver { url: self.store.url("out"), content_type: "video/mp4".to_owned() };
        Entry {
            lease: lease(1),
            job: job(1),
            piece: String::new(),
            outcome: Outcome::Done(done),
            deliver: Some(deliver),
        }
    }

    async fn put(&self, outbox: &Outbox) {
        let file = self.folder.path().join("file");
        fs::write(&file, FILE).unwrap();
        outbox
            .put(self.entry(), Some(file.clone()), self.leases.keep(lease(1), job(1), "segment 0..4", None))
            .await
            .unwrap();
        assert!(!file.exists(), "the outbox takes the file over");
    }

    /// As if a killed run had left it: the result is in the folder and nobody delivers it.
    async fn leave_behind(&self) {
        let outbox = self.outbox();
        outbox.inner.stop.cancel();
        self.put(&outbox).await;
        outbox.close().await;
        assert_eq!(self.files(), 2);
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path().join("outbox")).unwrap().count()
    }

    async fn is_settled(&self) {
        eventually("the outbox is empty", || self.files() == 0).await;
    }
}

#[tokio::test]
async fn a_finished_file_is_uploaded_reported_and_removed() {
    let fixture = Fixture::new().await;
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.blob("out").as_deref(), Some(FILE));
    assert_eq!(fixture.daemon.book().reports, [(lease(1), fixture.entry().outcome)]);
}

#[tokio::test]
async fn a_daemon_of_the_release_before_gets_results_at_the_url_of_their_task() {
    let fixture = Fixture::new().await;
    fixture.daemon.book().speaks = Some(PLACEMENTS_SINCE - 1);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.blob("out").as_deref(), Some(FILE));
    assert_eq!(fixture.daemon.book().asked_to_place, 0);
}

#[tokio::test]
async fn a_result_of_an_earlier_run_is_delivered_by_the_next() {
    let fixture = Fixture::new().await;
    fixture.leave_behind().await;
    assert!(fixture.daemon.book().reports.is_empty());
    let _outbox = fixture.outbox();
    assert!(fixture.leases.abandoned(&[lease(1)]).is_empty(), "its lease is in hand from the start");
    fixture.is_settled().await;
    assert_eq!(fixture.store.blob("out").as_deref(), Some(FILE));
    assert_eq!(fixture.daemon.book().reports.len(), 1);
}

#[tokio::test]
async fn a_result_waits_for_a_daemon_that_is_away() {
    let mut fixture = Fixture::new().await;
    fixture.link.connected().await.unwrap();
    fixture.daemon.kill();
    let outbox = fixture.outbox();
    fixture.put(&outbox).await;
    assert!(!outbox.is_empty());
    fixture.daemon.restart().await;
    fixture.is_settled().await;
    let reports = fixture.daemon.book().reports.clone();
    assert!(reports.iter().all(|report| *report == (lease(1), fixture.entry().outcome)), "{reports:?}");
}

#[tokio::test]
async fn a_stale_report_deletes_the_result() {
    let fixture = Fixture::new().await;
    fixture.daemon.book().next_receipts.push_back(Ok(Receipt::Stale));
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.daemon.book().reports.len(), 1);
}

#[tokio::test]
async fn bytes_the_daemon_does_not_find_are_delivered_again() {
    let fixture = Fixture::new().await;
    fixture.daemon.book().next_receipts.push_back(Err(Refusal::NotDelivered));
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.puts(), 2);
    assert_eq!(fixture.daemon.book().reports.len(), 2);
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_reported_rather_than_repeated() {
    let fixture = Fixture::new().await;
    fixture.store.answer_next(&[409]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!((fixture.store.puts(), fixture.daemon.book().reports.len()), (1, 1));
}

#[tokio::test]
async fn a_store_or_daemon_that_fails_for_a_moment_is_tried_again() {
    let fixture = Fixture::new().await;
    fixture.store.answer_next(&[503, 500]);
    fixture.daemon.book().next_receipts.push_back(Err(Refusal::Unavailable));
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!((fixture.store.puts(), fixture.daemon.book().reports.len()), (3, 2));
}

#[tokio::test]
async fn a_result_whose_lease_is_over_is_deleted_without_a_report() {
    let fixture = Fixture::new().await;
    fixture.leave_behind().await;
    fixture.daemon.book().leased.clear();
    fixture.store.answer_next(&[503; 1000]);
    let _outbox = fixture.outbox();
    fixture.is_settled().await;
    assert_eq!(fixture.store.blob("out"), None);
    assert!(fixture.daemon.book().reports.is_empty());
}

#[tokio::test]
async fn an_expired_address_under_a_current_lease_is_told_as_a_failure() {
    let fixture = Fixture::new().await;
    fixture.store.answer_next(&[403; 5]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    let reports = fixture.daemon.book().reports.clone();
    let [(_, Outcome::Failed(failure))] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(failure.class, FailureClass::Resource);
    assert!(failure.message.contains("403"), "{failure}");
}

#[tokio::test]
async fn a_failure_is_kept_and_reported_like_a_result() {
    let fixture = Fixture::new().await;
    let failure = Failure::new(FailureClass::Input, "the clip is cut off".to_owned());
    let entry = Entry { outcome: Outcome::Failed(failure), deliver: None, ..fixture.entry() };
    fixture
        .outbox()
        .put(entry.clone(), None, fixture.leases.keep(lease(1), job(1), "segment 0..4", None))
        .await
        .unwrap();
    fixture.is_settled().await;
    assert_eq!((fixture.store.puts(), fixture.daemon.book().reports.clone()), (0, vec![(lease(1), entry.outcome)]));
}

#[tokio::test]
async fn a_file_without_a_record_is_swept_and_a_damaged_record_is_set_aside() {
    let fixture = Fixture::new().await;
    let folder = fixture.folder.path().join("outbox");
    fs::write(folder.join(format!("{}.media", lease(5))), b"a record never came").unwrap();
    fs::write(folder.join(format!("{}.json.partial", lease(6))), b"{").unwrap();
    fs::write(folder.join(format!("{}.json", lease(7))), b"{").unwrap();
    let outbox = fixture.outbox();
    assert!(outbox.is_empty());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(left, [std::ffi::OsString::from(format!("{}.unreadable", lease(7)))]);
    fixture.stop.cancel();
}

#[test]
fn a_record_of_this_release_stays_readable_as_does_one_that_does_not_say_of_what_it_is() {
    let text = r#"{"version":"1","lease":"00000000-0000-0000-0000-000000000001","job":"00000000-0000-0000-0000-000000000000","piece":"join","outcome":{"Failed":{"class":"Worker","message":"m"}},"deliver":null}"#;
    let record: Record = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), text);
    let Record::V1(earlier) = serde_json::from_str(&text.replace(r#""piece":"join","#, "")).unwrap();
    assert_eq!(Record::V1(Entry { piece: "join".to_owned(), ..earlier }), record);
}

fn at(url: String) -> Presigned {
    Presigned { url, headers: vec![("x-amz-meta-sha256".to_owned(), sha256(FILE))] }
}

#[tokio::test]
async fn a_result_goes_where_the_daemon_says_when_it_is_finished() {
    let fixture = Fixture::new().await;
    fixture.daemon.book().places = VecDeque::from([Placement::Whole(at(fixture.store.url("placed")))]);
    fixture.store.answer_next(&[503]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.blob("placed").as_deref(), Some(FILE));
    assert_eq!(fixture.store.blob("out"), None, "the URL of the task may have ended");
    assert_eq!(fixture.daemon.book().asked_to_place, 2, "every try has a fresh URL");
}

#[tokio::test]
async fn bytes_that_are_there_are_reported_and_not_sent_again() {
    let fixture = Fixture::new().await;
    fixture.daemon.book().places = VecDeque::from([Placement::There]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.puts(), 0);
    assert_eq!(fixture.daemon.book().reports, [(lease(1), fixture.entry().outcome)]);
}

#[tokio::test]
async fn of_an_upload_in_parts_only_what_is_missing_is_sent_again() {
    let fixture = Fixture::new().await;
    let parts = |names: [&str; 3]| names.map(|name| at(fixture.store.url(name))).to_vec();
    let place =
        |upload: &str, names| Placement::Parts { upload: upload.to_owned(), part_bytes: 8, parts: parts(names) };
    fixture.daemon.book().places = VecDeque::from([place("one", ["a", "b", "c"]), place("one", ["a2", "b2", "c2"])]);
    // The first part arrives, the second does not: then fresh URLs of the same upload.
    fixture.store.answer_next(&[200, 503]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.store.puts(), 4);
    let [second, third] = ["b2", "c2"].map(|name| fixture.store.blob(name).unwrap());
    assert_eq!([&FILE[..8], &second, &third].concat(), FILE);
    let etags = ["a", "b2", "c2"].map(|name| format!("\"of /{name}\"")).to_vec();
    assert_eq!(fixture.daemon.book().put_together, [("one".to_owned(), etags)]);
}

#[tokio::test]
async fn an_upload_in_parts_that_the_daemon_lost_begins_anew() {
    let fixture = Fixture::new().await;
    let place = |upload: &str, name: &str| {
        let parts = vec![at(fixture.store.url(name))];
        Placement::Parts { upload: upload.to_owned(), part_bytes: 1000, parts }
    };
    fixture.daemon.book().places = VecDeque::from([place("one", "a"), place("two", "b")]);
    fixture.store.answer_next(&[404]);
    fixture.put(&fixture.outbox()).await;
    fixture.is_settled().await;
    assert_eq!(fixture.daemon.book().put_together, [("two".to_owned(), vec!["\"of /b\"".to_owned()])]);
    assert_eq!(fixture.store.blob("b").as_deref(), Some(FILE));
}
