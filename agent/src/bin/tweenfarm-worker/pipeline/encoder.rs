//! Encoders: which of them work here, found by really encoding, and how each is told the quality.
//!
//! `EncodeSettings::Quality { crf }` on each, on x264's scale; hardware has no constant rate factor, and a constant
//! quantizer of the same number is the nearest it has (a little larger and a little better, since it spends as much on
//! what nobody sees). AV1 counts quantizers from 0 to 63 where the others go to 51:
//!
//! | kind | element | settings |
//! |---|---|---|
//! | x264 | `x264enc` | `pass=qual quantizer=CRF`; without loss `pass=quant quantizer=0` |
//! | x265 | `x265enc` | `crf=CRF`; without loss `lossless=1` |
//! | svt_av1 | `svtav1enc` | `crf=CRF × 63/51` |
//! | aom | `av1enc` | `end-usage=q min-quantizer=max-quantizer=CRF × 63/51` |
//! | nvenc | `nvh264enc`, `nvh265enc`, `nvav1enc` | `rc-mode=constqp qp-const=CRF` |
//! | qsv | `qsvh264enc`, `qsvh265enc`, `qsvav1enc` | `rate-control=cqp qpi=qpp=qpb=CRF` |
//! | va | `vah264enc`, `vah265enc`, `vaav1enc` | `rate-control=cqp qpi=qpp=qpb=CRF` |
//! | va | `vaapih264enc`, `vaapih265enc` | `rate-control=cqp init-qp=CRF` |

use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::time::Duration;
use tweenfarm_agent::worker::encoders;
use tweenfarm_element::shape;
use tweenfarm_protocol::{
    Rational,
    output::{Codec, Depth, OutputFormat},
    task::{EncodeSettings, EncoderClass, Failure},
};

/// The encoder every machine has.
pub const SOFTWARE: &str = "x264enc";

/// A session that takes longer for a few small frames hangs.
const TRIAL: Duration = Duration::from_secs(15);
const TRIAL_FRAMES: i32 = 8;

/// Two seconds between key frames: a player seeks without delay, and the size grows by little.
const KEY_FRAME_SECONDS: i64 = 2;

/// Headers that do not depend on the pictures, so that segments made apart are joined without encoding again.
const X264_OPTIONS: &str = "stitchable=1";
/// The same; groups closed, so that every key frame is one to begin at; and no advertisement in the stream.
const X265_OPTIONS: &str = "open-gop=0:info=0";

/// The encoders that encode on this machine, best first. Takes about a tenth of a second for each that is tried: those
/// for the usual codec, and cards. The other software encoders depend on nothing but being installed.
pub fn working() -> Vec<&'static str> {
    let software = ["x265enc", "svtav1enc", "av1enc"];
    let works = |name: &str| match software.contains(&name) {
        true => gst::ElementFactory::find(name).is_some(),
        false => works(name, Depth::Eight).is_ok(),
    };
    encoders::elements().map(|(_, name)| name).filter(|name| works(name)).collect()
}

/// The element that encodes as the plan says. Another kind would not join with the job's other segments.
pub fn choose(
    working: &[String],
    class: EncoderClass,
    format: OutputFormat,
    settings: EncodeSettings,
) -> Result<&'static str, Failure> {
    let OutputFormat { codec, depth, .. } = format;
    if !encoders::can(class, format, settings) {
        let how = if settings == EncodeSettings::Lossless { " without loss" } else { "" };
        return Err(failure::worker(format!(
            "The encoder {class} cannot make {codec} of {} bits{how}: choose {} or another codec.",
            depth.bits(),
            format.software()
        )));
    }
    let element = encoders::element_of(class, codec, working).ok_or_else(|| {
        failure::worker(format!(
            "The encoder {class} for {codec} does not work on this machine: render elsewhere, or run the doctor to see why."
        ))
    })?;
    // More bits than usual were not tried at the start; a card that has the codec may not have them.
    if depth != Depth::Eight {
        works(element, depth).map_err(|cause| {
            failure::worker(format!(
                "The encoder {element} does not encode {} bits here ({cause}): choose another codec or 8 bits.",
                depth.bits()
            ))
        })?;
    }
    Ok(element)
}

/// The element that cuts a codec's stream into frames for the container.
pub fn parser(element: &str) -> &'static str {
    match encoders::codec_of(element).unwrap_or_default() {
        Codec::H264 => "h264parse",
        Codec::Hevc => "h265parse",
        Codec::Av1 => "av1parse",
    }
}

/// Encodes a few frames; the error says what is missing.
pub fn works(name: &str, depth: Depth) -> Result<(), String> {
    if gst::ElementFactory::find(name).is_none() {
        return Err("not installed, or its hardware is not there".to_owned());
    }
    let wrong = |cause: &dyn std::fmt::Display| cause.to_string();
    let make = |factory: &str| gst::ElementFactory::make(factory).build().map_err(|cause| wrong(&cause));
    let source = make("videotestsrc")?;
    source.set_property("num-buffers", TRIAL_FRAMES);
    let caps = make("capsfilter")?;
    let format = gstreamer_video::VideoCapsBuilder::new()
        .format(shape::format_of(depth))
        .width(640)
        .height(360)
        .framerate(gst::Fraction::new(60, 1))
        .build();
    caps.set_property("caps", format);
    let encoder = element(name, EncodeSettings::default(), Rational::whole(60)).map_err(|cause| wrong(&cause))?;
    let (convert, parser, sink) = (make("videoconvert")?, make(parser(name))?, make("fakesink")?);
    let pipeline = gst::Pipeline::new();
    let chain = [&source, &caps, &convert, &encoder, &parser, &sink];
    pipeline.add_many(chain).and_then(|()| gst::Element::link_many(chain)).map_err(|cause| wrong(&cause))?;
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    let outcome = match pipeline.set_state(gst::State::Playing) {
        Err(_) => Err("it cannot be started".to_owned()),
        Ok(_) => {
            let wait = gst::ClockTime::try_from(TRIAL).unwrap_or(gst::ClockTime::SECOND);
            match bus.timed_pop_filtered(wait, &[gst::MessageType::Eos, gst::MessageType::Error]) {
                Some(message) => match message.view() {
                    gst::MessageView::Error(error) => Err(error.error().to_string()),
                    _ => Ok(()),
                },
                None => Err(format!("it did not encode {TRIAL_FRAMES} frames in {} s", TRIAL.as_secs())),
            }
        }
    };
    let _ = pipeline.set_state(gst::State::Null);
    outcome
}

/// An encoder element with its settings.
pub fn element(name: &str, settings: EncodeSettings, rate: Rational) -> Result<gst::Element, Failure> {
    let encoder = gst::ElementFactory::make(name)
        .build()
        .map_err(|_| failure::worker(format!("The encoder {name} is not installed: run the doctor.")))?;
    let key_frames = (KEY_FRAME_SECONDS * rate.num() / rate.den()).clamp(1, 1000).to_string();
    let properties: Vec<(&str, String)> = match (name, settings) {
        (SOFTWARE, settings) => {
            let (pass, quantizer) = match settings {
                EncodeSettings::Quality { crf } => ("qual", crf.min(51)),
                EncodeSettings::Lossless => ("quant", 0),
            };
            vec![
                // Two thirds of `medium`'s time for the same size and 0.2 to 0.6 dB less (848x480 and 1280x720 at CRF
                // 16); the processor also decodes, and without a card it interpolates too.
                ("speed-preset", "faster".to_owned()),
                ("pass", pass.to_owned()),
                ("quantizer", quantizer.to_string()),
                // The element would cap a constant quality at its default bit rate.
                ("vbv-buf-capacity", "0".to_owned()),
                ("key-int-max", key_frames),
                ("option-string", X264_OPTIONS.to_owned()),
            ]
        }
        ("x265enc", settings) => {
            let quality = match settings {
                EncodeSettings::Quality { crf } => format!("crf={}", crf.min(51)),
                EncodeSettings::Lossless => "lossless=1".to_owned(),
            };
            vec![
                // Half of `medium`'s time for the same quality and a tenth more bytes (640x360 at CRF 16).
                ("speed-preset", "faster".to_owned()),
                ("key-int-max", key_frames),
                ("option-string", format!("{X265_OPTIONS}:{quality}")),
            ]
        }
        ("svtav1enc", EncodeSettings::Quality { crf }) => vec![
            // SVT's own middle between quality and speed.
            ("preset", "8".to_owned()),
            ("crf", av1_quantizer(crf).to_string()),
            ("intra-period-length", key_frames),
        ],
        ("av1enc", EncodeSettings::Quality { crf }) => vec![
            // The fastest that is meant for files; slower ones are no use on whole films in software.
            ("cpu-used", "6".to_owned()),
            ("end-usage", "q".to_owned()),
            ("min-quantizer", av1_quantizer(crf).to_string()),
            ("max-quantizer", av1_quantizer(crf).to_string()),
            ("keyframe-max-dist", key_frames),
        ],
        (_, EncodeSettings::Lossless) => {
            return Err(failure::internal(format!("{name} was chosen to encode without loss")));
        }
        // Hardware has no constant rate factor; a constant quantizer of the same number is the nearest.
        ("nvh264enc" | "nvh265enc" | "nvav1enc", EncodeSettings::Quality { crf }) => vec![
            ("preset", "hq".to_owned()),
            ("rc-mode", "constqp".to_owned()),
            ("qp-const", crf.to_string()),
            ("gop-size", key_frames),
        ],
        ("vah264enc" | "vah265enc" | "vaav1enc", EncodeSettings::Quality { crf }) => vec![
            ("rate-control", "cqp".to_owned()),
            ("qpi", crf.to_string()),
            ("qpp", crf.to_string()),
            ("qpb", crf.to_string()),
            ("key-int-max", key_frames),
        ],
        ("qsvh264enc" | "qsvh265enc" | "qsvav1enc", EncodeSettings::Quality { crf }) => vec![
            ("rate-control", "cqp".to_owned()),
            ("qpi", crf.to_string()),
            ("qpp", crf.to_string()),
            ("qpb", crf.to_string()),
            ("gop-size", key_frames),
        ],
        (_, EncodeSettings::Quality { crf }) => {
            vec![("rate-control", "cqp".to_owned()), ("init-qp", crf.to_string()), ("keyframe-period", key_frames)]
        }
    };
    for (property, value) in properties {
        // Drivers differ in what they offer; the trial shows whether what is left works.
        if encoder.has_property(property) {
            encoder.set_property_from_str(property, &value);
        } else {
            tracing::warn!(encoder = name, property, "the encoder has no such setting");
        }
    }
    Ok(encoder)
}

/// AV1's quantizers go to 63.
fn av1_quantizer(crf: u8) -> u32 {
    (u32::from(crf.min(51)) * 63 + 25) / 51
}

/// Tells x264 of full-range codes before it starts: its element passes on matrix, primaries and transfer, but not the
/// range, and takes no options later.
pub fn tag_full_range(encoder: &gst::Element) {
    if encoder.factory().is_some_and(|factory| factory.name() == SOFTWARE) {
        encoder.set_property("option-string", format!("{X264_OPTIONS}:fullrange=on"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::task::FailureClass;

    #[test]
    fn the_planned_kind_is_taken_or_refused_in_a_sentence() {
        crate::pipeline::init().unwrap();
        let check = |working: &[&str], class, (codec, depth), settings, expected: Result<&str, &str>| {
            let working: Vec<String> = working.iter().map(|name| (*name).to_owned()).collect();
            match (choose(&working, class, OutputFormat { size: None, codec, depth }, settings), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(failure), Err(expected)) => {
                    assert_eq!(failure.class, FailureClass::Worker);
                    assert!(failure.message.contains(expected), "{failure}");
                }
                (found, _) => panic!("{class} among {working:?}: {found:?}"),
            }
        };
        let (quality, lossless) = (EncodeSettings::default(), EncodeSettings::Lossless);
        let usual = (Codec::H264, Depth::Eight);
        check(&["nvh264enc", "x264enc"], EncoderClass::X264, usual, quality, Ok("x264enc"));
        check(&["nvh264enc", "x264enc"], EncoderClass::Nvenc, usual, quality, Ok("nvh264enc"));
        check(&["x264enc"], EncoderClass::Nvenc, usual, quality, Err("nvenc for h264 does not work on this machine"));
        check(&[], EncoderClass::X264, usual, quality, Err("x264 for h264 does not work"));
        check(&["x264enc"], EncoderClass::X264, usual, lossless, Ok("x264enc"));
        check(&["vah264enc"], EncoderClass::Va, usual, lossless, Err("8 bits without loss"));
        let ten = (Codec::Hevc, Depth::Ten);
        check(&["x264enc"], EncoderClass::X265, ten, quality, Err("x265 for hevc does not work on this machine"));
        check(&["x264enc"], EncoderClass::X264, ten, quality, Err("cannot make hevc of 10 bits: choose x265"));
        let ten = (Codec::Av1, Depth::Ten);
        check(&["av1enc"], EncoderClass::Aom, ten, quality, Err("cannot make av1 of 10 bits: choose svt_av1"));
        check(&["av1enc"], EncoderClass::SvtAv1, ten, quality, Err("svt_av1 for av1 does not work"));
        // Made up here: its trial says so, whatever was said at the start.
        check(
            &["nvh265enc"],
            EncoderClass::Nvenc,
            (Codec::Hevc, Depth::Ten),
            quality,
            Err("nvh265enc does not encode"),
        );
    }

    #[test]
    fn software_that_is_installed_encodes_every_depth_it_can() {
        crate::pipeline::init().unwrap();
        for (name, depth) in
            [("x264enc", Depth::Ten), ("x265enc", Depth::Eight), ("x265enc", Depth::Ten), ("av1enc", Depth::Eight)]
        {
            if gst::ElementFactory::find(name).is_none() {
                eprintln!("{name} is not installed here");
                continue;
            }
            assert_eq!(works(name, depth), Ok(()), "{name} {depth:?}");
        }
    }
}
