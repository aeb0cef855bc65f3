//! What `ffprobe` reports, read into facts and a timeline. Pure: text in, facts out.

use crate::{AudioFacts, Clip, Colours, ProbeError, SourceFacts, Timeline, VideoFacts, entry, timeline::Stamps};
use serde::Deserialize;
use std::collections::HashMap;
use tweenfarm_protocol::Rational;

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    packets: Vec<Packet>,
    #[serde(default)]
    streams: Vec<Stream>,
    format: Option<Format>,
}

#[derive(Debug, Deserialize)]
struct Packet {
    #[serde(default)]
    stream_index: i64,
    pts: Option<i64>,
    duration: Option<i64>,
    #[serde(default)]
    flags: String,
    pos: Option<String>,
    size: Option<String>,
}

impl Packet {
    fn entry(&self) -> entry::Packet {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        let (position, size_bytes) = (number(&self.pos), number(&self.size));
        entry::Packet { ticks: self.pts, is_key: self.flags.contains('K'), position, size_bytes }
    }

    /// Packets an edit list hides are decoded but not shown.
    fn is_shown(&self) -> bool {
        !self.flags.contains('D')
    }
}

#[derive(Debug, Deserialize)]
struct Stream {
    index: i64,
    #[serde(default)]
    codec_type: String,
    codec_name: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    pix_fmt: Option<String>,
    color_range: Option<String>,
    color_primaries: Option<String>,
    color_transfer: Option<String>,
    color_space: Option<String>,
    field_order: Option<String>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    time_base: Option<String>,
    start_pts: Option<i64>,
    duration_ts: Option<i64>,
    nb_frames: Option<String>,
    #[serde(default)]
    channels: u32,
    sample_rate: Option<String>,
    #[serde(default)]
    disposition: HashMap<String, i64>,
    #[serde(default)]
    tags: HashMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Deserialize)]
struct SideData {
    /// Degrees counterclockwise, of a display matrix.
    rotation: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
}

impl Stream {
    /// Cover pictures and thumbnails are video streams by type only.
    fn is_moving_picture(&self) -> bool {
        let is = |name: &str| self.disposition.get(name).is_some_and(|value| *value != 0);
        self.codec_type == "video" && !is("attached_pic") && !is("timed_thumbnails")
    }

    fn time_base(&self) -> Option<Rational> {
        self.time_base.as_deref()?.parse().ok().filter(|base: &Rational| base.is_positive())
    }

    fn rotation_deg(&self) -> u16 {
        let matrix =
            self.side_data_list.iter().find_map(|data| data.rotation).map(|counterclockwise| -counterclockwise);
        let tag = || self.tags.get("rotate").and_then(|text| text.parse::<f64>().ok());
        let clockwise = matrix.or_else(tag).filter(|degrees| degrees.is_finite()).unwrap_or(0.0);
        // Quarter turns only: phones write 90.0 and sometimes 89.99.
        let quarters = (clockwise / 90.0).round().rem_euclid(4.0);
        quarters as u16 * 90
    }
}

/// Reads a report of a file of `size_bytes`; the refusal is for the person who sent the file.
pub fn read(json: &[u8], size_bytes: u64) -> Result<Clip, ProbeError> {
    let report: Report = serde_json::from_slice(json).map_err(|_| ProbeError::NotMedia)?;
    let format = report.format.as_ref().ok_or(ProbeError::NotMedia)?;
    let stream = report.streams.iter().find(|stream| stream.is_moving_picture()).ok_or(ProbeError::NoVideo)?;
    if stream.width == 0 || stream.height == 0 {
        return Err(ProbeError::Damaged("the size of its pictures is unknown; export it again".to_owned()));
    }
    let packets: Vec<&Packet> = report.packets.iter().filter(|packet| packet.stream_index == stream.index).collect();
    refuse_missing_frames(&report, format, stream, packets.len())?;
    let shown: Vec<&Packet> = packets.into_iter().filter(|packet| packet.is_shown()).collect();
    let timeline = timeline(stream, &shown)?;
    let packets: Vec<entry::Packet> = shown.iter().map(|packet| packet.entry()).collect();
    let entries = entry::entries(&format.format_name, &packets, &timeline);
    let first_frame = first_time(stream, &shown);
    let rotation_deg = stream.rotation_deg();
    let sideways = rotation_deg % 180 == 90;
    let video = VideoFacts {
        codec: stream.codec_name.clone().unwrap_or_default(),
        width_px: if sideways { stream.height } else { stream.width },
        height_px: if sideways { stream.width } else { stream.height },
        rotation_deg,
        average_rate: timeline.average_rate(),
        duration: timeline.duration(),
        frame_count: timeline.frame_count(),
        interlaced: stream.field_order.as_deref().is_some_and(|order| matches!(order, "tt" | "bb" | "tb" | "bt")),
        pixel_format: stream.pix_fmt.clone().unwrap_or_default(),
    };
    let audio = report
        .streams
        .iter()
        .filter(|stream| stream.codec_type == "audio")
        .map(|stream| audio(stream, &report.packets, first_frame, format))
        .collect();
    let full_range =
        stream.color_range.as_deref() == Some("pc") || stream.pix_fmt.as_deref().is_some_and(|f| f.starts_with("yuvj"));
    let facts = SourceFacts { container: format.format_name.clone(), size_bytes, video, audio };
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let colours = Colours {
        primaries: name(&stream.color_primaries),
        transfer: name(&stream.color_transfer),
        matrix: name(&stream.color_space),
    };
    Ok(Clip { facts, timeline, entries, first_frame, full_range, colours })
}

/// Containers that count their frames, or say how long they are, betray a file that was cut off. An MP4's index
/// also counts frames that an edit hides for good; its boxes are looked at instead.
fn refuse_missing_frames(report: &Report, format: &Format, stream: &Stream, there: usize) -> Result<(), ProbeError> {
    let container = &format.format_name;
    if !container.contains("mp4")
        && let Some(declared) = stream.nb_frames.as_deref().and_then(|count| count.parse::<usize>().ok())
        && there.saturating_mul(100) < declared.saturating_mul(98)
    {
        return Err(ProbeError::Damaged(format!("{there} of its {declared} frames are there; upload it again")));
    }
    if container.contains("matroska")
        && let Some(declared) = format.duration.as_deref().and_then(decimal)
        && let Some(end) = report.streams.iter().filter_map(|stream| end_time(stream, &report.packets)).max()
        // The duration rounds and covers the last subtitle; a file that is cut off lacks more than that.
        && declared.as_f64() - end.as_f64() > 1.0 + declared.as_f64() / 20.0
    {
        let (end, declared) = (end.as_f64(), declared.as_f64());
        return Err(ProbeError::Damaged(format!("it ends after {end:.1} of {declared:.1} seconds; upload it again")));
    }
    if there == 0 {
        return Err(ProbeError::Damaged("its video stream holds no frames; export it again".to_owned()));
    }
    Ok(())
}

fn timeline(stream: &Stream, shown: &[&Packet]) -> Result<Timeline, ProbeError> {
    let ticks: Vec<Option<i64>> = shown.iter().map(|packet| packet.pts).collect();
    let rate = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Rational>().ok());
    let claimed: Vec<Rational> =
        [rate(&stream.avg_frame_rate), rate(&stream.r_frame_rate)].into_iter().flatten().collect();
    let last = shown.iter().filter(|packet| packet.pts.is_some()).max_by_key(|packet| packet.pts);
    let stamps = Stamps {
        ticks: &ticks,
        time_base: stream.time_base(),
        last_ticks: last.and_then(|packet| packet.duration),
        claimed_rates: &claimed,
    };
    let timeline =
        Timeline::from_stamps(&stamps).map_err(|cause| ProbeError::Damaged(format!("{cause}; export it again")))?;
    if timeline.frame_count() < 2 {
        return Err(ProbeError::SingleFrame);
    }
    Ok(timeline)
}

fn first_time(stream: &Stream, shown: &[&Packet]) -> Rational {
    let first = shown.iter().filter_map(|packet| packet.pts).min().unwrap_or(0);
    stream.time_base().and_then(|base| times(first, base)).unwrap_or(Rational::ZERO)
}

fn audio(stream: &Stream, packets: &[Packet], first_frame: Rational, format: &Format) -> AudioFacts {
    let base = stream.time_base().unwrap_or(Rational::whole(1));
    let own = || packets.iter().filter(|packet| packet.stream_index == stream.index && packet.is_shown());
    let first_ticks = stream.start_pts.or_else(|| own().filter_map(|packet| packet.pts).min()).unwrap_or(0);
    let first = times(first_ticks, base).unwrap_or(Rational::ZERO);
    let declared = stream.duration_ts.filter(|ticks| *ticks > 0).and_then(|ticks| times(ticks, base));
    let counted = || end_time(stream, packets).and_then(|end| minus(end, first));
    let duration = declared
        .or_else(counted)
        .or_else(|| format.duration.as_deref().and_then(decimal))
        .filter(|duration| duration.is_positive());
    AudioFacts {
        codec: stream.codec_name.clone().unwrap_or_default(),
        channels: stream.channels,
        sample_rate_hz: stream.sample_rate.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0),
        start: minus(first, first_frame).unwrap_or(Rational::ZERO),
        duration: duration.unwrap_or(Rational::ZERO),
    }
}

/// When the last packet of a stream ends, in seconds.
fn end_time(stream: &Stream, packets: &[Packet]) -> Option<Rational> {
    let own = packets.iter().filter(|packet| packet.stream_index == stream.index && packet.is_shown());
    let end = own.filter_map(|packet| packet.pts?.checked_add(packet.duration.unwrap_or(0))).max()?;
    times(end, stream.time_base()?)
}

fn times(ticks: i64, base: Rational) -> Option<Rational> {
    Rational::new(ticks.checked_mul(base.num())?, base.den()).ok()
}

fn minus(left: Rational, right: Rational) -> Option<Rational> {
    let num = left.num().checked_mul(right.den())?.checked_sub(right.num().checked_mul(left.den())?)?;
    Rational::new(num, left.den().checked_mul(right.den())?).ok()
}

fn decimal(text: &str) -> Option<Rational> {
    text.parse().ok()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
