//! The probe: one look into a file by `ffprobe`, in a child process with limits on time and memory.

use crate::{
    Entry, SourceFacts, Timeline,
    boxes::{self, Boxes},
    limited::{self, Bounds, Ended},
    report,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::Path,
    time::Duration,
};
use tweenfarm_protocol::Rational;

/// What one probe may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeLimits {
    pub wall: Duration,
    pub cpu_seconds: u64,
    pub memory_bytes: u64,
}

impl ProbeLimits {
    /// For files of any size: a container without an index is read to its end, at 20 MB/s on a slow disk.
    pub fn of_size(size_bytes: u64) -> ProbeLimits {
        let least = ProbeLimits::default();
        let more_seconds = size_bytes.saturating_sub(SIZE_BYTES_OF_DEFAULT) / 20_000_000;
        ProbeLimits {
            wall: least.wall.saturating_add(Duration::from_secs(more_seconds)),
            cpu_seconds: least.cpu_seconds.saturating_add(more_seconds),
            ..least
        }
    }
}

/// The largest file that the default limits are made for.
const SIZE_BYTES_OF_DEFAULT: u64 = 250 << 20;

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

/// Demuxers of formats that carry their pictures themselves. Playlists and scripts, which name other files and
/// hosts, are not among them.
pub(crate) const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,dv,ivf,\
    h264,hevc,m4v,obu,yuv4mpegpipe,gif,apng,wtv,rm,vc1,swf,mp3,flac,wav,aac,ac3,eac3,aiff,au,caf,w64,amr,\
    image2,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe";

/// What is shown of each packet; everything of streams and of the container.
const ENTRIES: &str =
    "packet=stream_index,pts,duration,flags,pos,size:stream:stream_tags:stream_disposition:stream_side_data:format";

/// About 190 bytes of report per packet: a two-minute clip at 240 fps with sound has 7 MB.
const REPORT_BYTES_MAX: u64 = 256 << 20;

/// Looks into the file at `path`. Blocks; call it off the async runtime.
pub fn probe(path: &Path, limits: &ProbeLimits) -> Result<SourceFacts, ProbeError> {
    probe_with_timeline(path, limits).map(|(facts, _)| facts)
}

/// Looks into the file at `path` and keeps the exact time of every frame. Blocks like [`probe`].
pub fn probe_with_timeline(path: &Path, limits: &ProbeLimits) -> Result<(SourceFacts, Timeline), ProbeError> {
    probe_clip(path, limits).map(|clip| (clip.facts, clip.timeline))
}

/// A file with all that rendering it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    pub facts: SourceFacts,
    pub timeline: Timeline,
    /// Where decoding can begin, besides at the start.
    pub entries: Vec<Entry>,
    /// Time of the first shown frame on the container's own clock, in seconds.
    pub first_frame: Rational,
    /// True when pixel codes use all of 0..=255 rather than the video range.
    pub full_range: bool,
    pub colours: Colours,
}

/// What a file says of its colours, in ffprobe's names such as `bt709`; empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colours {
    pub primaries: String,
    pub transfer: String,
    pub matrix: String,
}

/// Looks into the file at `path` for all that rendering it takes. Blocks like [`probe`].
pub fn probe_clip(path: &Path, limits: &ProbeLimits) -> Result<Clip, ProbeError> {
    let mut file = File::open(path).map_err(ProbeError::Tool)?;
    let size_bytes = file.metadata().map_err(ProbeError::Tool)?.len();
    if size_bytes == 0 {
        return Err(ProbeError::Empty);
    }
    // A read error here is one for ffprobe as well, which then names it.
    match boxes::walk(&mut file, size_bytes).unwrap_or(Boxes::Other) {
        Boxes::Other | Boxes::Whole => {}
        Boxes::NoIndex => {
            let cause = "its index is missing, so the recording or the upload was not finished; upload it again";
            return Err(ProbeError::Damaged(cause.to_owned()));
        }
        Boxes::CutOff => {
            return Err(ProbeError::Damaged("its end is missing; upload it again".to_owned()));
        }
    }
    let (json, complaints) = report_of(path, limits)?;
    let read = report::read(&json, size_bytes)?;
    if ["partial file", "File ended prematurely"].iter().any(|cut_off| complaints.contains(cut_off)) {
        return Err(ProbeError::Damaged("its end is missing; upload it again".to_owned()));
    }
    Ok(read)
}

/// The report of `ffprobe` and what it complained of.
fn report_of(path: &Path, limits: &ProbeLimits) -> Result<(Vec<u8>, String), ProbeError> {
    // With its protocol named, no file name is taken for an option or an address.
    let mut url = OsString::from("file:");
    url.push(path);
    let options = ["-v", "error", "-protocol_whitelist", "file", "-format_whitelist", FORMATS];
    // Containers that keep only decoding times (AVI) get their times of showing from them.
    let output = ["-fflags", "+genpts", "-of", "json", "-show_entries", ENTRIES, "-i"];
    let arguments: Vec<&OsStr> = options.iter().chain(&output).map(OsStr::new).chain([url.as_os_str()]).collect();
    let bounds = Bounds {
        wall: limits.wall,
        cpu_seconds: limits.cpu_seconds,
        memory_bytes: limits.memory_bytes,
        output_bytes: REPORT_BYTES_MAX,
    };
    match limited::run("ffprobe", &arguments, &bounds).map_err(ProbeError::Tool)? {
        Ended::Exceeded => Err(ProbeError::TooExpensive),
        Ended::Exited { success: true, stdout, stderr } => Ok((stdout, stderr)),
        Ended::Exited { stderr, .. } => {
            tracing::info!(complaints = %stderr.trim(), "ffprobe refuses the file");
            Err(ProbeError::NotMedia)
        }
    }
}
