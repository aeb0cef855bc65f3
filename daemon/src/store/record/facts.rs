//! Facts of sources and renders as they are written: apart from the wire's types, so that either can grow alone.

use super::RecordError;
use serde::{Deserialize, Serialize};
use tweenfarm_media::{AudioFacts, SourceFacts, VideoFacts};
use tweenfarm_protocol::{
    Rational,
    output::{Codec, Depth, OutputFormat, PictureSize},
    task::{EncodeSettings, EncoderClass, EngineSettings, Failure, FailureClass, Quality, RenderFacts},
};

/// A fraction as numerator and denominator; read back only if the denominator is not 0.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct RationalV1(i64, i64);

impl From<Rational> for RationalV1 {
    fn from(value: Rational) -> RationalV1 {
        RationalV1(value.num(), value.den())
    }
}

impl TryFrom<RationalV1> for Rational {
    type Error = RecordError;
    fn try_from(value: RationalV1) -> Result<Rational, RecordError> {
        Ok(Rational::new(value.0, value.1)?)
    }
}

#[derive(Serialize, Deserialize)]
pub struct SourceV1 {
    container: String,
    size_bytes: u64,
    video: VideoV1,
    audio: Vec<AudioV1>,
}

#[derive(Serialize, Deserialize)]
struct VideoV1 {
    codec: String,
    width_px: u32,
    height_px: u32,
    rotation_deg: u16,
    average_rate: RationalV1,
    duration: RationalV1,
    frame_count: u64,
    interlaced: bool,
    pixel_format: String,
}

#[derive(Serialize, Deserialize)]
struct AudioV1 {
    codec: String,
    channels: u32,
    sample_rate_hz: u32,
    start: RationalV1,
    duration: RationalV1,
}

impl From<&SourceFacts> for SourceV1 {
    fn from(facts: &SourceFacts) -> SourceV1 {
        let SourceFacts { container, size_bytes, video, audio } = facts.clone();
        let VideoFacts {
            codec,
            width_px,
            height_px,
            rotation_deg,
            average_rate,
            duration,
            frame_count,
            interlaced,
            pixel_format,
        } = video;
        let video = VideoV1 {
            codec,
            width_px,
            height_px,
            rotation_deg,
            average_rate: average_rate.into(),
            duration: duration.into(),
            frame_count,
            interlaced,
            pixel_format,
        };
        let audio = audio.into_iter().map(|AudioFacts { codec, channels, sample_rate_hz, start, duration }| AudioV1 {
            codec,
            channels,
            sample_rate_hz,
            start: start.into(),
            duration: duration.into(),
        });
        SourceV1 { container, size_bytes, video, audio: audio.collect() }
    }
}

impl TryFrom<SourceV1> for SourceFacts {
    type Error = RecordError;

    fn try_from(record: SourceV1) -> Result<SourceFacts, RecordError> {
        let SourceV1 { container, size_bytes, video, audio } = record;
        let video = VideoFacts {
            codec: video.codec,
            width_px: video.width_px,
            height_px: video.height_px,
            rotation_deg: video.rotation_deg,
            average_rate: video.average_rate.try_into()?,
            duration: video.duration.try_into()?,
            frame_count: video.frame_count,
            interlaced: video.interlaced,
            pixel_format: video.pixel_format,
        };
        let track = |track: AudioV1| -> Result<AudioFacts, RecordError> {
            Ok(AudioFacts {
                codec: track.codec,
                channels: track.channels,
                sample_rate_hz: track.sample_rate_hz,
                start: track.start.try_into()?,
                duration: track.duration.try_into()?,
            })
        };
        Ok(SourceFacts { container, size_bytes, video, audio: audio.into_iter().map(track).collect::<Result<_, _>>()? })
    }
}

#[derive(Serialize, Deserialize)]
pub struct RenderV1 {
    frames: u64,
    frames_made: u64,
    width_px: u32,
    height_px: u32,
    elapsed_ms: u64,
    decode_ms: u64,
    interpolate_ms: u64,
    encode_ms: u64,
    device: String,
    engine: String,
    encoder: String,
}

impl From<RenderFacts> for RenderV1 {
    fn from(facts: RenderFacts) -> RenderV1 {
        let RenderFacts {
            frames,
            frames_made,
            width_px,
            height_px,
            elapsed_ms,
            decode_ms,
            interpolate_ms,
            encode_ms,
            device,
            engine,
            // With the record around it, since version 2.
            settings_hash: _,
            // What it says is of use when it is told.
            start_ms: _,
            encoder,
        } = facts;
        RenderV1 {
            frames,
            frames_made,
            width_px,
            height_px,
            elapsed_ms,
            decode_ms,
            interpolate_ms,
            encode_ms,
            device,
            engine,
            encoder,
        }
    }
}

impl From<RenderV1> for RenderFacts {
    fn from(record: RenderV1) -> RenderFacts {
        let RenderV1 {
            frames,
            frames_made,
            width_px,
            height_px,
            elapsed_ms,
            decode_ms,
            interpolate_ms,
            encode_ms,
            device,
            engine,
            encoder,
        } = record;
        RenderFacts {
            frames,
            frames_made,
            width_px,
            height_px,
            elapsed_ms,
            decode_ms,
            interpolate_ms,
            encode_ms,
            device,
            engine,
            settings_hash: String::new(),
            start_ms: 0,
            encoder,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub enum EncodeV1 {
    Quality { crf: u8 },
    Lossless,
}

impl From<EncodeSettings> for EncodeV1 {
    fn from(settings: EncodeSettings) -> EncodeV1 {
        match settings {
            EncodeSettings::Quality { crf } => EncodeV1::Quality { crf },
            EncodeSettings::Lossless => EncodeV1::Lossless,
        }
    }
}

impl From<EncodeV1> for EncodeSettings {
    fn from(record: EncodeV1) -> EncodeSettings {
        match record {
            EncodeV1::Quality { crf } => EncodeSettings::Quality { crf },
            EncodeV1::Lossless => EncodeSettings::Lossless,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub enum EncoderV2 {
    X264,
    Nvenc,
    Va,
    Qsv,
    X265,
    SvtAv1,
    Aom,
}

impl From<EncoderClass> for EncoderV2 {
    fn from(class: EncoderClass) -> EncoderV2 {
        match class {
            EncoderClass::X264 => EncoderV2::X264,
            EncoderClass::Nvenc => EncoderV2::Nvenc,
            EncoderClass::Va => EncoderV2::Va,
            EncoderClass::Qsv => EncoderV2::Qsv,
            EncoderClass::X265 => EncoderV2::X265,
            EncoderClass::SvtAv1 => EncoderV2::SvtAv1,
            EncoderClass::Aom => EncoderV2::Aom,
        }
    }
}

impl From<EncoderV2> for EncoderClass {
    fn from(record: EncoderV2) -> EncoderClass {
        match record {
            EncoderV2::X264 => EncoderClass::X264,
            EncoderV2::Nvenc => EncoderClass::Nvenc,
            EncoderV2::Va => EncoderClass::Va,
            EncoderV2::Qsv => EncoderClass::Qsv,
            EncoderV2::X265 => EncoderClass::X265,
            EncoderV2::SvtAv1 => EncoderClass::SvtAv1,
            EncoderV2::Aom => EncoderClass::Aom,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct EngineV2 {
    quality: QualityV2,
    scene_cuts: bool,
    dedupe: bool,
}

#[derive(Serialize, Deserialize)]
enum QualityV2 {
    Fast,
    Balanced,
    High,
}

impl From<EngineSettings> for EngineV2 {
    /// `nearest` has no name here: the record of a job has it.
    fn from(EngineSettings { quality, scene_cuts, dedupe, nearest: _ }: EngineSettings) -> EngineV2 {
        let quality = match quality {
            Quality::Fast => QualityV2::Fast,
            Quality::Balanced => QualityV2::Balanced,
            Quality::High => QualityV2::High,
        };
        EngineV2 { quality, scene_cuts, dedupe }
    }
}

impl From<EngineV2> for EngineSettings {
    fn from(EngineV2 { quality, scene_cuts, dedupe }: EngineV2) -> EngineSettings {
        let quality = match quality {
            QualityV2::Fast => Quality::Fast,
            QualityV2::Balanced => Quality::Balanced,
            QualityV2::High => Quality::High,
        };
        EngineSettings { quality, scene_cuts, dedupe, nearest: false }
    }
}

#[derive(Serialize, Deserialize)]
pub struct FormatV4 {
    size_px: Option<(u32, u32)>,
    codec: CodecV4,
    bits: u8,
}

#[derive(Serialize, Deserialize)]
enum CodecV4 {
    H264,
    Hevc,
    Av1,
}

impl From<OutputFormat> for FormatV4 {
    fn from(OutputFormat { size, codec, depth }: OutputFormat) -> FormatV4 {
        let codec = match codec {
            Codec::H264 => CodecV4::H264,
            Codec::Hevc => CodecV4::Hevc,
            Codec::Av1 => CodecV4::Av1,
        };
        FormatV4 { size_px: size.map(|size| (size.width_px(), size.height_px())), codec, bits: depth.bits() }
    }
}

impl TryFrom<FormatV4> for OutputFormat {
    type Error = RecordError;

    fn try_from(FormatV4 { size_px, codec, bits }: FormatV4) -> Result<OutputFormat, RecordError> {
        let codec = match codec {
            CodecV4::H264 => Codec::H264,
            CodecV4::Hevc => Codec::Hevc,
            CodecV4::Av1 => Codec::Av1,
        };
        let size = size_px.map(|(width_px, height_px)| PictureSize::new(width_px, height_px)).transpose()?;
        Ok(OutputFormat { size, codec, depth: Depth::try_from(bits)? })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct FailureV1 {
    class: FailureClassV1,
    message: String,
}

#[derive(Clone, Serialize, Deserialize)]
enum FailureClassV1 {
    Input,
    Resource,
    Worker,
    Internal,
}

impl From<Failure> for FailureV1 {
    fn from(failure: Failure) -> FailureV1 {
        let class = match failure.class {
            FailureClass::Input => FailureClassV1::Input,
            FailureClass::Resource => FailureClassV1::Resource,
            FailureClass::Worker => FailureClassV1::Worker,
            FailureClass::Internal => FailureClassV1::Internal,
        };
        FailureV1 { class, message: failure.message }
    }
}

impl From<FailureV1> for Failure {
    fn from(record: FailureV1) -> Failure {
        let class = match record.class {
            FailureClassV1::Input => FailureClass::Input,
            FailureClassV1::Resource => FailureClass::Resource,
            FailureClassV1::Worker => FailureClass::Worker,
            FailureClassV1::Internal => FailureClass::Internal,
        };
        Failure::new(class, record.message)
    }
}
