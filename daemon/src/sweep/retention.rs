//! The sweep of retention: objects past their time are deleted, then their files marked. A crash between the two leaves
//! a file that the next pass marks. Nobody starts to use a file that is past its time, so what is due stays due.

use crate::{
    blobs::Blobs,
    farm::{Farm, FarmError},
    retention,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often, besides the pass at the start: files live for days.
pub const EVERY: Duration = Duration::from_secs(60 * 60);
/// Files looked at, and marked in one transaction, at once: other commands wait no longer than for these.
const BATCH: usize = 256;

/// Whether a pass deletes, or only says what it would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Delete,
    DryRun,
}

/// What a pass found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionSweep {
    /// Files past their time that nobody needs.
    pub candidates: u64,
    pub candidate_bytes: u64,
    /// Past their time, kept for an open job.
    pub in_use: u64,
    pub deleted: u64,
    pub deleted_bytes: u64,
    /// Objects that could not be deleted; the next pass tries again.
    pub errors: u64,
}

/// One pass; one that deletes is told of.
pub async fn pass(farm: &Farm, blobs: &Blobs, mode: Mode) -> Result<RetentionSweep, FarmError> {
    let started = std::time::Instant::now();
    let swept = look(farm, blobs, mode).await;
    if mode == Mode::DryRun || matches!(swept, Err(FarmError::Closing)) {
        return swept;
    }
    let (ok, text, deleted, deleted_bytes) = match &swept {
        Ok(RetentionSweep { in_use, deleted, deleted_bytes, errors, .. }) => {
            let text = format!(
                "{deleted} files of {deleted_bytes} bytes were deleted, {in_use} are kept for open jobs, {errors} could not be deleted"
            );
            (*errors == 0, text, *deleted, *deleted_bytes)
        }
        Err(error) => (false, error.to_string(), 0, 0),
    };
    super::told(farm, "retention", started, ok, (deleted, deleted_bytes), text);
    swept
}

async fn look(farm: &Farm, blobs: &Blobs, mode: Mode) -> Result<RetentionSweep, FarmError> {
    let now = farm.now();
    let in_use = read(farm, Farm::inputs_in_use).await?;
    let (mut sweep, mut after) = (RetentionSweep::default(), None);
    loop {
        let files = read(farm, move |farm| farm.files_due(now, after.as_ref(), BATCH)).await?;
        let Some(last) = files.last() else { return Ok(sweep) };
        after = Some(last.clone());
        let due = retention::due(&files, &in_use, now);
        sweep.in_use += due.in_use.len() as u64;
        let mut gone = Vec::new();
        for file in due.delete {
            let bytes = retention::size_bytes(file);
            sweep.candidates += 1;
            sweep.candidate_bytes += bytes;
            if mode == Mode::DryRun {
                continue;
            }
            match blobs.delete(&file.key).await {
                Ok(_) => {
                    gone.push(file.id);
                    sweep.deleted_bytes += bytes;
                }
                Err(error) => {
                    sweep.errors += 1;
                    tracing::warn!(file = %file.id, error = &error as &dyn std::error::Error, "a file past its time");
                }
            }
        }
        if !gone.is_empty() {
            sweep.deleted += farm.expire_files(gone).await?;
        }
    }
}

/// On a thread that may wait for the disk.
async fn read<T: Send + 'static>(
    farm: &Farm,
    look: impl FnOnce(&Farm) -> Result<T, FarmError> + Send + 'static,
) -> Result<T, FarmError> {
    let farm = farm.clone();
    tokio::task::spawn_blocking(move || look(&farm)).await.unwrap_or(Err(FarmError::Unavailable))
}

/// Passes until `stop`.
pub async fn run(farm: Farm, blobs: Blobs, stop: CancellationToken) {
    let mut ticks = super::ticks(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // What else it did, or why it could not, has been told.
        if let Err(FarmError::Closing) = pass(&farm, &blobs, Mode::Delete).await {
            return;
        }
    }
}
