//! Probation: a device of an agent from the network renders a clip whose every output frame is known before it gets
//! anybody's work. A driver may accept every call and compute nonsense, and a machine may send back what it likes.
//!
//! In memory only: what is remembered, that a device passed, the farm remembers. Agents of the daemon's own machine are
//! under its operator's eyes and not on probation.

mod judge;
mod picture;

use crate::{
    blobs::{BlobError, Blobs},
    farm::{Farm, FarmError},
    model::{Agent, ObjectKey},
};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId, Rational, SlotRange, Timestamp,
    output::OutputFormat,
    service::{Receipt, Renewal, WorkerFacts},
    task::{
        Deliver, Delivered, EncodeSettings, EncoderClass, EngineSettings, Fetch, Outcome, OutputPlan, RenderWork, Task,
        Work,
    },
};
use uuid::Uuid;

/// Lossless H.264 of `picture`, every second frame of it, made by x264 with `-qp 0`; a test decodes it and compares.
const CLIP: &[u8] = include_bytes!("clip.mp4");
const CLIP_NAME: &str = "clip.mp4";
const CONTENT_TYPE: &str = "video/mp4";
const TARGET_FPS: i64 = 60;
/// Lossless 192 × 128 in 18 frames is some 50 KiB.
const RESULT_BYTES_MAX: u64 = 8 << 20;
/// Long enough for a device that compiles its shaders first.
const URLS_FOR: Duration = Duration::from_secs(3600);
/// Verdicts at one time: each decodes a film, on the daemon's machine.
const VERDICTS_MAX: usize = 2;
/// How often a worker that waits for its verdict hears whether it is there: a verdict takes a second.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const PREPARE_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// A device that failed tries again after this, and after twice as long each time it fails again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Cheap to clone.
#[derive(Clone)]
pub struct Probation {
    farm: Farm,
    blobs: Blobs,
    verdicts: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The clip is where agents fetch it.
    is_ready: bool,
    in_hand: HashMap<LeaseId, Probe>,
    failed: HashMap<(AgentId, String), Failed>,
}

/// One probe on its way.
#[derive(Clone)]
struct Probe {
    agent: AgentId,
    worker: u32,
    device_uuid: String,
    /// Without a word from its agent by then it is lost.
    deadline: Timestamp,
}

struct Failed {
    tries: u32,
    again_at: Timestamp,
    sentence: String,
}

/// What a worker that asked for work is to do first.
pub enum Due {
    /// Its device is proven: real work.
    Work,
    Probe(Box<Task>),
    /// It failed a short while ago, or the clip or its verdict is not there yet: nothing before this.
    Wait {
        until: Timestamp,
    },
}

impl Probation {
    pub fn new(farm: Farm, blobs: Blobs) -> Probation {
        Probation { farm, blobs, verdicts: Arc::new(Semaphore::new(VERDICTS_MAX)), state: Arc::default() }
    }

    /// Puts the clip where agents fetch it and forgets what a killed daemon left. Until it has, as on a disk that is
    /// full, devices on probation wait.
    pub async fn prepare(&self) -> Result<(), BlobError> {
        self.blobs.delete_prefix(ObjectKey::PROBES).await?;
        let mut upload = self.blobs.begin(&ObjectKey::probe(CLIP_NAME), CONTENT_TYPE, CLIP.len() as u64).await?;
        upload.write(CLIP).await?;
        upload.seal().await?.publish().await?;
        self.state().is_ready = true;
        Ok(())
    }

    /// Prepares again and again until it works.
    pub async fn prepare_in_time(&self) {
        while let Err(error) = self.prepare().await {
            tracing::warn!(%error, "the probe clip could not be stored: new devices wait for their probe");
            tokio::time::sleep(PREPARE_AGAIN_AFTER).await;
        }
    }

    pub fn due(&self, agent: &Agent, worker: &WorkerFacts, now: Timestamp) -> Due {
        let device_uuid = worker.device_uuid.clone();
        if agent.proven.contains_key(&device_uuid) {
            return Due::Work;
        }
        let mut state = self.state();
        if !state.is_ready {
            return Due::Wait { until: now.plus(LOOK_AGAIN) };
        }
        let failed = state.failed.get(&(agent.id, device_uuid.clone()));
        if let Some(failed) = failed.filter(|failed| now < failed.again_at) {
            return Due::Wait { until: failed.again_at };
        }
        // A worker that delivers asks for more at once: its verdict comes first.
        state.in_hand.retain(|_, probe| now < probe.deadline);
        if state.in_hand.values().any(|probe| (probe.agent, probe.worker) == (agent.id, worker.worker)) {
            return Due::Wait { until: now.plus(LOOK_AGAIN) };
        }
        let lease = LeaseId(Uuid::now_v7());
        let deadline = now.plus(self.farm.rules().lease_for);
        state.in_hand.insert(lease, Probe { agent: agent.id, worker: worker.worker, device_uuid, deadline });
        drop(state);
        tracing::info!(%lease, agent = %agent.id, device = worker.device_name, "a device on probation gets its probe");
        Due::Probe(Box::new(self.task(lease)))
    }

    fn task(&self, lease: LeaseId) -> Task {
        let lease_ms = u64::try_from(self.farm.rules().lease_for.as_millis()).unwrap_or(u64::MAX);
        let slot_count = picture::SLOTS;
        let plan = OutputPlan {
            target_rate: Rational::whole(TARGET_FPS),
            slot_count,
            encode: EncodeSettings::Lossless,
            encoder: EncoderClass::X264,
            engine: EngineSettings::default(),
            format: OutputFormat::default(),
        };
        let source = Fetch {
            url: self.blobs.agent_get(&ObjectKey::probe(CLIP_NAME), URLS_FOR),
            size_bytes: CLIP.len() as u64,
            sha256: hex::encode(Sha256::digest(CLIP)),
        };
        let deliver = Deliver {
            url: self.blobs.agent_put(&result_key(lease), CONTENT_TYPE, URLS_FOR),
            content_type: CONTENT_TYPE.into(),
        };
        let work = Work::Render(RenderWork { source, plan, slots: SlotRange::new(0, slot_count), deliver });
        // It belongs to no job: the id of its own lease says so to whoever reads a log.
        Task { lease, job: JobId(lease.0), lease_ms, work }
    }

    /// The most that may be written under this key now; none when no probe in hand delivers there.
    pub fn awaits(&self, key: &ObjectKey) -> Option<u64> {
        let state = self.state();
        state.in_hand.keys().any(|lease| result_key(*lease) == *key).then_some(RESULT_BYTES_MAX)
    }

    /// Where the result of a probe in hand goes; none when the lease is of no probe.
    pub fn delivers_to(&self, lease: LeaseId, agent: AgentId) -> Option<ObjectKey> {
        self.held_by(lease, agent).map(|_| result_key(lease))
    }

    /// None when the lease is of no probe.
    pub fn renew(&self, lease: LeaseId, agent: AgentId) -> Option<Renewal> {
        let deadline = self.farm.now().plus(self.farm.rules().lease_for);
        let mut state = self.state();
        let probe = state.in_hand.get_mut(&lease).filter(|probe| probe.agent == agent)?;
        probe.deadline = deadline;
        Some(Renewal::Kept)
    }

    pub fn give_back(&self, lease: LeaseId, agent: AgentId) -> Option<Receipt> {
        self.held_by(lease, agent)?;
        self.state().in_hand.remove(&lease).map(|_| Receipt::Accepted)
    }

    /// Judges what was rendered. None when the lease is of no probe.
    pub async fn report(
        &self,
        lease: LeaseId,
        agent: AgentId,
        outcome: &Outcome,
    ) -> Option<Result<Receipt, FarmError>> {
        let probe = self.held_by(lease, agent)?;
        let verdict = match outcome {
            Outcome::Done(delivered) => self.verdict(lease, delivered).await,
            Outcome::Failed(failure) => Err(failure.message.clone()),
        };
        let Probe { device_uuid, .. } = probe;
        if self.state().in_hand.remove(&lease).is_none() {
            return Some(Ok(Receipt::Stale));
        }
        if let Err(error) = self.blobs.delete(&result_key(lease)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a probe's result stays until the next start");
        }
        let passed = match verdict {
            Ok(()) => self.farm.prove(agent, device_uuid.clone()).await.map(|_| ()),
            Err(sentence) => {
                tracing::warn!(%agent, device = device_uuid, sentence, "a device did not pass its probe");
                self.note_failure((agent, device_uuid), sentence);
                return Some(Ok(Receipt::Accepted));
            }
        };
        if passed.is_ok() {
            tracing::info!(%agent, device = device_uuid, "a device passed its probe");
            self.state().failed.remove(&(agent, device_uuid));
        }
        Some(passed.map(|()| Receipt::Accepted))
    }

    /// Why a device did not pass when it last tried.
    pub fn failure(&self, agent: AgentId, device_uuid: &str) -> Option<String> {
        let state = self.state();
        state.failed.get(&(agent, device_uuid.to_owned())).map(|failed| failed.sentence.clone())
    }

    /// An agent's connection ended: what it had in hand it gets anew.
    pub fn gone(&self, agent: AgentId) {
        self.state().in_hand.retain(|_, probe| probe.agent != agent);
    }

    async fn verdict(&self, lease: LeaseId, delivered: &Delivered) -> Result<(), String> {
        let unreadable = |error: BlobError| {
            tracing::error!(error = &error as &dyn std::error::Error, "a probe's result could not be looked at");
            "the daemon could not look at its result; see the daemon's log".to_owned()
        };
        let key = result_key(lease);
        let found = self.blobs.readable(&key, RESULT_BYTES_MAX).await.map_err(unreadable)?;
        let found = found.filter(|found| found.facts.sha256 == delivered.sha256);
        let film = found.ok_or("its result did not arrive as it was reported")?;
        let _turn = self.verdicts.acquire().await.map_err(|_| "the daemon is shutting down")?;
        let judged = tokio::task::spawn_blocking(move || judge::judge(film.path())).await;
        judged.map_err(|_| "the daemon could not judge its result".to_owned())?.map_err(|fault| fault.to_string())
    }

    fn note_failure(&self, whose: (AgentId, String), sentence: String) {
        let now = self.farm.now();
        let mut state = self.state();
        let tries = state.failed.get(&whose).map_or(1, |failed| failed.tries.saturating_add(1));
        let again_after = AGAIN_AFTER.saturating_mul(1 << (tries - 1).min(10)).min(AGAIN_AFTER_MAX);
        state.failed.insert(whose, Failed { tries, again_at: now.plus(again_after), sentence });
    }

    fn held_by(&self, lease: LeaseId, agent: AgentId) -> Option<Probe> {
        self.state().in_hand.get(&lease).filter(|probe| probe.agent == agent).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn result_key(lease: LeaseId) -> ObjectKey {
    ObjectKey::probe(&format!("{lease}.mp4"))
}
