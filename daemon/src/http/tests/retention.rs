//! Files past their time, from the sweep to what clients are told.

use super::*;

impl Bench {
    pub(super) async fn sweep(&self, dry_run: bool) -> Value {
        let request = Request::builder().method(Method::POST).uri("/operator/sweeps/retention");
        let body = json!({ "dry_run": dry_run }).to_string();
        let answer = answer_of(&self.operator, request.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.bytes);
        answer.json()
    }

    pub(super) fn later(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    async fn is_stored(&self, key: &Value) -> bool {
        self.blobs.stat(&key.as_str().unwrap().parse().unwrap()).await.unwrap().is_some()
    }
}

fn report(dry_run: bool, candidates: u64, bytes: u64, in_use: u64) -> Value {
    let (deleted, deleted_bytes) = if dry_run { (0, 0) } else { (candidates, bytes) };
    json!({
        "dry_run": dry_run, "candidates": candidates, "candidate_bytes": bytes, "in_use": in_use,
        "deleted": deleted, "deleted_bytes": deleted_bytes, "errors": 0,
    })
}

#[tokio::test]
async fn a_file_past_its_time_is_deleted_once_and_a_dry_run_only_says_so() {
    let bench = Bench::new();
    let (free, paid) = (bench.user("free@example.org", 0).await, bench.user("paid@example.org", 100).await);
    let (old, kept) = (bench.upload(&free, "clip 30 12900").await, bench.upload(&paid, "clip 30 12900").await);
    bench.later(3 * DAY - Duration::from_secs(1));
    assert_eq!(bench.sweep(false).await, report(false, 0, 0, 0));
    bench.later(Duration::from_secs(1));
    for _ in 0..2 {
        assert_eq!(bench.sweep(true).await, report(true, 1, 13, 0));
        assert!(bench.is_stored(&old["key"]).await);
    }
    assert_eq!(bench.sweep(false).await, report(false, 1, 13, 0));
    assert_eq!((bench.is_stored(&old["key"]).await, bench.is_stored(&kept["key"]).await), (false, true));
    assert_eq!(bench.sweep(false).await, report(false, 0, 0, 0), "twice is harmless");
    let [project, file] = ["project_id", "file_id"].map(|name| old[name].as_str().unwrap());
    let answer = bench.get(&format!("/projects/{project}/files/{file}/download"), &free).await;
    assert_eq!((answer.status, answer.detail()), (StatusCode::NOT_FOUND, "File expired".to_owned()));
    let probe = bench.post("/probe", &free, json!({ "r2_key": old["key"] })).await;
    assert_eq!(probe.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_input_of_an_open_job_is_kept_until_the_job_has_ended() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let clip = bench.upload(&user, "clip 24 12000").await;
    // Uploaded on trial, rendered as a paying account: upload and output live by their own prefixes.
    let credit = crate::model::Credit::Paid;
    bench.farm.grant(user.account.id, Xeconds(100), "test".into(), credit).await.unwrap();
    let job = bench.post("/jobs", &user, json!({ "r2_key": clip["key"], "target_fps": 60 })).await.json();
    bench.later(4 * DAY);
    assert_eq!(bench.sweep(false).await, report(false, 0, 0, 1));
    assert!(bench.is_stored(&clip["key"]).await);
    bench.farm.cancel(job["job_id"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(bench.sweep(false).await, report(false, 1, 13, 0));
    assert!(!bench.is_stored(&clip["key"]).await);
}

#[tokio::test]
async fn bytes_that_were_gone_before_a_crash_are_marked_by_the_next_pass() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    let clip = bench.upload(&user, "clip 24 12000").await;
    bench.later(3 * DAY);
    bench.blobs.delete(&clip["key"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(bench.sweep(false).await, report(false, 1, 13, 0));
    assert_eq!(bench.sweep(false).await, report(false, 0, 0, 0));
}

#[tokio::test]
async fn many_files_are_swept_batch_by_batch() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 0).await;
    for _ in 0..600 {
        let upload = crate::farm::NewUpload {
            account: user.account.id,
            home: crate::farm::Home::NewProject,
            filename: "surf.mp4".into(),
            content_type: "video/mp4".into(),
        };
        bench.farm.new_upload(upload).await.unwrap();
    }
    bench.later(3 * DAY);
    assert_eq!(bench.sweep(false).await, report(false, 600, 0, 0));
}
