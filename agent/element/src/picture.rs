//! A decoded picture: GStreamer's buffer, and its planes for the engine once someone asks for them.

use crate::{
    planes::{self, Layout},
    shape,
};
use gstreamer as gst;
use gstreamer_video::{VideoFrameRef, VideoInfo, prelude::*};
use std::cell::OnceCell;
use tweenfarm_protocol::output;
use tweenfarm_shaders::{Depth, FrameSize, PlanarFrame};

pub struct Picture {
    buffer: gst::Buffer,
    info: VideoInfo,
    size: FrameSize,
    depth: Depth,
    planar: OnceCell<PlanarFrame>,
}

impl Picture {
    /// A picture of layout `info`, which says `depth`, that is shown at `size`: its own size, rounded up to even.
    pub fn new(buffer: gst::Buffer, info: VideoInfo, size: FrameSize, depth: Depth) -> Picture {
        Picture { buffer, info, size, depth, planar: OnceCell::new() }
    }

    /// The picture in tight planes; copied once.
    pub fn planar(&self) -> Result<&PlanarFrame, gst::glib::BoolError> {
        if let Some(planar) = self.planar.get() {
            return Ok(planar);
        }
        let frame = VideoFrameRef::from_buffer_ref_readable(&self.buffer, &self.info)?;
        let mut planar = PlanarFrame::of_depth(self.size, self.depth);
        for (plane, tight) in planar.planes_mut().into_iter().enumerate() {
            let width = plane_width(self.size, plane);
            let bytes = self.depth.code_bytes();
            // Memory may hold more than is shown: what borders the picture there is not its own.
            let stride = stride(&frame, plane);
            planes::tighten(frame.plane_data(plane as u32)?, layout(&self.info, plane, stride), tight, width, bytes);
        }
        Ok(self.planar.get_or_init(|| planar))
    }
}

/// The bits of pictures of a format, as the engine names them; none for a format that it does not take.
pub fn engine_depth(info: &VideoInfo) -> Option<Depth> {
    shape::depth_of(info).map(|depth| match depth {
        output::Depth::Eight => Depth::Eight,
        output::Depth::Ten => Depth::Ten,
    })
}

/// A new buffer of layout `info` that holds `planar`.
pub fn buffer_of(planar: &PlanarFrame, info: &VideoInfo) -> Result<gst::Buffer, gst::glib::BoolError> {
    let mut buffer = gst::Buffer::with_size(info.size())?;
    {
        let buffer = buffer.get_mut().expect("a new buffer has one owner");
        let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, info)?;
        for (plane, tight) in planar.planes().into_iter().enumerate() {
            let layout = layout(info, plane, stride(&frame, plane));
            planes::spread(tight, frame.plane_data_mut(plane as u32)?, layout, planar.depth().code_bytes());
        }
    }
    Ok(buffer)
}

fn layout(info: &VideoInfo, plane: usize, stride: usize) -> Layout {
    // I420: each plane is one component.
    let component = plane as u8;
    Layout { width: info.comp_width(component) as usize, height: info.comp_height(component) as usize, stride }
}

fn stride<T>(frame: &VideoFrameRef<T>, plane: usize) -> usize {
    usize::try_from(frame.plane_stride()[plane]).unwrap_or(0)
}

fn plane_width(size: FrameSize, plane: usize) -> usize {
    if plane == 0 { size.width_px as usize } else { size.width_px as usize / 2 }
}
