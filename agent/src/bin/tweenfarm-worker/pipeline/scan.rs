//! The first look at a clip whose drawings are to be moved: all of it is decoded, to find how long each is shown.
//!
//! All of it for every segment, so that segments agree wherever they begin.

use super::{decode, element, messages, not_built};
use crate::{failure, pipeline::Run};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video::{VideoFrameRef, VideoInfo, prelude::*};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tweenfarm_element::{
    element::shown_at_ns,
    record::Record,
    retime::{Overview, Placer, Runs},
    shape,
};
use tweenfarm_protocol::{output::Depth, task::Failure};

/// Decoded frames that wait: enough for the decoder to run on while one is looked at.
const FRAMES_WAITING: u32 = 4;
const TICK: Duration = Duration::from_millis(200);

/// The frames of the clip that count. `on_frames` hears how many were looked at, a few times per second.
pub fn kept(run: &Run<'_>, on_frames: &mut dyn FnMut(u64)) -> Result<Vec<u64>, Failure> {
    let record = Arc::new(Record::default());
    let pipeline = gst::Pipeline::new();
    let sink: AppSink = element("appsink")?
        .downcast()
        .map_err(|_| failure::worker("GStreamer's element appsink is another one than the worker knows: update it."))?;
    sink.set_property("sync", false);
    sink.set_max_buffers(FRAMES_WAITING);
    let entry: &gst::Element = sink.upcast_ref();
    pipeline.add(entry).map_err(|cause| not_built(&cause))?;
    decode::add(&pipeline, run.source, run.clip, entry, &record, None)?;
    let looked = look(run, &pipeline, &sink, &record, on_frames);
    // Ends every thread of the pipeline.
    let _ = pipeline.set_state(gst::State::Null);
    looked.map(Runs::kept)
}

fn look(
    run: &Run<'_>,
    pipeline: &gst::Pipeline,
    sink: &AppSink,
    record: &Record,
    on_frames: &mut dyn FnMut(u64),
) -> Result<Runs, Failure> {
    let bus = pipeline.bus().ok_or_else(|| failure::internal("the pipeline has no bus"))?;
    // A refusal to start is told on the bus with its reason.
    let started = pipeline.set_state(gst::State::Playing).is_ok();
    let tick = gst::ClockTime::try_from(TICK).unwrap_or(gst::ClockTime::MSECOND);
    let mut placer = Placer::new(Arc::new(run.clip.timeline.clone()), 0);
    let mut runs = Runs::default();
    let mut told = Instant::now();
    loop {
        let sample = if started { sink.try_pull_sample(tick) } else { None };
        if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
            && let gst::MessageView::Error(error) = message.view()
        {
            return Err(record.failure().unwrap_or_else(|| messages::failure(error, &run.clip.facts.video.codec)));
        }
        match sample {
            Some(sample) => {
                if let Some((frame, overview)) = seen(&sample, &mut placer)? {
                    runs.see(frame, overview);
                    if told.elapsed() >= TICK {
                        told = Instant::now();
                        on_frames(frame);
                    }
                }
            }
            None if sink.is_eos() => return Ok(runs),
            None if !started => return Err(failure::internal("the pipeline does not start")),
            None => {}
        }
    }
}

/// Which frame of the timeline it is and what it shows; `None` for one that the timeline has no place for.
fn seen(sample: &gst::Sample, placer: &mut Placer) -> Result<Option<(u64, Overview)>, Failure> {
    let unreadable = || failure::resource("A decoded frame could not be mapped: the machine is short of memory.");
    let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let (Some(buffer), Some(caps), Some(segment)) = (sample.buffer(), sample.caps(), segment) else { return Ok(None) };
    let Ok(time_ns) = shown_at_ns(buffer, segment) else { return Ok(None) };
    let Some(frame) = placer.place(time_ns) else { return Ok(None) };
    let info = VideoInfo::from_caps(caps).map_err(|_| failure::internal("a frame came without its format"))?;
    let picture = VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|_| unreadable())?;
    let stride = usize::try_from(picture.plane_stride()[0]).unwrap_or(0);
    let luma = picture.plane_data(0).map_err(|_| unreadable())?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let overview = match shape::depth_of(&info) {
        Some(Depth::Ten) => Overview::of(&in_eight_bits(luma, width, stride), width, height, width),
        _ => Overview::of(luma, width, height, stride),
    };
    Ok(Some((frame, overview)))
}

/// A plane of 10-bit codes, its rows tight and of 8 bits: finer differences are none that anybody drew.
fn in_eight_bits(plane: &[u8], width: usize, stride: usize) -> Vec<u8> {
    let rows = plane.chunks(stride.max(1)).filter_map(|row| row.get(..2 * width));
    rows.flat_map(|row| row.chunks_exact(2).map(|code| (u16::from_le_bytes([code[0], code[1]]) >> 2) as u8)).collect()
}
