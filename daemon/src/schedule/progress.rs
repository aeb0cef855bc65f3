//! How far a job is, in percent, as its owner sees it.

use crate::model::{Job, JobEnd, JobState, Segment, SegmentState};

/// Share of the whole that rendering makes up; the join copies streams and is quick.
const RENDER_PERCENT: u128 = 95;
/// The same of a job that is marked: that decodes and encodes everything once more.
const RENDER_PERCENT_MARKED: u128 = 80;
/// How far a job is when it is joined and not yet marked.
const JOINED_PERCENT: u128 = 84;

/// 0..=100; never below the job's own high-water mark, and 100 only when it is done.
pub fn percent(job: &Job) -> u8 {
    let (render, joined) = if job.watermarked { (RENDER_PERCENT_MARKED, JOINED_PERCENT) } else { (RENDER_PERCENT, 99) };
    let slots = u128::from(job.slot_count);
    let now = match &job.state {
        JobState::Rendering { segments } => {
            let done: u128 = segments.iter().map(slots_done).sum();
            share(render, done, slots)
        }
        JobState::Joining { join, .. } => render + share(joined - render, slots_done(join), slots),
        JobState::Marking { mark, .. } => joined + share(99 - joined, slots_done(mark), slots),
        JobState::Ended { end: JobEnd::Done { .. }, .. } => 100,
        JobState::Ended { end: JobEnd::Failed { .. } | JobEnd::Cancelled { .. }, .. } => 0,
    };
    u8::try_from(now).unwrap_or(100).max(job.progress_percent)
}

/// Slots that are not rendered yet.
pub fn slots_left(job: &Job) -> u64 {
    let JobState::Rendering { segments } = &job.state else { return 0 };
    let done: u128 = segments.iter().map(slots_done).sum();
    job.slot_count.saturating_sub(u64::try_from(done).unwrap_or(u64::MAX))
}

/// Slots of a segment that are yet to be made, as far as its worker has told.
pub fn slots_left_of(segment: &Segment) -> u64 {
    u64::try_from(u128::from(segment.slots.len()) - slots_done(segment)).unwrap_or(0)
}

fn slots_done(segment: &Segment) -> u128 {
    let length = u128::from(segment.slots.len());
    match &segment.state {
        SegmentState::Rendered { .. } => length,
        // The worker counts in its own frames, which need not be slots: only their share is used.
        SegmentState::Leased { progress, .. } => {
            share(length, u128::from(progress.frames_done), u128::from(progress.frames_total))
        }
        SegmentState::Ready { .. } | SegmentState::Abandoned(_) => 0,
    }
}

/// `part` of `of` scaled to `whole`, rounded down, never more than `whole`.
fn share(whole: u128, part: u128, of: u128) -> u128 {
    (whole * part.min(of)).checked_div(of).unwrap_or(0)
}
