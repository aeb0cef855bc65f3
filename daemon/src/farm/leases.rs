//! Commands on leases: handed out, renewed, reported, given back, run out.

use super::{
    board::{Held, LeaseEnd, Verdict},
    error::FarmError,
    handle::FarmRules,
    jobs, story,
    transaction::Transaction,
    view::{LeasedWork, Piece},
};
use crate::{
    model::{Job, JobState, ObjectKey, Segment, SegmentEvent, SegmentState, Spot, What},
    schedule::{
        advance::{Advance, advance},
        breaker::{self, Capability},
        plan,
        share::Share,
        step::step,
    },
};
use std::time::Duration;
use tweenfarm_protocol::{
    AgentId, JobId, LeaseId,
    service::{Receipt, Renewal},
    task::{Delivered, Failure, FailureClass, Outcome, Progress},
};

/// What a leased worker is to do.
pub(super) fn piece(job: &Job, spot: Spot) -> Option<Piece> {
    match (&job.state, spot) {
        (JobState::Rendering { segments }, Spot::Segment(position)) => {
            segments.get(position).map(|segment| Piece::Render(segment.slots))
        }
        (JobState::Joining { segments, .. }, Spot::Join) => Some(Piece::Join(segments.clone())),
        (JobState::Marking { master, .. }, Spot::Mark) => Some(Piece::Mark(master.as_ref().clone())),
        (JobState::Rendering { .. }, Spot::Join | Spot::Mark)
        | (JobState::Joining { .. }, Spot::Segment(_) | Spot::Mark)
        | (JobState::Marking { .. }, Spot::Segment(_) | Spot::Join)
        | (JobState::Ended { .. }, _) => None,
    }
}

/// Leases one ready piece to a worker with an engine of this version; of a segment, the share that is its.
pub(super) fn lease(
    tx: &mut Transaction,
    rules: &FarmRules,
    (id, spot): (JobId, Spot),
    share: Share,
    (agent, worker): (AgentId, u32),
    engine: &str,
) -> Result<Option<LeasedWork>, FarmError> {
    let mut job = tx.job(id)?;
    if matches!(spot, Spot::Segment(_)) && job.engine_version != engine {
        job.engine_version = engine.to_owned();
    }
    let spot = match (&mut job.state, spot) {
        (JobState::Rendering { segments }, Spot::Segment(position)) => {
            Spot::Segment(plan::cut(segments, position, share, rules.segment_slots_max))
        }
        (_, whole) => whole,
    };
    let lease = LeaseId(tx.fresh_id());
    let deadline = tx.now.plus(rules.lease_for);
    let Some(job) = moved(tx, rules, job, spot, SegmentEvent::Leased { lease, agent, worker, deadline })? else {
        return Ok(None);
    };
    let input = tx.file(job.input)?;
    let Some(piece) = piece(&job, spot) else { return Ok(None) };
    Ok(Some(LeasedWork { lease, lease_for: rules.lease_for, job, input, piece }))
}

pub(super) fn renew(
    tx: &mut Transaction,
    rules: &FarmRules,
    found: Option<(JobId, Spot)>,
    lease: LeaseId,
    progress: Progress,
) -> Result<Renewal, FarmError> {
    let Some((id, spot)) = found else { return Ok(Renewal::Lost) };
    let job = tx.job(id)?;
    let deadline = tx.now.plus(rules.lease_for);
    let kept = moved(tx, rules, job, spot, SegmentEvent::Renewed { lease, deadline, progress })?;
    Ok(kept.map_or(Renewal::Lost, |_| Renewal::Kept))
}

pub(super) fn report(
    tx: &mut Transaction,
    rules: &FarmRules,
    found: Option<(JobId, Spot)>,
    lease: LeaseId,
    outcome: Outcome,
    other_agent: bool,
) -> Result<Receipt, FarmError> {
    let Some((id, spot)) = found else { return Ok(Receipt::Stale) };
    let job = tx.job(id)?;
    let Some(segment) = job.state.piece(spot) else { return Ok(Receipt::Stale) };
    let event = match outcome {
        Outcome::Failed(failure) => SegmentEvent::Failed { lease, failure, other_agent },
        Outcome::Done(delivered) if delivered.facts.frames != segment.slots.len() => {
            SegmentEvent::Failed { lease, failure: wrong_count(segment, &delivered), other_agent }
        }
        Outcome::Done(Delivered { size_bytes, sha256, facts }) => {
            let output = match spot {
                Spot::Segment(_) => ObjectKey::segment(job.id, lease),
                Spot::Join => job.output_key(),
                Spot::Mark => job.marked_key(),
            };
            SegmentEvent::Delivered { lease, output, size_bytes, sha256, facts }
        }
    };
    let accepted = moved(tx, rules, job, spot, event)?;
    Ok(accepted.map_or(Receipt::Stale, |_| Receipt::Accepted))
}

fn wrong_count(segment: &Segment, delivered: &Delivered) -> Failure {
    let (expected, found) = (segment.slots.len(), delivered.facts.frames);
    let message = format!("The worker delivered {found} frames where {expected} were due.");
    Failure::new(FailureClass::Internal, message)
}

pub(super) fn give_back(
    tx: &mut Transaction,
    rules: &FarmRules,
    found: Option<(JobId, Spot)>,
    lease: LeaseId,
) -> Result<Receipt, FarmError> {
    let Some((id, spot)) = found else { return Ok(Receipt::Stale) };
    let job = tx.job(id)?;
    let accepted = moved(tx, rules, job, spot, SegmentEvent::GivenBack { lease })?;
    Ok(accepted.map_or(Receipt::Stale, |_| Receipt::Accepted))
}

/// The job after one lease of it ran out; none if it had been renewed or reported meanwhile.
pub(super) fn expire(
    tx: &mut Transaction,
    rules: &FarmRules,
    (id, spot): (JobId, Spot),
    lease: LeaseId,
) -> Result<Option<Job>, FarmError> {
    let job = tx.job(id)?;
    moved(tx, rules, job, spot, SegmentEvent::Expired { lease })
}

/// Agents that rendered on while the daemon was away look for it every 15 s, and a little later where many do.
const BACK_WITHIN: Duration = Duration::from_secs(45);

/// Gives every lease of a job its full time again, from now, and never less than agents take to come back.
pub(super) fn extend(tx: &mut Transaction, rules: &FarmRules, id: JobId) -> Result<(), FarmError> {
    let mut job = tx.job(id)?;
    let leased: Vec<_> = job
        .state
        .pieces()
        .filter_map(|(spot, piece)| match piece.state {
            SegmentState::Leased { lease, progress, .. } => Some((spot, lease, progress)),
            SegmentState::Ready { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => None,
        })
        .collect();
    let deadline = tx.now.plus(rules.lease_for.max(BACK_WITHIN));
    for (spot, lease, progress) in leased {
        let event = SegmentEvent::Renewed { lease, deadline, progress };
        if let Some(extended) = moved(tx, rules, job.clone(), spot, event)? {
            job = extended;
        }
    }
    Ok(())
}

fn held(job: JobId, spot: Spot, segment: &Segment) -> Option<(LeaseId, Held)> {
    match segment.state {
        SegmentState::Leased { lease, agent, worker, deadline, .. } => {
            Some((lease, Held { job, spot, agent, worker, deadline }))
        }
        SegmentState::Ready { .. } | SegmentState::Rendered { .. } | SegmentState::Abandoned(_) => None,
    }
}

/// How a lease ends by an event; none where it goes on.
fn end_of(event: &SegmentEvent, job: &Job) -> Option<LeaseEnd> {
    match event {
        SegmentEvent::Leased { .. } | SegmentEvent::Renewed { .. } => None,
        SegmentEvent::Delivered { .. } => Some(LeaseEnd::Done),
        SegmentEvent::Failed { .. } | SegmentEvent::Expired { .. } => Some(LeaseEnd::Failed { blames: false }),
        SegmentEvent::GivenBack { .. } => Some(LeaseEnd::GivenBack(Box::new(job.clone()))),
    }
}

/// Moves one segment and lets the job follow. None, and nothing changed, when the event does not fit.
fn moved(
    tx: &mut Transaction,
    rules: &FarmRules,
    mut job: Job,
    spot: Spot,
    event: SegmentEvent,
) -> Result<Option<Job>, FarmError> {
    let Some(segment) = job.state.piece(spot) else { return Ok(None) };
    let held = held(job.id, spot, segment);
    let ended = held.and_then(|_| end_of(&event, &job));
    let before = segment.clone();
    let Ok(next) = step(before.clone(), event.clone(), &rules.retry(), tx.now) else { return Ok(None) };
    if let (Some((lease, held)), Some(mut ended)) = (held, ended) {
        if let (LeaseEnd::Failed { blames }, Some(last)) = (&mut ended, next.failures.last()) {
            *blames = breaker::blames(last.failure.class, &job, (held.agent, held.worker));
        }
        tx.verdicts.push(Verdict { lease, held, slots: before.slots, work: Capability::of(&job, spot), ended });
    }
    if let Some(segment) = job.state.piece_mut(spot) {
        *segment = next;
    }
    tx.tell(story::moved(&job, spot, &before, &event, tx.now));
    let job = match advance(job.state.clone(), job.watermarked, tx.now) {
        Advance::Go(state) => {
            let went_on = match (&job.state, &state) {
                (JobState::Rendering { .. }, JobState::Joining { .. }) => Some(What::JobJoining),
                (JobState::Joining { .. }, JobState::Marking { .. }) => Some(What::JobMarking),
                _ => None,
            };
            if let Some(what) = went_on {
                tx.tell(story::went_on(&job, what, tx.now));
            }
            job.state = state;
            tx.put_job(job)?
        }
        Advance::Finish(made) => jobs::finish(tx, rules, job, made)?,
        Advance::Fail(abandoned) => jobs::fail(tx, job, &abandoned)?,
    };
    Ok(Some(job))
}
