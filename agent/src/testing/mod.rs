//! Stand-ins for the agent's surroundings: a blob store, a daemon and a worker program.

pub mod blob_store;
pub mod daemon;
pub mod worker_script;

use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tweenfarm_protocol::{
    JobId, LeaseId, Rational, SlotRange,
    output::OutputFormat,
    task::{Deliver, EncodeSettings, EncoderClass, EngineSettings, Fetch, OutputPlan, RenderWork, Task, Work},
};

/// A machine that is busy with everything else may stand still for seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits for something to become true; the limit is only there to end a test that failed.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LIMIT, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An address of this machine at which nobody listens, and nobody else will for as long as the socket is kept.
pub fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub fn lease(number: u128) -> LeaseId {
    LeaseId(uuid::Uuid::from_u128(number))
}

pub fn job(number: u128) -> JobId {
    JobId(uuid::Uuid::from_u128(number))
}

pub fn fetch(url: String, bytes: &[u8]) -> Fetch {
    Fetch { url, size_bytes: bytes.len() as u64, sha256: sha256(bytes) }
}

pub fn plan(slot_count: u64) -> OutputPlan {
    OutputPlan {
        target_rate: Rational::whole(60),
        slot_count,
        encode: EncodeSettings::default(),
        encoder: EncoderClass::X264,
        engine: EngineSettings::default(),
        format: OutputFormat::default(),
    }
}

pub fn render_task(number: u128, source: Fetch, put_url: String, slots: u64) -> Task {
    let deliver = Deliver { url: put_url, content_type: "video/mp4".to_owned() };
    let work = RenderWork { source, plan: plan(slots), slots: SlotRange::new(0, slots), deliver };
    Task { lease: lease(number), job: job(number), lease_ms: 60_000, work: Work::Render(work) }
}
