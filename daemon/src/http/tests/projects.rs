//! Projects and share links as clients meet them.

use super::*;
use crate::farm::Piece;
use tweenfarm_protocol::{
    AgentId, JobId,
    service::{Hello, PROTOCOL_VERSIONS, Receipt, WorkerFacts},
    task::{Delivered, Outcome, RenderFacts},
};

const OUTPUT: &str = "sixty frames a second";

impl Bench {
    /// Submits a job on an upload; its id.
    pub(super) async fn submit(&self, user: &User, upload: &Value) -> String {
        let answer = self.post("/jobs", user, json!({ "r2_key": upload["key"], "target_fps": 60 })).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.bytes);
        answer.json()["job_id"].as_str().unwrap().to_owned()
    }

    /// Does all the work there is, as an agent would; `id` gets an output.
    pub(super) async fn finish(&self, id: &str) {
        self.work(id, usize::MAX).await;
    }

    /// Does that many pieces of work.
    pub(super) async fn work(&self, id: &str, pieces: usize) {
        let agent = AgentId(uuid::Uuid::from_u128(7));
        let worker = WorkerFacts {
            worker: 0,
            device_uuid: "00".into(),
            device_name: "llvmpipe".into(),
            engine: "flow 1".into(),
            encoders: vec!["x264enc".into()],
            inventory: Default::default(),
        };
        let (name, version) = ("test".to_owned(), "1".to_owned());
        let protocol = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        let hello = Hello { protocol, agent, name, version, workers: vec![worker], free_disk_bytes: 0 };
        self.farm.hello(hello).await.unwrap();
        let id: JobId = id.parse().unwrap();
        let job = self.farm.job(id).unwrap().unwrap().job;
        for key in [job.output_key(), job.marked_key()].iter().take(if job.watermarked { 2 } else { 1 }) {
            let url = self.blobs.presign_put(key, "video/mp4", None, DAY);
            assert_eq!(self.put(&url, OUTPUT).await.status, StatusCode::OK);
        }
        for _ in 0..pieces {
            let Some(work) = self.farm.lease_next(agent, 0, Duration::ZERO).await.unwrap() else { break };
            let frames = match &work.piece {
                Piece::Render(slots) => slots.len(),
                Piece::Join(_) | Piece::Mark(_) => work.job.slot_count,
            };
            let facts = RenderFacts { frames, ..RenderFacts::default() };
            let delivered = Delivered { size_bytes: OUTPUT.len() as u64, sha256: "cd".repeat(32), facts };
            assert_eq!(self.farm.report(work.lease, Outcome::Done(delivered)).await.unwrap(), Receipt::Accepted);
        }
    }

    pub(super) async fn delete(&self, path: &str, user: &User) -> Answer {
        self.call(Method::DELETE, path, Some(&user.key), Value::Null).await
    }
}

#[tokio::test]
async fn a_project_is_made_filled_shown_and_listed_newest_first() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let made = bench.post("/projects", &user, json!({ "name": "Surf trip", "ignored": 1 })).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.json();
    let created_at = made["created_at"].clone();
    let id = made["id"].as_str().unwrap();
    let empty = json!({
        "id": id, "name": "Surf trip", "created_at": created_at, "share_enabled": false, "share_token": null,
        "files": [], "jobs": [],
    });
    assert_eq!(made, empty);
    let unnamed = bench.call(Method::POST, "/projects", Some(&user.key), Value::Null).await;
    assert_eq!((unnamed.status, &unnamed.json()["name"]), (StatusCode::CREATED, &json!("Untitled project")));

    bench.clock.0.fetch_add(1000, Ordering::SeqCst);
    let upload = bench.upload(&user, "clip 24 1000").await;
    let path = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    let job = bench.submit(&user, &upload).await;
    bench.finish(&job).await;
    let shown = bench.get(&path, &user).await.json();
    assert_eq!((&shown["id"], &shown["name"]), (&upload["project_id"], &json!("surf.mp4")));
    let [output, input] = &shown["files"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!((&input["id"], &input["kind"], &input["key"]), (&upload["file_id"], &json!("input"), &upload["key"]));
    assert_eq!((&input["size_bytes"], &input["filename"]), (&json!(12), &json!("surf.mp4")));
    assert_eq!((&output["kind"], &output["content_type"]), (&json!("output"), &json!("video/mp4")));
    let [shown_job] = &shown["jobs"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!((&shown_job["id"], &shown_job["status"]), (&json!(job), &json!("done")));
    assert_eq!(shown_job["output_key"], output["key"]);
    let url = output["download_url"].as_str().unwrap();
    let fetched = bench.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await;
    assert_eq!(fetched.bytes, OUTPUT);
    assert_eq!(header_of(&fetched, header::CONTENT_DISPOSITION), "attachment; filename=\"output-60fps.mp4\"");

    let list = async |query: &str| {
        let body = bench.get(&format!("/projects{query}"), &user).await.json();
        body["projects"].as_array().unwrap().iter().map(|project| project["id"].clone()).collect::<Vec<_>>()
    };
    let all = list("").await;
    assert_eq!((all.len(), &all[0]), (3, &upload["project_id"]));
    assert_eq!(list("?limit=1").await, all[..1]);
    assert_eq!(list(&format!("?before={}", all[0].as_str().unwrap())).await, all[1..]);
    assert_eq!(list("?before=2020-01-01T00:00:00Z").await, Vec::<Value>::new());
    for (query, phrase) in [("?limit=0", "limit"), ("?limit=201", "limit"), ("?before=soon", "before")] {
        let answer = bench.get(&format!("/projects{query}"), &user).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.detail().contains(phrase));
    }
    let long = "x".repeat(201);
    for name in [json!(""), json!("a\nb"), json!(long), json!(5)] {
        let answer = bench.post("/projects", &user, json!({ "name": name })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(answer.detail().contains("name"));
    }
    let other = bench.user("bob@example.org", 0).await;
    assert_eq!(bench.get(&path, &other).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.get("/projects", &other).await.json(), json!({ "projects": [] }));
}

#[tokio::test]
async fn a_deleted_project_is_gone_at_once_with_its_objects_and_its_share() {
    let mut bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let path = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    let done = bench.submit(&user, &upload).await;
    bench.finish(&done).await;
    let output_url = bench.get(&format!("/jobs/{done}"), &user).await.json()["output_url"].clone();
    let output_url = output_url.as_str().unwrap();
    let running = bench.submit(&user, &upload).await;
    let share = bench.post(&format!("{path}/share"), &user, Value::Null).await.json()["share_token"].clone();
    let share = format!("/share/{}", share.as_str().unwrap());
    let other = bench.user("bob@example.org", 0).await;
    assert_eq!(bench.delete(&path, &other).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(98));

    let deleted = bench.delete(&path, &user).await;
    let told = json!({ "deleted": true, "project_id": upload["project_id"] });
    assert_eq!((deleted.status, deleted.json()), (StatusCode::OK, told));
    assert_eq!(bench.farm.balance(user.account.id).unwrap(), Xeconds(99), "the job under way is refunded");
    let job = bench.get(&format!("/jobs/{running}"), &user).await.json();
    assert_eq!((&job["status"], &job["xeconds_refunded"]), (&json!("failed"), &json!(1)));
    let job = bench.get(&format!("/jobs/{done}"), &user).await.json();
    assert_eq!((&job["status"], &job["output_url"]), (&json!("done"), &Value::Null));
    let file = format!("{path}/files/{}/download", upload["file_id"].as_str().unwrap());
    for path in [&path, &file, &format!("{path}/share")] {
        let method = if path.ends_with("/share") { Method::POST } else { Method::GET };
        let answer = bench.call(method, path, Some(&user.key), Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(bench.delete(&path, &user).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.call(Method::GET, &share, None, Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.get("/projects", &user).await.json(), json!({ "projects": [] }));
    // The bytes are still there: nobody has carried out the effect. The URLs given out before open nothing all the same.
    let read = async |url: &str| bench.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await.status;
    assert_eq!(read(output_url).await, StatusCode::NOT_FOUND);
    let put = bench.put(upload["upload_url"].as_str().unwrap(), "clip 24 1000").await;
    assert_eq!(put.status, StatusCode::NOT_FOUND);
    let body = json!({ "r2_key": upload["key"], "target_fps": 60 });
    assert_eq!(bench.post("/jobs", &user, body).await.status, StatusCode::NOT_FOUND);

    let spared = bench.upload(&other, "clip 24 1000").await;
    let stat = async |key: &Value| bench.blobs.stat(&key.as_str().unwrap().parse().unwrap()).await.unwrap().is_some();
    assert!(stat(&upload["key"]).await);
    let swept = crate::sweep::orphans::pass(&bench.farm, &bench.blobs, Duration::ZERO).await.unwrap();
    assert_eq!(swept.objects, 2, "the input and the output");
    assert!(!stat(&upload["key"]).await && stat(&spared["key"]).await);
    // What is done at once does the same.
    let path = format!("/projects/{}", spared["project_id"].as_str().unwrap());
    assert_eq!(bench.delete(&path, &other).await.status, StatusCode::OK);
    let effects = std::mem::replace(&mut bench.effects, mpsc::channel(1).1);
    let work = tokio::spawn(crate::sweep::orphans::run_effects(
        bench.farm.clone(),
        bench.blobs.clone(),
        effects,
        mpsc::channel(1).0,
    ));
    bench.farm.clone().close().await;
    work.await.unwrap();
    assert!(bench.blobs.stat(&spared["key"].as_str().unwrap().parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_share_shows_the_project_and_its_outputs_and_nothing_of_its_owner() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let path = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    let job = bench.submit(&user, &upload).await;
    bench.finish(&job).await;
    let share = async || bench.post(&format!("{path}/share"), &user, Value::Null).await.json();
    let first = share().await;
    let token = first["share_token"].as_str().unwrap().to_owned();
    assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "160 bits: {token}");
    let told = json!({ "project_id": upload["project_id"], "share_token": token, "share_enabled": true });
    assert_eq!(first, told);
    assert_eq!(share().await, told, "sharing again answers with the same token");
    assert_eq!(bench.get(&path, &user).await.json()["share_token"], json!(token));

    let seen = bench.call(Method::GET, &format!("/share/{token}"), None, Value::Null).await;
    assert_eq!(seen.status, StatusCode::OK);
    let text = String::from_utf8(seen.bytes.to_vec()).unwrap();
    let seen = seen.json();
    for secret in [&user.account.id.to_string(), "ann@example.org", &user.key, "uploads/", "outputs/", "X-Amz"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // The shape is the owner's.
    let own = bench.get(&path, &user).await.json();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&seen), names(&own));
    assert_eq!(names(&seen["files"][0]), names(&own["files"][0]));
    assert_eq!(names(&seen["jobs"][0]), names(&own["jobs"][0]));
    assert_eq!(seen["share_token"], json!(token));
    let null = &Value::Null;
    let (output, input, job) = (&seen["files"][0], &seen["files"][1], &seen["jobs"][0]);
    assert_eq!((&output["key"], &input["key"], &input["download_url"]), (null, null, null));
    assert_eq!((&job["input_key"], &job["output_key"], &job["output_url"]), (null, null, &output["download_url"]));

    let url = path_of(output["download_url"].as_str().unwrap()).to_owned();
    let read = async |url: &str, range: &str| {
        let request = Request::get(url).header(header::RANGE, range).body(Body::empty()).unwrap();
        bench.send(request).await
    };
    let part = read(&url, "bytes=0-4").await;
    assert_eq!((part.status, &part.bytes[..]), (StatusCode::PARTIAL_CONTENT, &b"sixty"[..]));
    assert!(header_of(&part, header::CONTENT_DISPOSITION).starts_with("attachment"));
    let head = bench.send(Request::head(&url).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, header_of(&head, header::CONTENT_LENGTH)), (StatusCode::OK, "21"));
    // Neither the input nor another project's output can be had with the token.
    let input_url = format!("/share/{token}/files/{}", upload["file_id"].as_str().unwrap());
    assert_eq!(read(&input_url, "bytes=0-").await.status, StatusCode::NOT_FOUND);

    let off = bench.delete(&format!("{path}/share"), &user).await;
    assert_eq!((off.status, &off.json()["share_enabled"]), (StatusCode::OK, &json!(false)));
    assert_eq!(bench.delete(&format!("{path}/share"), &user).await.status, StatusCode::OK, "twice is harmless");
    for path in [&format!("/share/{token}"), &url] {
        let answer = read(path, "bytes=0-").await;
        assert_eq!((answer.status, answer.detail().is_empty()), (StatusCode::NOT_FOUND, false));
    }
    assert_ne!(share().await["share_token"], json!(token), "a token that was taken away stays away");
    let wrong = ["x".to_owned(), "0".repeat(40), token.to_uppercase()];
    for token in wrong {
        assert_eq!(read(&format!("/share/{token}"), "bytes=0-").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_expired_output_is_not_offered_any_more() {
    let bench = Bench::new();
    let user = bench.user("ann@example.org", 100).await;
    let upload = bench.upload(&user, "clip 24 1000").await;
    let job = bench.submit(&user, &upload).await;
    bench.finish(&job).await;
    let path = format!("/projects/{}", upload["project_id"].as_str().unwrap());
    let token = bench.post(&format!("{path}/share"), &user, Value::Null).await.json()["share_token"].clone();
    let share = format!("/share/{}", token.as_str().unwrap());
    let seen = bench.call(Method::GET, &share, None, Value::Null).await.json();
    let url = path_of(seen["files"][0]["download_url"].as_str().unwrap()).to_owned();
    bench.clock.0.fetch_add(91 * DAY.as_micros() as i64, Ordering::SeqCst);
    let seen = bench.call(Method::GET, &share, None, Value::Null).await.json();
    assert_eq!((&seen["files"][0]["download_url"], &seen["jobs"][0]["output_url"]), (&Value::Null, &Value::Null));
    let answer = bench.call(Method::GET, &url, None, Value::Null).await;
    assert_eq!((answer.status, answer.detail()), (StatusCode::NOT_FOUND, "File expired".to_owned()));
}
