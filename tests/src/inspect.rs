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

/// Sound as it is heard: decoded, without the encoder's priming.
#[derive(Clone, Debug)]
pub struct Audio {
    pub codec: String,
    /// The first sample after the first video frame, in seconds.
    pub start: f64,
    /// Of all decoded samples.
    pub duration: f64,
    pub packets: u64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    /// `-show_packets` with `-show_frames` gives both in one list.
    #[serde(default, rename = "packets_and_frames")]
    items: Vec<Item>,
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
    sample_rate: Option<String>,
    duration: Option<String>,
    nb_read_frames: Option<String>,
    nb_read_packets: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Default, Deserialize)]
struct Tags {
    /// Matroska states a stream's end only here: `00:00:01.001000000`.
    #[serde(rename = "DURATION")]
    duration: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Packet {
        stream_index: u32,
        pts: Option<i64>,
        #[serde(default)]
        flags: String,
    },
    Frame {
        stream_index: u32,
        pts_time: Option<String>,
        nb_samples: Option<u64>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Format {
    duration: Option<String>,
    size: String,
}

pub fn inspect(path: &Path) -> Result<Inspected> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-count_packets", "-show_streams", "-show_packets", "-show_frames"])
        .args(["-show_format", "-of", "json", "-show_entries"])
        .arg("packet=stream_index,pts,flags:frame=stream_index,pts_time,nb_samples:frame_side_data=:frame_tags=")
        .arg(path)
        .output()
        .context("start ffprobe (is the package ffmpeg installed?)")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffprobe refuses {}: {}", path.display(), complaint.trim());
    let answer: Answer = serde_json::from_slice(&output.stdout).context("read ffprobe's answer")?;
    let first = |kind: &str| answer.streams.iter().find(|stream| stream.codec_type == kind);
    let video = first("video").with_context(|| format!("{} has no video stream", path.display()))?;
    let video = video_of(video, &answer)?;
    let audio = first("audio").map(|audio| audio_of(audio, &answer, video.start)).transpose()?;
    Ok(Inspected { video, audio, size_bytes: answer.format.size.parse()? })
}

fn video_of(stream: &Stream, answer: &Answer) -> Result<Video> {
    let tick: Rational = stream.time_base.parse()?;
    let shown = answer.items.iter().filter_map(|item| match item {
        Item::Packet { stream_index, pts, flags } if *stream_index == stream.index && !flags.contains('D') => *pts,
        Item::Packet { .. } | Item::Frame { .. } | Item::Other => None,
    });
    let mut times: Vec<i64> = shown.collect();
    times.sort_unstable();
    let steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let start = times.first().map_or(0.0, |first| *first as f64 * tick.as_f64());
    Ok(Video {
        codec: stream.codec_name.clone().unwrap_or_default(),
        width_px: stream.width.context("the video has no width")?,
        height_px: stream.height.context("the video has no height")?,
        rate: stream.r_frame_rate.parse()?,
        average_rate: stream.avg_frame_rate.parse()?,
        frames: stream.nb_read_frames.as_deref().context("ffprobe counted no frames")?.parse()?,
        duration: duration_of(stream, answer, start)?,
        start,
        constant_rate: steps.windows(2).all(|pair| pair[0] == pair[1]),
    })
}

fn audio_of(stream: &Stream, answer: &Answer, video_start: f64) -> Result<Audio> {
    let rate: f64 = stream.sample_rate.as_deref().context("the sound has no sample rate")?.parse()?;
    let frames = answer.items.iter().filter_map(|item| match item {
        Item::Frame { stream_index, pts_time, nb_samples } if *stream_index == stream.index => {
            Some((pts_time.as_deref(), nb_samples.unwrap_or(0)))
        }
        Item::Packet { .. } | Item::Frame { .. } | Item::Other => None,
    });
    let frames: Vec<(Option<&str>, u64)> = frames.collect();
    let first = seconds(frames.first().and_then(|frame| frame.0))?.context("the sound does not decode")?;
    Ok(Audio {
        codec: stream.codec_name.clone().unwrap_or_default(),
        start: first - video_start,
        duration: frames.iter().map(|frame| frame.1).sum::<u64>() as f64 / rate,
        packets: stream.nb_read_packets.as_deref().unwrap_or("0").parse()?,
    })
}

/// Matroska's tag says when the stream ends, not how long it is.
fn duration_of(stream: &Stream, answer: &Answer, start: f64) -> Result<f64> {
    let of_stream = seconds(stream.duration.as_deref())?;
    let of_tag = stream.tags.duration.as_deref().map(clock_seconds).transpose()?.map(|end| end - start);
    let found = of_stream.or(of_tag).or(seconds(answer.format.duration.as_deref())?);
    found.context("the file states no duration")
}

/// `00:01:02.5` is 62.5.
fn clock_seconds(text: &str) -> Result<f64> {
    let parts = text.split(':').map(|part| part.trim().parse::<f64>().context("read a duration"));
    parts.into_iter().try_fold(0.0, |seconds, part| Ok(60.0 * seconds + part?))
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
            // A result begins with its first frame: sound that precedes it (Matroska keeps an encoder's priming there)
            // has no time in it. What is heard with a frame stays with it.
            let before = (-from.start).max(0.0);
            let (start, duration) = (from.start + before, from.duration - before);
            promise(near(start, to.start), format!("sound starts at {:.3} s, not at {start:.3} s", to.start));
            promise(near(duration, to.duration), format!("{:.3} s of sound, not {duration:.3} s", to.duration));
            let copied = to.codec != from.codec || to.packets == from.packets;
            promise(copied, format!("{} packets of sound, not {}", to.packets, from.packets));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: u64, rate: i64, duration: f64) -> Inspected {
        let rate = Rational::whole(rate);
        let video = Video {
            codec: "h264".to_owned(),
            width_px: 160,
            height_px: 120,
            rate,
            average_rate: rate,
            frames,
            duration,
            start: 0.0,
            constant_rate: true,
        };
        let audio = Audio { codec: "aac".to_owned(), start: 0.0, duration, packets: 48 };
        Inspected { video, audio: Some(audio), size_bytes: 1 }
    }

    fn check(change: fn(&mut Inspected), expected: &str) {
        let (source, mut result) = (file(24, 24, 1.0), file(60, 60, 1.0));
        change(&mut result);
        assert_eq!(broken_promises(&source, &result, Rational::whole(60)).join("; "), expected);
    }

    #[test]
    fn each_broken_promise_is_named() {
        check(|_| {}, "");
        check(|result| result.video.frames = 59, "59 frames, not 60");
        check(|result| result.video.rate = Rational::whole(30), "r_frame_rate 30, not 60");
        check(|result| result.video.constant_rate = false, "frames do not stand equally spaced");
        check(|result| result.video.duration = 1.02, "1.02 s long, its source 1 s");
        check(|result| result.audio = None, "no sound, its source has some");
        check(|result| result.audio.as_mut().expect("sound").start = 0.021, "sound starts at 0.021 s, not at 0.000 s");
    }

    #[test]
    fn a_clock_time_is_read_in_seconds() {
        assert_eq!(clock_seconds("01:00:02.500000000").expect("a time"), 3602.5);
        assert!(clock_seconds("soon").is_err());
    }
}
