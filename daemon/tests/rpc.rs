//! The agents' service over a real connection, by the local door: hello, tasks, reports.

mod scene;

use scene::*;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tarpc::{client, context::Context};
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;
use tweenfarm_daemon::{
    blobs::{Blobs, DiskStore, Signer, SigningKey},
    farm::Submission,
    join::Authority,
    model::{JobEnd, ObjectKey},
    probation::Probation,
    rpc::{self, Office, RpcSettings},
};
use tweenfarm_protocol::{
    AgentId, LeaseId, Timestamp, codec,
    output::{Codec, Depth, OutputFormat, PictureSize},
    service::{FarmClient, Hello, PROTOCOL_VERSIONS, Receipt, Refusal, Renewal},
    task::{Delivered, EncoderClass, Failure, FailureClass, Outcome, Progress, RenderFacts, RenderWork, Task, Work},
};
use uuid::Uuid;

struct Door {
    scene: Scene,
    disk: DiskStore,
    socket: std::path::PathBuf,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open(settings: RpcSettings) -> Door {
        let scene = Scene::new();
        let folder = tempfile::tempdir().unwrap();
        let disk = DiskStore::open(folder.path(), 0).unwrap();
        let key = SigningKey { access: "test".into(), secret: "secret".into() };
        let signer = Signer::new(&"http://127.0.0.1:1".parse().unwrap(), "bucket", key).unwrap();
        let blobs = Blobs::on_disk(disk.clone(), signer);
        let socket = folder.path().join("agents.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let stop = CancellationToken::new();
        let authority = Authority::load_or_create(&folder.path().join("authority.pem"), Timestamp::now()).unwrap();
        let probation = Probation::new(scene.farm.clone(), blobs.clone());
        let office = Office { farm: scene.farm.clone(), blobs, authority: Arc::new(authority), probation, settings };
        let serving = tokio::spawn(rpc::serve_local(listener, office, stop.clone()));
        Door { scene, disk, socket, stop, serving, _folder: folder }
    }

    async fn connect(&self) -> FarmClient {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        FarmClient::new(client::Config::default(), codec::transport(stream)).spawn()
    }

    /// Puts bytes where a task's result belongs, as the agent would through its URL.
    async fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Delivered {
        let mut upload = self.disk.begin(key, "video/mp4", 1_000_000).await.unwrap();
        upload.write(bytes).await.unwrap();
        let stored = upload.seal().await.unwrap().publish().await.unwrap();
        Delivered { size_bytes: stored.size_bytes, sha256: stored.sha256, facts: RenderFacts::default() }
    }
}

fn within() -> Context {
    let mut context = tarpc::context::current();
    context.deadline = Instant::now() + Duration::from_secs(60);
    context
}

async fn next(agent: &FarmClient) -> Option<Task> {
    agent.next_task(within(), AGENT, 0, 0).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_agent_takes_tasks_delivers_and_the_job_is_done() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let job = door.scene.submit(&clip, 1, 8).await.unwrap().job;
    let agent = door.connect().await;
    let welcome = agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    assert_eq!((welcome.protocol, welcome.renew_every_ms, welcome.leases), (3, 2_000, vec![]));

    let task = next(&agent).await.unwrap();
    let Work::Render(render) = task.work else { panic!("expected a piece to render") };
    assert_eq!((render.plan.format, render.plan.engine), (OutputFormat::default(), RULES.engine));
    assert_eq!((task.job, task.lease_ms, render.slots.len(), render.plan.slot_count), (job.id, 30_000, 60, 60));
    assert!(render.source.url.contains(clip.key.as_str()) && render.source.size_bytes == 1_001);
    let key = ObjectKey::segment(job.id, task.lease);
    assert!(render.deliver.url.contains(key.as_str()));
    let renewed = agent.renew(within(), task.lease, Progress { frames_done: 1, frames_total: 60 }).await;
    assert_eq!(renewed.unwrap(), Ok(Renewal::Kept));

    let report = |delivered: Delivered| agent.report(within(), task.lease, Outcome::Done(delivered));
    let facts = RenderFacts { frames: 60, ..RenderFacts::default() };
    let claimed = Delivered { size_bytes: 7, sha256: "ab".repeat(32), facts: facts.clone() };
    assert_eq!(report(claimed).await.unwrap(), Err(Refusal::NotDelivered), "nothing has arrived");
    let arrived = Delivered { facts: facts.clone(), ..door.put(&key, b"segment").await };
    let shorter = Delivered { size_bytes: 6, ..arrived.clone() };
    assert_eq!(report(shorter).await.unwrap(), Err(Refusal::NotDelivered));
    let other = Delivered { sha256: "ab".repeat(32), ..arrived.clone() };
    assert_eq!(report(other).await.unwrap(), Err(Refusal::NotDelivered));
    assert_eq!(report(arrived.clone()).await.unwrap(), Ok(Receipt::Accepted));
    assert_eq!(report(arrived).await.unwrap(), Ok(Receipt::Stale), "sent twice");

    let task = next(&agent).await.unwrap();
    let Work::Join(join) = task.work else { panic!("expected the join") };
    assert_eq!(join.segments.len(), 1);
    assert!(join.segments[0].fetch.url.contains(key.as_str()) && join.segments[0].fetch.size_bytes == 7);
    let joined = Delivered { facts, ..door.put(&job.output_key(), b"the whole").await };
    assert_eq!(agent.report(within(), task.lease, Outcome::Done(joined)).await.unwrap(), Ok(Receipt::Accepted));
    assert!(matches!(door.scene.end(job.id), JobEnd::Done { .. }));
    assert_eq!(next(&agent).await, None);
}

#[tokio::test]
async fn every_task_of_a_job_says_what_its_output_is_to_be_like() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let size = PictureSize::new(1280, 720).ok();
    let format = OutputFormat { size, codec: Codec::Hevc, depth: Depth::Ten };
    let job = door.scene.farm.submit(Submission { format, ..submission(&clip, 1, 8) }).await.unwrap().job;
    assert_eq!((job.format, job.engine, job.encoder), (format, RULES.engine, EncoderClass::X265));
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    let task = next(&agent).await.unwrap();
    let Work::Render(RenderWork { plan, .. }) = task.work else { panic!("expected a piece to render") };
    assert_eq!((plan.format, plan.encoder, plan.engine), (format, EncoderClass::X265, RULES.engine));
    let facts = RenderFacts { frames: 60, ..RenderFacts::default() };
    let delivered = Delivered { facts, ..door.put(&ObjectKey::segment(job.id, task.lease), b"segment").await };
    assert_eq!(agent.report(within(), task.lease, Outcome::Done(delivered)).await.unwrap(), Ok(Receipt::Accepted));
    let Work::Join(join) = next(&agent).await.unwrap().work else { panic!("expected the join") };
    assert_eq!(join.plan, plan);
}

#[tokio::test]
async fn the_copy_of_a_job_that_is_marked_is_made_from_its_joined_output() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let marked = Submission { watermark: true, ..submission(&clip, 1, 8) };
    let job = door.scene.farm.submit(marked).await.unwrap().job;
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    let deliver = async |lease: LeaseId, key: &ObjectKey, bytes: &[u8]| {
        let facts = RenderFacts { frames: 60, ..RenderFacts::default() };
        let delivered = Delivered { facts, ..door.put(key, bytes).await };
        let report = agent.report(within(), lease, Outcome::Done(delivered.clone())).await;
        assert_eq!(report.unwrap(), Ok(Receipt::Accepted));
        delivered
    };
    let render = next(&agent).await.unwrap();
    deliver(render.lease, &ObjectKey::segment(job.id, render.lease), b"segment").await;
    let join = next(&agent).await.unwrap();
    let joined = deliver(join.lease, &job.output_key(), b"the whole").await;

    let task = next(&agent).await.unwrap();
    let Work::Mark(mark) = task.work else { panic!("expected the mark") };
    assert!(mark.source.url.contains(job.output_key().as_str()));
    assert_eq!((mark.source.size_bytes, &mark.source.sha256), (joined.size_bytes, &joined.sha256));
    assert!(mark.deliver.url.contains(ObjectKey::segment(job.id, task.lease).as_str()));
    assert_eq!(mark.plan.slot_count, 60);
    let short = RenderFacts { frames: 59, ..RenderFacts::default() };
    let short = Delivered { facts: short, ..door.put(&job.marked_key(), b"one frame is missing").await };
    assert_eq!(agent.report(within(), task.lease, Outcome::Done(short)).await.unwrap(), Ok(Receipt::Accepted));
    door.scene.clock.advance(RULES.retry_after);
    let again = next(&agent).await.expect("a copy with a frame too few is made again");
    deliver(again.lease, &job.marked_key(), b"the whole, marked").await;
    let JobEnd::Done { output_key, master: Some(_), .. } = door.scene.end(job.id) else { panic!("expected the end") };
    assert_eq!(output_key, job.marked_key());
}

#[tokio::test]
async fn an_agent_of_the_release_before_does_a_whole_job() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let marked = Submission { watermark: true, ..submission(&clip, 1, 8) };
    let job = door.scene.farm.submit(marked).await.unwrap().job;
    let older = door.connect().await;
    let lowest = *PROTOCOL_VERSIONS.start();
    let said = Hello { protocol: (lowest - 1, lowest), ..hello(AGENT, 1) };
    assert_eq!(older.hello(within(), said).await.unwrap().unwrap().protocol, lowest);
    for key in [None, Some(job.output_key()), Some(job.marked_key())] {
        let task = next(&older).await.expect("a segment, the join, the mark");
        let key = key.unwrap_or_else(|| ObjectKey::segment(job.id, task.lease));
        let facts = RenderFacts { frames: 60, ..RenderFacts::default() };
        let delivered = Delivered { facts, ..door.put(&key, b"frames").await };
        let report = older.report(within(), task.lease, Outcome::Done(delivered)).await;
        assert_eq!(report.unwrap(), Ok(Receipt::Accepted));
    }
    assert!(matches!(door.scene.end(job.id), JobEnd::Done { .. }));
}

#[tokio::test]
async fn a_job_that_drops_frames_says_so_in_its_task() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    // A clip at 30 frames per second.
    let clip = door.scene.clip(&account, 1).await;
    let submit = async |target_fps, drops_frames| {
        let wanted = Submission { target_fps, drops_frames, ..submission(&clip, 1, 8) };
        door.scene.farm.submit(wanted).await.unwrap().job.engine
    };
    let dropped = RULES.engine.with_source_frames_only();
    assert_eq!((submit(60, true).await, submit(24, false).await), (RULES.engine, RULES.engine));
    assert_eq!((submit(24, true).await, submit(30, true).await), (dropped, dropped));
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    for expected in [RULES.engine, RULES.engine, dropped, dropped] {
        match next(&agent).await.expect("a piece to render").work {
            Work::Render(render) => assert_eq!(render.plan.engine, expected),
            other => panic!("expected a piece to render, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn nobody_is_served_before_hello() {
    let door = Door::open(RpcSettings::default()).await;
    let agent = door.connect().await;
    let refused = Refusal::UnknownAgent(AGENT);
    assert_eq!(agent.next_task(within(), AGENT, 0, 0).await.unwrap(), Err(refused.clone()));
    let lease = LeaseId(Uuid::nil());
    let failed = Outcome::Failed(Failure::new(FailureClass::Worker, "x".into()));
    assert!(matches!(agent.renew(within(), lease, Progress::default()).await.unwrap(), Err(Refusal::UnknownAgent(_))));
    assert!(matches!(agent.report(within(), lease, failed).await.unwrap(), Err(Refusal::UnknownAgent(_))));
    assert!(matches!(agent.give_back(within(), lease).await.unwrap(), Err(Refusal::UnknownAgent(_))));

    agent.hello(within(), hello(AgentId(Uuid::nil()), 1)).await.unwrap().unwrap();
    assert_eq!(agent.next_task(within(), AGENT, 0, 0).await.unwrap(), Err(refused), "as another agent");
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    assert_eq!(agent.next_task(within(), AGENT, 0, 0).await.unwrap(), Ok(None));
    assert_eq!(
        agent.next_task(within(), AGENT, 1, 0).await.unwrap(),
        Err(Refusal::UnknownAgent(AGENT)),
        "no such worker"
    );
}

#[tokio::test]
async fn protocols_that_do_not_meet_are_told_apart() {
    let door = Door::open(RpcSettings::default()).await;
    let agent = door.connect().await;
    let with = |protocol| {
        let mut hello = hello(AGENT, 1);
        hello.protocol = protocol;
        agent.hello(within(), hello)
    };
    let refused = |agent_lowest, agent_highest| {
        Err(Refusal::Protocol { daemon_lowest: 2, daemon_highest: 3, agent_lowest, agent_highest })
    };
    assert_eq!(with((4, 5)).await.unwrap(), refused(4, 5));
    assert_eq!(with((1, 1)).await.unwrap(), refused(1, 1));
    assert_eq!(with((1, 7)).await.unwrap().unwrap().protocol, 3);
    assert_eq!(with((3, 4)).await.unwrap().unwrap().protocol, 3);
    assert_eq!(with((1, 2)).await.unwrap().unwrap().protocol, 2, "the release before is served");
}

#[tokio::test]
async fn a_connection_that_closes_takes_its_agent_off_and_its_wait_with_it() {
    let door = Door::open(RpcSettings::default()).await;
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    let waiting = {
        let agent = agent.clone();
        tokio::spawn(async move { agent.next_task(within(), AGENT, 0, 20_000).await })
    };
    let idle = || door.scene.farm.load().workers_idle;
    until(|| idle() == 1).await;
    waiting.abort();
    drop(agent);
    until(|| idle() == 0 && !door.scene.farm.agents()[0].connected).await;
}

#[tokio::test]
async fn a_connection_that_keeps_silent_is_closed_and_too_many_are_refused() {
    let settings =
        RpcSettings { hello_within: Duration::from_millis(50), connections_max: 1, ..RpcSettings::default() };
    let door = Door::open(settings).await;
    let mut silent = UnixStream::connect(&door.socket).await.unwrap();
    let mut second = UnixStream::connect(&door.socket).await.unwrap();
    let mut byte = [0];
    // Both reads end because the daemon closes.
    assert_eq!(second.read(&mut byte).await.unwrap_or(0), 0);
    assert_eq!(silent.read(&mut byte).await.unwrap_or(0), 0);
    assert!(door.scene.farm.agents().is_empty());

    // Whoever says hello may stay beyond that time.
    let agent = loop {
        let agent = door.connect().await;
        if agent.hello(within(), hello(AGENT, 1)).await.is_ok() {
            break agent;
        }
    };
    tokio::time::sleep(settings.hello_within * 3).await;
    assert_eq!(next(&agent).await, None);
}

#[tokio::test]
async fn garbage_closes_a_connection_and_nothing_else() {
    use tokio::io::AsyncWriteExt;
    let door = Door::open(RpcSettings::default()).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 2, 0xC1, 0xC1], &[0xFF; 64]] {
        let mut stream = UnixStream::connect(&door.socket).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Reset or closed: either way it is over.
        let _ = stream.read_to_end(&mut rest).await;
    }
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_failure_told_over_the_wire_ends_the_job_in_the_workers_words() {
    let door = Door::open(RpcSettings::default()).await;
    let account = door.scene.account("ada", 50).await;
    let clip = door.scene.clip(&account, 1).await;
    let job = door.scene.submit(&clip, 1, 8).await.unwrap().job;
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    let task = next(&agent).await.unwrap();
    let failed = Outcome::Failed(Failure::new(FailureClass::Input, "The clip is damaged.".into()));
    assert_eq!(agent.report(within(), task.lease, failed).await.unwrap(), Ok(Receipt::Accepted));
    assert!(matches!(door.scene.end(job.id), JobEnd::Failed { error, .. } if error == "The clip is damaged."));
}

#[tokio::test]
async fn a_stop_closes_every_connection() {
    let door = Door::open(RpcSettings::default()).await;
    let agent = door.connect().await;
    agent.hello(within(), hello(AGENT, 1)).await.unwrap().unwrap();
    door.stop.cancel();
    door.serving.await.unwrap();
    assert!(agent.next_task(within(), AGENT, 0, 20_000).await.is_err());
    assert!(!door.scene.farm.agents()[0].connected);
}

/// Waits for something that another task does soon.
async fn until(holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < limit, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
