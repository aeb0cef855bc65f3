//! The element: decoded frames in, slots out, at the exact target rate.
//!
//! The worker makes it for a segment of a clip whose timeline is known, with `Settings`; the slots then begin at time 0.
//! Made by name from the plugin (`vkinterpolate`) it works by its properties on a stream, whose times it keeps.

mod imp;
mod properties;
mod turns;

use crate::{interpolator::MakeInterpolator, record::Record};
pub use properties::StreamQuality;

use gstreamer::{self as gst, glib};
use std::sync::Arc;
use tweenfarm_media::Timeline;
use tweenfarm_protocol::{Rational, SlotRange};

/// What one element works by; fixed for its life.
pub struct Settings {
    pub timeline: Arc<Timeline>,
    /// The frames of the timeline that count, ascending; the others are passed over. None where all of them do.
    pub kept: Option<Vec<u64>>,
    /// The frame of the timeline that comes first: 0, unless decoding begins later.
    pub first_frame: u64,
    pub slots: SlotRange,
    pub target_rate: Rational,
    /// Slots show the source frames nearest to them, and no frame is made.
    pub nearest: bool,
    pub engine: MakeInterpolator,
    pub record: Arc<Record>,
}

glib::wrapper! {
    /// The element; see `imp`.
    pub struct TweenInterpolate(ObjectSubclass<imp::TweenInterpolate>)
        @extends gstreamer_base::BaseTransform, gstreamer::Element, gstreamer::Object;
}

impl TweenInterpolate {
    pub fn new(settings: Settings) -> TweenInterpolate {
        let element: TweenInterpolate = glib::Object::builder().property("name", "tweeninterpolate").build();
        glib::subclass::prelude::ObjectSubclassIsExt::imp(&element).set_settings(settings);
        element
    }
}

/// A frame outside its segment: decoded for others to refer to, not to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotShown;

/// When a decoded frame is shown, in nanoseconds; `None` where the decoder does not say.
pub fn shown_at_ns(
    frame: &gst::BufferRef,
    segment: &gst::FormattedSegment<gst::ClockTime>,
) -> Result<Option<i64>, NotShown> {
    let Some(pts) = frame.pts() else { return Ok(None) };
    let time = segment.to_running_time(pts).ok_or(NotShown)?;
    Ok(i64::try_from(time.nseconds()).ok())
}
