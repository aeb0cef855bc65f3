//! H.264 encoders: which of them work here, found by really encoding, and how each is told the quality.

use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::time::Duration;
use tweenfarm_protocol::{
    Rational,
    task::{EncodeSettings, Failure},
};

/// The encoder every machine has; the only one that encodes without loss.
pub const SOFTWARE: &str = "x264enc";

/// Encoders in order of preference: on the card first, since it then leaves the processor to the decoder.
pub const CANDIDATES: [&str; 5] = ["nvh264enc", "qsvh264enc", "vah264enc", "vaapih264enc", SOFTWARE];

/// Names one encoder to use whatever else works, such as `x264enc`.
pub const CHOICE_VARIABLE: &str = "TWEENFARM_ENCODER";

/// A session that takes longer for a few small frames hangs.
const TRIAL: Duration = Duration::from_secs(15);
const TRIAL_FRAMES: i32 = 8;

/// Two seconds between key frames: a player seeks without delay, and the size grows by little.
const KEY_FRAME_SECONDS: i64 = 2;

/// Headers that do not depend on the pictures, so that segments made apart are joined without encoding again.
const X264_OPTIONS: &str = "stitchable=1";

/// The encoders that encode on this machine, best first. Takes about a tenth of a second for each that is installed.
pub fn working() -> Vec<&'static str> {
    CANDIDATES.into_iter().filter(|name| works(name).is_ok()).collect()
}

/// What to encode with. A choice that does not work here is an error rather than a surprise.
pub fn choose(working: &[String], settings: EncodeSettings, choice: Option<&str>) -> Result<String, Failure> {
    let has = |name: &str| working.iter().any(|working| working == name);
    let none = |name: &str| {
        failure::worker(format!("The encoder {name} does not work on this machine: run the doctor to see why."))
    };
    match (settings, choice) {
        (EncodeSettings::Quality { .. }, Some(name)) if !name.is_empty() => {
            has(name).then(|| name.to_owned()).ok_or_else(|| none(name))
        }
        (EncodeSettings::Quality { .. }, _) => working.first().cloned().ok_or_else(|| none(SOFTWARE)),
        (EncodeSettings::Lossless, _) => has(SOFTWARE).then(|| SOFTWARE.to_owned()).ok_or_else(|| none(SOFTWARE)),
    }
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

    #[test]
    fn the_best_working_encoder_is_taken_unless_one_is_named() {
        let quality = EncodeSettings::default();
        let check = |working: &[&str], settings, choice, expected: Option<&str>| {
            let working: Vec<String> = working.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(choose(&working, settings, choice).ok().as_deref(), expected);
        };
        check(&["nvh264enc", "x264enc"], quality, None, Some("nvh264enc"));
        check(&["nvh264enc", "x264enc"], quality, Some("x264enc"), Some("x264enc"));
        check(&["nvh264enc", "x264enc"], quality, Some(""), Some("nvh264enc"));
        check(&["nvh264enc", "x264enc"], EncodeSettings::Lossless, None, Some("x264enc"));
        check(&["x264enc"], quality, Some("nvh264enc"), None);
        check(&["nvh264enc"], EncodeSettings::Lossless, None, None);
        check(&[], quality, None, None);
    }
}
