//! The element as a GStreamer plugin: `vkinterpolate`, for `gst-launch-1.0` and every other GStreamer program.
//!
//! ```text
//! GST_PLUGIN_PATH=target/release gst-launch-1.0 filesrc location=in.mp4 ! decodebin \
//!     ! vkinterpolate target-fps=120/1 ! x264enc ! h264parse ! mp4mux ! filesink location=out.mp4
//! ```
//!
//! It takes and gives I420, progressive; `videoconvert` and `deinterlace` before it make that of anything else.

// The macro that exports the plugin's description hands raw pointers to GStreamer.
#![allow(unsafe_code)]

use gstreamer as gst;
use gstreamer::{glib, prelude::*};
use tweenfarm_element::TweenInterpolate;

fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "vkinterpolate", gst::Rank::NONE, TweenInterpolate::static_type())
}

gst::plugin_define!(
    tweenfarm,
    env!("CARGO_PKG_DESCRIPTION"),
    register,
    env!("CARGO_PKG_VERSION"),
    "MIT/X11",
    "tweenfarm",
    "Tweenfarm",
    "Tweenfarm"
);
