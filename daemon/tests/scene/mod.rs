//! The scene that farm tests play on: a clock that moves when told, accounts with clips, an agent with workers.

// Each test file uses its own part of the scene.
#![allow(dead_code)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tweenfarm_daemon::{
    farm::{
        Clock, Effect, Farm, FarmError, FarmRules, Home, Idempotency, LeasedWork, NewAccount, NewUpload, Piece,
        Submission, Submitted,
    },
    model::{Account, JobEnd, JobState, KeyHash, MediaFile, ObjectKey, WebhookRules},
    retention::Lifetimes,
    store::{MemoryStore, Store},
};
use tweenfarm_media::{SourceFacts, VideoFacts};
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId, Rational, Timestamp, Xeconds,
    output::OutputFormat,
    service::{Hello, PROTOCOL_VERSIONS, Receipt, WorkerFacts},
    task::{Delivered, EncodeSettings, EngineSettings, Failure, FailureClass, Outcome, Quality, RenderFacts},
};
use uuid::Uuid;

/// Time and ids that a test decides.
#[derive(Debug)]
pub struct TestClock {
    now: AtomicI64,
    ids: AtomicU64,
}

impl TestClock {
    pub fn new() -> Arc<TestClock> {
        // Some day in 2026; any would do.
        Arc::new(TestClock { now: AtomicI64::new(1_782_900_000_000_000), ids: AtomicU64::new(1) })
    }

    pub fn advance(&self, span: Duration) {
        self.now.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub fn go_back(&self, span: Duration) {
        self.now.fetch_sub(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn fresh_id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::SeqCst)))
    }
}

pub const RULES: FarmRules = FarmRules {
    lease_for: Duration::from_secs(30),
    attempts_max: 3,
    retry_after: Duration::from_secs(5),
    segment_slots_max: 100,
    encode: EncodeSettings::Lossless,
    engine: EngineSettings { quality: Quality::Fast, scene_cuts: true, dedupe: true, nearest: false },
    queue_jobs_max: 1_000,
    idempotency_for: Duration::from_secs(24 * 60 * 60),
    keep: Lifetimes::by_tier(Duration::from_secs(3 * 24 * 60 * 60), Duration::from_secs(90 * 24 * 60 * 60)),
    webhooks: WebhookRules { attempts_max: 1, keep_log: false },
    undo_for: Duration::ZERO,
};

pub const AGENT: AgentId = AgentId(Uuid::from_u128(0xA6E7));

pub struct Scene {
    pub farm: Farm,
    pub clock: Arc<TestClock>,
    pub effects: mpsc::Receiver<Effect>,
}

impl Scene {
    pub fn new() -> Scene {
        Scene::on(Arc::new(MemoryStore::new()), RULES)
    }

    pub fn with(rules: FarmRules) -> Scene {
        Scene::on(Arc::new(MemoryStore::new()), rules)
    }

    pub fn on(store: Arc<dyn Store>, rules: FarmRules) -> Scene {
        Scene::at(store, rules, TestClock::new())
    }

    pub fn at(store: Arc<dyn Store>, rules: FarmRules, clock: Arc<TestClock>) -> Scene {
        let (sender, effects) = mpsc::channel(10_000);
        let farm = Farm::open(store, rules, clock.clone(), sender).expect("the farm opens");
        Scene { farm, clock, effects }
    }

    pub async fn account(&self, email: &str, xeconds: i64) -> Account {
        let mut key = [0; 32];
        key[..email.len().min(32)].copy_from_slice(&email.as_bytes()[..email.len().min(32)]);
        self.farm.add_account(new_account(email, KeyHash(key), xeconds)).await.expect("the account is added").0
    }

    /// A clip of `seconds` at 30 frames per second, uploaded.
    pub async fn clip(&self, account: &Account, seconds: i64) -> MediaFile {
        self.try_clip(account, seconds).await.expect("the upload is announced and stored")
    }

    pub async fn try_clip(&self, account: &Account, seconds: i64) -> Result<MediaFile, FarmError> {
        let upload = NewUpload {
            account: account.id,
            home: Home::NewProject,
            filename: "surf.mp4".into(),
            content_type: "video/mp4".into(),
        };
        let file = self.farm.new_upload(upload).await?;
        self.farm.upload_stored(file.key, facts(seconds).size_bytes, "ab".repeat(32)).await
    }

    pub async fn submit(&self, clip: &MediaFile, seconds: i64, price: i64) -> Result<Submitted, FarmError> {
        self.farm.submit(submission(clip, seconds, price)).await
    }

    /// Introduces the agent with this many workers.
    pub async fn hello(&self, workers: u32) -> Vec<LeaseId> {
        self.farm.hello(hello(AGENT, workers)).await.expect("the agent is welcome")
    }

    /// What there is for a worker now, without waiting.
    pub async fn next(&self, worker: u32) -> Option<LeasedWork> {
        self.farm.lease_next(AGENT, worker, Duration::ZERO).await.expect("the worker is known")
    }

    pub async fn deliver(&self, work: &LeasedWork) -> Receipt {
        self.farm.report(work.lease, done(work)).await.expect("the report is taken")
    }

    pub async fn fail(&self, lease: LeaseId, class: FailureClass, message: &str) -> Receipt {
        let failure = Failure::new(class, message.into());
        self.farm.report(lease, Outcome::Failed(failure)).await.expect("the report is taken")
    }

    /// Lets one worker do everything there is.
    pub async fn work_off(&self) {
        while let Some(work) = self.next(0).await {
            assert_eq!(self.deliver(&work).await, Receipt::Accepted);
        }
    }

    pub fn state(&self, job: JobId) -> JobState {
        self.farm.job(job).expect("the store reads").expect("the job is there").job.state
    }

    pub fn end(&self, job: JobId) -> JobEnd {
        match self.state(job) {
            JobState::Ended { end, .. } => end,
            under_way => panic!("the job is still under way: {under_way:?}"),
        }
    }

    pub fn balance(&self, account: &Account) -> i64 {
        self.farm.balance(account.id).expect("the store reads").0
    }
}

pub fn new_account(email: &str, key: KeyHash, xeconds: i64) -> NewAccount {
    NewAccount { email: email.into(), key, trial: false, grant: Xeconds(xeconds), reason: "test".into() }
}

pub fn hello(agent: AgentId, workers: u32) -> Hello {
    let worker = |worker| WorkerFacts {
        worker,
        device_uuid: "00".into(),
        device_name: "llvmpipe".into(),
        engine: "flow 1".into(),
        encoders: ["x264enc", "x265enc", "svtav1enc", "av1enc"].map(String::from).into(),
        inventory: Default::default(),
    };
    Hello {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        agent,
        name: "test".into(),
        version: "1".into(),
        workers: (0..workers).map(worker).collect(),
        free_disk_bytes: 0,
    }
}

pub fn submission(clip: &MediaFile, seconds: i64, price: i64) -> Submission {
    Submission {
        account: clip.account,
        input_key: clip.key.clone(),
        project: None,
        target_fps: 60,
        format: OutputFormat::default(),
        watermark: false,
        drops_frames: false,
        source: facts(seconds),
        price: Xeconds(price),
        idempotency: None,
        asked: None,
        webhook: None,
    }
}

pub fn with_key(mut submission: Submission, key: &str, request: u8) -> Submission {
    submission.idempotency = Some(Idempotency { route: "POST /jobs", key: key.into(), request: [request; 32] });
    submission
}

pub fn facts(seconds: i64) -> SourceFacts {
    SourceFacts {
        container: "mov,mp4".into(),
        size_bytes: 1_000 + u64::try_from(seconds).unwrap(),
        video: VideoFacts {
            codec: "h264".into(),
            width_px: 64,
            height_px: 48,
            rotation_deg: 0,
            average_rate: Rational::whole(30),
            duration: Rational::whole(seconds),
            frame_count: u64::try_from(seconds).unwrap() * 30,
            interlaced: false,
            pixel_format: "yuv420p".into(),
        },
        audio: vec![],
    }
}

/// The report of a worker that did its piece.
pub fn done(work: &LeasedWork) -> Outcome {
    let frames = match &work.piece {
        Piece::Render(slots) => slots.len(),
        Piece::Join(_) | Piece::Mark(_) => work.job.slot_count,
    };
    let facts = RenderFacts { frames, width_px: 64, height_px: 48, ..RenderFacts::default() };
    Outcome::Done(Delivered { size_bytes: 10, sha256: "cd".repeat(32), facts })
}

pub fn key_of(text: &str) -> ObjectKey {
    text.parse().expect("a key of this service")
}
