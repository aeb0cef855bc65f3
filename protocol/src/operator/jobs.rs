//! Bodies about jobs: the queue, one job with its pieces, its log.

use crate::{AccountId, AgentId, JobId, LeaseId, ProjectId, SlotRange, Xeconds, operator::Level};
use serde::{Deserialize, Serialize};

/// One row of `GET /operator/jobs`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: JobId,
    pub account: AccountId,
    /// Of the account; empty should it be unknown.
    #[serde(default)]
    pub email: String,
    /// Of the clip, as it was uploaded.
    #[serde(default)]
    pub filename: String,
    /// rendering, joining, marking, done, failed or cancelled
    pub state: String,
    /// 0..=100
    pub progress_percent: u8,
    pub target_fps: u32,
    /// How frames are made and what the output is like: `quality=balanced … codec=h264 depth=8`.
    pub settings: String,
    /// Frames of the output.
    #[serde(default)]
    pub slot_count: u64,
    #[serde(default)]
    pub pieces: PieceCounts,
    /// Of the work being done now, over all jobs: 0..=100.
    #[serde(default)]
    pub share_percent: u8,
    /// Seconds until it is done, guessed from the speed of the workers that are here and from what is before it.
    #[serde(default)]
    pub eta_seconds: Option<u64>,
    /// -100 to 100, among the account's own jobs.
    #[serde(default)]
    pub priority: i32,
    /// Since when nothing new of it is handed out.
    #[serde(default)]
    pub paused_at: Option<String>,
    pub xeconds_charged: Xeconds,
    pub xeconds_refunded: Xeconds,
    pub created_at: String,
    pub completed_at: Option<String>,
    pub error: Option<String>,
}

/// How many pieces of a job under way are where; all 0 once it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceCounts {
    pub waiting: u32,
    pub leased: u32,
    pub rendered: u32,
}

/// Answer of `GET /operator/jobs/{job}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDetail {
    #[serde(flatten)]
    pub row: JobRow,
    pub project: ProjectId,
    pub tier: String,
    pub watermarked: bool,
    pub encoder: String,
    pub source: SourceRow,
    /// In slot order; then, each in its time, the join and the mark. Empty once the job has ended.
    pub pieces_in_work: Vec<PieceRow>,
    /// Of a job that is done.
    pub output: Option<OutputRow>,
    pub has_webhook: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    pub container: String,
    pub codec: String,
    pub width_px: u32,
    pub height_px: u32,
    /// Exact, in frames per second: `30000/1001`.
    pub rate: String,
    /// Exact, in seconds.
    pub duration: String,
    pub frame_count: u64,
    pub size_bytes: u64,
    /// One for each track: `aac 2 × 48000 Hz`.
    pub audio: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRow {
    pub key: String,
    /// None once its bytes were deleted.
    pub size_bytes: Option<u64>,
    pub width_px: u32,
    pub height_px: u32,
    pub frames: u64,
    pub frames_made: u64,
    /// Of the last piece of the job's work, in milliseconds.
    pub elapsed_ms: u64,
    pub device: String,
    pub engine: String,
    pub expires_at: String,
}

/// One leasable piece of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRow {
    /// `segment 0..120` (its frames), `join` or `mark`.
    pub piece: String,
    pub slots: SlotRange,
    pub state: PieceState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PieceState {
    Waiting {
        attempt: u32,
        /// After a failure: not before this.
        not_before: Option<String>,
    },
    Leased {
        attempt: u32,
        lease: LeaseId,
        agent: AgentId,
        agent_name: String,
        worker: u32,
        frames_done: u64,
        frames_total: u64,
        /// When the lease ends unless it is renewed.
        deadline: String,
    },
    Rendered {
        size_bytes: u64,
        frames_made: u64,
        elapsed_ms: u64,
        device: String,
        engine: String,
    },
    Abandoned {
        attempts: u32,
        failure: String,
    },
}

/// One line of `GET /operator/jobs/{job}/log`, oldest first: the job's story from submit to delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    pub at: String,
    pub level: Level,
    /// `daemon`, or the name of the agent whose line it is.
    pub source: String,
    pub text: String,
    pub agent: Option<AgentId>,
    pub worker: Option<u32>,
    /// As in `PieceRow`.
    pub piece: Option<String>,
    pub lease: Option<LeaseId>,
}
