//! The proof of a joined file, by another program than the one that made its pictures: every slot once, at its time,
//! and pictures that decode where segments meet.

use crate::{failure, programs};
use serde::Deserialize;
use std::path::Path;
use tweenfarm_protocol::{
    Rational,
    output::{Depth, OutputFormat},
    task::{Failure, OutputPlan},
};

/// Slots decoded on either side of a border, and at both ends.
const REACH: u64 = 3;

/// What the file must be like besides its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub sound_tracks: usize,
    /// Matroska has no times before 0: where sound begins before the pictures, all of it is moved.
    pub starts_at_zero: bool,
}

/// What was found besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    pub width_px: u32,
    pub height_px: u32,
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    packets: Vec<Packet>,
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Debug, Deserialize)]
struct Packet {
    stream_index: i64,
    pts: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    codec_type: String,
    codec_name: Option<String>,
    pix_fmt: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    r_frame_rate: String,
    time_base: String,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// Proves `output` or says what is wrong with it. `on_part` hears which part of the work is done.
pub fn prove(
    output: &Path,
    plan: &OutputPlan,
    borders: &[u64],
    expected: Expected,
    on_part: &mut dyn FnMut(f64),
) -> Result<Proven, Failure> {
    let report = look(output)?;
    let proven = counts(&report, plan, expected).map_err(unproven)?;
    let windows = windows(plan.slot_count, borders);
    for (index, (first, end)) in windows.iter().copied().enumerate() {
        decodes(output, plan.target_rate, first, end)?;
        on_part((index + 1) as f64 / windows.len() as f64);
    }
    Ok(proven)
}

fn unproven(wrong: String) -> Failure {
    failure::internal(format!("the joined file is not what was promised: {wrong}"))
}

fn look(output: &Path) -> Result<Report, Failure> {
    let entries = "packet=stream_index,pts:\
        stream=codec_type,codec_name,pix_fmt,width,height,r_frame_rate,time_base:stream_side_data";
    let url = format!("file:{}", output.to_string_lossy());
    let arguments = ["-v", "error", "-show_entries", entries, "-of", "json", "-i", &url].map(str::to_owned);
    let mut json = String::new();
    let ended = programs::run("ffprobe", &arguments, None, |line| json.push_str(line))?;
    if !ended.success {
        return Err(unproven(format!("ffprobe cannot read it ({})", ended.stderr.lines().next().unwrap_or_default())));
    }
    serde_json::from_str(&json).map_err(|cause| unproven(format!("ffprobe's report cannot be read: {cause}")))
}

/// Counts and times, from a report. Pure.
fn counts(report: &Report, plan: &OutputPlan, expected: Expected) -> Result<Proven, String> {
    let [video, others @ ..] = &report.streams[..] else { return Err("it has no streams".to_owned()) };
    if video.codec_type != "video" {
        return Err("its first stream is not the video".to_owned());
    }
    if video.side_data_list.iter().any(|data| data.rotation.is_some_and(|turn| turn != 0.0)) {
        return Err("it is turned again when shown".to_owned());
    }
    is_shaped(video, plan.format)?;
    let heard = others.iter().filter(|stream| stream.codec_type == "audio").count();
    if heard != expected.sound_tracks {
        return Err(format!("it has {heard} of {} tracks of sound", expected.sound_tracks));
    }
    let mut ticks = Vec::new();
    for packet in report.packets.iter().filter(|packet| packet.stream_index == 0) {
        ticks.push(packet.pts.ok_or("a frame has no time")?);
    }
    ticks.sort_unstable();
    if ticks.len() as u64 != plan.slot_count {
        return Err(format!("it has {} of {} frames", ticks.len(), plan.slot_count));
    }
    let base: Rational = video.time_base.parse().map_err(|_| "its time base is no fraction".to_owned())?;
    let rate = plan.target_rate;
    let num = i128::from(base.den()) * i128::from(rate.den());
    let den = i128::from(base.num()) * i128::from(rate.num());
    let is_exact = num % den == 0;
    let origin = if expected.starts_at_zero { 0 } else { ticks.first().copied().unwrap_or(0).max(0) };
    for (slot, tick) in (0_i128..).zip(&ticks) {
        // Tick × den against slot × num: zero where the time base holds the rate, less than a tick where it rounds.
        let off = ((i128::from(*tick) - i128::from(origin)) * den - slot * num).abs();
        if off >= if is_exact { 1 } else { den } {
            return Err(format!("slot {slot} stands at tick {tick} of {base} s"));
        }
    }
    // A time base that rounds lets a reader guess; only an exact one says the rate itself.
    if is_exact && video.r_frame_rate.parse() != Ok(rate) && plan.slot_count > 1 {
        return Err(format!("its rate is read as {}, not {rate}", video.r_frame_rate));
    }
    Ok(Proven { width_px: video.width, height_px: video.height })
}

/// Codec, bits and size, where one was asked for.
fn is_shaped(video: &Stream, format: OutputFormat) -> Result<(), String> {
    let codec = video.codec_name.as_deref().unwrap_or("nothing known");
    if codec != format.codec.name() {
        return Err(format!("it is {codec}, not {}", format.codec));
    }
    let pixels = video.pix_fmt.as_deref().unwrap_or_default();
    if pixels.contains("10") != (format.depth == Depth::Ten) {
        return Err(format!("its pixels are {pixels}, not of {} bits", format.depth.bits()));
    }
    match format.size {
        Some(size) if (video.width, video.height) != (size.width_px(), size.height_px()) => {
            Err(format!("its pictures are {}x{}, not {size}", video.width, video.height))
        }
        _ => Ok(()),
    }
}

/// Slots to decode: around both ends and around every border, overlapping ones merged.
fn windows(slot_count: u64, borders: &[u64]) -> Vec<(u64, u64)> {
    let mut windows: Vec<(u64, u64)> = Vec::new();
    for place in [0].into_iter().chain(borders.iter().copied()).chain([slot_count]) {
        let (first, end) = (place.saturating_sub(REACH), (place + REACH).min(slot_count));
        match windows.last_mut() {
            Some(last) if first <= last.1 => last.1 = end.max(last.1),
            _ => windows.push((first, end)),
        }
    }
    windows
}

/// Decodes the slots `[first, end)` and counts them.
fn decodes(output: &Path, rate: Rational, first: u64, end: u64) -> Result<(), Failure> {
    // Half a slot early, so that no rounding of the wish loses the first one.
    let half_slots = i128::from(2 * first) - 1;
    let micros = (half_slots * i128::from(rate.den()) * 500_000 / i128::from(rate.num())).max(0);
    let wish = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let count = (end - first).to_string();
    let url = format!("file:{}", output.to_string_lossy());
    let arguments = [
        "-nostdin",
        "-v",
        "error",
        "-xerror",
        "-ss",
        &wish,
        "-i",
        &url,
        "-map",
        "0:v:0",
        "-frames:v",
        &count,
        "-vsync",
        "passthrough",
        "-f",
        "framecrc",
        "-",
    ]
    .map(str::to_owned);
    let mut decoded = 0;
    let ended = programs::run("ffmpeg", &arguments, None, |line| decoded += u64::from(line.starts_with("0,")))?;
    if !ended.success || !ended.stderr.is_empty() || decoded != end - first {
        let complaint = ended.stderr.lines().next().unwrap_or("no complaint").to_owned();
        return Err(unproven(format!("of the slots {first}..{end} {decoded} decode ({complaint})")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::{
        output::{Codec, PictureSize},
        task::{EncodeSettings, EncoderClass, EngineSettings},
    };

    fn plan(rate: Rational, slot_count: u64) -> OutputPlan {
        OutputPlan {
            target_rate: rate,
            slot_count,
            encode: EncodeSettings::default(),
            encoder: EncoderClass::X264,
            engine: EngineSettings::default(),
            format: OutputFormat::default(),
        }
    }

    fn report(types: &[&str], time_base: &str, ticks: &[i64]) -> Report {
        let streams = types
            .iter()
            .map(|kind| Stream {
                codec_type: (*kind).to_owned(),
                codec_name: Some("h264".to_owned()),
                pix_fmt: Some("yuv420p".to_owned()),
                width: 64,
                height: 48,
                r_frame_rate: "60/1".to_owned(),
                time_base: time_base.to_owned(),
                side_data_list: Vec::new(),
            })
            .collect();
        let packets = ticks.iter().map(|pts| Packet { stream_index: 0, pts: Some(*pts) }).collect();
        Report { packets, streams }
    }

    #[test]
    fn a_file_is_proven_by_order_count_and_times() {
        let sixty = plan(Rational::whole(60), 4);
        let named = |sound_tracks| Expected { sound_tracks, starts_at_zero: true };
        let check = |report: Report, sound, expected: &str| match counts(&report, &sixty, named(sound)) {
            Ok(proven) => assert_eq!((expected, proven.width_px, proven.height_px), ("", 64, 48)),
            Err(wrong) => assert!(!expected.is_empty() && wrong.contains(expected), "'{wrong}', not '{expected}'"),
        };
        check(report(&["video"], "1/15360", &[0, 512, 256, 768]), 0, "");
        check(report(&["video", "audio"], "1/15360", &[0, 256, 512, 768]), 1, "");
        check(report(&["video"], "1/1000", &[0, 17, 33, 50]), 0, "");
        check(report(&["video"], "1/1000", &[0, 17, 33, 52]), 0, "slot 3");
        check(report(&["video"], "1/15360", &[0, 256, 512, 769]), 0, "slot 3");
        check(report(&["video"], "1/15360", &[1, 257, 513, 769]), 0, "slot 0");
        check(report(&["video"], "1/15360", &[0, 256, 512]), 0, "3 of 4 frames");
        check(report(&["audio", "video"], "1/15360", &[0, 256, 512, 768]), 0, "first stream");
        check(report(&["video"], "1/15360", &[0, 256, 512, 768]), 1, "0 of 1 tracks");
        check(report(&[], "1/15360", &[]), 0, "no streams");
        let mut slow = report(&["video"], "1/15360", &[0, 256, 512, 768]);
        slow.streams[0].r_frame_rate = "30/1".to_owned();
        check(slow, 0, "read as 30/1");
        let moved = report(&["video"], "1/1000", &[25, 42, 58, 75]);
        let matroska = Expected { sound_tracks: 0, starts_at_zero: false };
        assert!(counts(&moved, &sixty, matroska).is_ok() && counts(&moved, &sixty, named(0)).is_err());
        let mut turned = report(&["video"], "1/15360", &[0, 256, 512, 768]);
        turned.streams[0].side_data_list.push(SideData { rotation: Some(-90.0) });
        check(turned, 0, "turned again");
    }

    #[test]
    fn a_file_of_another_shape_is_not_the_promised_one() {
        let check = |change: &dyn Fn(&mut OutputFormat, &mut Stream), expected: &str| {
            let mut found = report(&["video"], "1/15360", &[0, 256, 512, 768]);
            let mut promised = plan(Rational::whole(60), 4);
            change(&mut promised.format, &mut found.streams[0]);
            match counts(&found, &promised, Expected { sound_tracks: 0, starts_at_zero: true }) {
                Ok(_) => assert_eq!(expected, ""),
                Err(wrong) => assert!(!expected.is_empty() && wrong.contains(expected), "'{wrong}', not '{expected}'"),
            }
        };
        check(&|format, _| format.size = PictureSize::new(64, 48).ok(), "");
        check(&|format, _| format.size = PictureSize::new(128, 96).ok(), "64x48, not 128x96");
        check(&|format, _| format.codec = Codec::Hevc, "it is h264, not hevc");
        check(&|format, _| format.depth = Depth::Ten, "yuv420p, not of 10 bits");
        check(&|_, stream| stream.pix_fmt = Some("yuv420p10le".to_owned()), "not of 8 bits");
    }

    #[test]
    fn ends_and_borders_are_decoded_and_neighbours_together() {
        assert_eq!(windows(100, &[50]), [(0, 3), (47, 53), (97, 100)]);
        assert_eq!(windows(100, &[4, 8]), [(0, 11), (97, 100)]);
        assert_eq!(windows(2, &[]), [(0, 2)]);
    }
}
