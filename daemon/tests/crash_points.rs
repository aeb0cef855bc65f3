//! The daemon as a process that dies at a named point of its work, is started again, and is compared with what its client
//! and its agent were told before. `crash` has the same for every write of a longer story, in one process.

mod scene;

use reqwest::{Client, Method, StatusCode};
use scene::{AGENT, hello};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tarpc::{client, context::Context};
use tokio::net::TcpStream;
use tweenfarm_daemon::farm::crash::POINTS;
use tweenfarm_protocol::{
    LeaseId, codec,
    service::{FarmClient, Receipt},
    task::{Deliver, Delivered, Failure, FailureClass, Outcome, RenderFacts, Work},
};

/// Two seconds at 30 frames per second: 2 xeconds to 60.
const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/media/toy30.mp4");
const PRICE: i64 = 2;
const GRANT: i64 = 50;

struct Daemon {
    process: Child,
    folder: PathBuf,
    api: String,
    agents: String,
    http: Client,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone: that is what these tests are for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free now: URLs that were presigned before a crash must lead to the daemon after it.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Daemon {
    async fn start(folder: &Path, port: u16, die_at: Option<&str>) -> Daemon {
        let addresses = folder.join("addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tweenfarmd"));
        command.arg("--state-folder").arg(folder).args(["--http-listen", &format!("127.0.0.1:{port}")]);
        command.args(["--rpc-listen", "127.0.0.1:0", "--log-level", "off"]).stdout(Stdio::null());
        command.args(die_at.into_iter().flat_map(|point| ["--die-at", point]));
        let mut process = command.spawn().unwrap();
        let read = || serde_json::from_slice::<Value>(&std::fs::read(&addresses).ok()?).ok();
        let started = Instant::now();
        let found = loop {
            match read() {
                Some(found) => break found,
                None => assert!(process.try_wait().unwrap().is_none(), "the daemon did not start"),
            }
            assert!(started.elapsed() < Duration::from_secs(60), "the daemon does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        // A connection per request: none is left from before a crash.
        let http = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Daemon { process, folder: folder.to_owned(), api: text("public_url"), agents: text("rpc"), http }
    }

    /// `None`: no answer, since the daemon died.
    async fn ask(&self, method: Method, path: &str, key: &str, body: Value) -> Option<(StatusCode, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.api)).bearer_auth(key);
        let answer = request.header("Idempotency-Key", "once").json(&body).send().await.ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    }

    async fn operator(&self, method: Method, path: &str, body: Value) -> Value {
        let client = Client::builder().unix_socket(self.folder.join("operator.sock")).build().unwrap();
        let answer = client.request(method, format!("http://operator{path}")).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn upload(&self, key: &str) -> String {
        let body = json!({ "filename": "clip.mp4", "content_type": "video/mp4" });
        let (_, presigned) = self.ask(Method::POST, "/upload/presign", key, body).await.unwrap();
        let bytes = std::fs::read(CLIP).unwrap();
        let put = self.http.put(presigned["upload_url"].as_str().unwrap()).header("Content-Type", "video/mp4");
        assert_eq!(put.body(bytes).send().await.unwrap().status(), StatusCode::OK);
        presigned["key"].as_str().unwrap().to_owned()
    }

    async fn connect(&self) -> Option<FarmClient> {
        let stream = TcpStream::connect(&self.agents).await.ok()?;
        let agent = FarmClient::new(client::Config::default(), codec::transport(stream)).spawn();
        agent.hello(within(), hello(AGENT, 1)).await.ok()?.ok()?;
        Some(agent)
    }

    async fn put(&self, deliver: &Deliver, bytes: &'static [u8]) -> Option<Delivered> {
        let put = self.http.put(&deliver.url).header("Content-Type", &deliver.content_type).body(bytes);
        // 403: it was put before, and the job has ended since.
        put.send().await.ok()?;
        let facts = RenderFacts { frames: 122, width_px: 720, height_px: 480, ..RenderFacts::default() };
        Some(Delivered { size_bytes: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)), facts })
    }

    async fn wait_for_death(&mut self) {
        let started = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(30), "the daemon lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn within() -> Context {
    let mut context = tarpc::context::current();
    context.deadline = Instant::now() + Duration::from_secs(20);
    context
}

/// What the agent has in hand, and keeps over the daemon's death.
#[derive(Default)]
struct InHand(Option<(LeaseId, Outcome)>);

/// Works until nothing is left to do; `None` when the daemon dies. An agent sends again what had no answer.
async fn work(daemon: &Daemon, fails: bool, in_hand: &mut InHand) -> Option<()> {
    let agent = daemon.connect().await?;
    loop {
        if let Some((lease, outcome)) = &in_hand.0 {
            let receipt = agent.report(within(), *lease, outcome.clone()).await.ok()?.ok()?;
            assert!(matches!(receipt, Receipt::Accepted | Receipt::Stale));
            in_hand.0 = None;
        }
        let Some(task) = agent.next_task(within(), AGENT, 0, 0).await.ok()?.ok()? else { return Some(()) };
        let outcome = match &task.work {
            Work::Render(_) if fails => {
                let message = "The clip could not be decoded.".into();
                Outcome::Failed(Failure { class: FailureClass::Input, message })
            }
            Work::Render(render) => Outcome::Done(daemon.put(&render.deliver, b"segment").await?),
            Work::Join(join) => Outcome::Done(daemon.put(&join.deliver, b"joined").await?),
            Work::Mark(mark) => Outcome::Done(daemon.put(&mark.deliver, b"marked").await?),
        };
        in_hand.0 = Some((task.lease, outcome));
    }
}

async fn check(work_kind: &str, point: &str) {
    let case = format!("{work_kind}:{point}");
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut daemon = Daemon::start(folder.path(), port, Some(&case)).await;
    let user = json!({ "email": "ann@example.org", "xeconds": GRANT });
    let user = daemon.operator(Method::POST, "/operator/users", user).await;
    let key = user["api_key"].as_str().unwrap();
    let clip = daemon.upload(key).await;
    let job = json!({ "r2_key": clip, "target_fps": 60 });
    let fails = work_kind == "fail";
    let mut in_hand = InHand::default();
    let told = daemon.ask(Method::POST, "/jobs", key, job.clone()).await;
    let finished = if told.is_some() { work(&daemon, fails, &mut in_hand).await } else { None };
    assert_eq!(finished, None, "{case}: the daemon was to die");
    daemon.wait_for_death().await;

    let daemon = Daemon::start(folder.path(), port, None).await;
    if let Some((status, accepted)) = &told {
        assert_eq!((*status, accepted["balance_after"].as_i64()), (StatusCode::OK, Some(GRANT - PRICE)), "{case}");
        let path = format!("/jobs/{}", accepted["job_id"].as_str().unwrap());
        assert_eq!(daemon.ask(Method::GET, &path, key, Value::Null).await.unwrap().0, StatusCode::OK, "{case}");
    }
    // A client that has no answer asks again; one that has gets the same.
    let (status, again) = daemon.ask(Method::POST, "/jobs", key, job).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{case}: {again}");
    if let Some((_, accepted)) = told {
        assert_eq!(again, accepted, "{case}");
    }
    work(&daemon, fails, &mut in_hand).await.expect("the daemon lives");

    let path = format!("/jobs/{}", again["job_id"].as_str().unwrap());
    let (_, shown) = daemon.ask(Method::GET, &path, key, Value::Null).await.unwrap();
    let (_, me) = daemon.ask(Method::GET, "/me", key, Value::Null).await.unwrap();
    let path = format!("/operator/users/{}/ledger", user["account"].as_str().unwrap());
    let ledger = daemon.operator(Method::GET, &path, Value::Null).await;
    let ledger: Vec<(&str, i64)> = ledger
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["kind"].as_str().unwrap(), row["change"].as_i64().unwrap()))
        .collect();
    let mut expected = vec![("grant (paid)", GRANT), ("charge", -PRICE)];
    expected.extend(fails.then_some(("refund", PRICE)));
    assert_eq!(ledger, expected, "{case}");
    assert_eq!(me["balance_xeconds"], if fails { GRANT } else { GRANT - PRICE }, "{case}");
    assert_eq!(shown["status"], if fails { "failed" } else { "done" }, "{case}: {shown}");
    let jobs = daemon.operator(Method::GET, "/operator/jobs", Value::Null).await;
    assert_eq!(jobs.as_array().unwrap().len(), 1, "{case}");
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_submission_has_charged_once_or_not_at_all() {
    for point in POINTS {
        check("submit", point).await;
    }
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_failure_has_refunded_once() {
    for point in POINTS {
        check("fail", point).await;
    }
}

#[tokio::test]
async fn a_daemon_that_dies_at_any_point_of_a_completion_completes_the_job_and_charges_nothing_more() {
    for point in POINTS {
        check("complete", point).await;
    }
}
