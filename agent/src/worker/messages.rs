//! What agent and worker say to each other: one JSON object per line, orders on the worker's standard input,
//! events on its standard output. The worker's log goes to its standard error.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tweenfarm_protocol::{
    SlotRange,
    task::{Failure, OutputPlan, Progress, RenderFacts},
};

/// One order at a time; the worker answers it with `Progress` events and one `Done` or `Failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Render the slots of one segment to a video-only MP4.
    Render { source: PathBuf, plan: OutputPlan, slots: SlotRange, output: PathBuf },
    /// Join segments and the source's sound to one file; its container follows the extension of `output`.
    Join { source: PathBuf, plan: OutputPlan, segments: Vec<SegmentFile>, output: PathBuf },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentFile {
    pub slots: SlotRange,
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Sent once at start, when device, engine and encoder are known to work.
    Ready { device_uuid: String, device_name: String, engine: String, encoders: Vec<String> },
    Progress(Progress),
    Done { facts: RenderFacts },
    Failed(Failure),
}
