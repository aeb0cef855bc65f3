//! What the element shows of itself when it works on a stream: its properties, as `gst-inspect-1.0` prints them.

use crate::{
    interpolator::{MakeInterpolator, on_device},
    shader_cache,
};
use gstreamer as gst;
use gstreamer::{glib, prelude::*};
use std::sync::LazyLock;
use tweenfarm_protocol::Rational;
use tweenfarm_shaders::{Device, Quality, Settings};

/// The lowest rate is one frame in 1000 seconds.
const RATE_MIN: (i32, i32) = (1, 1000);
const RATE_MAX: (i32, i32) = (1000, 1);
const RATE_DEFAULT: (i32, i32) = (60, 1);

/// How much work goes into a pair of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "VkInterpolateQuality")]
pub enum StreamQuality {
    #[enum_value(name = "Half the work, for slow devices", nick = "fast")]
    Fast,
    #[default]
    #[enum_value(name = "The usual", nick = "balanced")]
    Balanced,
    #[enum_value(name = "Finer motion, several times the work", nick = "high")]
    High,
}

#[derive(Clone, Debug)]
pub struct Properties {
    pub target_fps: gst::Fraction,
    quality: StreamQuality,
    scene_cuts: bool,
    pub nearest: bool,
    device: Option<String>,
}

impl Default for Properties {
    fn default() -> Self {
        let (num, den) = RATE_DEFAULT;
        let quality = StreamQuality::default();
        Properties { target_fps: gst::Fraction::new(num, den), quality, scene_cuts: true, nearest: false, device: None }
    }
}

impl Properties {
    pub fn specs() -> &'static [glib::ParamSpec] {
        static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let rate = |(num, den)| gst::Fraction::new(num, den);
            vec![
                gst::ParamSpecFraction::builder("target-fps")
                    .nick("Target rate")
                    .blurb("Frames per second of the output, exactly: 120/1, 60000/1001")
                    .minimum(rate(RATE_MIN))
                    .maximum(rate(RATE_MAX))
                    .default_value(rate(RATE_DEFAULT))
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder::<StreamQuality>("quality")
                    .nick("Quality")
                    .blurb("How much work goes into a pair of frames")
                    .default_value(StreamQuality::default())
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("scene-cuts")
                    .nick("Scene cuts")
                    .blurb("Show a scene cut as one; otherwise both scenes are mixed across it")
                    .default_value(true)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("nearest")
                    .nick("Nearest")
                    .blurb("Make no frame: show the nearest of the stream, which drops some where the rate is lower")
                    .default_value(false)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("device")
                    .nick("Device")
                    .blurb("UUID of the Vulkan device, 32 hexadecimal digits; without it the best there is")
                    .mutable_ready()
                    .build(),
            ]
        });
        &SPECS
    }

    /// A value of another type than the property's never gets here: GObject refuses it before.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "target-fps" => self.target_fps = value.get().unwrap_or(self.target_fps),
            "quality" => self.quality = value.get().unwrap_or(self.quality),
            "scene-cuts" => self.scene_cuts = value.get().unwrap_or(self.scene_cuts),
            "nearest" => self.nearest = value.get().unwrap_or(self.nearest),
            "device" => {
                let uuid: Option<String> = value.get().unwrap_or_default();
                self.device = uuid.filter(|uuid| !uuid.is_empty());
            }
            _ => {}
        }
    }

    pub fn value(&self, name: &str) -> glib::Value {
        match name {
            "target-fps" => self.target_fps.to_value(),
            "quality" => self.quality.to_value(),
            "scene-cuts" => self.scene_cuts.to_value(),
            "nearest" => self.nearest.to_value(),
            _ => self.device.to_value(),
        }
    }

    pub fn target_rate(&self) -> Option<Rational> {
        rational(self.target_fps)
    }

    /// Opens the device once the picture size is known.
    pub fn engine(&self) -> MakeInterpolator {
        let quality = match self.quality {
            StreamQuality::Fast => Quality::Fast,
            StreamQuality::Balanced => Quality::Balanced,
            StreamQuality::High => Quality::High,
        };
        let settings = Settings { quality, scene_cuts: self.scene_cuts };
        let uuid = self.device.clone();
        Box::new(move |size, depth| {
            let cache = shader_cache::file_of_user(uuid.as_deref());
            on_device(Device::open_with_cache(uuid.as_deref(), cache.as_deref())?, settings)(size, depth)
        })
    }
}

/// A rate above 0; GStreamer says 0/1 for a variable one.
pub fn rational(fraction: gst::Fraction) -> Option<Rational> {
    let rate = Rational::new(i64::from(fraction.numer()), i64::from(fraction.denom())).ok()?;
    rate.is_positive().then_some(rate)
}
