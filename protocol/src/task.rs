//! Tasks: what a lease hands to a worker, and what a worker says of it.

use crate::{JobId, LeaseId, Rational, SlotRange};
use serde::{Deserialize, Serialize};

/// One leased task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub lease: LeaseId,
    pub job: JobId,
    /// The lease ends this long after it was handed out or last renewed.
    pub lease_ms: u64,
    pub work: Work,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Render one segment of a job to a video-only MP4.
    Render(RenderWork),
    /// Put a job's segments and its source's sound together and prove the result.
    Join(JoinWork),
}

/// Bytes to fetch: a presigned GET URL and what must arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    pub url: String,
    pub size_bytes: u64,
    /// SHA-256 of the bytes, lowercase hex; also the key of the agent's cache.
    pub sha256: String,
}

/// Where to put a result: a presigned PUT URL and the content type it was signed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    pub url: String,
    pub content_type: String,
}

/// What every segment and the join of one job agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPlan {
    /// Exact output rate in frames per second.
    pub target_rate: Rational,
    /// Slots of the whole output: round(duration × target rate), fixed before work starts.
    pub slot_count: u64,
    pub encode: EncodeSettings,
}

/// How frames are encoded; one value for all segments of a job, so that they join without re-encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncodeSettings {
    /// H.264 at constant quality: x264's CRF, 0..=51, lower is better.
    Quality { crf: u8 },
    /// H.264 without loss (x264 qp 0), for measuring.
    Lossless,
}

impl Default for EncodeSettings {
    /// CRF 16 is visually lossless on the development clips; the farm's users pay for motion, not for bitrate.
    fn default() -> Self {
        EncodeSettings::Quality { crf: 16 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenderWork {
    pub source: Fetch,
    pub plan: OutputPlan,
    pub slots: SlotRange,
    pub deliver: Deliver,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinWork {
    pub source: Fetch,
    pub plan: OutputPlan,
    /// In slot order, without gap or overlap, covering `[0, slot_count)`.
    pub segments: Vec<RenderedSegment>,
    pub deliver: Deliver,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedSegment {
    pub slots: SlotRange,
    pub fetch: Fetch,
}

/// How far a task is; frames are the only measure of being alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub frames_done: u64,
    pub frames_total: u64,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    Done(Delivered),
    Failed(Failure),
}

/// What was delivered, as its maker measured it; the daemon compares it with what arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    pub size_bytes: u64,
    /// SHA-256 of the delivered bytes, lowercase hex.
    pub sha256: String,
    pub facts: RenderFacts,
}

/// Facts of a finished render or join.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenderFacts {
    /// Frames in the output, counted.
    pub frames: u64,
    /// Frames among them that the engine made (the rest are source frames).
    pub frames_made: u64,
    pub width_px: u32,
    pub height_px: u32,
    /// Wall time of the work in milliseconds.
    pub elapsed_ms: u64,
    /// Time in milliseconds that decoder, engine and encoder were each busy.
    pub decode_ms: u64,
    pub interpolate_ms: u64,
    pub encode_ms: u64,
    /// Name of the Vulkan device; empty for a join.
    pub device: String,
    /// Engine and version, such as `flow 1`; empty for a join.
    pub engine: String,
    /// Encoder element, such as `x264enc`; empty for a join.
    pub encoder: String,
}

/// Why a task failed. The class decides what happens next, the message is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: FailureClass,
    /// One sentence: what is wrong, where, what to do. No paths of the agent's machine.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// The clip itself: no other worker will do better, the job fails at once.
    Input,
    /// Disk, memory, network: another attempt elsewhere or later may do.
    Resource,
    /// This worker or its device: it crashed, hung or lost its GPU.
    Worker,
    /// A broken promise of our own code.
    Internal,
}
