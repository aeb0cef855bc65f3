//! Looking into an uploaded clip: at most two children at once, and each clip once.

use crate::{
    blobs::{BlobError, Blobs},
    farm::{Farm, FarmError},
    live::Live,
    model::{FileKind, FileState, MediaFile},
    pricing,
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tweenfarm_media::{ProbeError, ProbeLimits, SourceFacts};

/// Children at once: each reads a whole file and may use a gigabyte.
const AT_ONCE: usize = 2;
/// How long a request waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(20);

/// What looks into a file. A parameter, so that a test of the routes needs no ffprobe.
pub type Look = fn(&Path, &ProbeLimits) -> Result<SourceFacts, ProbeError>;

/// Why a clip's facts are not known.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error("nothing has been uploaded under this key")]
    NotUploaded,
    #[error("the clip has {size_bytes} bytes, the most is {limit_bytes}")]
    TooManyBytes { size_bytes: u64, limit_bytes: u64 },
    #[error("the clip lasts {seconds:.2} s, the most is {limit_seconds} s")]
    TooLong { seconds: f64, limit_seconds: u64 },
    #[error("too many clips are being looked into")]
    Busy,
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Farm(#[from] FarmError),
    #[error("the look into the clip did not end")]
    Lost,
}

/// How large and how long a clip may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipLimits {
    pub bytes_max: u64,
    pub seconds_max: u64,
}

/// What the public APIs promise.
const OF_THE_APIS: ClipLimits =
    ClipLimits { bytes_max: pricing::VIDEO_BYTES_MAX, seconds_max: pricing::DURATION_SECONDS_MAX };

/// Looks into uploads and remembers what it saw.
#[derive(Clone)]
pub struct Prober {
    farm: Farm,
    blobs: Blobs,
    look: Look,
    upload_bytes_max: Live<u64>,
    turns: Arc<Semaphore>,
}

impl Prober {
    pub fn new(farm: Farm, blobs: Blobs, look: Look, upload_bytes_max: Live<u64>) -> Prober {
        Prober { farm, blobs, look, upload_bytes_max, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The facts of an upload that may be converted: within the limits of size and duration.
    pub async fn facts(&self, file: &MediaFile) -> Result<SourceFacts, LookError> {
        let limits = match file.kind {
            FileKind::Input => ClipLimits { bytes_max: *self.upload_bytes_max.now(), ..OF_THE_APIS },
            FileKind::Output { .. } => OF_THE_APIS,
        };
        self.facts_within(file, limits).await
    }

    /// The same, within limits of the caller's.
    pub async fn facts_within(&self, file: &MediaFile, limits: ClipLimits) -> Result<SourceFacts, LookError> {
        let Some(seen) = self.blobs.stat(&file.key).await? else {
            return Err(LookError::NotUploaded);
        };
        if seen.size_bytes > limits.bytes_max {
            self.refuse_too_large(file).await?;
            return Err(LookError::TooManyBytes { size_bytes: seen.size_bytes, limit_bytes: limits.bytes_max });
        }
        let facts = match (&file.state, seen.sha256) {
            (FileState::Deleted { .. }, _) => return Err(LookError::NotUploaded),
            (FileState::Stored { sha256, facts: Some(facts), .. }, Some(found)) if *sha256 == found => facts.clone(),
            (FileState::Stored { .. } | FileState::Awaited, _) => self.look_into(file, limits.bytes_max).await?,
        };
        if !pricing::duration_allowed(facts.video.duration, limits.seconds_max) {
            return Err(LookError::TooLong {
                seconds: facts.video.duration.as_f64(),
                limit_seconds: limits.seconds_max,
            });
        }
        Ok(facts)
    }

    /// A store that is another machine takes uploads of any size: one that is too large goes as soon as it is seen.
    async fn refuse_too_large(&self, file: &MediaFile) -> Result<(), BlobError> {
        let is_unused = matches!(file.state, FileState::Awaited | FileState::Stored { pinned: false, .. });
        if file.kind == FileKind::Input && is_unused {
            self.blobs.delete(&file.key).await?;
        }
        Ok(())
    }

    async fn look_into(&self, file: &MediaFile, limit_bytes: u64) -> Result<SourceFacts, LookError> {
        let turn = tokio::time::timeout(TURN_WAIT, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| LookError::Busy)?.map_err(|_| LookError::Lost)?;
        let clip = self.blobs.readable(&file.key, limit_bytes).await?.ok_or(LookError::NotUploaded)?;
        match &file.state {
            FileState::Stored { sha256, facts: Some(facts), .. } if *sha256 == clip.facts.sha256 => {
                return Ok(facts.clone());
            }
            FileState::Stored { sha256, facts: None, .. } if *sha256 == clip.facts.sha256 => {}
            // Nobody has noted these bytes yet: the store does not tell when they arrive, or the daemon died between.
            FileState::Stored { .. } | FileState::Awaited | FileState::Deleted { .. } => {
                let (size_bytes, sha256) = (clip.facts.size_bytes, clip.facts.sha256.clone());
                self.farm.upload_stored(file.key.clone(), size_bytes, sha256).await?;
            }
        }
        let look = self.look;
        // The turn moves into the work: a client that leaves must not let a third child start.
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look(clip.path(), &ProbeLimits::of_size(clip.facts.size_bytes))
        });
        let facts = looked.await.map_err(|_| LookError::Lost)??;
        self.farm.remember_facts(file.id, facts.clone()).await?;
        Ok(facts)
    }
}
