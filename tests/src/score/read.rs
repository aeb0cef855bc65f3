//! Frames of a file by the `ffmpeg` program: raw planes through a pipe, one frame at a time, with their exact times.

use super::luma::Luma;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    io::{BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};
use tweenfarm_protocol::Rational;

/// What ffprobe says of the first video stream, and the time of each of its frames.
#[derive(Clone, Debug)]
pub struct VideoFile {
    pub width_px: usize,
    pub height_px: usize,
    pub average_rate: Option<Rational>,
    /// Seconds, in the order of presentation.
    pub times: Vec<f64>,
    layout: Layout,
    full_range: bool,
}

/// How ffmpeg lays out a raw frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// The pixel format asked of ffmpeg: the file's own wherever it is planar, so that nothing is converted.
    name: &'static str,
    bits: u32,
    /// Chroma width and height are halved this often; `None` without chroma.
    chroma_shift: Option<(u32, u32)>,
}

const LAYOUTS: [Layout; 13] = [
    layout("yuv420p", 8, Some((1, 1))),
    layout("yuvj420p", 8, Some((1, 1))),
    layout("yuv422p", 8, Some((1, 0))),
    layout("yuvj422p", 8, Some((1, 0))),
    layout("yuv444p", 8, Some((0, 0))),
    layout("yuvj444p", 8, Some((0, 0))),
    layout("gray", 8, None),
    layout("yuv420p10le", 10, Some((1, 1))),
    layout("yuv422p10le", 10, Some((1, 0))),
    layout("yuv444p10le", 10, Some((0, 0))),
    layout("yuv420p12le", 12, Some((1, 1))),
    layout("yuv422p12le", 12, Some((1, 0))),
    layout("yuv444p12le", 12, Some((0, 0))),
];

const fn layout(name: &'static str, bits: u32, chroma_shift: Option<(u32, u32)>) -> Layout {
    Layout { name, bits, chroma_shift }
}

impl Layout {
    fn of(pixel_format: &str) -> Result<Layout> {
        // The same samples, only interleaved: reordering them is exact.
        let planar = match pixel_format {
            "nv12" | "nv21" => "yuv420p",
            "p010le" => "yuv420p10le",
            other => other,
        };
        let found = LAYOUTS.into_iter().find(|layout| layout.name == planar);
        found.with_context(|| {
            format!("pixel format {pixel_format} can't be scored: it is not planar YUV of 8 to 12 bits")
        })
    }

    fn frame_bytes(self, width_px: usize, height_px: usize) -> usize {
        let chroma = self
            .chroma_shift
            .map_or(0, |(across, down)| 2 * width_px.div_ceil(1 << across) * height_px.div_ceil(1 << down));
        (width_px * height_px + chroma) * if self.bits > 8 { 2 } else { 1 }
    }
}

#[derive(Deserialize)]
struct Probed {
    streams: Vec<ProbedStream>,
    #[serde(default)]
    packets: Vec<ProbedPacket>,
}

#[derive(Deserialize)]
struct ProbedStream {
    width: usize,
    height: usize,
    pix_fmt: String,
    color_range: Option<String>,
    avg_frame_rate: String,
    time_base: String,
}

#[derive(Deserialize)]
struct ProbedPacket {
    pts: Option<i64>,
    #[serde(default)]
    flags: String,
}

impl VideoFile {
    pub fn probe(path: &Path) -> Result<VideoFile> {
        let fields = "stream=width,height,pix_fmt,color_range,avg_frame_rate,time_base:packet=pts,flags";
        let output = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-show_packets", "-of", "json", "-show_entries", fields])
            .arg(path)
            .output()
            .context("start ffprobe (is the package ffmpeg installed?)")?;
        ensure!(
            output.status.success(),
            "ffprobe refuses {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let probed: Probed = serde_json::from_slice(&output.stdout).context("read ffprobe's answer")?;
        let stream = probed.streams.first().with_context(|| format!("{} has no video stream", path.display()))?;
        let tick: Rational = stream.time_base.parse().context("read the time base")?;
        // Packets before an edit list's start are decoded but never shown.
        let shown = probed.packets.iter().filter(|packet| !packet.flags.contains('D'));
        let mut times = shown
            .map(|packet| packet.pts.map(|pts| pts as f64 * tick.as_f64()))
            .collect::<Option<Vec<f64>>>()
            .with_context(|| format!("{} has frames without a time", path.display()))?;
        times.sort_by(f64::total_cmp);
        Ok(VideoFile {
            width_px: stream.width,
            height_px: stream.height,
            average_rate: stream.avg_frame_rate.parse().ok(),
            times,
            layout: Layout::of(&stream.pix_fmt)?,
            full_range: stream.pix_fmt.starts_with("yuvj") || stream.color_range.as_deref() == Some("pc"),
        })
    }

    /// 8-bit 4:2:0 of limited range: what can be handed on byte for byte as the input of an interpolator.
    pub fn is_plain(&self) -> bool {
        self.layout.name == "yuv420p" && !self.full_range
    }

    pub fn frames(&self, path: &Path) -> Result<FrameReader> {
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-noautorotate", "-i"])
            .arg(path)
            .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", self.layout.name, "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("start ffmpeg (is the package ffmpeg installed?)")?;
        let pipe = BufReader::new(child.stdout.take().context("ffmpeg has no output pipe")?);
        let bytes = vec![0; self.layout.frame_bytes(self.width_px, self.height_px)];
        Ok(FrameReader { child, pipe, bytes, left: self.times.len() })
    }

    /// The Y plane of a raw frame.
    pub fn luma(&self, frame: &[u8]) -> Luma {
        let plane = self.width_px * self.height_px * if self.layout.bits > 8 { 2 } else { 1 };
        Luma::from_plane(self.width_px, self.height_px, &frame[..plane], self.layout.bits, self.full_range)
    }
}

/// Reads raw frames from a running ffmpeg; dropping it ends the program.
pub struct FrameReader {
    child: Child,
    pipe: BufReader<ChildStdout>,
    bytes: Vec<u8>,
    left: usize,
}

impl FrameReader {
    /// The next frame's planes, one after the other; `None` after the last. As many come as the file has times.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>> {
        if self.left == 0 {
            let mut rest = [0];
            ensure!(self.pipe.read(&mut rest)? == 0, "the file holds more frames than packets");
            let status = self.child.wait()?;
            ensure!(status.success(), "ffmpeg could not decode the file ({status})");
            return Ok(None);
        }
        if let Err(error) = self.pipe.read_exact(&mut self.bytes) {
            bail!("the file decodes to {} frames fewer than it has packets: {error}", self.left);
        }
        self.left -= 1;
        Ok(Some(&self.bytes))
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        // Both fail only when the program has ended already, which is the aim.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_frame_has_room_for_odd_chroma() {
        let check = |name: &str, size: (usize, usize), expected: usize| {
            let layout = Layout::of(name).expect("a known format");
            assert_eq!(layout.frame_bytes(size.0, size.1), expected, "{name} {size:?}");
        };
        check("yuv420p", (4, 2), 12);
        check("yuv420p", (5, 3), 15 + 2 * 6);
        check("yuv422p", (5, 3), 15 + 2 * 9);
        check("yuv444p10le", (4, 2), 48);
        check("nv12", (4, 2), 12);
        check("gray", (5, 3), 15);
    }

    #[test]
    fn a_format_that_is_not_planar_yuv_is_refused_by_name() {
        let refusal = Layout::of("bgra").expect_err("packed RGB").to_string();
        assert!(refusal.contains("bgra"), "{refusal}");
    }
}
