//! Marked outputs as clients meet them: who gets the mark, and who gets the clean master.

use super::*;
use crate::{farm::NewAccount, model::Credit};
use tweenfarm_protocol::{FileId, JobId};

impl Bench {
    /// An account on trial.
    async fn trial_user(&self, email: &str) -> User {
        let (key, hash) = auth::new_key();
        let new =
            NewAccount { email: email.into(), key: hash, trial: true, grant: Xeconds::ZERO, reason: "test".into() };
        User { account: self.farm.add_account(new).await.unwrap().0, key }
    }

    async fn submit_with(&self, user: &User, upload: &Value, watermark: Value) -> String {
        let body = json!({ "r2_key": upload["key"], "target_fps": 60, "watermark": watermark });
        let answer = self.post("/jobs", user, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.bytes);
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    async fn outputs(&self, path: &str, key: Option<&str>) -> Vec<Value> {
        let project = self.call(Method::GET, path, key, Value::Null).await.json();
        let files = project["files"].as_array().unwrap();
        files.iter().filter(|file| file["kind"] == "output").cloned().collect()
    }

    /// Master and given output of a job that is done.
    fn files(&self, id: &str) -> (Option<FileId>, FileId) {
        let job = self.farm.job(id.parse::<JobId>().unwrap()).unwrap().unwrap().job;
        let crate::model::JobState::Ended { end: crate::model::JobEnd::Done { output, master, .. }, .. } = job.state
        else {
            panic!("the job is not done")
        };
        (master, output)
    }
}

fn names(key: &Value, end: &str) -> bool {
    key.as_str().unwrap().ends_with(end)
}

const CLEAN: &str = "/output-60fps.mp4";
const MARKED: &str = "/output-60fps-watermarked.mp4";

#[tokio::test]
async fn a_trial_is_marked_whatever_was_asked_and_its_master_is_given_once_it_was_paid() {
    let bench = Bench::new();
    let user = bench.trial_user("ann@example.org").await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let id = bench.submit_with(&user, &upload, json!(false)).await;
    let job_path = format!("/jobs/{id}");
    assert_eq!(bench.get(&job_path, &user).await.json()["watermarked"], true);
    bench.finish(&id).await;

    let project = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    let share = bench.post(&format!("{project}/share"), &user, Value::Null).await.json();
    let shared = format!("/share/{}", share["share_token"].as_str().unwrap());
    let (master, marked) = bench.files(&id);
    let master = master.expect("the clean master is kept");
    let seen = async |wanted: &str, is_marked: bool, file: FileId| {
        let job = bench.get(&job_path, &user).await.json();
        assert_eq!((&job["status"], &job["watermarked"]), (&json!("done"), &json!(is_marked)));
        assert!(names(&job["output_key"], wanted), "{job}");
        let listed = bench.get("/jobs", &user).await.json()["jobs"][0].clone();
        assert_eq!((&listed["output_key"], &listed["watermarked"]), (&job["output_key"], &job["watermarked"]));
        assert!(path_of(job["output_url"].as_str().unwrap()).split('?').next().unwrap().ends_with(wanted), "{job}");
        let [output] = &bench.outputs(&project, Some(&user.key)).await[..] else { panic!("one output is listed") };
        assert_eq!((&output["id"], &output["key"]), (&json!(file), &job["output_key"]));
        let [output] = &bench.outputs(&shared, None).await[..] else { panic!("one output is shared") };
        assert_eq!(output["id"], json!(file));
        let url = output["download_url"].as_str().unwrap();
        assert_eq!(bench.call(Method::GET, path_of(url), None, Value::Null).await.status, StatusCode::OK);
        let fresh = bench.get(&format!("{project}/files/{file}/download"), &user).await.json();
        assert!(fresh["url"].as_str().unwrap().contains(wanted), "{fresh}");
    };
    seen(MARKED, true, marked).await;
    let master_paths = [format!("{project}/files/{master}/download"), format!("{shared}/files/{master}")];
    for path in &master_paths {
        assert_eq!(bench.get(path, &user).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    bench.farm.grant(user.account.id, Xeconds(10), "bought".into(), Credit::Paid).await.unwrap();
    seen(CLEAN, false, master).await;
    for path in &master_paths {
        assert_eq!(bench.get(path, &user).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_paying_account_gets_the_mark_it_asks_for_and_none_otherwise() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    for (asked, is_marked, wanted) in [(json!(true), true, MARKED), (Value::Null, false, CLEAN)] {
        let id = bench.submit_with(&user, &upload, asked).await;
        bench.finish(&id).await;
        let job = bench.get(&format!("/jobs/{id}"), &user).await.json();
        assert_eq!((&job["watermarked"], names(&job["output_key"], wanted)), (&json!(is_marked), true), "{job}");
        let (master, output) = bench.files(&id);
        assert_eq!(master.is_some(), is_marked);
        let file = bench.farm.file(output).unwrap().unwrap();
        assert!(file.key.as_str().ends_with(wanted));
        if let Some(master) = master {
            let path = format!("/projects/{}/files/{master}/download", file.project);
            assert_eq!(bench.get(&path, &user).await.status, StatusCode::NOT_FOUND);
        }
    }
    let path = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    assert_eq!(bench.outputs(&path, Some(&user.key)).await.len(), 2, "one of each job");
}

#[tokio::test]
async fn a_master_is_not_replaced_while_it_is_marked_and_goes_with_its_job_and_its_time() {
    let bench = Bench::new();
    let user = bench.trial_user("ann@example.org").await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let id = bench.submit(&user, &upload).await;
    let job = bench.farm.job(id.parse().unwrap()).unwrap().unwrap().job;
    bench.work(&id, 2).await;
    let [master, marked] =
        [job.output_key(), job.marked_key()].map(|key| bench.blobs.presign_put(&key, "video/mp4", None, DAY));
    assert_eq!(bench.put(&master, "another join").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.put(&marked, "marked").await.status, StatusCode::OK);
    let there = async |key| bench.blobs.stat(&key).await.unwrap().is_some();
    assert!(there(job.output_key()).await && there(job.marked_key()).await);
    bench.farm.cancel(job.id).await.unwrap();
    crate::sweep::orphans::clean_up_after(&bench.farm, &bench.blobs, job.id).await.unwrap();
    assert!(!there(job.output_key()).await && !there(job.marked_key()).await, "nothing of a cancelled job stays");

    let id = bench.submit(&user, &upload).await;
    bench.finish(&id).await;
    let (master, marked) = bench.files(&id);
    let ends = [master.unwrap(), marked].map(|id| bench.farm.file(id).unwrap().unwrap());
    assert!(there(ends[0].key.clone()).await && there(ends[1].key.clone()).await);
    bench.clock.0.fetch_add(3 * DAY.as_micros() as i64, Ordering::SeqCst);
    crate::sweep::retention::pass(&bench.farm, &bench.blobs, crate::sweep::retention::Mode::Delete).await.unwrap();
    assert!(!there(ends[0].key.clone()).await && !there(ends[1].key.clone()).await, "both end with their time");
}
