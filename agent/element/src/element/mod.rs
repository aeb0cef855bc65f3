//! `tweeninterpolate`: decoded frames in, the segment's slots out, at the exact target rate from time 0.

mod imp;

use crate::{interpolator::MakeInterpolator, record::Record, retime::Retimer};
use gstreamer::glib;
use std::sync::Arc;
use tweenfarm_media::Timeline;
use tweenfarm_protocol::Rational;

/// What one element works by; fixed for its life.
pub struct Settings {
    pub timeline: Arc<Timeline>,
    pub retimer: Retimer,
    pub target_rate: Rational,
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
