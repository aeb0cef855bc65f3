//! H.264 encoders: which of them work here, found by really encoding, and how each is told the quality.
//!
//! `EncodeSettings::Quality { crf }` on each; hardware has no constant rate factor, and a constant quantizer of the same
//! number is the nearest it has (a little larger and a little better, since it spends as much on what nobody sees):
//!
//! | kind | element | settings |
//! |---|---|---|
//! | x264 | `x264enc` | `pass=qual quantizer=CRF`; without loss `pass=quant quantizer=0` |
//! | nvenc | `nvh264enc` | `rc-mode=constqp qp-const=CRF` |
//! | qsv | `qsvh264enc` | `rate-control=cqp qpi=qpp=qpb=CRF` |
//! | va | `vah264enc` | `rate-control=cqp qpi=qpp=qpb=CRF` |
//! | va | `vaapih264enc` | `rate-control=cqp init-qp=CRF` |

use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::time::Duration;
use tweenfarm_agent::worker::encoders;
use tweenfarm_protocol::{
    Rational,
    task::{EncodeSettings, EncoderClass, Failure},
};

/// The encoder every machine has; the only one that encodes without loss.
pub const SOFTWARE: &str = "x264enc";

/// A session that takes longer for a few small frames hangs.
const TRIAL: Duration = Duration::from_secs(15);
const TRIAL_FRAMES: i32 = 8;

/// Two seconds between key frames: a player seeks without delay, and the size grows by little.
const KEY_FRAME_SECONDS: i64 = 2;

/// Headers that do not depend on the pictures, so that segments made apart are joined without encoding again.
const X264_OPTIONS: &str = "stitchable=1";

/// The encoders that encode on this machine, best first. Takes about a tenth of a second for each that is installed.
pub fn working() -> Vec<&'static str> {
    encoders::elements().filter(|name| works(name).is_ok()).collect()
}

/// The element that encodes as the plan says. Another kind would not join with the job's other segments.
pub fn choose(working: &[String], class: EncoderClass, settings: EncodeSettings) -> Result<String, Failure> {
    if settings == EncodeSettings::Lossless && class != EncoderClass::X264 {
        return Err(failure::worker(format!("The encoder {class} cannot encode without loss: choose x264.")));
    }
    encoders::element_of(class, working).map(str::to_owned).ok_or_else(|| {
        failure::worker(format!(
            "The encoder {class} does not work on this machine: render elsewhere, or run the doctor to see why."
        ))
    })
}

/// Encodes a few frames; the error says what is missing.
pub fn works(name: &str) -> Result<(), String> {
    if gst::ElementFactory::find(name).is_none() {
        return Err("not installed, or its hardware is not there".to_owned());
    }
    let wrong = |cause: &dyn std::fmt::Display| cause.to_string();
    let make = |factory: &str| gst::ElementFactory::make(factory).build().map_err(|cause| wrong(&cause));
    let source = make("videotestsrc")?;
    source.set_property("num-buffers", TRIAL_FRAMES);
    let caps = make("capsfilter")?;
    let format: gst::Caps =
        "video/x-raw,format=I420,width=640,height=360,framerate=60/1".parse().map_err(|e| wrong(&e))?;
    caps.set_property("caps", format);
    let encoder = element(name, EncodeSettings::default(), Rational::whole(60)).map_err(|cause| wrong(&cause))?;
    let (parser, sink) = (make("h264parse")?, make("fakesink")?);
    let pipeline = gst::Pipeline::new();
    let chain = [&source, &caps, &encoder, &parser, &sink];
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
        (_, EncodeSettings::Lossless) => {
            return Err(failure::internal(format!("{name} was chosen to encode without loss")));
        }
        // Hardware has no constant rate factor; a constant quantizer of the same number is the nearest.
        ("nvh264enc", EncodeSettings::Quality { crf }) => vec![
            ("preset", "hq".to_owned()),
            ("rc-mode", "constqp".to_owned()),
            ("qp-const", crf.to_string()),
            ("gop-size", key_frames),
        ],
        ("vah264enc", EncodeSettings::Quality { crf }) => vec![
            ("rate-control", "cqp".to_owned()),
            ("qpi", crf.to_string()),
            ("qpp", crf.to_string()),
            ("qpb", crf.to_string()),
            ("key-int-max", key_frames),
        ],
        ("qsvh264enc", EncodeSettings::Quality { crf }) => vec![
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

/// Tells x264 of full-range codes once the format is known: the element passes on matrix, primaries and transfer,
/// but not the range.
pub fn tag_range(encoder: &gst::Element, caps: &gst::CapsRef) {
    let full = gstreamer_video::VideoInfo::from_caps(caps)
        .is_ok_and(|info| info.colorimetry().range() == gstreamer_video::VideoColorRange::Range0_255);
    if full && encoder.has_property("option-string") {
        encoder.set_property("option-string", format!("{X264_OPTIONS}:fullrange=on"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::task::FailureClass;

    #[test]
    fn the_planned_kind_is_taken_or_refused_in_a_sentence() {
        let check = |working: &[&str], class, settings, expected: Result<&str, &str>| {
            let working: Vec<String> = working.iter().map(|name| (*name).to_owned()).collect();
            match (choose(&working, class, settings), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(failure), Err(expected)) => {
                    assert_eq!(failure.class, FailureClass::Worker);
                    assert!(failure.message.contains(expected), "{failure}");
                }
                (found, _) => panic!("{class} among {working:?}: {found:?}"),
            }
        };
        let quality = EncodeSettings::default();
        check(&["nvh264enc", "x264enc"], EncoderClass::X264, quality, Ok("x264enc"));
        check(&["nvh264enc", "x264enc"], EncoderClass::Nvenc, quality, Ok("nvh264enc"));
        check(&["x264enc"], EncoderClass::Nvenc, quality, Err("nvenc does not work on this machine"));
        check(&[], EncoderClass::X264, quality, Err("x264 does not work"));
        check(&["x264enc"], EncoderClass::X264, EncodeSettings::Lossless, Ok("x264enc"));
        check(&["vah264enc"], EncoderClass::Va, EncodeSettings::Lossless, Err("cannot encode without loss"));
    }
}
