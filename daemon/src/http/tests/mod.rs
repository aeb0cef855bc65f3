//! The routes as a client meets them, on the in-memory store and a folder of blobs.

mod apiframe;
mod edge;
mod flow;
mod glance;
mod intake;
mod leftovers;
mod metrics;
mod objects;
mod operator;
mod payments;
mod projects;
mod refusals;
mod retention;
mod roles;
mod routes;
mod schema;
mod tokens;
mod watermark;

use super::{
    HttpParts, HttpState,
    apiframe::rates::PlanRules,
    auth,
    auth::tokens::Tokens,
    limits::{RateLimits, RateRules},
    operator_router,
    payments::PaymentSecret,
    router,
};
use crate::{
    blobs::{Blobs, DiskStore, Signer, SigningKey},
    farm::{Audit, Clock, Effect, Farm, FarmRules, NewAccount},
    history::Recorder,
    join::invitation::Inviter,
    marks::Marks,
    model::Account,
    outbound::{Outbound, OutboundRules},
    probation::Probation,
    retention::Lifetimes,
    store::memory::MemoryStore,
};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tweenfarm_media::{ProbeError, ProbeLimits, SourceFacts, VideoFacts};
use tweenfarm_protocol::{
    Rational, Timestamp, Xeconds,
    join::Fingerprint,
    task::{EncodeSettings, EngineSettings},
};

const UPLOAD_BYTES_MAX: u64 = 1000;
const STUDIO: &str = "https://studio.example.org";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The farm's clock, moved by hand. Presigned URLs live by the machine's own.
#[derive(Clone)]
struct HandClock(Arc<AtomicI64>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A daemon without sockets.
struct Bench {
    state: HttpState,
    router: Router,
    operator: Router,
    farm: Farm,
    clock: HandClock,
    blobs: Blobs,
    root: tempfile::TempDir,
    effects: mpsc::Receiver<Effect>,
    disk: DiskStore,
}

/// An account and the text of its key.
struct User {
    account: Account,
    key: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {:?}", self.bytes))
    }

    /// The sentence of a refusal; checks its form.
    fn detail(&self) -> String {
        let body = self.json();
        let object = body.as_object().unwrap();
        assert_eq!(object.len(), 1, "{body}");
        object["detail"].as_str().unwrap().to_owned()
    }
}

/// Reads `clip RATE MILLISECONDS`, so that a test says in the upload what the probe finds.
fn look(path: &Path, _: &ProbeLimits) -> Result<SourceFacts, ProbeError> {
    let bytes = std::fs::read(path).map_err(ProbeError::Tool)?;
    // What is to pass as an MP4 begins like one.
    let clip = bytes.strip_prefix(apiframe::MP4_START).unwrap_or(&bytes);
    let text = String::from_utf8(clip.to_vec()).map_err(|_| ProbeError::NotMedia)?;
    let words: Vec<&str> = text.split(' ').collect();
    let ["clip", rate, milliseconds] = words[..] else {
        return Err(if bytes.is_empty() { ProbeError::Empty } else { ProbeError::NotMedia });
    };
    let average_rate: Rational = rate.parse().unwrap();
    let duration = Rational::new(milliseconds.parse().unwrap(), 1000).unwrap();
    Ok(SourceFacts {
        container: "mov,mp4,m4a,3gp,3g2,mj2".into(),
        size_bytes: bytes.len() as u64,
        video: VideoFacts {
            codec: "h264".into(),
            width_px: 640,
            height_px: 360,
            rotation_deg: 0,
            average_rate,
            duration,
            frame_count: (duration.as_f64() * average_rate.as_f64()) as u64,
            interlaced: false,
            pixel_format: "yuv420p".into(),
        },
        audio: Vec::new(),
    })
}

impl Bench {
    fn new() -> Bench {
        Bench::with_reserve(0)
    }

    fn with_reserve(reserve_bytes: u64) -> Bench {
        Bench::with(reserve_bytes, 10_000)
    }

    fn with(reserve_bytes: u64, per_second: u32) -> Bench {
        Bench::at(Timestamp::now(), reserve_bytes, per_second)
    }

    fn at(now: Timestamp, reserve_bytes: u64, per_second: u32) -> Bench {
        let root = tempfile::tempdir().unwrap();
        let rules = FarmRules {
            lease_for: Duration::from_secs(60),
            attempts_max: 3,
            retry_after: Duration::from_secs(5),
            segment_slots_max: 1200,
            encode: EncodeSettings::default(),
            engine: EngineSettings::default(),
            queue_jobs_max: 100,
            idempotency_for: DAY,
            keep: Lifetimes::by_tier(3 * DAY, 90 * DAY),
            webhooks: crate::model::WebhookRules { attempts_max: 1, keep_log: true },
            undo_for: Duration::ZERO,
        };
        let (effects, receiver) = mpsc::channel(16);
        let clock = HandClock(Arc::new(AtomicI64::new(now.0)));
        let farm = Farm::open(Arc::new(MemoryStore::new()), rules, Arc::new(clock.clone()), effects).unwrap();
        let key = SigningKey { access: "TFTEST".into(), secret: "a secret of the tests".into() };
        let public_url = "http://127.0.0.1:8080".parse().unwrap();
        let marks = Marks::new(&public_url, &key);
        let disk = DiskStore::open(root.path(), reserve_bytes).unwrap();
        let blobs = Blobs::on_disk(disk.clone(), Signer::new(&public_url, "tweenfarm", key).unwrap());
        let secret = root.path().join("payments-secret");
        std::fs::write(&secret, payments::SECRET).unwrap();
        let rates = RateRules { per_second_address: per_second, per_second_key: per_second, behind_proxy: false };
        let mut state = HttpState::new(HttpParts {
            farm: farm.clone(),
            blobs: blobs.clone(),
            marks,
            look,
            upload_bytes_max: UPLOAD_BYTES_MAX,
            state_folder: root.path().to_owned(),
            intake: intake::RULES.clone(),
            outbound: Outbound::new(OutboundRules::default()).unwrap(),
            audit: watch::channel(Audit::default()).1,
            probation: Probation::new(farm.clone(), blobs.clone()),
            history: Recorder::default(),
            secure_door: None,
            certificates: Vec::new(),
            stop: CancellationToken::new(),
            inviter: Inviter::new(Some("192.0.2.1:8090".into()), Fingerprint([7; 32])),
            tokens: Tokens::default(),
            payments: Some(PaymentSecret::read(&secret).unwrap()),
            rates,
            plans: PlanRules { per_minute_free: 100_000, per_minute_paid: 100_000 },
            studio_origin: Some(STUDIO.parse().unwrap()),
        });
        state.limits = RateLimits::standing_still(rates);
        let (router, operator) = (router(state.clone()), operator_router(state.clone(), super::Door::Socket));
        Bench { state, router, operator, farm, clock, blobs, root, effects: receiver, disk }
    }

    async fn user(&self, email: &str, xeconds: i64) -> User {
        let (key, hash) = auth::new_key();
        let grant = Xeconds(xeconds);
        let new = NewAccount { email: email.into(), key: hash, trial: false, grant, reason: "test".into() };
        let added = self.farm.add_account(new).await;
        User { account: added.unwrap().0, key }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        answer_of(&self.router, request).await
    }

    /// A request with a JSON body, or none when it is null.
    async fn call(&self, method: Method, path: &str, key: Option<&str>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str, user: &User) -> Answer {
        self.call(Method::GET, path, Some(&user.key), Value::Null).await
    }

    async fn post(&self, path: &str, user: &User, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&user.key), body).await
    }

    async fn presign(&self, user: &User) -> Value {
        let body = json!({ "filename": "surf.mp4", "content_type": "video/mp4" });
        let answer = self.post("/upload/presign", user, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.bytes);
        answer.json()
    }

    async fn put(&self, url: &str, content: impl Into<Body>) -> Answer {
        let request =
            Request::builder().method(Method::PUT).uri(path_of(url)).header(header::CONTENT_TYPE, "video/mp4");
        self.send(request.body(content.into()).unwrap()).await
    }

    /// Uploads `content`; its presign answer.
    async fn upload(&self, user: &User, content: &'static str) -> Value {
        let presigned = self.presign(user).await;
        let answer = self.put(presigned["upload_url"].as_str().unwrap(), content).await;
        assert_eq!((answer.status, answer.bytes.len()), (StatusCode::OK, 0));
        presigned
    }

    fn staged(&self) -> usize {
        std::fs::read_dir(self.root.path().join("staging")).unwrap().count()
    }
}

async fn answer_of(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    assert!(parts.headers.contains_key("x-request-id"), "an answer without a request id");
    Answer { status: parts.status, headers: parts.headers, bytes: to_bytes(body, usize::MAX).await.unwrap() }
}

/// A URL's path and query.
fn path_of(url: &str) -> &str {
    url.strip_prefix("http://127.0.0.1:8080").unwrap()
}

fn header_of(answer: &Answer, name: header::HeaderName) -> &str {
    answer.headers.get(name).map(HeaderValue::to_str).unwrap().unwrap()
}
