//! What a media file holds: the limited probe, its facts, and the exact timeline of source frames and slots.
//!
//! Used by the daemon (to price and plan a job) and by the agent (to render it), so that both count alike.
//! Looks at files through `ffprobe`, and at one frame of them through `ffmpeg`, in child processes with limits; never
//! decodes pixels itself.

mod boxes;
pub mod complaints;
pub mod entry;
pub mod facts;
pub mod limited;
pub mod probe;
mod report;
pub mod still;
pub mod timeline;

pub use entry::Entry;
pub use facts::{AudioFacts, SourceFacts, VideoFacts};
pub use probe::{Clip, Colours, ProbeError, ProbeLimits, probe, probe_clip, probe_with_timeline};
pub use still::{StillError, still};
pub use timeline::{Stamps, Timeline, TimelineError};
