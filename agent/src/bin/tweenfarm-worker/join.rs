//! The join: segments to one video without encoding again, the source's sound and metadata beside it, then the proof.

use crate::{colours, failure, pipeline, programs, proof};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};
use tweenfarm_agent::worker::messages::SegmentFile;
use tweenfarm_media::{AudioFacts, Clip};
use tweenfarm_protocol::{
    Rational,
    output::Codec,
    task::{Failure, OutputPlan, Progress, RenderFacts},
};

/// Containers a join can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Mp4,
    Mov,
    Matroska,
}

impl Container {
    fn of(output: &Path) -> Result<Container, Failure> {
        let extension = output.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("mp4" | "m4v") => Ok(Container::Mp4),
            Some("mov") => Ok(Container::Mov),
            Some("mkv") => Ok(Container::Matroska),
            _ => Err(failure::input("The output's name must end in .mp4, .mov or .mkv.")),
        }
    }

    fn format(self) -> &'static str {
        match self {
            Container::Mp4 => "mp4",
            Container::Mov => "mov",
            Container::Matroska => "matroska",
        }
    }

    /// Whether sound of this codec is copied as it is.
    fn takes(self, codec: &str) -> bool {
        let in_mp4 = ["aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"].contains(&codec);
        match self {
            Container::Mp4 => in_mp4,
            Container::Mov => ["aac", "mp3", "ac3", "eac3", "alac"].contains(&codec) || codec.starts_with("pcm_"),
            Container::Matroska => in_mp4 || codec.starts_with("pcm_s") || ["vorbis", "dts", "mp2"].contains(&codec),
        }
    }
}

/// AAC at 192 kbit/s per stereo pair is transparent to nearly everyone.
const AAC_BITS_PER_CHANNEL: u32 = 96_000;

/// Joins `segments` and the sound of `source` to `output`, and proves it; on failure nothing is left there.
pub fn join(
    source: &Path,
    plan: &OutputPlan,
    segments: &[SegmentFile],
    output: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<RenderFacts, Failure> {
    let started = Instant::now();
    let joined = attempt(source, plan, segments, output, on_progress);
    if joined.is_err() {
        // It may not have come to be.
        let _ = fs::remove_file(output);
    }
    joined.map(|proven| RenderFacts {
        frames: plan.slot_count,
        width_px: proven.width_px,
        height_px: proven.height_px,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..RenderFacts::default()
    })
}

fn attempt(
    source: &Path,
    plan: &OutputPlan,
    segments: &[SegmentFile],
    output: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<proof::Proven, Failure> {
    covers(segments, plan.slot_count)?;
    let container = Container::of(output)?;
    let frames_total = plan.slot_count;
    on_progress(Progress { frames_done: 0, frames_total });
    let clip = crate::render::look(source)?;
    let list = list(segments, plan.target_rate)?;
    let arguments = arguments(source, &clip, container, plan, output);
    // Copying is the first half of the work, proving the second.
    let ended = programs::run("ffmpeg", &arguments, Some(&list), |line| {
        if let Some(frames) = line.strip_prefix("frame=").and_then(|count| count.trim().parse::<u64>().ok()) {
            on_progress(Progress { frames_done: frames.min(frames_total) / 2, frames_total });
        }
    })?;
    if !ended.success {
        return Err(not_joined(&ended.stderr));
    }
    let borders: Vec<u64> = segments.iter().skip(1).map(|segment| segment.slots.first).collect();
    let expected =
        proof::Expected { sound_tracks: heard(&clip).count(), starts_at_zero: container != Container::Matroska };
    let proven = proof::prove(output, plan, &borders, expected, &mut |part| {
        let frames_done = (frames_total as f64 * (0.5 + 0.5 * part)) as u64;
        on_progress(Progress { frames_done: frames_done.min(frames_total), frames_total });
    })?;
    on_progress(Progress { frames_done: frames_total, frames_total });
    Ok(proven)
}

fn not_joined(complaints: &str) -> Failure {
    tracing::warn!(complaints, "ffmpeg did not join the segments");
    let first = complaints.lines().next().unwrap_or("it gave no reason");
    if complaints.contains("No space left on device") {
        return failure::resource("The disk of the worker is full: free space on it, or render elsewhere.");
    }
    if complaints.contains("Cannot allocate memory") {
        return failure::resource("The worker is out of memory: give it more, or render elsewhere.");
    }
    failure::internal(format!("the segments could not be joined: {}", failure::without_paths(first)))
}

/// Refuses segments that leave a slot out or hold one twice.
fn covers(segments: &[SegmentFile], slot_count: u64) -> Result<(), Failure> {
    let mut next = 0;
    for segment in segments {
        if segment.slots.first != next || segment.slots.is_empty() {
            return Err(failure::internal(format!("a segment holds the slots {}, next is {next}", segment.slots)));
        }
        next = segment.slots.end;
    }
    if next != slot_count {
        return Err(failure::internal(format!("the segments hold {next} of {slot_count} slots")));
    }
    Ok(())
}

/// The list of ffmpeg's concat demuxer. It adds durations up in microseconds; each is the difference of exact borders,
/// so that the sum is never off by more than half a microsecond.
fn list(segments: &[SegmentFile], rate: Rational) -> Result<String, Failure> {
    let border_us = |slot: u64| {
        let num = 2_000_000 * i128::from(slot) * i128::from(rate.den());
        let den = i128::from(rate.num());
        (num + den) / (2 * den)
    };
    let mut text = String::from("ffconcat version 1.0\n");
    for segment in segments {
        let path = fs::canonicalize(&segment.path).map_err(|cause| {
            failure::internal(format!("the segment {} is not there to be joined: {cause}", segment.slots))
        })?;
        let length_us = border_us(segment.slots.end) - border_us(segment.slots.first);
        text.push_str(&format!(
            "file {}\nduration {}.{:06}\n",
            quoted(&path),
            length_us / 1_000_000,
            length_us % 1_000_000
        ));
    }
    Ok(text)
}

/// A path as the concat list wants it: in quotes, with quotes inside it outside of them.
fn quoted(path: &Path) -> String {
    format!("'file:{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Tracks of sound that there is something to hear on, with their number among the tracks of sound.
fn heard(clip: &Clip) -> impl Iterator<Item = (usize, &AudioFacts)> {
    let known = |track: &AudioFacts| !track.codec.is_empty() && track.codec != "none" && track.channels > 0;
    clip.facts.audio.iter().enumerate().filter(move |(_, track)| known(track))
}

fn arguments(source: &Path, clip: &Clip, container: Container, plan: &OutputPlan, output: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    let mut say = |words: &str| arguments.extend(words.split(' ').map(str::to_owned));
    say("-nostdin -v error -y -progress pipe:1 -stats_period 0.5");
    // Times are kept as they are: the video begins at 0, and the source is moved so that its first picture does too.
    say("-copyts -f concat -safe 0 -protocol_whitelist file,pipe -i pipe:0");
    say(&format!("-itsoffset {} -protocol_whitelist file -i", negative_seconds(clip.first_frame)));
    arguments.push(url(source));
    let mut say = |words: &str| arguments.extend(words.split(' ').map(str::to_owned));
    say("-map 0:v:0 -c:v copy");
    if plan.format.codec == Codec::Av1 {
        say("-bsf:v");
        say(&colours::av1_filter(clip));
    }
    if plan.format.codec == Codec::Hevc && container != Container::Matroska {
        // Under its other name some players take it for broken.
        say("-tag:v hvc1");
    }
    for (place, (number, track)) in heard(clip).enumerate() {
        say(&format!("-map 1:a:{number}"));
        if container.takes(&track.codec) {
            say(&format!("-c:a:{place} copy"));
        } else {
            let bits_per_second = AAC_BITS_PER_CHANNEL * track.channels.clamp(1, 8);
            say(&format!("-c:a:{place} aac -b:a:{place} {bits_per_second}"));
        }
    }
    say("-map_metadata 1 -map_chapters 1 -strict experimental -max_muxing_queue_size 100000");
    if container != Container::Matroska {
        say(&format!("-movflags +faststart -video_track_timescale {}", pipeline::timescale(plan.target_rate)));
    }
    say(&format!("-f {}", container.format()));
    arguments.push(url(output));
    arguments
}

/// A path that no name turns into an option or an address.
fn url(path: &Path) -> String {
    format!("file:{}", PathBuf::from(path).to_string_lossy())
}

/// `-seconds` with microseconds, as ffmpeg reads times.
fn negative_seconds(seconds: Rational) -> String {
    let micros =
        (-2_000_000 * i128::from(seconds.num()) + i128::from(seconds.den())).div_euclid(2 * i128::from(seconds.den()));
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
