//! What agent and worker say to each other: one JSON object per line, orders on the worker's standard input,
//! events on its standard output. The worker's log goes to its standard error.
//!
//! The end of its standard input means that the agent is gone: the worker stops at once, in the middle of an order too.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tweenfarm_protocol::{
    SlotRange,
    service::Inventory,
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
    /// Put the visible mark on every frame of a joined file; its sound is copied.
    Mark { source: PathBuf, plan: OutputPlan, output: PathBuf },
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
    Ready {
        device_uuid: String,
        device_name: String,
        engine: String,
        encoders: Vec<String>,
        /// What the worker does not say is not known.
        #[serde(default)]
        inventory: Inventory,
    },
    Progress(Progress),
    Done {
        facts: RenderFacts,
    },
    Failed(Failure),
}

/// One Vulkan device: `tweenfarm-worker devices` prints an array of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Vulkan device UUID, 32 lowercase hex digits.
    #[serde(alias = "device_uuid")]
    pub uuid: String,
    #[serde(alias = "device_name")]
    pub name: String,
    pub kind: DeviceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    Discrete,
    Integrated,
    Virtual,
    /// A renderer in software, such as lavapipe.
    Cpu,
    #[serde(other)]
    Other,
}

/// One line of `tweenfarm-worker doctor`, which prints an array of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorItem {
    /// What was looked at, such as `encoder x264enc`.
    pub item: String,
    pub ok: bool,
    pub detail: String,
    /// What a person can do about it; absent when it is in order.
    pub remedy: Option<String>,
}
