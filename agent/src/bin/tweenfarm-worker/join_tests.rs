//! Joining what the pipeline rendered: counts, times, and the sound next to it.

use super::*;
use crate::{
    pipeline::{Run, encoder},
    testing::{Blend, clip, entry, frames, output, rate, times},
};
use tweenfarm_media::{ProbeLimits, probe_clip};
use tweenfarm_protocol::{
    SlotRange,
    output::{Codec, Depth, OutputFormat},
    task::{EncodeSettings, EncoderClass, EngineSettings},
};

const BYTES: usize = 64 * 48 * 3 / 2;

/// Renders `source` in `parts` with a blend and joins it to `name`.
fn converted(source: &Path, target: Rational, parts: u64, name: &str) -> Result<(PathBuf, OutputPlan), Failure> {
    converted_as(source, target, parts, name, OutputFormat::default())
}

fn converted_as(
    source: &Path,
    target: Rational,
    parts: u64,
    name: &str,
    format: OutputFormat,
) -> Result<(PathBuf, OutputPlan), Failure> {
    converted_by(source, target, parts, name, format, EncodeSettings::default())
}

fn converted_by(
    source: &Path,
    target: Rational,
    parts: u64,
    name: &str,
    format: OutputFormat,
    encode: EncodeSettings,
) -> Result<(PathBuf, OutputPlan), Failure> {
    pipeline::init()?;
    let working: Vec<String> = encoder::working().into_iter().map(str::to_owned).collect();
    let clip = probe_clip(source, &ProbeLimits::default()).unwrap();
    let slot_count = clip.facts.video.slot_count(target);
    let plan = OutputPlan {
        target_rate: target,
        slot_count,
        encode,
        encoder: format.software(),
        engine: EngineSettings::default(),
        format,
    };
    let mut segments = Vec::new();
    for part in 0..parts {
        let slots = SlotRange::new(slot_count * part / parts, slot_count * (part + 1) / parts);
        let path = source.with_extension(format!("part 'n' {part}.mp4"));
        let run = Run {
            source,
            clip: &clip,
            target_rate: target,
            slots,
            dedupe: false,
            nearest: false,
            encoder: encoder::choose(&working, plan.encoder, format, plan.encode)?,
            encode: plan.encode,
            format: plan.format,
            mark: false,
            output: &path,
        };
        pipeline::run(&run, &Blend::make, &mut |_| {})?;
        segments.push(SegmentFile { slots, path });
    }
    let path = source.with_file_name(name);
    let mut last = 0;
    let facts = join(source, &plan, &segments, &path, &mut |progress| {
        assert!(progress.frames_done >= last && progress.frames_done <= slot_count);
        last = progress.frames_done;
    })?;
    assert_eq!((facts.frames, facts.width_px, facts.height_px, last), (slot_count, 64, 48, slot_count));
    Ok((path, plan))
}

/// The decoded sound of a file as 16-bit mono samples at 8 kHz.
fn sound(path: &Path) -> Vec<i16> {
    let text = path.to_str().unwrap();
    let raw =
        output("ffmpeg", &["-v", "error", "-i", text, "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"]);
    raw.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
}

const FILM: &str = "testsrc2=s=64x48:r=24000/1001:d=1";
const VIDEO: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p";

#[test]
fn many_segments_join_to_the_frames_and_times_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path(), "film.mp4", FILM, VIDEO);
    for target in [rate(60, 1), rate(60_000, 1001)] {
        let (whole, _) = converted(&source, target, 1, "whole.mp4").unwrap();
        let (parts, plan) = converted(&source, target, 5, "parts.mp4").unwrap();
        for path in [&whole, &parts] {
            assert_eq!(times(path).len() as u64, plan.slot_count);
            assert_eq!(entry(path, "v:0", "r_frame_rate"), format!("{}/{}", target.num(), target.den()));
            assert_eq!(entry(path, "v:0", "avg_frame_rate"), format!("{}/{}", target.num(), target.den()));
            assert_eq!(entry(path, "v:0", "start_time"), "0.000000");
            let lasts: f64 = entry(path, "v:0", "duration").parse().unwrap();
            assert!((lasts - plan.slot_count as f64 / target.as_f64()).abs() < 1e-4, "{lasts}");
        }
        let (whole, parts) = (frames(&whole, BYTES), frames(&parts, BYTES));
        assert_eq!(whole.len(), parts.len());
        // Each was encoded on its own, so codes differ by the encoder's noise; a wrong frame differs by far more.
        for (slot, (a, b)) in whole.iter().zip(&parts).enumerate() {
            let apart: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(apart < 3 * BYTES as u64, "slot {slot} differs by {apart}");
        }
    }
}

/// Times of decoding of the video's packets, as they lie in the file.
fn decode_times(path: &Path) -> Vec<i64> {
    let text = path.to_str().unwrap();
    let shown = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=dts", "-of", "csv=p=0", text];
    let out = String::from_utf8(output("ffprobe", &shown)).unwrap();
    out.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
}

#[test]
fn without_loss_one_two_or_five_segments_join_to_the_same_frames_bit_by_bit() {
    pipeline::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Key frames twelve apart, so that later segments begin to decode in the middle.
    let options = "-c:v libx264 -preset veryfast -bf 3 -g 12 -pix_fmt yuv420p";
    let source = clip(folder.path(), "film.mp4", "testsrc2=s=64x48:r=24000/1001:d=3", options);
    for codec in [Codec::H264, Codec::Hevc] {
        let format = OutputFormat { codec, ..OutputFormat::default() };
        let element = if codec == Codec::Hevc { "x265enc" } else { encoder::SOFTWARE };
        if !pipeline::has_element(element) {
            eprintln!("{element} is not installed here");
            continue;
        }
        let made = |parts, encode| {
            let name = format!("{codec}-{parts}.mp4");
            let (path, _) = converted_by(&source, rate(60, 1), parts, &name, format, encode).unwrap();
            let decoded = decode_times(&path);
            assert!(decoded.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {decoded:?}");
            frames(&path, BYTES)
        };
        let whole = made(1, EncodeSettings::Lossless);
        assert!(whole == made(2, EncodeSettings::Lossless) && whole == made(5, EncodeSettings::Lossless), "{codec}");
        // With loss frames differ by the encoder's noise, and B-frames still end with their segment.
        assert_eq!(made(5, EncodeSettings::default()).len(), whole.len());
    }
}

#[test]
fn sound_is_copied_where_the_container_takes_it_and_stays_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let check = |source: &str, codec: &str, joined: &str, expected: &str| {
        let options = format!("-f lavfi -i sine=440:beep_factor=4:duration=1 {VIDEO} -c:a {codec}");
        let source = clip(folder.path(), source, FILM, &options);
        let (path, _) = converted(&source, rate(60, 1), 1, joined).unwrap();
        assert_eq!(entry(&path, "a:0", "codec_name"), expected, "{joined}");
        let (before, after) = (sound(&source), sound(&path));
        assert!(before.len().abs_diff(after.len()) < 400, "{joined}: {} samples of {}", after.len(), before.len());
        // Matroska rounds to milliseconds, at 8 kHz eight samples; nothing may move by more than that.
        let apart = |shift: i64| -> i64 {
            let other = |at: usize| usize::try_from(at as i64 + shift).ok().and_then(|at| after.get(at)).copied();
            let each = before.iter().enumerate().filter_map(|(at, sample)| Some((*sample, other(at)?)));
            each.map(|(a, b)| (i64::from(a) - i64::from(b)).abs()).sum()
        };
        let (loud, least) =
            (before.iter().map(|sample| i64::from(*sample).abs()).sum::<i64>(), (-8..=8).map(apart).min());
        assert!(least.is_some_and(|least| least * 4 < loud), "{joined}: the sound differs by {least:?} of {loud}");
        if expected == codec {
            assert_eq!(apart(0), 0, "{joined}: copied sound was changed");
        }
    };
    check("s-aac.mp4", "aac", "j-aac.mp4", "aac");
    check("s-opus.mkv", "libopus", "j-opus.mp4", "opus");
    check("s-pcm.mov", "pcm_s16le", "j-pcm.mp4", "aac");
    check("s-pcm2.mov", "pcm_s16le", "j-pcm.mov", "pcm_s16le");
    check("s-mp3.mkv", "libmp3lame", "j-mp3.mkv", "mp3");
}

#[test]
fn sound_that_begins_late_or_early_keeps_its_distance_to_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let video = clip(folder.path(), "v.mp4", FILM, VIDEO);
    let tone = clip(folder.path(), "a.mp4", "sine=440:duration=1", "-c:a aac");
    for (name, shift, by) in [("late.mp4", "audio", 0.5), ("early.mkv", "video", -0.5)] {
        let path = folder.path().join(name);
        let (v, a) = (video.to_str().unwrap(), tone.to_str().unwrap());
        let offset = |what| if what == shift { "0.5" } else { "0" };
        output(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-y",
                "-itsoffset",
                offset("video"),
                "-i",
                v,
                "-itsoffset",
                offset("audio"),
                "-i",
                a,
                "-c",
                "copy",
                path.to_str().unwrap(),
            ],
        );
        let source = probe_clip(&path, &ProbeLimits::default()).unwrap().facts.audio[0].start.as_f64();
        assert!((source - by).abs() < 0.03, "{name} was not made as meant: {source}");
        let (joined, _) = converted(&path, rate(60, 1), 1, &format!("{name}.joined.mp4")).unwrap();
        let (before, after) = (sound(&path), sound(&joined));
        // Half a second of early sound lies before the first picture, where a file cannot begin.
        let hidden = if by < 0.0 { 4000 } else { 0 };
        assert!(
            (before.len() as i64 - after.len() as i64 - hidden).abs() < 500,
            "{name}: {} {}",
            before.len(),
            after.len()
        );
        let start: f64 = entry(&joined, "a:0", "start_time").parse().unwrap();
        assert!((start - by.max(0.0)).abs() < 0.03, "{name}: the sound starts at {start}");
        assert_eq!(entry(&joined, "v:0", "start_time"), "0.000000");
    }
}

#[test]
fn a_gap_an_overlap_or_a_missing_segment_is_refused() {
    let segment = |first, end| SegmentFile { slots: SlotRange { first, end }, path: PathBuf::from("x.mp4") };
    let check = |segments: &[SegmentFile], fits: bool| assert_eq!(covers(segments, 10).is_ok(), fits, "{segments:?}");
    check(&[segment(0, 10)], true);
    check(&[segment(0, 4), segment(4, 10)], true);
    check(&[segment(0, 4), segment(5, 10)], false);
    check(&[segment(0, 5), segment(4, 10)], false);
    check(&[segment(0, 9)], false);
    check(&[segment(4, 10), segment(0, 4)], false);
    check(&[segment(0, 4), segment(4, 4), segment(4, 10)], false);
    check(&[], false);
}

#[test]
fn a_segment_that_is_not_what_it_says_fails_the_proof_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path(), "short.mp4", FILM, VIDEO);
    let other = clip(folder.path(), "other.mp4", "testsrc2=s=64x48:r=60:d=1", VIDEO);
    let plan = OutputPlan {
        target_rate: rate(60, 1),
        slot_count: 120,
        encode: EncodeSettings::default(),
        encoder: EncoderClass::X264,
        engine: EngineSettings::default(),
        format: OutputFormat::default(),
    };
    let segments = [SegmentFile { slots: SlotRange::new(0, 120), path: other }];
    let path = folder.path().join("never.mp4");
    let failure = join(&source, &plan, &segments, &path, &mut |_| {}).expect_err("a false segment was joined");
    assert!(failure.message.contains("60 of 120 frames"), "{failure}");
    assert!(!path.exists(), "the unproven file was left behind");
}

#[test]
fn names_and_times_are_written_as_ffmpeg_reads_them() {
    assert_eq!(quoted(Path::new("/a/it's.mp4")), r"'file:/a/it'\''s.mp4'");
    let check = |seconds: Rational, expected: &str| assert_eq!(negative_seconds(seconds), expected);
    check(rate(7, 5), "-1.400000");
    check(rate(-1, 2), "0.500000");
    check(rate(0, 1), "0.000000");
    check(rate(1, 3), "-0.333333");
}

#[test]
fn borders_in_the_list_never_drift() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mp4");
    fs::write(&path, b"x").unwrap();
    let target = rate(60_000, 1001);
    let segments: Vec<_> =
        (0..3000).map(|at| SegmentFile { slots: SlotRange::new(at, at + 1), path: path.clone() }).collect();
    let list = list(&segments, target).unwrap();
    let lasts =
        |line: &str| line.strip_prefix("duration ").map(|seconds| seconds.replace('.', "").parse::<i64>().unwrap());
    let total: i64 = list.lines().filter_map(lasts).sum();
    assert_eq!(total, 3000 * 1001 * 1_000_000 / 60_000);
}

#[test]
fn segments_of_every_codec_are_joined_proven_and_keep_their_colours() {
    let folder = tempfile::tempdir().unwrap();
    let tags = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv";
    let options = format!("-c:v libx264 -preset ultrafast -pix_fmt yuv420p {tags}");
    let source = clip(folder.path(), "source.mp4", "testsrc2=s=64x48:r=25:d=1", &options);
    for (codec, depth, name, tag) in [
        (Codec::Hevc, Depth::Ten, "hevc.mp4", "hvc1"),
        (Codec::Hevc, Depth::Eight, "hevc.mov", "hvc1"),
        (Codec::Hevc, Depth::Ten, "hevc.mkv", ""),
        (Codec::H264, Depth::Ten, "deep.mp4", "avc1"),
        (Codec::Av1, Depth::Eight, "av1.mp4", "av01"),
    ] {
        let format = OutputFormat { size: None, codec, depth };
        let output = match converted_as(&source, rate(50, 1), 3, name, format) {
            Ok((output, _)) => output,
            Err(failure) if failure.message.contains("does not work on this machine") => {
                eprintln!("{failure}");
                continue;
            }
            Err(failure) => panic!("{name}: {failure}"),
        };
        assert_eq!(times(&output).len(), 50, "{name}");
        assert_eq!(entry(&output, "v:0", "codec_name"), codec.name());
        assert!(tag.is_empty() || entry(&output, "v:0", "codec_tag_string") == tag, "{name}");
        for (entry_name, value) in
            [("color_space", "bt2020nc"), ("color_primaries", "bt2020"), ("color_transfer", "smpte2084")]
        {
            assert_eq!(entry(&output, "v:0", entry_name), value, "{name}: {entry_name}");
        }
    }
}
