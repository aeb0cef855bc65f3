//! Records of jobs and their segments. A segment has a record of its own, so that a renewal writes one small record
//! and not the whole of a long job.

use super::{
    RecordError,
    account::TierV1,
    facts::{EncodeV1, EncoderV2, EngineV2, FailureV1, FormatV4, RenderV1, SourceV1},
};
use crate::model::{Abandoned, FailedAttempt, Job, JobEnd, JobState, Kept, Master, Priority, Segment, SegmentState};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, LeaseId, ProjectId, SlotRange, Timestamp, Xeconds,
    output::OutputFormat,
    task::{EncoderClass, EngineSettings, Failure, Progress, RenderFacts},
};

#[derive(Serialize, Deserialize)]
pub enum JobRecord {
    V1(JobV1),
    V2(JobV2),
    V3(JobV3),
    V4(JobV4),
    V5(JobV5),
    V6(JobV6),
}

/// Version 5, and what the schedule knows of it.
#[derive(Serialize, Deserialize)]
pub struct JobV6 {
    job: JobV5,
    priority: i32,
    paused_at: Option<Timestamp>,
    engine_version: String,
    /// Of its join or its mark; those of segments are with them.
    failures: Vec<AttemptV3>,
    /// Of a job that failed; else empty.
    log: Vec<String>,
    /// `job` is then what was kept of it.
    cancelled: Option<CancelledV6>,
}

#[derive(Clone, Serialize, Deserialize)]
struct CancelledV6 {
    at: Timestamp,
    refund: EntryId,
    refunded: Xeconds,
    until: Timestamp,
}

/// Version 4, and whether no frame is made.
#[derive(Serialize, Deserialize)]
pub struct JobV5 {
    job: JobV4,
    nearest: bool,
}

/// Version 3, and what the output is like.
#[derive(Serialize, Deserialize)]
pub struct JobV4 {
    job: JobV3,
    format: FormatV4,
}

/// Version 2, and what is marked.
#[derive(Serialize, Deserialize)]
pub struct JobV3 {
    job: JobV1<JobStateV3>,
    encoder: EncoderV2,
    engine: EngineV2,
    /// Of the facts of a job that is done or being marked; else empty.
    settings_hash: String,
    watermarked: bool,
}

/// Version 1, and how the job's frames are made.
#[derive(Serialize, Deserialize)]
pub struct JobV2 {
    job: JobV1,
    encoder: EncoderV2,
    engine: EngineV2,
    /// Of the facts of a job that is done; else empty.
    settings_hash: String,
}

#[derive(Serialize, Deserialize)]
pub struct JobV1<State = JobStateV1> {
    id: JobId,
    account: AccountId,
    project: ProjectId,
    input: FileId,
    input_key: String,
    source: SourceV1,
    target_fps: u32,
    slot_count: u64,
    encode: EncodeV1,
    tier: TierV1,
    charge: EntryId,
    charged: Xeconds,
    created_at: Timestamp,
    progress_percent: u8,
    segment_count: u64,
    state: State,
}

#[derive(Serialize, Deserialize)]
pub enum JobStateV1 {
    Rendering,
    Joining { join: SegmentV1 },
    Done { at: Timestamp, output: FileId, output_key: String, facts: RenderV1 },
    Failed { at: Timestamp, error: String, refund: EntryId, refunded: Xeconds },
    Cancelled { at: Timestamp, refund: EntryId, refunded: Xeconds },
}

#[derive(Serialize, Deserialize)]
enum JobStateV3 {
    Rendering,
    Joining { join: SegmentV1 },
    Marking { size_bytes: u64, sha256: String, facts: RenderV1, mark: SegmentV1 },
    Done { at: Timestamp, output: FileId, output_key: String, facts: RenderV1, master: Option<FileId> },
    Failed { at: Timestamp, error: String, refund: EntryId, refunded: Xeconds },
    Cancelled { at: Timestamp, refund: EntryId, refunded: Xeconds },
}

/// Earlier releases marked nothing.
impl From<JobStateV1> for JobStateV3 {
    fn from(state: JobStateV1) -> JobStateV3 {
        match state {
            JobStateV1::Rendering => JobStateV3::Rendering,
            JobStateV1::Joining { join } => JobStateV3::Joining { join },
            JobStateV1::Done { at, output, output_key, facts } => {
                JobStateV3::Done { at, output, output_key, facts, master: None }
            }
            JobStateV1::Failed { at, error, refund, refunded } => JobStateV3::Failed { at, error, refund, refunded },
            JobStateV1::Cancelled { at, refund, refunded } => JobStateV3::Cancelled { at, refund, refunded },
        }
    }
}

impl From<JobV1> for JobV1<JobStateV3> {
    fn from(job: JobV1) -> JobV1<JobStateV3> {
        JobV1 {
            id: job.id,
            account: job.account,
            project: job.project,
            input: job.input,
            input_key: job.input_key,
            source: job.source,
            target_fps: job.target_fps,
            slot_count: job.slot_count,
            encode: job.encode,
            tier: job.tier,
            charge: job.charge,
            charged: job.charged,
            created_at: job.created_at,
            progress_percent: job.progress_percent,
            segment_count: job.segment_count,
            state: job.state.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub enum SegmentRecord {
    V1(SegmentV1),
    V2(SegmentV2),
    V3(SegmentV3),
}

/// Version 2, and the attempts that failed.
#[derive(Serialize, Deserialize)]
pub struct SegmentV3 {
    segment: SegmentV2,
    failures: Vec<AttemptV3>,
}

#[derive(Clone, Serialize, Deserialize)]
struct AttemptV3 {
    agent: AgentId,
    worker: u32,
    at: Timestamp,
    failure: FailureV1,
    log: Vec<String>,
}

impl From<&FailedAttempt> for AttemptV3 {
    fn from(attempt: &FailedAttempt) -> AttemptV3 {
        let FailedAttempt { agent, worker, at, failure } = attempt.clone();
        AttemptV3 { agent, worker, at, log: failure.log.clone(), failure: failure.into() }
    }
}

impl From<AttemptV3> for FailedAttempt {
    fn from(record: AttemptV3) -> FailedAttempt {
        let AttemptV3 { agent, worker, at, failure, log } = record;
        FailedAttempt { agent, worker, at, failure: Failure { log, ..failure.into() } }
    }
}

/// Version 1, and the hash in the facts of a segment that is rendered; else empty.
#[derive(Serialize, Deserialize)]
pub struct SegmentV2 {
    segment: SegmentV1,
    settings_hash: String,
}

#[derive(Serialize, Deserialize)]
pub struct SegmentV1 {
    first: u64,
    end: u64,
    state: SegmentStateV1,
}

#[derive(Serialize, Deserialize)]
enum SegmentStateV1 {
    Ready {
        attempt: u32,
        not_before: Timestamp,
    },
    Leased {
        lease: LeaseId,
        agent: AgentId,
        worker: u32,
        deadline: Timestamp,
        attempt: u32,
        frames_done: u64,
        frames_total: u64,
    },
    Rendered {
        output: String,
        size_bytes: u64,
        sha256: String,
        facts: RenderV1,
    },
    Abandoned {
        attempts: u32,
        last: FailureV1,
    },
}

impl From<&Segment> for SegmentV1 {
    fn from(segment: &Segment) -> SegmentV1 {
        let state = match segment.state.clone() {
            SegmentState::Ready { attempt, not_before } => SegmentStateV1::Ready { attempt, not_before },
            SegmentState::Leased { lease, agent, worker, deadline, attempt, progress } => {
                let Progress { frames_done, frames_total } = progress;
                SegmentStateV1::Leased { lease, agent, worker, deadline, attempt, frames_done, frames_total }
            }
            SegmentState::Rendered { output, size_bytes, sha256, facts } => {
                SegmentStateV1::Rendered { output: output.as_str().to_owned(), size_bytes, sha256, facts: facts.into() }
            }
            SegmentState::Abandoned(Abandoned { attempts, last }) => {
                SegmentStateV1::Abandoned { attempts, last: last.into() }
            }
        };
        SegmentV1 { first: segment.slots.first, end: segment.slots.end, state }
    }
}

impl From<&Segment> for SegmentV2 {
    fn from(segment: &Segment) -> SegmentV2 {
        let settings_hash = match &segment.state {
            SegmentState::Rendered { facts, .. } => facts.settings_hash.clone(),
            _ => String::new(),
        };
        SegmentV2 { segment: segment.into(), settings_hash }
    }
}

impl From<&Segment> for SegmentV3 {
    fn from(segment: &Segment) -> SegmentV3 {
        SegmentV3 { segment: segment.into(), failures: attempts(&segment.failures) }
    }
}

fn attempts(failures: &[FailedAttempt]) -> Vec<AttemptV3> {
    failures.iter().map(AttemptV3::from).collect()
}

impl TryFrom<SegmentRecord> for Segment {
    type Error = RecordError;

    fn try_from(record: SegmentRecord) -> Result<Segment, RecordError> {
        match record {
            SegmentRecord::V1(segment) => segment.try_into(),
            SegmentRecord::V3(SegmentV3 { segment, failures }) => {
                Ok(with_failures(SegmentRecord::V2(segment).try_into()?, failures))
            }
            SegmentRecord::V2(SegmentV2 { segment, settings_hash: hash }) => {
                let mut segment = Segment::try_from(segment)?;
                if let SegmentState::Rendered { facts, .. } = &mut segment.state {
                    facts.settings_hash = hash;
                }
                Ok(segment)
            }
        }
    }
}

impl TryFrom<SegmentV1> for Segment {
    type Error = RecordError;

    fn try_from(record: SegmentV1) -> Result<Segment, RecordError> {
        let state = match record.state {
            SegmentStateV1::Ready { attempt, not_before } => SegmentState::Ready { attempt, not_before },
            SegmentStateV1::Leased { lease, agent, worker, deadline, attempt, frames_done, frames_total } => {
                let progress = Progress { frames_done, frames_total };
                SegmentState::Leased { lease, agent, worker, deadline, attempt, progress }
            }
            SegmentStateV1::Rendered { output, size_bytes, sha256, facts } => {
                SegmentState::Rendered { output: output.parse()?, size_bytes, sha256, facts: facts.into() }
            }
            SegmentStateV1::Abandoned { attempts, last } => {
                SegmentState::Abandoned(Abandoned { attempts, last: last.into() })
            }
        };
        if record.end < record.first {
            return Err(format!("a segment from slot {} to {}", record.first, record.end).into());
        }
        Ok(Segment { slots: SlotRange::new(record.first, record.end), state, failures: Vec::new() })
    }
}

/// What was given up ended with the last of its failures.
fn with_failures(mut segment: Segment, failures: Vec<AttemptV3>) -> Segment {
    segment.failures = failures.into_iter().map(FailedAttempt::from).collect();
    if let (SegmentState::Abandoned(abandoned), Some(last)) = (&mut segment.state, segment.failures.last()) {
        abandoned.last.log.clone_from(&last.failure.log);
    }
    segment
}

/// A job as it is written: itself, and its segments in order.
pub(in crate::store) fn split(job: &Job) -> (JobRecord, Vec<SegmentRecord>) {
    // Of a cancelled job that can be undone, what was kept is written, and beside it that it is cancelled.
    let (written, cancelled) = match &job.state {
        JobState::Ended { at, end: JobEnd::Cancelled { refund, refunded, kept: Some(Kept { state, until }) } } => {
            let cancelled = CancelledV6 { at: *at, refund: *refund, refunded: *refunded, until: *until };
            (state.as_ref(), Some(cancelled))
        }
        state => (state, None),
    };
    let (segments, state): (&[Segment], _) = match written {
        JobState::Rendering { segments } => (segments, JobStateV3::Rendering),
        JobState::Joining { segments, join } => (segments, JobStateV3::Joining { join: join.into() }),
        JobState::Marking { master, mark } => {
            let Master { size_bytes, sha256, facts } = master.as_ref();
            let (sha256, facts) = (sha256.clone(), facts.clone().into());
            (&[], JobStateV3::Marking { size_bytes: *size_bytes, sha256, facts, mark: mark.into() })
        }
        JobState::Ended { at, end } => (&[], ended(*at, end)),
    };
    let (failures, log) = match written {
        JobState::Joining { join: piece, .. } | JobState::Marking { mark: piece, .. } => {
            (attempts(&piece.failures), vec![])
        }
        JobState::Ended { end: JobEnd::Failed { log, .. }, .. } => (vec![], log.clone()),
        JobState::Rendering { .. } | JobState::Ended { .. } => (vec![], vec![]),
    };
    let settings_hash = match written {
        JobState::Marking { master, .. } => master.facts.settings_hash.clone(),
        JobState::Ended { end: JobEnd::Done { facts, .. }, .. } => facts.settings_hash.clone(),
        JobState::Rendering { .. } | JobState::Joining { .. } | JobState::Ended { .. } => String::new(),
    };
    let head = JobV1 {
        id: job.id,
        account: job.account,
        project: job.project,
        input: job.input,
        input_key: job.input_key.as_str().to_owned(),
        source: (&job.source).into(),
        target_fps: job.target_fps,
        slot_count: job.slot_count,
        encode: job.encode.into(),
        tier: job.tier.into(),
        charge: job.charge,
        charged: job.charged,
        created_at: job.created_at,
        progress_percent: job.progress_percent,
        segment_count: segments.len() as u64,
        state,
    };
    let (encoder, engine) = (job.encoder.into(), job.engine.into());
    let watermarked = job.watermarked;
    let job_v3 = JobV3 { job: head, encoder, engine, settings_hash, watermarked };
    let job_v4 = JobV4 { job: job_v3, format: job.format.into() };
    let head = JobRecord::V6(JobV6 {
        job: JobV5 { job: job_v4, nearest: job.engine.nearest },
        priority: job.priority.get(),
        paused_at: job.paused_at,
        engine_version: job.engine_version.clone(),
        failures,
        log,
        cancelled,
    });
    (head, segments.iter().map(|segment| SegmentRecord::V3(segment.into())).collect())
}

fn ended(at: Timestamp, end: &JobEnd) -> JobStateV3 {
    match end.clone() {
        JobEnd::Done { output, output_key, facts, master } => {
            JobStateV3::Done { at, output, output_key: output_key.as_str().to_owned(), facts: facts.into(), master }
        }
        JobEnd::Failed { error, refund, refunded, log: _ } => JobStateV3::Failed { at, error, refund, refunded },
        JobEnd::Cancelled { refund, refunded, kept: _ } => JobStateV3::Cancelled { at, refund, refunded },
    }
}

impl JobRecord {
    /// How many segment records belong to this job.
    pub(in crate::store) fn segment_count(&self) -> u64 {
        match self {
            JobRecord::V1(record) | JobRecord::V2(JobV2 { job: record, .. }) => record.segment_count,
            JobRecord::V3(JobV3 { job: record, .. })
            | JobRecord::V4(JobV4 { job: JobV3 { job: record, .. }, .. })
            | JobRecord::V5(JobV5 { job: JobV4 { job: JobV3 { job: record, .. }, .. }, .. })
            | JobRecord::V6(JobV6 { job: JobV5 { job: JobV4 { job: JobV3 { job: record, .. }, .. }, .. }, .. }) => {
                record.segment_count
            }
        }
    }
}

/// The job that `split` took apart.
pub(in crate::store) fn unite(head: JobRecord, segments: Vec<SegmentRecord>) -> Result<Job, RecordError> {
    // What earlier versions had no name for is what is the default today.
    let (head, scheduled) = match head {
        JobRecord::V6(JobV6 { job, priority, paused_at, engine_version, failures, log, cancelled }) => {
            (JobRecord::V5(job), Some((priority, paused_at, engine_version, failures, log, cancelled)))
        }
        earlier => (earlier, None),
    };
    let (priority, paused_at, engine_version, failures, log, cancelled) = scheduled.unwrap_or_default();
    let (record, nearest) = match head {
        JobRecord::V5(JobV5 { job, nearest }) => (JobRecord::V4(job), nearest),
        earlier => (earlier, false),
    };
    let (record, format) = match record {
        JobRecord::V4(JobV4 { job, format }) => (JobRecord::V3(job), format.try_into()?),
        earlier => (earlier, OutputFormat::default()),
    };
    let JobV3 { job: record, encoder, engine, settings_hash, watermarked } = match record {
        JobRecord::V6(JobV6 { job: JobV5 { job: JobV4 { job, .. }, .. }, .. })
        | JobRecord::V5(JobV5 { job: JobV4 { job, .. }, .. })
        | JobRecord::V4(JobV4 { job, .. })
        | JobRecord::V3(job) => job,
        JobRecord::V2(JobV2 { job, encoder, engine, settings_hash }) => {
            JobV3 { job: job.into(), encoder, engine, settings_hash, watermarked: false }
        }
        JobRecord::V1(job) => JobV3 {
            job: job.into(),
            encoder: EncoderClass::X264.into(),
            engine: EngineSettings::default().into(),
            settings_hash: String::new(),
            watermarked: false,
        },
    };
    if segments.len() as u64 != record.segment_count {
        return Err(format!("{} segments where {} belong to it", segments.len(), record.segment_count).into());
    }
    let segments = || segments.into_iter().map(Segment::try_from).collect();
    let state = match record.state {
        JobStateV3::Rendering => {
            let segments: Result<_, RecordError> = segments();
            JobState::Rendering { segments: segments? }
        }
        JobStateV3::Joining { join } => {
            let segments: Result<_, RecordError> = segments();
            JobState::Joining { segments: segments?, join: with_failures(join.try_into()?, failures) }
        }
        JobStateV3::Marking { size_bytes, sha256, facts, mark } => {
            let facts = RenderFacts { settings_hash, ..facts.into() };
            let master = Box::new(Master { size_bytes, sha256, facts });
            JobState::Marking { master, mark: with_failures(mark.try_into()?, failures) }
        }
        JobStateV3::Done { at, output, output_key, facts, master } => {
            let facts = RenderFacts { settings_hash, ..facts.into() };
            let end = JobEnd::Done { output, output_key: output_key.parse()?, facts, master };
            JobState::Ended { at, end }
        }
        JobStateV3::Failed { at, error, refund, refunded } => {
            JobState::Ended { at, end: JobEnd::Failed { error, log, refund, refunded } }
        }
        JobStateV3::Cancelled { at, refund, refunded } => {
            JobState::Ended { at, end: JobEnd::Cancelled { refund, refunded, kept: None } }
        }
    };
    let state = match cancelled {
        None => state,
        Some(CancelledV6 { at, refund, refunded, until }) => {
            let kept = Some(Kept { state: Box::new(state), until });
            JobState::Ended { at, end: JobEnd::Cancelled { refund, refunded, kept } }
        }
    };
    Ok(Job {
        id: record.id,
        account: record.account,
        project: record.project,
        input: record.input,
        input_key: record.input_key.parse()?,
        source: record.source.try_into()?,
        target_fps: record.target_fps,
        slot_count: record.slot_count,
        encode: record.encode.into(),
        encoder: encoder.into(),
        engine: EngineSettings { nearest, ..engine.into() },
        format,
        tier: record.tier.into(),
        watermarked,
        charge: record.charge,
        charged: record.charged,
        created_at: record.created_at,
        progress_percent: record.progress_percent,
        priority: Priority::new(priority).ok_or_else(|| format!("a job of priority {priority}"))?,
        paused_at,
        engine_version,
        state,
    })
}
