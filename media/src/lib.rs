//! What a media file holds: the limited probe, its facts, and the exact timeline of source frames and slots.
//!
//! Used by the daemon (to price and plan a job) and by the agent (to render it), so that both count alike.
//! Looks at files through `ffprobe` in a child process with limits; never decodes pixels itself.

pub mod facts;
pub mod probe;

pub use facts::{AudioFacts, SourceFacts, VideoFacts};
pub use probe::{ProbeError, ProbeLimits, probe};
