//! The shaping element's inside: caps one way and the other, and a picture at a time.

use super::{Shape, proportions::pixel_shape};
use crate::{
    dither,
    planes::{Layout, code_bytes},
    scale::{Scaler, Siting},
};
use gstreamer as gst;
use gstreamer::{glib, subclass::prelude::*};
use gstreamer_base as gst_base;
use gstreamer_base::subclass::prelude::*;
use gstreamer_video::{
    VideoCapsBuilder, VideoChromaSite, VideoFormat, VideoFrameRef, VideoInfo, prelude::*, subclass::prelude::*,
};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use tweenfarm_protocol::output::Depth;

static CATEGORY: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("tweenshape", gst::DebugColorFlags::empty(), Some("sizes and bits")));

#[derive(Default)]
pub struct TweenShape {
    shape: Mutex<Shape>,
    work: Mutex<Option<Work>>,
}

/// What a pair of formats asks for.
struct Work {
    /// None where the size stays.
    scaler: Option<Scaler>,
    from: Depth,
    to: Depth,
}

impl TweenShape {
    pub fn set_shape(&self, shape: Shape) {
        *lock(&self.shape) = shape;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The depth of a format that the elements here take.
pub fn depth_of(info: &VideoInfo) -> Option<Depth> {
    match info.format() {
        VideoFormat::I420 => Some(Depth::Eight),
        VideoFormat::I42010le => Some(Depth::Ten),
        _ => None,
    }
}

pub fn format_of(depth: Depth) -> VideoFormat {
    match depth {
        Depth::Eight => VideoFormat::I420,
        Depth::Ten => VideoFormat::I42010le,
    }
}

fn siting_of(info: &VideoInfo) -> Siting {
    let site = info.chroma_site();
    if site.is_empty() {
        return Siting::USUAL;
    }
    Siting { left: site.contains(VideoChromaSite::H_COSITED), top: site.contains(VideoChromaSite::V_COSITED) }
}

/// Where a plane of I420 lies, of 8 bits or 10.
fn layout<T>(frame: &VideoFrameRef<T>, plane: u32) -> Layout {
    Layout {
        width: frame.comp_width(plane) as usize,
        height: frame.comp_height(plane) as usize,
        stride: usize::try_from(frame.plane_stride()[plane as usize]).unwrap_or(0),
    }
}

impl Work {
    fn plane(&self, plane: usize, source: &[u8], from: Layout, target: &mut [u8], to: Layout) {
        let bytes = |width: usize, depth| width * code_bytes(depth);
        let depths = |source: &[u8], stride: usize, target: &mut [u8]| {
            for (y, line) in target.chunks_mut(to.stride).take(to.height).enumerate() {
                let row = source.get(y * stride..y * stride + bytes(to.width, self.from));
                if let (Some(row), Some(line)) = (row, line.get_mut(..bytes(to.width, self.to))) {
                    dither::row(row, self.from, line, self.to, y);
                }
            }
        };
        match &self.scaler {
            None => depths(source, from.stride, target),
            Some(scaler) if self.from == self.to => scaler.plane(plane, source, from, target, to),
            Some(scaler) => {
                // Bits are dropped last, so that what was dithered is not scaled.
                let between = Layout { stride: bytes(to.width, self.from), ..to };
                let mut scaled = vec![0; between.stride * between.height];
                scaler.plane(plane, source, from, &mut scaled, between);
                depths(&scaled, between.stride, target);
            }
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for TweenShape {
    const NAME: &'static str = "TweenShape";
    type Type = super::TweenShape;
    type ParentType = gstreamer_video::VideoFilter;
}

impl ObjectImpl for TweenShape {}
impl GstObjectImpl for TweenShape {}

impl ElementImpl for TweenShape {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Picture shaper",
                "Filter/Converter/Video/Scaler",
                "Scales pictures and changes the bits of their codes",
                "Tweenfarm",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = VideoCapsBuilder::new().format_list([VideoFormat::I420, VideoFormat::I42010le]).build();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for TweenShape {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    /// Towards the encoder: the size and bits that are asked for. Towards the decoder: any.
    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let shape = *lock(&self.shape);
        let mut other = caps.clone();
        for structure in other.make_mut().iter_mut() {
            if direction == gst::PadDirection::Sink {
                towards_encoder(structure, shape);
            } else {
                if shape.size.is_some() {
                    structure.remove_fields(["width", "height", "pixel-aspect-ratio"]);
                }
                if shape.depth.is_some() {
                    structure.set("format", gst::List::new(Depth::ALL.map(|depth| format_of(depth).to_str())));
                }
            }
        }
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
            None => other,
        })
    }
}

fn towards_encoder(structure: &mut gst::StructureRef, shape: Shape) {
    if let Some(size) = shape.size {
        let side = |name| structure.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
        let sides = side("width").zip(side("height"));
        let pixel = structure.get::<gst::Fraction>("pixel-aspect-ratio").unwrap_or(gst::Fraction::new(1, 1));
        structure.remove_field("pixel-aspect-ratio");
        if let Some(sides) = sides {
            let shape = pixel_shape((pixel.numer(), pixel.denom()), sides, (size.width_px(), size.height_px()));
            structure.set("pixel-aspect-ratio", gst::Fraction::new(shape.0, shape.1));
        }
        structure.set("width", size.width_px() as i32);
        structure.set("height", size.height_px() as i32);
    }
    if let Some(depth) = shape.depth {
        structure.set("format", format_of(depth).to_str());
    }
}

impl VideoFilterImpl for TweenShape {
    fn set_info(
        &self,
        _incaps: &gst::Caps,
        input: &VideoInfo,
        _outcaps: &gst::Caps,
        output: &VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let (Some(from), Some(to)) = (depth_of(input), depth_of(output)) else {
            return Err(gst::loggable_error!(CATEGORY, "neither 8 nor 10 bits of 4:2:0"));
        };
        let sides = |info: &VideoInfo| [info.width() as usize, info.height() as usize];
        let scaler =
            (sides(input) != sides(output)).then(|| Scaler::new(sides(input), sides(output), siting_of(input), from));
        *lock(&self.work) = Some(Work { scaler, from, to });
        Ok(())
    }

    fn transform_frame(
        &self,
        source: &VideoFrameRef<&gst::BufferRef>,
        target: &mut VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let guard = lock(&self.work);
        let work = guard.as_ref().ok_or(gst::FlowError::NotNegotiated)?;
        for plane in 0..3_u32 {
            let (from, to) = (layout(source, plane), layout(target, plane));
            let codes = source.plane_data(plane).map_err(|_| gst::FlowError::Error)?;
            let made = target.plane_data_mut(plane).map_err(|_| gst::FlowError::Error)?;
            work.plane(plane as usize, codes, from, made, to);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}
