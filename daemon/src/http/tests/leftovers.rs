//! What is left behind in the blob store: nothing that nobody will ask for again.

use super::*;
use crate::{model::ObjectKey, sweep::orphans};
use tweenfarm_protocol::JobId;

const HOUR: Duration = Duration::from_secs(3600);

impl Bench {
    /// A job under way, with a segment and an output delivered; their keys.
    async fn delivered(&self, user: &User) -> (JobId, ObjectKey, ObjectKey) {
        let key = self.upload(user, "clip 24 1000").await["key"].clone();
        let job = self.post("/jobs", user, json!({ "r2_key": key, "target_fps": 60 })).await.json();
        let id: JobId = job["job_id"].as_str().unwrap().parse().unwrap();
        let segment: ObjectKey = format!("work/{id}/{}.mp4", uuid::Uuid::nil()).parse().unwrap();
        let job = self.farm.job(id).unwrap().unwrap().job;
        let output = ObjectKey::output(job.tier, job.account, job.project, job.id, job.target_fps);
        for key in [&segment, &output] {
            let url = self.blobs.presign_put(key, "video/mp4", None, HOUR);
            assert_eq!(self.put(&url, "frames").await.status, StatusCode::OK);
        }
        (id, segment, output)
    }

    async fn there(&self, key: &ObjectKey) -> bool {
        self.blobs.stat(key).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_pass_takes_what_a_cancelled_job_left_and_spares_running_ones() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let (ended, segment, output) = bench.delivered(&user).await;
    let (_, running_segment, running_output) = bench.delivered(&user).await;
    bench.farm.cancel(ended).await.unwrap();
    // Work of a job that the farm does not know, as after restoring an older store.
    std::fs::create_dir_all(bench.root.path().join(format!("objects/work/{}", uuid::Uuid::nil()))).unwrap();
    std::fs::write(bench.root.path().join("staging/half"), b"half").unwrap();

    let swept = orphans::pass(&bench.farm, &bench.blobs, Duration::ZERO).await.unwrap();
    assert_eq!((swept.staged, swept.objects), (1, 2));
    assert!(!bench.there(&segment).await && !bench.there(&output).await);
    assert!(bench.there(&running_segment).await && bench.there(&running_output).await);
    let again = orphans::pass(&bench.farm, &bench.blobs, Duration::ZERO).await.unwrap();
    assert_eq!((again.staged, again.objects), (0, 0));
    assert!(bench.blobs.jobs_with_work().await.unwrap().iter().all(|job| *job != ended));
}

#[tokio::test]
async fn the_end_of_a_job_deletes_its_work_at_once() {
    let mut bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let (id, segment, output) = bench.delivered(&user).await;
    bench.farm.cancel(id).await.unwrap();
    let (_, nothing) = mpsc::channel(1);
    let effects = std::mem::replace(&mut bench.effects, nothing);
    let work = tokio::spawn(orphans::run_effects(bench.farm.clone(), bench.blobs.clone(), effects, mpsc::channel(1).0));
    // The writer drops its end of the channel when it closes, and the effects end after the last one.
    bench.farm.clone().close().await;
    work.await.unwrap();
    assert!(!bench.there(&segment).await && !bench.there(&output).await);
}
