//! What is told of each step of a job and of a ledger: the sentences of events, which are the lines of a job's story.

use crate::model::{
    About, Credit, EntryKind, Event, Job, JobEnd, LedgerEntry, Part, Segment, SegmentEvent, SegmentState, Spot, What,
};
use tweenfarm_protocol::{
    Timestamp,
    task::{FailureClass, RenderFacts},
};

pub(super) fn of(job: &Job) -> About {
    About { job: Some(job.id), account: Some(job.account), ..About::default() }
}

pub(super) fn accepted(job: &Job, now: Timestamp) -> Event {
    let video = &job.source.video;
    let text = format!(
        "accepted: {} × {} at {:.3} fps, {:.3} s, to {} fps: {} frames",
        video.width_px,
        video.height_px,
        video.average_rate.as_f64(),
        video.duration.as_f64(),
        job.target_fps,
        job.slot_count,
    );
    Event::new(now, What::JobAccepted, of(job), text)
}

pub(super) fn progress(job: &Job, now: Timestamp) -> Event {
    let percent = job.progress_percent;
    Event::new(now, What::JobProgress { percent }, of(job), format!("{percent} %"))
}

pub(super) fn ended(job: &Job, end: &JobEnd, now: Timestamp) -> Event {
    let (what, text) = match end {
        JobEnd::Done { facts, .. } => {
            let RenderFacts { frames, width_px, height_px, .. } = facts;
            (What::JobDone, format!("done: {frames} frames of {width_px} × {height_px}"))
        }
        JobEnd::Failed { error, refunded, .. } => {
            (What::JobFailed, format!("failed: {error} ({refunded} xeconds were given back)"))
        }
        JobEnd::Cancelled { refunded, .. } => {
            (What::JobCancelled, format!("cancelled: {refunded} xeconds were given back"))
        }
    };
    Event::new(now, what, of(job), text)
}

/// What is told of a piece that this happens to; `segment` is as it was before.
pub(super) fn moved(job: &Job, spot: Spot, segment: &Segment, event: &SegmentEvent, now: Timestamp) -> Event {
    let part = Part::of(spot, segment);
    let mut about = About { part: Some(part), ..of(job) };
    let (mut attempt, mut before) = (1, 0);
    match &segment.state {
        SegmentState::Leased { lease, agent, worker, attempt: held, progress, .. } => {
            (about.lease, about.agent, about.worker) = (Some(*lease), Some(*agent), Some(*worker));
            (attempt, before) = (*held, progress.frames_done);
        }
        SegmentState::Ready { attempt: next, .. } => attempt = *next,
        SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => {}
    }
    let (what, text) = match event {
        SegmentEvent::Leased { lease, agent, worker, .. } => {
            (about.lease, about.agent, about.worker) = (Some(*lease), Some(*agent), Some(*worker));
            let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            (What::Leased, format!("{part} is handed out{again}"))
        }
        SegmentEvent::Renewed { progress, .. } => {
            let frames = progress.frames_done.saturating_sub(before);
            let text = format!("{part}: {} of {} frames", progress.frames_done, progress.frames_total);
            (What::Renewed { frames }, text)
        }
        SegmentEvent::Delivered { size_bytes, facts, .. } => {
            let RenderFacts { frames, frames_made, elapsed_ms, device, engine, .. } = facts;
            let (elapsed_ms, frames, frames_made) = (*elapsed_ms, *frames, *frames_made);
            let seconds = format!("{}.{:03} s", elapsed_ms / 1000, elapsed_ms % 1000);
            let text = match part {
                Part::Segment(_) => format!(
                    "{part} is rendered: {frames} frames, {frames_made} of them made, {size_bytes} bytes in {seconds} on {device} ({engine})"
                ),
                Part::Join => format!("the join is done and proven: {frames} frames, {size_bytes} bytes in {seconds}"),
                Part::Mark => format!("the marked copy is made: {frames} frames, {size_bytes} bytes in {seconds}"),
            };
            // Frames of a join or a mark are those of the segments once more.
            let counts = matches!(part, Part::Segment(_));
            let of_segments = |count: u64| if counts { count } else { 0 };
            let what =
                What::Rendered { frames: of_segments(frames), frames_made: of_segments(frames_made), elapsed_ms };
            (what, text)
        }
        SegmentEvent::Failed { failure, .. } => {
            let class = match failure.class {
                FailureClass::Input => "input",
                FailureClass::Resource => "resource",
                FailureClass::Worker => "worker",
                FailureClass::Internal => "internal",
            };
            let text = format!("{part} failed at attempt {attempt} ({class}): {}", failure.message);
            let event = Event::new(now, What::PieceFailed(failure.class), about, text);
            return Event { lines: failure.log.clone(), ..event };
        }
        SegmentEvent::GivenBack { .. } => {
            (What::GivenBack, format!("{part} is given back unfinished; the attempt does not count"))
        }
        SegmentEvent::Expired { .. } => {
            (What::LeaseExpired, format!("the lease of {part} ran out: its worker has not been heard of in time"))
        }
    };
    Event::new(now, what, about, text)
}

/// The other state a job is in now that all of its segments, or its join, are done.
pub(super) fn went_on(job: &Job, what: What, now: Timestamp) -> Event {
    let text = if what == What::JobMarking {
        "the join is stored: the mark begins"
    } else {
        "all segments are rendered: the join begins"
    };
    Event::new(now, what, of(job), text)
}

pub(super) fn booked(entry: &LedgerEntry) -> Event {
    let (kind, job) = match &entry.kind {
        EntryKind::TrialGrant => ("trial_grant", None),
        EntryKind::Purchase(_) => ("purchase", None),
        EntryKind::OperatorGrant { credit: Credit::Trial, .. } => ("grant_trial", None),
        EntryKind::OperatorGrant { credit: Credit::Paid, .. } => ("grant_paid", None),
        EntryKind::Adjustment { .. } => ("adjustment", None),
        EntryKind::Charge { job } => ("charge", Some(*job)),
        EntryKind::Refund { job, .. } => ("refund", Some(*job)),
        EntryKind::Reversal(_) => ("reversal", None),
    };
    let about = About { account: Some(entry.account), job, ..About::default() };
    let (change, balance) = (entry.change, entry.balance_after);
    let text = format!("{} of {:+} xeconds; the balance is {balance}", kind.replace('_', " "), change.0);
    Event::new(entry.at, What::Booked { kind, change }, about, text)
}
