//! A decoded picture: GStreamer's buffer, and its planes for the engine once someone asks for them; and the buffers of slots.
//!
//! Memory of frames gone by is used again: the pages of a new one cost more than filling them.

use crate::{
    planes::{self, Layout},
    shape,
};
use gstreamer as gst;
use gstreamer_video::{VideoFrameRef, VideoInfo, prelude::*};
use std::{
    cell::OnceCell,
    sync::{Arc, Mutex, PoisonError},
};
use tweenfarm_protocol::output;
use tweenfarm_shaders::{Depth, FrameSize, PlanarFrame};

pub struct Picture {
    buffer: gst::Buffer,
    info: VideoInfo,
    size: FrameSize,
    depth: Depth,
    planar: OnceCell<PlanarFrame>,
    spare: Spare,
}

/// Planes of pictures gone by.
#[derive(Clone, Default)]
pub struct Spare(Arc<Mutex<Vec<PlanarFrame>>>);

impl Picture {
    /// A picture of layout `info`, which says `depth`, that is shown at `size`: its own size, rounded up to even.
    pub fn new(buffer: gst::Buffer, info: VideoInfo, size: FrameSize, depth: Depth, spare: Spare) -> Picture {
        Picture { buffer, info, size, depth, planar: OnceCell::new(), spare }
    }

    /// The picture in tight planes; copied once.
    pub fn planar(&self) -> Result<&PlanarFrame, gst::glib::BoolError> {
        if let Some(planar) = self.planar.get() {
            return Ok(planar);
        }
        let frame = VideoFrameRef::from_buffer_ref_readable(&self.buffer, &self.info)?;
        let mut planar = self.spare.take(self.size, self.depth);
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

impl Drop for Picture {
    fn drop(&mut self) {
        if let Some(planar) = self.planar.take() {
            self.spare.keep(planar);
        }
    }
}

impl Spare {
    /// As many pictures as are looked at together.
    const KEPT: usize = 2;

    fn take(&self, size: FrameSize, depth: Depth) -> PlanarFrame {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let fitting = kept.filter(|planar| (planar.size(), planar.depth()) == (size, depth));
        fitting.unwrap_or_else(|| PlanarFrame::of_depth(size, depth))
    }

    fn keep(&self, planar: PlanarFrame) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Spare::KEPT {
            kept.push(planar);
        }
    }
}

/// The bits of pictures of a format, as the engine names them; none for a format that it does not take.
pub fn engine_depth(info: &VideoInfo) -> Option<Depth> {
    shape::depth_of(info).map(|depth| match depth {
        output::Depth::Eight => Depth::Eight,
        output::Depth::Ten => Depth::Ten,
    })
}

/// The buffers that slots are shown in, all of one layout.
pub struct SlotBuffers {
    info: VideoInfo,
    pool: gst::BufferPool,
}

impl SlotBuffers {
    pub fn new(info: VideoInfo) -> Result<SlotBuffers, gst::glib::BoolError> {
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        let size_bytes =
            u32::try_from(info.size()).map_err(|_| gst::glib::bool_error!("a frame of {} bytes", info.size()))?;
        // As many as are under way downstream, which is for others to bound.
        config.set_params(Some(&info.to_caps()?), size_bytes, 0, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        Ok(SlotBuffers { info, pool })
    }

    /// A buffer that holds `planar`.
    pub fn holding(&self, planar: &PlanarFrame) -> Result<gst::Buffer, gst::glib::BoolError> {
        let mut buffer =
            self.pool.acquire_buffer(None).map_err(|flow| gst::glib::bool_error!("no buffer: {flow:?}"))?;
        {
            let buffer = buffer.get_mut().expect("a buffer of the pool has one owner");
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, &self.info)?;
            for (plane, tight) in planar.planes().into_iter().enumerate() {
                let layout = layout(&self.info, plane, stride(&frame, plane));
                planes::spread(tight, frame.plane_data_mut(plane as u32)?, layout, planar.depth().code_bytes());
            }
        }
        Ok(buffer)
    }
}

impl Drop for SlotBuffers {
    /// Those still under way are freed as they come back.
    fn drop(&mut self) {
        // A pool that is not even stopped has nothing to free.
        let _ = self.pool.set_active(false);
    }
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
