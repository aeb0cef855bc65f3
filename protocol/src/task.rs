//! Tasks: what a lease hands to a worker, and what a worker says of it.

use crate::{
    JobId, LeaseId, Rational, SlotRange,
    output::{Codec, OutputFormat},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

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
    /// Put the visible mark of a trial on a job's joined output.
    Mark(MarkWork),
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

/// A URL to PUT to, with the headers it was signed for: they have to be sent exactly so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presigned {
    pub url: String,
    pub headers: Vec<(String, String)>,
}

/// What every segment and the join of one job agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPlan {
    /// Exact output rate in frames per second.
    pub target_rate: Rational,
    /// Slots of the whole output: round(duration × target rate), fixed before work starts.
    pub slot_count: u64,
    pub encode: EncodeSettings,
    /// The previous release knew x264 alone and does not name it.
    #[serde(default)]
    pub encoder: EncoderClass,
    #[serde(default)]
    pub engine: EngineSettings,
    /// Earlier releases kept the source's size and made 8-bit H.264.
    #[serde(default)]
    pub format: OutputFormat,
}

impl OutputPlan {
    /// All that decides what a slot's frame is; hashes are taken of it.
    pub fn settings(&self) -> String {
        format!("{} {}", self.engine, self.format)
    }
}

/// What slots between two source frames show; one value for all segments of a job, so that nobody sees their borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSettings {
    pub quality: Quality,
    /// A pair across a scene cut shows its own frames instead of a mixture.
    pub scene_cuts: bool,
    /// Drawings shown two or three times each are moved in between; otherwise they are repeated as the source does.
    pub dedupe: bool,
    /// Every slot shows the source frame nearest to it, and no frame is made. Earlier releases made frames always.
    #[serde(default)]
    pub nearest: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings { quality: Quality::Balanced, scene_cuts: true, dedupe: false, nearest: false }
    }
}

impl EngineSettings {
    /// The same, but no frame is made; then there is nothing to move drawings into.
    pub fn with_source_frames_only(self) -> EngineSettings {
        EngineSettings { nearest: true, dedupe: false, ..self }
    }
}

/// The same settings have the same text, whatever the release: hashes are taken of it.
impl fmt::Display for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on| if on { "on" } else { "off" };
        let EngineSettings { quality, scene_cuts, dedupe, nearest } = *self;
        write!(f, "quality={quality} scene-cuts={} dedupe={}", switch(scene_cuts), switch(dedupe))?;
        // Named where it is on: the text of settings that had no name for it stays what it was.
        f.write_str(if nearest { " nearest=on" } else { "" })
    }
}

/// How much work goes into a pair of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    Fast,
    #[default]
    Balanced,
    High,
}

impl Quality {
    pub const ALL: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::High];

    pub const fn name(self) -> &'static str {
        match self {
            Quality::Fast => "fast",
            Quality::Balanced => "balanced",
            Quality::High => "high",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quality {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Quality, UnknownName> {
        let found = Quality::ALL.into_iter().find(|quality| quality.name() == text);
        found.ok_or_else(|| UnknownName { found: text.to_owned(), expected: "fast, balanced or high" })
    }
}

/// Kind of encoder. Segments of one job come from one kind: their stream headers then agree, and they join without
/// re-encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderClass {
    /// H.264 in software; every worker has it.
    #[default]
    X264,
    /// HEVC in software.
    X265,
    /// AV1 in software, SVT's: faster than libaom's, and 10 bits.
    SvtAv1,
    /// AV1 in software, libaom's: 8 bits.
    Aom,
    /// NVIDIA's.
    Nvenc,
    /// AMD's and Intel's by VA-API.
    Va,
    /// Intel's Quick Sync.
    Qsv,
}

impl EncoderClass {
    pub const ALL: [EncoderClass; 7] = [
        EncoderClass::X264,
        EncoderClass::X265,
        EncoderClass::SvtAv1,
        EncoderClass::Aom,
        EncoderClass::Nvenc,
        EncoderClass::Va,
        EncoderClass::Qsv,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            EncoderClass::X264 => "x264",
            EncoderClass::X265 => "x265",
            EncoderClass::SvtAv1 => "svt_av1",
            EncoderClass::Aom => "aom",
            EncoderClass::Nvenc => "nvenc",
            EncoderClass::Va => "va",
            EncoderClass::Qsv => "qsv",
        }
    }

    /// Whether encoders of this kind make this codec at all.
    pub const fn makes(self, codec: Codec) -> bool {
        match self {
            EncoderClass::X264 => matches!(codec, Codec::H264),
            EncoderClass::X265 => matches!(codec, Codec::Hevc),
            EncoderClass::SvtAv1 | EncoderClass::Aom => matches!(codec, Codec::Av1),
            EncoderClass::Nvenc | EncoderClass::Va | EncoderClass::Qsv => true,
        }
    }
}

impl fmt::Display for EncoderClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EncoderClass {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<EncoderClass, UnknownName> {
        let found = EncoderClass::ALL.into_iter().find(|class| class.name() == text);
        found.ok_or_else(|| UnknownName {
            found: text.to_owned(),
            expected: "x264, x265, svt_av1, aom, nvenc, va or qsv",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is none of {expected}")]
pub struct UnknownName {
    pub found: String,
    pub expected: &'static str,
}

/// How frames are encoded; one value for all segments of a job, so that they join without re-encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncodeSettings {
    /// At constant quality: CRF on x264's scale, 0..=51, lower is better.
    Quality { crf: u8 },
    /// H.264 or HEVC without loss, in software, for measuring.
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

/// The same frames with a visible mark; everything besides the pictures is copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkWork {
    /// The joined output without a mark.
    pub source: Fetch,
    pub plan: OutputPlan,
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
    /// Of it, the time until the first frame came out of the engine: opening and looking through the clip, seeking, decoding
    /// what only earlier segments show. 0 for a join and from releases that did not tell.
    #[serde(default)]
    pub start_ms: u64,
    /// Time in milliseconds that decoder, engine and encoder were each busy.
    pub decode_ms: u64,
    pub interpolate_ms: u64,
    pub encode_ms: u64,
    /// Name of the Vulkan device; empty for a join.
    pub device: String,
    /// Engine and version, such as `flow 1`; empty for a join.
    pub engine: String,
    /// Hash of the engine's settings: equal engines and hashes make equal frames. Empty for a join and for releases that
    /// had no settings.
    #[serde(default)]
    pub settings_hash: String,
    /// Encoder element, such as `x264enc`; empty for a join.
    pub encoder: String,
}

impl RenderFacts {
    /// Pixels of output for each second, once there is a first frame; `None` when there is nothing to measure by. The start is
    /// left out: it says nothing of the worker, and a small share of a job would make it look slow and get it a smaller one.
    pub fn pixels_per_second(&self) -> Option<u64> {
        let counted = if self.start_ms == 0 { self.frames } else { self.frames.saturating_sub(1) };
        let pixels = u64::from(self.width_px).saturating_mul(u64::from(self.height_px)).saturating_mul(counted);
        let speed = pixels.saturating_mul(1000).checked_div(self.elapsed_ms.saturating_sub(self.start_ms));
        speed.filter(|speed| *speed > 0)
    }
}

/// Why a task failed. The class decides what happens next, the message is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: FailureClass,
    /// One sentence: what is wrong, where, what to do. No paths of the agent's machine.
    pub message: String,
    /// The last lines of the worker's log, oldest first: for the operator, not for the job's owner. Few and short, without
    /// folders of the agent's machine and without what follows a `?` in a URL. Empty from an agent of protocol 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl Failure {
    pub fn new(class: FailureClass, message: String) -> Failure {
        Failure { class, message, log: Vec::new() }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_as_fast_as_its_frames_however_long_it_took_to_begin() {
        let facts = |frames, elapsed_ms, start_ms| RenderFacts {
            frames,
            elapsed_ms,
            start_ms,
            width_px: 100,
            height_px: 10,
            ..RenderFacts::default()
        };
        assert_eq!(facts(101, 4_500, 500).pixels_per_second(), Some(25_000));
        assert_eq!(facts(101, 34_000, 30_000).pixels_per_second(), Some(25_000));
        assert_eq!(facts(100, 4_000, 0).pixels_per_second(), Some(25_000), "of a release that does not tell");
        for (frames, elapsed_ms, start_ms) in [(0, 9, 0), (1, 500, 400), (5, 400, 400), (5, 0, 0), (5, 1, 7)] {
            assert_eq!(facts(frames, elapsed_ms, start_ms).pixels_per_second(), None, "{frames} {elapsed_ms}");
        }
    }

    #[test]
    fn a_plan_of_the_previous_release_is_read_as_what_that_release_did() {
        let plan = OutputPlan {
            target_rate: Rational::whole(60),
            slot_count: 7,
            encode: EncodeSettings::Lossless,
            encoder: EncoderClass::X264,
            engine: EngineSettings::default(),
            format: OutputFormat::default(),
        };
        let mut older = serde_json::to_value(&plan).unwrap();
        let fields = older.as_object_mut().unwrap();
        assert!(["encoder", "engine", "format"].iter().all(|name| fields.remove(*name).is_some()));
        assert_eq!(serde_json::from_value::<OutputPlan>(older).unwrap(), plan);
        let mut unnamed = serde_json::to_value(&plan).unwrap();
        assert_eq!(unnamed["engine"].as_object_mut().unwrap().remove("nearest"), Some(false.into()));
        assert_eq!(serde_json::from_value::<OutputPlan>(unnamed).unwrap(), plan);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for quality in Quality::ALL {
            assert_eq!(quality.to_string().parse(), Ok(quality));
            assert_eq!(serde_json::to_value(quality).unwrap(), quality.name());
        }
        for class in EncoderClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
        assert_eq!("best".parse::<Quality>().unwrap_err().to_string(), "'best' is none of fast, balanced or high");
    }

    #[test]
    fn settings_have_one_text() {
        let usual = EngineSettings::default();
        assert_eq!(usual.to_string(), "quality=balanced scene-cuts=on dedupe=off");
        let nearest = EngineSettings { dedupe: true, ..usual }.with_source_frames_only();
        assert_eq!(nearest.to_string(), "quality=balanced scene-cuts=on dedupe=off nearest=on");
    }
}
