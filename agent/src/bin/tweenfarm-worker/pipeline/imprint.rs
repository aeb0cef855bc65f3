//! The visible mark on every frame on its way to the encoder.

use super::pad;
use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video::{VideoColorRange, VideoFrameRef, VideoInfo, prelude::*};
use std::sync::{Arc, Mutex, PoisonError};
use tweenfarm_element::{
    mark::{Codes, Mark},
    planes::Layout,
    record::Record,
    shape,
};
use tweenfarm_protocol::task::Failure;

/// Marks what is handed to `element`. A frame that cannot be marked ends the run: no clean frame gets through.
pub fn add(element: &gst::Element, record: &Arc<Record>) -> Result<(), Failure> {
    let (drawn, record, told) = (Mutex::new(None), Arc::clone(record), element.downgrade());
    pad(element, "sink")?.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let marked = match (info.buffer(), pad.current_caps()) {
            (Some(buffer), Some(caps)) => marked(buffer, &caps, &mut drawn),
            _ => Err(failure::internal("a frame to be marked came without its format")),
        };
        match marked {
            Ok(buffer) => info.data = Some(gst::PadProbeData::Buffer(buffer)),
            Err(failure) => {
                record.fail(failure);
                if let Some(element) = told.upgrade() {
                    gst::element_error!(element, gst::StreamError::Failed, ["a frame could not be marked"]);
                }
                return gst::PadProbeReturn::Drop;
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// A marked copy of the frame; the decoder may still look at the frame itself. The mark is drawn once per size.
fn marked(buffer: &gst::BufferRef, caps: &gst::CapsRef, drawn: &mut Option<Mark>) -> Result<gst::Buffer, Failure> {
    let short = || failure::resource("A frame could not be copied to be marked: the machine is short of memory.");
    let info = VideoInfo::from_caps(caps).map_err(|_| failure::internal("the format of a frame is not understood"))?;
    let depth = shape::depth_of(&info)
        .ok_or_else(|| failure::internal("a frame to be marked is neither 8 nor 10 bits of 4:2:0"))?;
    let mut copy = buffer.copy_deep().map_err(|_| short())?;
    {
        let copy = copy.get_mut().ok_or_else(|| failure::internal("a new buffer has more than one owner"))?;
        let mut frame = VideoFrameRef::from_buffer_ref_writable(copy, &info).map_err(|_| short())?;
        let full = info.colorimetry().range() == VideoColorRange::Range0_255;
        let codes = if full { Codes::FULL } else { Codes::LIMITED };
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        if !drawn.as_ref().is_some_and(|mark| mark.fits(width, height, codes)) {
            *drawn = Some(Mark::new(width, height, codes));
        }
        let Some(mark) = drawn else { return Err(failure::internal("the mark was not drawn")) };
        for plane in 0..3_u32 {
            let layout = Layout {
                width: frame.comp_width(plane) as usize,
                height: frame.comp_height(plane) as usize,
                stride: usize::try_from(frame.plane_stride()[plane as usize]).unwrap_or(0),
            };
            let codes = frame.plane_data_mut(plane).map_err(|_| short())?;
            if plane == 0 { mark.blend_luma(codes, layout, depth) } else { mark.blend_chroma(codes, layout, depth) }
        }
    }
    Ok(copy)
}
