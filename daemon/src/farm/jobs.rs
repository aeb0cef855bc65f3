//! Commands on jobs: submit and cancel, and how a job ends.

use super::{
    error::FarmError,
    handle::{Effect, FarmRules},
    request::{Asked, Idempotency, NewWebhook, Submission, Submitted},
    story,
    transaction::Transaction,
};
use crate::{
    model::{
        Abandoned, Event, FileKind, FileState, FirstAnswer, Job, JobEnd, JobState, Kept, Master, MediaFile, ObjectKey,
        Origin, Priority, Segment, SegmentState, Tier, Webhook, What,
    },
    schedule::{
        advance::{Marked, Outputs},
        plan, retry,
    },
    store::Write,
};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{FileId, JobId, Rational, Timestamp};

/// Charge, job, pin of the input and the remembered answer: one transaction.
pub(super) fn submit(
    tx: &mut Transaction,
    rules: &FarmRules,
    open_jobs: u64,
    submission: Submission,
) -> Result<Submitted, FarmError> {
    let account = tx.account(submission.account)?;
    if let Some(idempotency) = &submission.idempotency
        && let Some(first) = tx.answer(account.id, idempotency.route, &idempotency.key)?
        && first.at.plus(rules.idempotency_for) > tx.now
    {
        return replay(tx, idempotency, first);
    }
    let file = tx.file_with_key(&submission.input_key)?.ok_or(FarmError::NotUploaded)?;
    let input = pinned_input(tx, file, &submission)?;
    if open_jobs >= rules.queue_jobs_max {
        return Err(FarmError::QueueFull);
    }

    let id = JobId(tx.fresh_id());
    let (video, target_rate) = (&submission.source.video, Rational::whole(i64::from(submission.target_fps)));
    let slot_count = video.slot_count(target_rate);
    let engine = plan::engine(rules.engine, submission.drops_frames, video.average_rate, target_rate);
    let charge = tx.charge(account.id, id, submission.price)?;
    let job = Job {
        id,
        account: account.id,
        project: input.project,
        input: input.id,
        input_key: input.key.clone(),
        source: submission.source,
        target_fps: submission.target_fps,
        slot_count,
        encode: rules.encode,
        // Which workers will take the segments is not known yet; software depends on no card.
        encoder: submission.format.software(),
        engine,
        format: submission.format,
        tier: account.tier,
        // A trial is marked whatever was asked.
        watermarked: submission.watermark || account.tier == Tier::Free,
        charge: charge.id,
        charged: submission.price,
        created_at: tx.now,
        progress_percent: 0,
        priority: Priority::default(),
        paused_at: None,
        engine_version: String::new(),
        state: JobState::Rendering { segments: plan::uncut(slot_count, tx.now) },
    };
    tx.put(Write::PutFile(input));
    if let Some(NewWebhook { url, events, signed_with }) = submission.webhook {
        tx.put(Write::PutWebhook(Webhook::new(job.id, url, events, signed_with)));
    }
    let job = tx.put_job(job)?;
    // The story begins with the job, not with its charge.
    tx.events.insert(0, story::accepted(&job, tx.now));
    tx.made.jobs += 1;
    if let Some(Asked { model, params }) = submission.asked {
        tx.put(Write::PutOrigin(Origin { job: job.id, model, params }));
    }
    if let Some(Idempotency { route, key, request }) = submission.idempotency {
        let at = tx.now;
        let (account, job, route) = (account.id, job.id, route.to_owned());
        let answer = FirstAnswer { account, route, key, request, job, balance_after: charge.balance_after, at };
        tx.put(Write::PutAnswer(answer));
    }
    Ok(Submitted { job, balance_after: charge.balance_after, replayed: false })
}

fn replay(tx: &Transaction, idempotency: &Idempotency, first: FirstAnswer) -> Result<Submitted, FarmError> {
    if first.request != idempotency.request {
        return Err(FarmError::IdempotencyConflict);
    }
    Ok(Submitted { job: tx.job(first.job)?, balance_after: first.balance_after, replayed: true })
}

/// The file as it will be once this job uses it.
fn pinned_input(tx: &Transaction, mut file: MediaFile, submission: &Submission) -> Result<MediaFile, FarmError> {
    if file.account != submission.account {
        return Err(FarmError::NotYours { what: "file" });
    }
    if submission.project.is_some_and(|project| project != file.project) {
        return Err(FarmError::OtherProject(file.project));
    }
    if file.expires_at <= tx.now {
        return Err(FarmError::NotUploaded);
    }
    let FileState::Stored { size_bytes, facts, pinned, .. } = &mut file.state else {
        return Err(FarmError::NotUploaded);
    };
    // The price was made from these facts: they must be those of the bytes that are there now.
    let same = *size_bytes == submission.source.size_bytes
        && facts.as_ref().is_none_or(|known: &SourceFacts| *known == submission.source);
    if !same {
        return Err(FarmError::Replaced);
    }
    *pinned = true;
    Ok(file)
}

/// By the operator. A job that has ended stays as it is. What was finished is kept for as long as it can be undone.
pub(super) fn cancel(tx: &mut Transaction, rules: &FarmRules, id: JobId) -> Result<Job, FarmError> {
    let job = tx.job(id)?;
    if job.has_ended() {
        return Ok(job);
    }
    let refund = tx.refund(&job)?;
    let kept = (!rules.undo_for.is_zero()).then(|| {
        let state = Box::new(at_rest(job.state.clone(), tx.now));
        Kept { state, until: tx.now.plus(rules.undo_for) }
    });
    end(tx, job, JobEnd::Cancelled { refund: refund.id, refunded: refund.change, kept })
}

/// A cancelled job goes on where it was, and is charged again, in this transaction.
pub(super) fn undo_cancel(tx: &mut Transaction, id: JobId) -> Result<Job, FarmError> {
    let mut job = tx.job(id)?;
    let kept = job.kept().filter(|kept| tx.now < kept.until).cloned().ok_or(FarmError::NothingToUndo)?;
    tx.project(job.project)?;
    if !matches!(tx.file(job.input)?.state, FileState::Stored { .. }) {
        return Err(FarmError::NotUploaded);
    }
    job.state = *kept.state;
    let text = format!("cancelling was undone: {} xeconds were charged again", job.charged);
    begin_again(tx, job, "undone", text)
}

/// A failed job is made once more, from its first frame and under its own id, and is charged again at the price that its
/// owner agreed to. Nothing of the first run is left: what it delivered went when it failed.
pub(super) fn retry(tx: &mut Transaction, rules: &FarmRules, open_jobs: u64, id: JobId) -> Result<Job, FarmError> {
    let mut job = tx.job(id)?;
    if !matches!(job.state, JobState::Ended { end: JobEnd::Failed { .. }, .. }) {
        return Err(FarmError::NotFailed);
    }
    let is_kept = |file: &MediaFile| {
        let same = |size_bytes| size_bytes == job.source.size_bytes;
        file.expires_at > tx.now && matches!(file.state, FileState::Stored { size_bytes, .. } if same(size_bytes))
    };
    if tx.project(job.project).is_err() || !is_kept(&tx.file(job.input)?) {
        return Err(FarmError::SourceGone);
    }
    if open_jobs >= rules.queue_jobs_max {
        return Err(FarmError::QueueFull);
    }
    job.state = JobState::Rendering { segments: plan::uncut(job.slot_count, tx.now) };
    (job.progress_percent, job.paused_at, job.engine_version) = (0, None, String::new());
    let text = format!("it is tried again: {} xeconds were charged again", job.charged);
    begin_again(tx, job, "retried", text)
}

/// A job that had ended goes on: charged again, and its client is told of the new end, too.
fn begin_again(tx: &mut Transaction, mut job: Job, word: &'static str, text: String) -> Result<Job, FarmError> {
    job.charge = tx.charge(job.account, job.id, job.charged)?.id;
    if let Some(mut webhook) = tx.webhook(job.id)? {
        webhook.reopen(job.progress_percent);
        tx.put(Write::PutWebhook(webhook));
    }
    tx.tell(Event::new(tx.now, What::JobChanged(word), story::of(&job), text));
    tx.put_job(job)
}

/// Cancelled jobs whose time to be undone is over: what was kept of them is deleted.
pub(super) fn forget_cancelled(tx: &mut Transaction, due: Vec<JobId>) -> Result<u64, FarmError> {
    let mut count = 0;
    for id in due {
        let mut job = tx.job(id)?;
        if let JobState::Ended { end: JobEnd::Cancelled { kept, .. }, .. } = &mut job.state
            && kept.take_if(|kept| kept.until <= tx.now).is_some()
        {
            count += 1;
            tx.effects.push(Effect::DeleteWork(id));
            tx.put_job(job)?;
        }
    }
    Ok(count)
}

/// A job's state with nothing leased: whoever works on it now works for nothing.
fn at_rest(mut state: JobState, now: Timestamp) -> JobState {
    let rest = |piece: &mut Segment| {
        if let SegmentState::Leased { attempt, .. } = piece.state {
            piece.state = SegmentState::Ready { attempt, not_before: now };
        }
    };
    match &mut state {
        JobState::Rendering { segments } => segments.iter_mut().for_each(rest),
        JobState::Joining { join: piece, .. } | JobState::Marking { mark: piece, .. } => rest(piece),
        JobState::Ended { .. } => {}
    }
    state
}

/// A piece was given up: the job fails and its charge is given back, in this transaction.
pub(super) fn fail(tx: &mut Transaction, job: Job, abandoned: &Abandoned) -> Result<Job, FarmError> {
    let refund = tx.refund(&job)?;
    let (error, log) = (retry::sentence(abandoned), abandoned.last.log.clone());
    end(tx, job, JobEnd::Failed { error, log, refund: refund.id, refunded: refund.change })
}

/// Its project was deleted: the job fails like any other, and its charge is given back, in this transaction.
pub(super) fn fail_deleted(tx: &mut Transaction, job: Job) -> Result<Job, FarmError> {
    let refund = tx.refund(&job)?;
    let error = "The project of this job was deleted while the job was under way".to_owned();
    end(tx, job, JobEnd::Failed { error, log: vec![], refund: refund.id, refunded: refund.change })
}

/// What was made becomes files of the project, master and marked copy alike, and the job is done.
pub(super) fn finish(tx: &mut Transaction, rules: &FarmRules, job: Job, made: Outputs) -> Result<Job, FarmError> {
    let Outputs { master: Master { size_bytes, sha256, facts }, marked } = made;
    let (key, marked_key) = (job.output_key(), job.marked_key());
    let joined = put_output(tx, rules, &job, &key, size_bytes, sha256);
    let end_state = match marked {
        None => JobEnd::Done { output: joined, output_key: key, facts, master: None },
        Some(Marked { size_bytes, sha256 }) => {
            let output = put_output(tx, rules, &job, &marked_key, size_bytes, sha256);
            JobEnd::Done { output, output_key: marked_key, facts, master: Some(joined) }
        }
    };
    end(tx, job, end_state)
}

fn put_output(
    tx: &mut Transaction,
    rules: &FarmRules,
    job: &Job,
    key: &ObjectKey,
    size_bytes: u64,
    sha256: String,
) -> FileId {
    let id = FileId(tx.fresh_id());
    let file = MediaFile {
        id,
        account: job.account,
        project: job.project,
        kind: FileKind::Output { job: job.id },
        key: key.clone(),
        filename: key.as_str().rsplit('/').next().unwrap_or_default().to_owned(),
        content_type: "video/mp4".into(),
        tier: job.tier,
        created_at: tx.now,
        expires_at: rules.keep.end(key, tx.now),
        pinned_end: None,
        state: FileState::Stored { size_bytes, sha256, facts: None, pinned: false },
    };
    tx.put(Write::PutFile(file));
    id
}

fn end(tx: &mut Transaction, mut job: Job, end: JobEnd) -> Result<Job, FarmError> {
    tx.tell(story::ended(&job, &end, tx.now));
    job.state = JobState::Ended { at: tx.now, end };
    if !job.is_open() {
        tx.effects.push(Effect::DeleteWork(job.id));
    }
    tx.put_job(job)
}

/// Forgets first answers past their time, so that their number follows the jobs of one day.
pub(super) fn forget_answers(tx: &mut Transaction, rules: &FarmRules) -> Result<u64, FarmError> {
    let due = tx.answers_before(tx.now.minus(rules.idempotency_for))?;
    let count = due.len() as u64;
    for FirstAnswer { account, route, key, .. } in due {
        tx.put(Write::ForgetAnswer { account, route, key });
    }
    Ok(count)
}
