//! A preview: one frame that a job has made so far, as a small picture for the operator. Which frame is a rule; the picture
//! is made by a child with limits, one at a time, and the last ones are kept.

use crate::{
    blobs::{BlobError, Blobs},
    model::{Job, JobEnd, JobState, ObjectKey, SegmentState},
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tweenfarm_media::{ProbeLimits, StillError, still};
use tweenfarm_protocol::SlotRange;

/// Enough for a terminal of 200 columns and for a glance in a browser.
const WIDTH_PX: u32 = 480;
/// Pictures kept, of some 200 kB each: several consoles on several jobs.
const KEPT_MAX: usize = 16;
/// How long a request waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(20);
/// What is fetched from a store that is another machine, at most.
const FETCH_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("no frame of this job is made yet")]
    NothingMade,
    #[error("what this job made is deleted: its time was over, or it did not end well")]
    Gone,
    #[error("other pictures are being made")]
    Busy,
    #[error("the making of the picture broke off")]
    Lost,
    #[error(transparent)]
    Still(#[from] StillError),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Where a frame of a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub key: ObjectKey,
    /// Index of the frame in the job's output.
    pub slot: u64,
    /// Index of the frame in the object.
    pub frame: u64,
}

/// Of the first finished segment, or of the whole output: the frame nearest its middle that is no frame of the source's.
pub fn spot(job: &Job) -> Result<Spot, PreviewError> {
    let (key, slots) = place(job, &job.state)?;
    let slot = made_slot(job, slots);
    Ok(Spot { key, slot, frame: slot - slots.first })
}

fn place(job: &Job, state: &JobState) -> Result<(ObjectKey, SlotRange), PreviewError> {
    let whole = SlotRange::new(0, job.slot_count);
    match state {
        JobState::Rendering { segments } | JobState::Joining { segments, .. } => {
            let rendered = segments.iter().find_map(|segment| match &segment.state {
                SegmentState::Rendered { output, .. } => Some((output.clone(), segment.slots)),
                _ => None,
            });
            rendered.ok_or(PreviewError::NothingMade)
        }
        JobState::Marking { .. } => Ok((job.output_key(), whole)),
        JobState::Ended { end: JobEnd::Done { output_key, .. }, .. } => Ok((output_key.clone(), whole)),
        JobState::Ended { end: JobEnd::Cancelled { kept: Some(kept), .. }, .. } => place(job, &kept.state),
        JobState::Ended { end: JobEnd::Failed { .. } | JobEnd::Cancelled { kept: None, .. }, .. } => {
            Err(PreviewError::Gone)
        }
    }
}

/// By the source's average rate; of a variable rate it may be a frame of the source's all the same.
fn made_slot(job: &Job, slots: SlotRange) -> u64 {
    let rate = job.source.video.average_rate;
    let is_of_source = |slot: u64| {
        i128::from(slot) * i128::from(rate.num()) % (i128::from(rate.den()) * i128::from(job.target_fps)) == 0
    };
    let middle = slots.first + slots.len() / 2;
    (middle..slots.end).find(|slot| !is_of_source(*slot)).unwrap_or(middle.min(slots.end.saturating_sub(1)))
}

/// Makes previews. Cheap to clone.
#[derive(Clone)]
pub struct Previewer {
    blobs: Blobs,
    turn: Arc<Semaphore>,
    kept: Arc<Mutex<VecDeque<(Spot, Bytes)>>>,
}

impl Previewer {
    pub fn new(blobs: Blobs) -> Previewer {
        Previewer { blobs, turn: Arc::new(Semaphore::new(1)), kept: Arc::default() }
    }

    /// A PNG of the frame.
    pub async fn picture(&self, job: &Job, spot: &Spot) -> Result<Bytes, PreviewError> {
        if let Some(kept) = self.kept(spot) {
            return Ok(kept);
        }
        let turn = tokio::time::timeout(TURN_WAIT, self.turn.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| PreviewError::Busy)?.map_err(|_| PreviewError::Lost)?;
        // Somebody may have asked for the same while this one waited.
        if let Some(kept) = self.kept(spot) {
            return Ok(kept);
        }
        let clip = self.blobs.readable(&spot.key, FETCH_BYTES_MAX).await?.ok_or(PreviewError::Gone)?;
        let (frame, rate) = (spot.frame, job.target_rate());
        // The turn moves into the work: a client that leaves must not let a second child start.
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            still(clip.path(), frame, rate, WIDTH_PX, &ProbeLimits::default())
        });
        let picture = Bytes::from(made.await.map_err(|_| PreviewError::Lost)??);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((spot.clone(), picture.clone()));
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
        Ok(picture)
    }

    fn kept(&self, spot: &Spot) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| of == spot).map(|(_, picture)| picture.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use tweenfarm_protocol::Rational;

    fn job(target_fps: u32, rate: Rational) -> Job {
        let mut job = samples::job(1, 1, 1, samples::rendering());
        (job.target_fps, job.source.video.average_rate) = (target_fps, rate);
        job
    }

    #[test]
    fn a_made_frame_is_shown_where_there_is_one() {
        let check = |target, rate, slots: (u64, u64), expected| {
            assert_eq!(made_slot(&job(target, rate), SlotRange::new(slots.0, slots.1)), expected);
        };
        check(60, Rational::whole(30), (0, 120), 61);
        check(60, Rational::whole(30), (90, 121), 105);
        check(60, Rational::new(24_000, 1001).unwrap(), (0, 120), 60);
        check(60, Rational::whole(60), (0, 120), 60);
        check(60, Rational::whole(30), (7, 8), 7);
    }

    #[test]
    fn a_job_that_made_nothing_or_kept_nothing_says_so() {
        let of = |state| spot(&samples::job(1, 1, 1, state));
        assert!(matches!(of(samples::cancelled()), Err(PreviewError::Gone)));
        let uncut = JobState::Rendering { segments: vec![] };
        assert!(matches!(of(uncut), Err(PreviewError::NothingMade)));
    }
}
