//! Facts of a source file, as measured by the probe: exact rates and times, no floats.

use serde::{Deserialize, Serialize};
use tweenfarm_protocol::Rational;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// ffprobe's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    pub size_bytes: u64,
    pub video: VideoFacts,
    /// Sound tracks in file order; empty when there is none.
    pub audio: Vec<AudioFacts>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoFacts {
    pub codec: String,
    /// Size as shown, in pixels: after rotation.
    pub width_px: u32,
    pub height_px: u32,
    /// Clockwise turn a player applies, in degrees: 0, 90, 180 or 270.
    pub rotation_deg: u16,
    /// Average rate in frames per second, exact.
    pub average_rate: Rational,
    /// Duration in seconds, exact: of the video stream, else of the container.
    pub duration: Rational,
    /// Frames in the stream, counted from its packets.
    pub frame_count: u64,
    pub interlaced: bool,
    /// ffprobe's pixel format, such as `yuv420p10le`.
    pub pixel_format: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioFacts {
    pub codec: String,
    pub channels: u32,
    pub sample_rate_hz: u32,
    /// First sample relative to the first video frame, in seconds, exact.
    pub start: Rational,
    pub duration: Rational,
}

impl VideoFacts {
    /// Frames per second rounded to 3 decimals, as the public APIs show it: 23.976, 29.97, 59.94.
    pub fn fps_shown(&self) -> f64 {
        (self.average_rate.as_f64() * 1000.0).round() / 1000.0
    }

    /// Slots of an output of the same duration at `rate`: round(duration × rate), halves up, at least 1.
    pub fn slot_count(&self, rate: Rational) -> u64 {
        let num = i128::from(self.duration.num()) * i128::from(rate.num());
        let den = i128::from(self.duration.den()) * i128::from(rate.den());
        let rounded = (2 * num + den).div_euclid(2 * den);
        u64::try_from(rounded).unwrap_or(0).max(1)
    }
}
