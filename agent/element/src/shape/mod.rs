//! The shaping element: upright 4:2:0 pictures in, the same pictures in another size or with other bits out.
//!
//! Colours, times and whatever else the format says are passed on; a picture of other proportions gets the pixel shape
//! that keeps it undistorted.

mod imp;
mod proportions;

pub use imp::{depth_of, format_of};

use gstreamer::glib;
use tweenfarm_protocol::output::{Depth, PictureSize};

/// What pictures are to become; None keeps what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub size: Option<PictureSize>,
    pub depth: Option<Depth>,
}

glib::wrapper! {
    /// The element; see `imp`.
    pub struct TweenShape(ObjectSubclass<imp::TweenShape>)
        @extends gstreamer_video::VideoFilter, gstreamer_base::BaseTransform, gstreamer::Element, gstreamer::Object;
}

impl TweenShape {
    pub fn new(shape: Shape) -> TweenShape {
        let element: TweenShape = glib::Object::builder().build();
        glib::subclass::prelude::ObjectSubclassIsExt::imp(&element).set_shape(shape);
        element
    }
}
