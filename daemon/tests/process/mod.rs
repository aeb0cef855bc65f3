//! The daemon as a process, its client, and an agent that makes no pictures.

// Each test file uses its own part.
#![allow(dead_code)]

use crate::scene::{AGENT, hello};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tarpc::{client, context::Context};
use tokio::net::{TcpSocket, UnixStream};
use tweenfarm_protocol::{
    LeaseId, codec,
    service::{FarmClient, Receipt},
    task::{Deliver, Delivered, Failure, FailureClass, Outcome, RenderFacts, Work},
};

/// 61 frames at 30 per second: 2 xeconds to 60, 122 frames.
pub const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/media/toy30.mp4");
pub const PRICE: i64 = 2;

pub struct Daemon {
    process: Child,
    folder: PathBuf,
    pub api: String,
    agents: String,
    pub http: Client,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone: that is what these tests are for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of a daemon's own: URLs that were presigned before a crash must lead to the daemon after it. Bound and never
/// listened on, it is given to nobody else while no daemon has it.
pub fn own_port() -> TcpSocket {
    let port = TcpSocket::new_v4().unwrap();
    // Who says so on both sides may bind one address twice, as long as one of them listens; the daemon says so, too.
    port.set_reuseaddr(true).unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    port
}

impl Daemon {
    pub async fn start(folder: &Path, port: &TcpSocket, die_at: Option<&str>) -> Daemon {
        let addresses = folder.join("addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tweenfarmd"));
        command.arg("--state-folder").arg(folder).args(["--http-listen", &port.local_addr().unwrap().to_string()]);
        command.args(["--rpc-listen", "127.0.0.1:0", "--log-level", "off"]).stdout(Stdio::null());
        let config = folder.join("daemon.toml");
        if config.exists() {
            command.arg("--config").arg(config);
        }
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
        Daemon { process, folder: folder.to_owned(), api: text("public_url"), agents: text("agents"), http }
    }

    /// `None`: no answer, since the daemon died.
    pub async fn ask(&self, method: Method, path: &str, key: &str, body: Value) -> Option<(StatusCode, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.api)).bearer_auth(key);
        let answer = request.header("Idempotency-Key", "once").json(&body).send().await.ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    }

    pub async fn operator(&self, method: Method, path: &str, body: Value) -> Value {
        let client = Client::builder().unix_socket(self.folder.join("operator.sock")).build().unwrap();
        let answer = client.request(method, format!("http://operator{path}")).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub async fn upload(&self, key: &str) -> String {
        let body = json!({ "filename": "clip.mp4", "content_type": "video/mp4" });
        let (_, presigned) = self.ask(Method::POST, "/upload/presign", key, body).await.unwrap();
        let bytes = std::fs::read(CLIP).unwrap();
        let put = self.http.put(presigned["upload_url"].as_str().unwrap()).header("Content-Type", "video/mp4");
        assert_eq!(put.body(bytes).send().await.unwrap().status(), StatusCode::OK);
        presigned["key"].as_str().unwrap().to_owned()
    }

    async fn connect(&self) -> Option<FarmClient> {
        let stream = UnixStream::connect(&self.agents).await.ok()?;
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

    pub async fn wait_for_death(&mut self) {
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
pub struct InHand(pub Option<(LeaseId, Outcome)>);

/// Works until nothing is left to do; `None` when the daemon dies. An agent sends again what had no answer.
pub async fn work(daemon: &Daemon, fails: bool, in_hand: &mut InHand) -> Option<()> {
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
                Outcome::Failed(Failure::new(FailureClass::Input, message))
            }
            Work::Render(render) => Outcome::Done(daemon.put(&render.deliver, b"segment").await?),
            Work::Join(join) => Outcome::Done(daemon.put(&join.deliver, b"joined").await?),
            Work::Mark(mark) => Outcome::Done(daemon.put(&mark.deliver, b"marked").await?),
        };
        in_hand.0 = Some((task.lease, outcome));
    }
}
