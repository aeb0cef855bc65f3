//! What a file really holds, by ffprobe: frames counted by decoding, times from its packets. Shares no code with `media`.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{path::Path, process::Command};
use tweenfarm_protocol::Rational;

#[derive(Clone, Debug)]
pub struct Inspected {
    pub video: Video,
    pub audio: Option<Audio>,
    pub size_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct Video {
    pub codec: String,
    pub width_px: u32,
    pub height_px: u32,
    /// ffprobe's `r_frame_rate`: the lowest rate that holds every timestamp exactly.
    pub rate: Rational,
    pub average_rate: Rational,
    /// Frames, by decoding them all.
    pub frames: u64,
    /// Seconds: of the stream, else of the container.
    pub duration: f64,
    /// Time of the first frame shown, in seconds.
    pub start: f64,
    /// Every frame stands one and the same number of ticks after the one before.
    pub constant_rate: bool,
}

#[derive(Clone, Debug)]
pub struct Audio {
    pub codec: String,
    pub start: f64,
    pub duration: f64,
    pub packets: u64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    packets: Vec<Packet>,
    format: Format,
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    codec_type: String,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    r_frame_rate: String,
    avg_frame_rate: String,
    time_base: String,
    start_time: Option<String>,
    duration: Option<String>,
    nb_read_frames: Option<String>,
    nb_read_packets: Option<String>,
}

#[derive(Deserialize)]
struct Packet {
    stream_index: u32,
    pts: Option<i64>,
    #[serde(default)]
    flags: String,
}

#[derive(Deserialize)]
struct Format {
    duration: Option<String>,
    size: String,
}

pub fn inspect(path: &Path) -> Result<Inspected> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-count_packets", "-show_streams", "-show_packets", "-show_format"])
        .args(["-show_entries", "packet=stream_index,pts,flags", "-of", "json"])
        .arg(path)
        .output()
        .context("start ffprobe (is the package ffmpeg installed?)")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffprobe refuses {}: {}", path.display(), complaint.trim());
    let answer: Answer = serde_json::from_slice(&output.stdout).context("read ffprobe's answer")?;
    let first = |kind: &str| answer.streams.iter().find(|stream| stream.codec_type == kind);
    let video = first("video").with_context(|| format!("{} has no video stream", path.display()))?;
    Ok(Inspected {
        video: video_of(video, &answer)?,
        audio: first("audio").map(|audio| audio_of(audio, &answer)).transpose()?,
        size_bytes: answer.format.size.parse()?,
    })
}

fn video_of(stream: &Stream, answer: &Answer) -> Result<Video> {
    let tick: Rational = stream.time_base.parse()?;
    let of_stream = answer.packets.iter().filter(|packet| packet.stream_index == stream.index);
    let mut times: Vec<i64> = of_stream.filter(|packet| !packet.flags.contains('D')).filter_map(|p| p.pts).collect();
    times.sort_unstable();
    let steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Ok(Video {
        codec: stream.codec_name.clone().unwrap_or_default(),
        width_px: stream.width.context("the video has no width")?,
        height_px: stream.height.context("the video has no height")?,
        rate: stream.r_frame_rate.parse()?,
        average_rate: stream.avg_frame_rate.parse()?,
        frames: stream.nb_read_frames.as_deref().context("ffprobe counted no frames")?.parse()?,
        duration: duration_of(stream, answer)?,
        start: times.first().map_or(0.0, |first| *first as f64 * tick.as_f64()),
        constant_rate: steps.windows(2).all(|pair| pair[0] == pair[1]),
    })
}

fn audio_of(stream: &Stream, answer: &Answer) -> Result<Audio> {
    Ok(Audio {
        codec: stream.codec_name.clone().unwrap_or_default(),
        start: seconds(stream.start_time.as_deref())?.unwrap_or(0.0),
        duration: duration_of(stream, answer)?,
        packets: stream.nb_read_packets.as_deref().unwrap_or("0").parse()?,
    })
}

fn duration_of(stream: &Stream, answer: &Answer) -> Result<f64> {
    let of_stream = seconds(stream.duration.as_deref())?;
    let found = of_stream.or(seconds(answer.format.duration.as_deref())?);
    found.context("the file states no duration")
}

fn seconds(text: Option<&str>) -> Result<Option<f64>> {
    text.map(str::parse).transpose().context("read a time of ffprobe's answer")
}

/// What a file converted to `fps` must hold, given its source; every broken promise as a sentence.
pub fn broken_promises(source: &Inspected, result: &Inspected, fps: Rational) -> Vec<String> {
    let mut broken = Vec::new();
    let mut promise = |kept: bool, sentence: String| {
        if !kept {
            broken.push(sentence);
        }
    };
    let (from, to, rate) = (&source.video, &result.video, fps.as_f64());
    let frames = (from.duration * rate).round() as u64;
    promise(to.frames == frames, format!("{} frames, not {frames}", to.frames));
    promise(to.rate == fps, format!("r_frame_rate {}, not {fps}", to.rate));
    promise(to.average_rate == fps, format!("average rate {}, not {fps}", to.average_rate));
    promise(to.constant_rate, "frames do not stand equally spaced".to_owned());
    promise(to.start == 0.0, format!("the first frame stands at {} s", to.start));
    let drift = (to.duration - from.duration).abs();
    promise(drift <= 0.5 / rate + 1e-6, format!("{} s long, its source {} s", to.duration, from.duration));
    let size = |video: &Video| (video.width_px, video.height_px);
    promise(size(to) == size(from), format!("{:?} pixels, its source {:?}", size(to), size(from)));
    promise(to.codec == "h264", format!("codec {}, not h264", to.codec));
    match (&source.audio, &result.audio) {
        (None, None) => {}
        (None, Some(_)) => promise(false, "sound where its source has none".to_owned()),
        (Some(_), None) => promise(false, "no sound, its source has some".to_owned()),
        (Some(from), Some(to)) => {
            // A millisecond is the tick of Matroska, the coarsest clock of a source.
            let near = |a: f64, b: f64| (a - b).abs() <= 0.001;
            promise(
                near(from.start, to.start),
                format!("sound starts at {} s, in its source at {} s", to.start, from.start),
            );
            let lengths = format!("{} s of sound, in its source {} s", to.duration, from.duration);
            promise(near(from.duration, to.duration), lengths);
            let copied = to.codec != from.codec || to.packets == from.packets;
            promise(copied, format!("{} packets of sound, not {}", to.packets, from.packets));
        }
    }
    broken
}
