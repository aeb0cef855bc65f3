//! The probe on real files, made by the `ffmpeg` program when the test runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tweenfarm_media::{ProbeError, ProbeLimits, SourceFacts, StillError, probe, probe_with_timeline, still};
use tweenfarm_protocol::Rational;

/// A clip of ffmpeg's moving test picture, with `options` between input and output.
fn clip(folder: &Path, name: &str, source: &str, options: &str) -> PathBuf {
    let path = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", source])
        .args(options.split_whitespace())
        .arg(&path)
        .status()
        .expect("the package ffmpeg is installed");
    assert!(status.success(), "ffmpeg could not make {name}");
    path
}

fn look(path: &Path) -> Result<SourceFacts, ProbeError> {
    probe(path, &ProbeLimits::default())
}

fn fraction(num: i64, den: i64) -> Rational {
    Rational::new(num, den).unwrap()
}

#[test]
fn the_same_pictures_give_the_same_facts_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let ntsc = fraction(24_000, 1001);
    for name in ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.ts", "a.flv", "a.h264"] {
        let options = "-frames:v 48 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -r 24000/1001";
        let path = clip(folder.path(), name, "testsrc2=s=64x48:r=24000/1001", options);
        let video = look(&path).unwrap_or_else(|error| panic!("{name}: {error}")).video;
        assert_eq!((video.frame_count, video.average_rate), (48, ntsc), "{name}");
        assert_eq!((video.duration, video.slot_count(Rational::whole(60))), (fraction(2002, 1000), 120), "{name}");
    }
}

#[test]
fn left_out_frames_make_a_variable_rate_on_the_same_grid() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-vf select=not(eq(mod(n\\,4)\\,2)) -vsync vfr -frames:v 30 -c:v libx264 -preset ultrafast";
    for name in ["vfr.mp4", "vfr.mkv"] {
        let path = clip(folder.path(), name, "testsrc2=s=64x48:r=30", options);
        let (facts, timeline) = probe_with_timeline(&path, &ProbeLimits::default()).unwrap();
        assert!(!timeline.is_constant(), "{name}");
        let times: Vec<_> = (0..5).map(|frame| timeline.nanoseconds(frame).unwrap()).collect();
        let slot = |k: i64| (k * 1_000_000_000 + 15) / 30;
        assert_eq!(times, [slot(0), slot(1), slot(3), slot(4), slot(5)], "{name}");
        assert_eq!(facts.video.frame_count, 30);
    }
}

#[test]
fn sound_of_a_film_is_placed_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-f lavfi -i sine=440:duration=2 -t 2 -c:v libx264 -preset ultrafast -shortest";
    for (name, codec) in [("s.mp4", "aac"), ("s.mkv", "libopus"), ("s.mov", "pcm_s16le")] {
        let path = clip(folder.path(), name, "testsrc2=s=64x48:r=25", &format!("{options} -c:a {codec}"));
        let audio = look(&path).unwrap().audio;
        assert_eq!(audio.len(), 1, "{name}");
        assert!(audio[0].start.as_f64().abs() < 0.03, "{name} starts at {}", audio[0].start);
        assert!((audio[0].duration.as_f64() - 2.0).abs() < 0.06, "{name} lasts {}", audio[0].duration);
    }
}

#[test]
fn what_cannot_be_converted_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let text = look(path).expect_err("the file was taken").to_string();
        assert!(text.contains(expected), "{}: '{text}' does not say '{expected}'", path.display());
    };
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    check(&file("zero.mp4", b""), "empty");
    check(&file("text.mp4", b"this is a text file, not a clip"), "not a video");
    check(&file("list.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n"), "not a video");
    check(&file("play.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///x.ts\n"), "not a video");
    let encode = "-frames:v 50 -c:v libx264 -preset ultrafast";
    let whole = fs::read(clip(folder.path(), "whole.mp4", "testsrc2=s=64x48:r=25", encode)).unwrap();
    check(&file("no-index.mp4", &whole[..whole.len() / 2]), "index is missing");
    let start = clip(folder.path(), "start.mp4", "testsrc2=s=64x48:r=25", &format!("{encode} -movflags +faststart"));
    let start = fs::read(start).unwrap();
    check(&file("cut.mp4", &start[..start.len() * 3 / 4]), "end is missing");
    let film = fs::read(clip(folder.path(), "film.mkv", "testsrc2=s=64x48:r=25", encode)).unwrap();
    check(&file("cut.mkv", &film[..film.len() / 2]), "cut off or damaged");
    check(&clip(folder.path(), "one.mp4", "testsrc2=s=64x48:r=25", "-frames:v 1"), "single frame");
    check(&clip(folder.path(), "tone.mp4", "sine=440:duration=1", "-c:a aac"), "no video stream");
}

#[test]
fn a_still_is_the_frame_that_was_asked_for_as_a_small_png() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-frames:v 10 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -crf 1";
    // Each frame has a grey of its own: its number times 20.
    let path = clip(folder.path(), "grey.mp4", "color=black:s=64x48:r=60,geq=lum=N*20:cb=128:cr=128", options);
    for frame in [0, 5, 9] {
        let png = still(&path, frame, Rational::whole(60), 32, &ProbeLimits::default()).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "a PNG");
        let picture = folder.path().join("still.png");
        fs::write(&picture, png).unwrap();
        let grey = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&picture)
            .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
            .output()
            .expect("the package ffmpeg is installed");
        assert_eq!(grey.stdout.len(), 32 * 24, "in the clip's proportions");
        // From the video range to all of 0..=255.
        let expected = ((20 * i64::try_from(frame).unwrap() - 16).max(0) * 255) / 219;
        assert!((i64::from(grey.stdout[400]) - expected).abs() <= 3, "frame {frame}: {} {expected}", grey.stdout[400]);
    }
    let beyond = still(&path, 50, Rational::whole(60), 32, &ProbeLimits::default());
    assert!(matches!(beyond, Err(StillError::NoPicture)), "there is no such frame");
}
