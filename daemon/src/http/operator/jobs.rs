//! Jobs as the operator handles them: the queue and what has been, one job with its pieces, cancelled.

use super::{
    asked::{Asked, Limit},
    job_id,
};
use crate::{
    farm::{Farm, FarmError, JobView},
    http::{HttpState, error::Failure},
    model::{Account, FileState, Job, JobEnd, JobPlace, JobState, Part, Segment, SegmentState, Spot},
    schedule::outlook::Outlook,
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use std::collections::HashMap;
use tweenfarm_protocol::{
    AccountId, AgentId, Timestamp, Xeconds,
    operator::{JobDetail, JobRow, LogRow, OutputRow, Page, PieceCounts, PieceRow, PieceState, SourceRow},
};

/// Jobs looked at for one page, at most: what a filter of many costs is bounded, and the next page goes on.
const LOOKED_AT_MAX: usize = 5000;

/// In the query of the list; `q` is part of an id, an address or a file's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsAsked {
    #[serde(default)]
    limit: Limit,
    after: Option<Place>,
    state: Option<Wanted>,
    account: Option<AccountId>,
    q: Option<String>,
}

/// Where a page begins: behind this job.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Place(JobPlace);

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Place, &'static str> {
        let read = || {
            let (at, id) = text.split_once('_')?;
            Some(Place(JobPlace { created_at: Timestamp(at.parse().ok()?), id: id.parse().ok()? }))
        };
        read().ok_or("after must be the `next` of the page before")
    }
}

fn written(place: JobPlace) -> String {
    format!("{}_{}", place.created_at.0, place.id)
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Open,
    Ended,
    Rendering,
    Joining,
    Marking,
    Done,
    Failed,
    Cancelled,
}

impl Wanted {
    fn fits(self, state: &JobState) -> bool {
        match state {
            JobState::Rendering { .. } => matches!(self, Wanted::Open | Wanted::Rendering),
            JobState::Joining { .. } => matches!(self, Wanted::Open | Wanted::Joining),
            JobState::Marking { .. } => matches!(self, Wanted::Open | Wanted::Marking),
            JobState::Ended { end: JobEnd::Done { .. }, .. } => matches!(self, Wanted::Ended | Wanted::Done),
            JobState::Ended { end: JobEnd::Failed { .. }, .. } => matches!(self, Wanted::Ended | Wanted::Failed),
            JobState::Ended { end: JobEnd::Cancelled { .. }, .. } => matches!(self, Wanted::Ended | Wanted::Cancelled),
        }
    }

    /// Jobs that have not ended are in memory: nobody looks through the ended ones for them.
    fn is_of_open(self) -> bool {
        matches!(self, Wanted::Open | Wanted::Rendering | Wanted::Joining | Wanted::Marking)
    }
}

/// On a thread that may wait for the disk.
pub async fn list(
    State(state): State<HttpState>,
    Asked(asked): Asked<JobsAsked>,
) -> Result<Json<Page<JobRow>>, Failure> {
    let page = tokio::task::spawn_blocking(move || page(&state.farm, &asked)).await;
    Ok(Json(page.map_err(|_| Failure::Internal("the list broke off; it has been logged"))??))
}

fn page(farm: &Farm, asked: &JobsAsked) -> Result<Page<JobRow>, FarmError> {
    let (limit, text) = (asked.limit.0, asked.q.as_ref().map(|text| text.to_lowercase()));
    let mut rows = Rows::new(farm);
    let (mut found, mut after, mut looked_at) = (Vec::new(), asked.after.map(|place| place.0), 0);
    while looked_at < LOOKED_AT_MAX {
        let jobs = match (asked.account, asked.state) {
            (_, Some(wanted)) if wanted.is_of_open() => farm.jobs_open(limit, after),
            (Some(account), _) => farm.jobs_of(account, limit, after)?,
            (None, _) => farm.jobs_recent(limit, after)?,
        };
        let all = jobs.len() < limit;
        for job in jobs {
            (after, looked_at) = (Some(job.place()), looked_at + 1);
            if asked.state.is_some_and(|wanted| !wanted.fits(&job.state))
                || asked.account.is_some_and(|account| job.account != account)
            {
                continue;
            }
            let row = rows.row(&job)?;
            let says = |text: &String| {
                [row.job.to_string(), row.email.to_lowercase(), row.filename.to_lowercase()]
                    .iter()
                    .any(|field| field.contains(text))
            };
            if text.as_ref().is_none_or(says) {
                found.push(row);
            }
            if found.len() == limit {
                return Ok(Page { rows: found, next: after.map(written) });
            }
        }
        if all {
            return Ok(Page { rows: found, next: None });
        }
    }
    Ok(Page { rows: found, next: after.map(written) })
}

pub async fn one(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobDetail>, Failure> {
    let JobView { job, .. } = state.farm.job(job_id(&job)?)?.ok_or(FarmError::NotFound { what: "job" })?;
    let row = Rows::new(&state.farm).row(&job)?;
    let names = names(&state.farm)?;
    let video = &job.source.video;
    Ok(Json(JobDetail {
        row,
        project: job.project,
        tier: job.tier.as_str().to_owned(),
        watermarked: job.watermarked,
        encoder: job.encoder.to_string(),
        source: SourceRow {
            container: job.source.container.clone(),
            codec: video.codec.clone(),
            width_px: video.width_px,
            height_px: video.height_px,
            rate: video.average_rate.to_string(),
            duration: video.duration.to_string(),
            frame_count: video.frame_count,
            size_bytes: job.source.size_bytes,
            audio: job
                .source
                .audio
                .iter()
                .map(|track| format!("{} {} × {} Hz", track.codec, track.channels, track.sample_rate_hz))
                .collect(),
        },
        pieces_in_work: pieces(&job, &names),
        output: output(&state.farm, &job)?,
        has_webhook: state.farm.webhook(job.id)?.is_some(),
    }))
}

/// The job's story, oldest first.
pub async fn log(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<Vec<LogRow>>, Failure> {
    let id = job_id(&job)?;
    let story = state.farm.story(id)?;
    if story.is_empty() {
        // Of a job from before there were stories.
        state.farm.job(id)?.ok_or(FarmError::NotFound { what: "job" })?;
    }
    let names = names(&state.farm)?;
    let rows = story.into_iter().map(|line| LogRow {
        at: line.at.to_iso_millis(),
        level: line.level,
        source: match line.agent.filter(|_| line.by_worker) {
            Some(agent) => names.get(&agent).cloned().unwrap_or_else(|| agent.to_string()),
            None => "daemon".to_owned(),
        },
        text: line.text,
        agent: line.agent,
        worker: line.worker,
        piece: line.part.map(|part| part.to_string()),
        lease: line.lease,
    });
    Ok(Json(rows.collect()))
}

pub async fn cancel(State(state): State<HttpState>, Path(job): Path<String>) -> Result<Json<JobRow>, Failure> {
    let id = job_id(&job)?;
    state.farm.cancel(id).await?;
    let view = state.farm.job(id)?.ok_or(FarmError::NotFound { what: "job" })?;
    Ok(Json(Rows::new(&state.farm).row(&view.job)?))
}

/// Makes rows, looking what they share up once.
struct Rows<'a> {
    farm: &'a Farm,
    outlook: std::sync::Arc<Outlook>,
    emails: HashMap<AccountId, String>,
}

impl<'a> Rows<'a> {
    fn new(farm: &'a Farm) -> Rows<'a> {
        Rows { farm, outlook: farm.outlook(), emails: HashMap::new() }
    }

    fn email(&mut self, account: AccountId) -> Result<String, FarmError> {
        if let Some(known) = self.emails.get(&account) {
            return Ok(known.clone());
        }
        let email = self.farm.account(account)?.map_or_else(String::new, |Account { email, .. }| email);
        self.emails.insert(account, email.clone());
        Ok(email)
    }

    fn row(&mut self, job: &Job) -> Result<JobRow, FarmError> {
        let (state, at, refunded, error) = match &job.state {
            JobState::Rendering { .. } => ("rendering", None, Xeconds::ZERO, None),
            JobState::Joining { .. } => ("joining", None, Xeconds::ZERO, None),
            JobState::Marking { .. } => ("marking", None, Xeconds::ZERO, None),
            JobState::Ended { at, end } => match end {
                JobEnd::Done { .. } => ("done", Some(at), Xeconds::ZERO, None),
                JobEnd::Failed { error, refunded, .. } => ("failed", Some(at), *refunded, Some(error.clone())),
                JobEnd::Cancelled { refunded, .. } => ("cancelled", Some(at), *refunded, None),
            },
        };
        Ok(JobRow {
            job: job.id,
            account: job.account,
            email: self.email(job.account)?,
            filename: self.farm.file(job.input)?.map_or_else(String::new, |file| file.filename),
            state: state.to_owned(),
            progress_percent: job.progress_percent,
            target_fps: job.target_fps,
            settings: format!("{} {}", job.engine, job.format),
            slot_count: job.slot_count,
            pieces: counts(job),
            share_percent: self.outlook.share_percent(job.id),
            eta_seconds: self.outlook.eta(job.id).map(|eta| eta.as_secs()),
            priority: job.priority.get(),
            paused_at: job.paused_at.map(|at| at.to_iso_seconds()),
            xeconds_charged: job.charged,
            xeconds_refunded: refunded,
            created_at: job.created_at.to_iso_seconds(),
            completed_at: at.map(|at| at.to_iso_seconds()),
            error,
        })
    }
}

fn counts(job: &Job) -> PieceCounts {
    let mut counts = PieceCounts::default();
    for (_, piece) in job.state.pieces() {
        match piece.state {
            SegmentState::Ready { .. } => counts.waiting += 1,
            SegmentState::Leased { .. } => counts.leased += 1,
            SegmentState::Rendered { .. } => counts.rendered += 1,
            SegmentState::Abandoned(_) => {}
        }
    }
    counts
}

/// What agents are called.
fn names(farm: &Farm) -> Result<HashMap<AgentId, String>, FarmError> {
    let seen = farm.agents().into_iter().map(|view| (view.hello.agent, view.hello.name));
    let joined = farm.joined_agents()?.into_iter().map(|agent| (agent.id, agent.name));
    Ok(seen.chain(joined).collect())
}

fn pieces(job: &Job, names: &HashMap<AgentId, String>) -> Vec<PieceRow> {
    let rendered: &[Segment] = match &job.state {
        JobState::Joining { segments, .. } => segments,
        JobState::Rendering { .. } | JobState::Marking { .. } | JobState::Ended { .. } => &[],
    };
    let rendered = rendered.iter().enumerate().map(|(position, segment)| (Spot::Segment(position), segment));
    rendered.chain(job.state.pieces()).map(|(spot, piece)| row_of_piece(spot, piece, names)).collect()
}

fn row_of_piece(spot: Spot, piece: &Segment, names: &HashMap<AgentId, String>) -> PieceRow {
    let state = match &piece.state {
        SegmentState::Ready { attempt, not_before } => {
            PieceState::Waiting { attempt: *attempt, not_before: (*attempt > 1).then(|| not_before.to_iso_seconds()) }
        }
        SegmentState::Leased { lease, agent, worker, deadline, attempt, progress } => PieceState::Leased {
            attempt: *attempt,
            lease: *lease,
            agent: *agent,
            agent_name: names.get(agent).cloned().unwrap_or_default(),
            worker: *worker,
            frames_done: progress.frames_done,
            frames_total: progress.frames_total,
            deadline: deadline.to_iso_seconds(),
        },
        SegmentState::Rendered { size_bytes, facts, .. } => PieceState::Rendered {
            size_bytes: *size_bytes,
            frames_made: facts.frames_made,
            elapsed_ms: facts.elapsed_ms,
            device: facts.device.clone(),
            engine: facts.engine.clone(),
        },
        SegmentState::Abandoned(abandoned) => {
            PieceState::Abandoned { attempts: abandoned.attempts, failure: abandoned.last.message.clone() }
        }
    };
    PieceRow { piece: Part::of(spot, piece).to_string(), slots: piece.slots, state }
}

fn output(farm: &Farm, job: &Job) -> Result<Option<OutputRow>, FarmError> {
    let JobState::Ended { end: JobEnd::Done { output, facts, .. }, .. } = &job.state else { return Ok(None) };
    let Some(file) = farm.file(*output)? else { return Ok(None) };
    let size_bytes = match file.state {
        FileState::Stored { size_bytes, .. } => Some(size_bytes),
        FileState::Awaited | FileState::Deleted { .. } => None,
    };
    Ok(Some(OutputRow {
        key: file.key.to_string(),
        size_bytes,
        width_px: facts.width_px,
        height_px: facts.height_px,
        frames: facts.frames,
        frames_made: facts.frames_made,
        elapsed_ms: facts.elapsed_ms,
        device: facts.device.clone(),
        engine: facts.engine.clone(),
        expires_at: file.expires_at.to_iso_seconds(),
    }))
}
