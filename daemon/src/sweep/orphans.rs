//! The sweep of orphans: bytes that nobody will ask for again. What an upload left in staging, the work of jobs that
//! have ended, and outputs of jobs that did not come to be.
//!
//! A job's end asks for its work to be deleted at once; this pass finds what a crash kept from being done.

use super::projects;
use crate::{
    blobs::{BlobError, Blobs},
    farm::{Effect, Farm, FarmError},
    model::{JobEnd, JobState, ObjectKey},
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::JobId;

/// How often, besides the pass at the start.
pub const EVERY: Duration = Duration::from_secs(60 * 60);
/// An upload is given up when nothing arrives for half a minute: after an hour its file is a leftover.
const STAGING_IDLE: Duration = Duration::from_secs(60 * 60);
/// An upload in parts is given up after this: an agent whose network is down keeps its result for less.
const UNFINISHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    #[error("look for orphans in the blob store")]
    Blobs(#[from] BlobError),
    #[error("ask the farm for a job")]
    Farm(#[from] FarmError),
}

/// What a pass deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanSweep {
    pub staged: u64,
    /// Uploads in parts that nobody put together.
    pub unfinished: u64,
    pub objects: u64,
}

/// One pass. `staging_idle` is how long nothing was written to what is taken for a leftover: zero at the start, when
/// no upload is under way.
pub async fn pass(farm: &Farm, blobs: &Blobs, staging_idle: Duration) -> Result<OrphanSweep, OrphanError> {
    let mut swept = OrphanSweep { staged: blobs.clear_staging(staging_idle).await?, unfinished: 0, objects: 0 };
    swept.unfinished = blobs.abort_unfinished(farm.now().minus(UNFINISHED_FOR)).await?;
    for job in blobs.jobs_with_work().await? {
        swept.objects += clean_up_after(farm, blobs, job).await?;
    }
    swept.objects += projects::pass(farm, blobs).await?;
    Ok(swept)
}

/// Deletes what a job needed only while it ran, once it has ended; the number of objects deleted.
pub async fn clean_up_after(farm: &Farm, blobs: &Blobs, id: JobId) -> Result<u64, OrphanError> {
    let unused_outputs = match farm.job(id)?.map(|view| view.job) {
        None => vec![],
        Some(job) => match job.state {
            JobState::Rendering { .. } | JobState::Joining { .. } | JobState::Marking { .. } => return Ok(0),
            // It may go on.
            JobState::Ended { end: JobEnd::Cancelled { kept: Some(_), .. }, .. } => return Ok(0),
            JobState::Ended { end: JobEnd::Done { .. }, .. } => vec![],
            // A join or a mark may have delivered before its job was cancelled or failed.
            JobState::Ended { end: JobEnd::Failed { .. } | JobEnd::Cancelled { .. }, .. } => {
                vec![job.output_key(), job.marked_key()]
            }
        },
    };
    let mut deleted = blobs.delete_prefix(&ObjectKey::work_prefix(id)).await?;
    for output in unused_outputs {
        deleted += u64::from(blobs.delete(&output).await?);
    }
    Ok(deleted)
}

/// Passes until `stop`.
pub async fn run(farm: Farm, blobs: Blobs, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    // The first tick comes at once; the pass at the start was done before anything could arrive.
    ticks.tick().await;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let started = std::time::Instant::now();
        match pass(&farm, &blobs, STAGING_IDLE).await {
            Ok(OrphanSweep { staged, unfinished, objects }) => {
                let uploads = staged + unfinished;
                let text =
                    format!("{uploads} unfinished uploads and {objects} objects that nobody asks for were deleted");
                super::told(&farm, "orphans", started, true, (uploads + objects, 0), text);
            }
            Err(error) => {
                warn(&error, "the orphans could not be swept");
                super::told(&farm, "orphans", started, false, (0, 0), error.to_string());
            }
        }
    }
}

/// Carries out the farm's effects until the farm is closed. What fails here is found by the next pass.
/// News for webhooks is passed on.
pub async fn run_effects(farm: Farm, blobs: Blobs, mut effects: mpsc::Receiver<Effect>, webhooks: mpsc::Sender<JobId>) {
    while let Some(effect) = effects.recv().await {
        match effect {
            Effect::DeleteWork(job) => {
                if let Err(error) = clean_up_after(&farm, &blobs, job).await {
                    warn(&error, "the work of an ended job could not be deleted yet");
                }
            }
            Effect::TellWebhook(job) => {
                // When its queue is full, the deliverer finds it by itself.
                let _ = webhooks.try_send(job);
            }
            Effect::DeleteProject(project) => {
                if let Err(error) = projects::clean_up_after(&farm, &blobs, project).await {
                    warn(&error, "the files of a deleted project could not be deleted yet");
                }
            }
        }
    }
}

fn warn(error: &OrphanError, message: &str) {
    tracing::warn!(error = error as &dyn std::error::Error, "{message}");
}
