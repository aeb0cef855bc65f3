//! The decoding half of the pipeline: file → upright, progressive 4:2:0 pictures in the source's own colours, of 10 bits
//! where the source is 4:2:0 of 10 bits, else of 8.

use super::{element, jump::Gate, messages, not_built, pad};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video::{VideoColorRange, VideoColorimetry, VideoInfo};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tweenfarm_element::{record::Record, shape};
use tweenfarm_media::{Clip, VideoFacts};
use tweenfarm_protocol::{output::Depth, task::Failure};

/// Adds the decoder of `source` and what makes its pictures uniform, and links it to `next`.
pub fn add(
    pipeline: &gst::Pipeline,
    source: &Path,
    clip: &Clip,
    next: &gst::Element,
    record: &Arc<Record>,
    gate: Option<&Arc<Gate>>,
) -> Result<(), Failure> {
    let file = element("filesrc")?;
    file.set_property("location", source);
    let decoder = element("decodebin")?;
    // The same pictures on every machine, bit for bit: cards differ in what they do with damaged streams, and leave
    // their pictures in memory that the elements below cannot read.
    decoder.set_property("force-sw-decoders", true);
    leave_sound_alone(&decoder);
    watch_decoder(&decoder, record);
    if let Some(gate) = gate {
        watch_demuxer(&decoder, gate);
    }
    let chain = uniform(&clip.facts.video)?;
    pipeline.add_many([&file, &decoder]).map_err(|cause| not_built(&cause))?;
    pipeline.add_many(&chain).map_err(|cause| not_built(&cause))?;
    file.link(&decoder).map_err(|cause| not_built(&cause))?;
    let whole: Vec<&gst::Element> = chain.iter().chain([next]).collect();
    gst::Element::link_many(whole).map_err(|cause| not_built(&cause))?;
    let entry = pad(&chain[0], "sink")?;
    if clip.full_range {
        keep_full_range(&entry);
    }
    let gate = gate.cloned();
    decoder.connect_pad_added(move |_, decoded| {
        let caps = decoded.current_caps().unwrap_or_else(|| decoded.query_caps(None));
        let is_video = caps.structure(0).is_some_and(|structure| structure.name() == "video/x-raw");
        // The first video is the one that was probed.
        if !is_video || entry.is_linked() {
            return;
        }
        if let Some(gate) = &gate {
            gate.guard(decoded);
        }
        if let Err(cause) = decoded.link(&entry) {
            tracing::error!(%cause, %caps, "the decoded video cannot be linked");
        }
    });
    refuse_without_video(&decoder, pad(&chain[0], "sink")?, &clip.facts.video.codec, record);
    let decoded = Arc::clone(record);
    pad(next, "sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        decoded.decode.lap();
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Ends the run when every stream is known and none of them is a video that can be decoded: nothing would ever come.
fn refuse_without_video(decoder: &gst::Element, entry: gst::Pad, codec: &str, record: &Arc<Record>) {
    let (codec, record) = (codec.to_owned(), Arc::clone(record));
    decoder.connect_no_more_pads(move |decoder| {
        if !entry.is_linked() {
            record.fail(messages::no_decoder(&codec));
            gst::element_error!(decoder, gst::StreamError::CodecNotFound, ["no decoder for {}", codec]);
        }
    });
}

/// The bits that pictures of this source are worked on in. GStreamer's deinterlacer knows 8 only.
fn depth(video: &VideoFacts) -> Depth {
    let deep = ["yuv420p10le", "yuv420p10be", "p010le", "p010be"].contains(&video.pixel_format.as_str());
    if deep && !video.interlaced { Depth::Ten } else { Depth::Eight }
}

/// What makes pictures uniform, in order. Conversion comes first: it knows of fields, and the others then meet one
/// format only. It keeps range, matrix, primaries and transfer, and dithers when it drops bits.
fn uniform(video: &VideoFacts) -> Result<Vec<gst::Element>, Failure> {
    let convert = element("videoconvert")?;
    convert.set_property_from_str("dither", "bayer");
    let format = element("capsfilter")?;
    let caps = gstreamer_video::VideoCapsBuilder::new().format(shape::format_of(depth(video))).build();
    format.set_property("caps", caps);
    let mut chain = vec![convert, format];
    if video.interlaced {
        let deinterlace = element("deinterlace")?;
        deinterlace.set_property_from_str("mode", "interlaced");
        deinterlace.set_property_from_str("method", "yadif");
        // One picture per frame of the file: its timeline counts frames, not fields.
        deinterlace.set_property_from_str("fields", "top");
        chain.push(deinterlace);
    }
    let direction = match video.rotation_deg {
        90 => Some("90r"),
        180 => Some("180"),
        270 => Some("90l"),
        _ => None,
    };
    if let Some(direction) = direction {
        let turn = element("videoflip")?;
        turn.set_property_from_str("video-direction", direction);
        chain.push(turn);
    }
    Ok(chain)
}

/// Says that pictures are full range where a demuxer lost it on the way: MP4's colour box names matrix and curve only.
fn keep_full_range(entry: &gst::Pad) {
    entry.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let replaced = match info.event().map(|event| event.view()) {
            Some(gst::EventView::Caps(caps)) => with_full_range(caps.caps()),
            _ => None,
        };
        if let Some(caps) = replaced {
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        }
        gst::PadProbeReturn::Ok
    });
}

fn with_full_range(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let video = VideoInfo::from_caps(caps).ok()?;
    let colours = video.colorimetry();
    if !video.format_info().is_yuv() || colours.range() == VideoColorRange::Range0_255 {
        return None;
    }
    let full =
        VideoColorimetry::new(VideoColorRange::Range0_255, colours.matrix(), colours.transfer(), colours.primaries());
    let mut caps = caps.to_owned();
    caps.make_mut().set("colorimetry", full.to_string());
    Some(caps)
}

/// Sound and subtitles are not decoded: their pads are exposed as they are and stay unlinked.
fn leave_sound_alone(decoder: &gst::Element) {
    decoder.connect("autoplug-continue", false, |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let name = caps.as_ref().and_then(|caps| caps.structure(0)).map(|structure| structure.name().to_string());
        let other = name.is_some_and(|name| {
            ["audio/", "text/", "subpicture/", "subtitle/", "closedcaption/", "meta/"]
                .iter()
                .any(|kind| name.starts_with(kind))
        });
        Some((!other).to_value())
    });
}

/// Shows the gate the packets of the first video.
fn watch_demuxer(decoder: &gst::Element, gate: &Arc<Gate>) {
    let Some(bin) = decoder.downcast_ref::<gst::Bin>() else { return };
    let gate = Arc::clone(gate);
    bin.connect_deep_element_added(move |_, _, added| {
        if !added.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default().contains("Demuxer") {
            return;
        }
        let (gate, is_watched) = (Arc::clone(&gate), AtomicBool::new(false));
        added.connect_pad_added(move |_, demuxed| {
            let caps = demuxed.current_caps().unwrap_or_else(|| demuxed.query_caps(None));
            let is_video = caps
                .structure(0)
                .is_some_and(|structure| ["video/", "image/"].iter().any(|kind| structure.name().starts_with(kind)));
            if is_video && !is_watched.swap(true, Ordering::Relaxed) {
                gate.watch_packets(demuxed);
            }
        });
    });
}

/// Starts the decoder's clock where compressed pictures enter it.
fn watch_decoder(decoder: &gst::Element, record: &Arc<Record>) {
    let Some(bin) = decoder.downcast_ref::<gst::Bin>() else { return };
    let record = Arc::clone(record);
    bin.connect_deep_element_added(move |_, _, added| {
        let class = added.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default().to_owned();
        if !(class.contains("Decoder") && class.contains("Video")) {
            return;
        }
        let Some(sink) = added.static_pad("sink") else { return };
        let record = Arc::clone(&record);
        sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            record.decode.start();
            gst::PadProbeReturn::Ok
        });
    });
}
