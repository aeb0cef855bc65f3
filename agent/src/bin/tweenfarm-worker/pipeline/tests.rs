//! The whole pipeline on small clips, with a blend in place of the engine: counts, times, sizes and colours.

use super::*;
use crate::testing::{Blend, clip, entry, frames, output, rate, times};
use std::path::PathBuf;
use tweenfarm_media::{ProbeLimits, probe_clip};
use tweenfarm_protocol::output::Depth;
use tweenfarm_protocol::task::{EngineSettings, FailureClass};

const X264: &str = "-c:v libx264 -preset ultrafast";

pub struct Rendered {
    pub path: PathBuf,
    pub slots: u64,
    pub ran: Ran,
}

/// Renders `slots` of the clip at `rate`, or all of them.
pub fn render(source: &Path, target: Rational, slots: Option<SlotRange>) -> Result<Rendered, Failure> {
    render_with(source, target, slots, false)
}

fn render_with(source: &Path, target: Rational, slots: Option<SlotRange>, dedupe: bool) -> Result<Rendered, Failure> {
    render_as(source, target, slots, dedupe, EncodeSettings::Lossless, OutputFormat::default())
}

fn render_as(
    source: &Path,
    target: Rational,
    slots: Option<SlotRange>,
    dedupe: bool,
    encode: EncodeSettings,
    format: OutputFormat,
) -> Result<Rendered, Failure> {
    let engine = EngineSettings { dedupe, ..EngineSettings::default() };
    render_by(source, target, slots, engine, encode, format)
}

fn render_by(
    source: &Path,
    target: Rational,
    slots: Option<SlotRange>,
    engine: EngineSettings,
    encode: EncodeSettings,
    format: OutputFormat,
) -> Result<Rendered, Failure> {
    init().unwrap();
    let clip = probe_clip(source, &ProbeLimits::default()).unwrap();
    let all = clip.facts.video.slot_count(target);
    let slots = slots.unwrap_or(SlotRange::new(0, all));
    let path = source.with_extension(format!("{}-{}.mp4", slots.first, slots.end));
    let working: Vec<String> = encoder::working().into_iter().map(str::to_owned).collect();
    let order = Run {
        source,
        clip: &clip,
        target_rate: target,
        slots,
        dedupe: engine.dedupe,
        nearest: engine.nearest,
        encoder: encoder::choose(&working, format.software(), format, encode)?,
        encode,
        format,
        mark: false,
        output: &path,
    };
    let ran = run(&order, &Blend::make, &mut |progress| {
        assert!(progress.frames_done <= progress.frames_total);
    })?;
    Ok(Rendered { path, slots: slots.len(), ran })
}

#[test]
fn every_rate_gives_exactly_its_slots_at_exactly_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, source: (i64, i64), target: (i64, i64)| {
        let made = format!("testsrc2=s=64x48:r={}/{}:d=1", source.0, source.1);
        let path = clip(folder.path(), name, &made, X264);
        let rendered = render(&path, rate(target.0, target.1), None).unwrap();
        let times = times(&rendered.path);
        assert_eq!(times.len() as u64, rendered.slots, "{name}");
        assert_eq!(entry(&rendered.path, "v:0", "r_frame_rate"), format!("{}/{}", target.0, target.1), "{name}");
        assert_eq!(entry(&rendered.path, "v:0", "avg_frame_rate"), format!("{}/{}", target.0, target.1), "{name}");
        for (slot, time) in times.iter().enumerate() {
            let exact = slot as f64 * target.1 as f64 / target.0 as f64;
            assert!((time - exact).abs() < 2e-6, "{name}: slot {slot} stands at {time}");
        }
    };
    check("24.mp4", (24, 1), (60, 1));
    check("film.mkv", (24_000, 1001), (60, 1));
    check("film.mp4", (24_000, 1001), (60_000, 1001));
    check("30.mkv", (30, 1), (240, 1));
    check("ntsc.avi", (30_000, 1001), (120_000, 1001));
}

#[test]
fn source_frames_reach_the_encoder_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "kept.mp4", "testsrc2=s=64x48:r=25:d=1", &format!("{X264} -pix_fmt yuv420p -bf 2"));
    let rendered = render(&path, rate(50, 1), None).unwrap();
    let size = 64 * 48 * 3 / 2;
    let (source, shown) = (frames(&path, size), frames(&rendered.path, size));
    assert_eq!((source.len(), shown.len()), (25, 50));
    for (index, frame) in source.iter().enumerate() {
        assert!(*frame == shown[2 * index], "source frame {index} was changed");
    }
    assert_eq!(rendered.ran.frames_made, 24);
    let made = |slot: &usize| shown[*slot] != shown[slot - 1] && shown[*slot] != shown[slot + 1];
    assert!((1..48).step_by(2).filter(made).count() > 12, "the frames between are copies of their neighbours");
}

#[test]
fn where_no_frame_is_made_every_slot_is_the_nearest_source_frame_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let size = 64 * 48 * 3 / 2;
    // `expected` is the source frame of each slot.
    let check = |name: &str, fps: i64, options: &str, target: (i64, i64), cut: u64, expected: &[usize]| {
        let options = format!("{options} {X264} -pix_fmt yuv420p -bf 2");
        let path = clip(folder.path(), name, &format!("testsrc2=s=64x48:r={fps}:d=1"), &options);
        let source = frames(&path, size);
        let engine = EngineSettings::default().with_source_frames_only();
        let render = |slots| {
            let (target, format) = (rate(target.0, target.1), OutputFormat::default());
            render_by(&path, target, Some(slots), engine, EncodeSettings::Lossless, format).unwrap()
        };
        let end = expected.len() as u64;
        let parts = [render(SlotRange::new(0, cut)), render(SlotRange::new(cut, end))];
        assert!(parts.iter().all(|part| part.ran.frames_made == 0), "{name}");
        let shown: Vec<_> = parts.iter().flat_map(|part| frames(&part.path, size)).collect();
        assert_eq!(shown.len(), expected.len(), "{name}");
        for (slot, frame) in expected.iter().enumerate() {
            assert!(shown[slot] == source[*frame], "{name}: slot {slot} is not source frame {frame}");
        }
    };
    let halves: Vec<usize> = (0..24).map(|slot| slot * 5 / 2).collect();
    check("lower.mp4", 60, "", (24, 1), 7, &halves);
    check("same.mp4", 25, "", (25, 1), 11, &(0..25).collect::<Vec<_>>());
    // Frames 0 1 3 4 5 7 … of a variable rate: a left-out one is as near to both, and the earlier one stands.
    let gaps = "-vf select=not(eq(mod(n\\,4)\\,2)) -vsync vfr";
    check("variable.mp4", 24, gaps, (12, 1), 5, &[0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]);
}

#[test]
fn segments_hold_the_frames_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "cut.mp4", "testsrc2=s=64x48:r=24000/1001:d=1", &format!("{X264} -pix_fmt yuv420p"));
    let size = 64 * 48 * 3 / 2;
    let target = rate(60, 1);
    let whole = frames(&render(&path, target, None).unwrap().path, size);
    let mut joined = Vec::new();
    for (first, end) in [(0, 1), (1, 23), (23, 60)] {
        let part = render(&path, target, Some(SlotRange::new(first, end.min(whole.len() as u64)))).unwrap();
        assert!(times(&part.path)[0].abs() < 1e-9, "a segment begins at 0");
        joined.extend(frames(&part.path, size));
    }
    assert!(joined == whole, "segments differ from the whole");
}

/// A bar moves by 8 px with every drawing; `drawings` says how many frames each is shown.
fn animation(folder: &Path, name: &str, drawings: &str) -> PathBuf {
    let moved = format!(
        "color=gray:s=128x64:r=24:d=1,format=yuv420p,geq=lum='if(between(X-8*{drawings}\\,0\\,15)\\,235\\,40+mod(X*7+Y*3\\,32))':cb=128:cr=128"
    );
    clip(folder, name, &moved, &format!("{X264} -crf 10"))
}

/// How many slots in a row show nearly the same.
fn stands(frames: &[Vec<u8>]) -> Vec<usize> {
    let alike = |a: &[u8], b: &[u8]| {
        let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum < a.len() as u64 / 2
    };
    let mut lengths = vec![1];
    for pair in frames.windows(2) {
        if alike(&pair[0], &pair[1]) { *lengths.last_mut().unwrap() += 1 } else { lengths.push(1) }
    }
    lengths
}

/// Every drawing is shown for `on` frames of 24 a second, twice as many slots.
fn animation_is_repeated_unless_it_is_to_be_moved(on: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = animation(folder.path(), "drawn.mp4", &format!("floor(N/{on})"));
    let size = 128 * 64 * 3 / 2;
    // 24 to 48 with a blend: a drawing, its repetitions made and real, and one mixture with the next.
    let faithful = frames(&render(&path, rate(48, 1), None).unwrap().path, size);
    let expected = [2 * on - 1, 1].repeat(24 / on);
    let found = stands(&faithful);
    // The last drawing has no next one to mix with.
    assert_eq!(found[..expected.len() - 2], expected[..expected.len() - 2], "on {on}");
    let moved = render_with(&path, rate(48, 1), None, true).unwrap();
    let smooth = frames(&moved.path, size);
    assert_eq!((smooth.len(), faithful.len()), (48, 48));
    let between = 2 * on * (24 / on - 1);
    assert!(stands(&smooth)[..between].iter().all(|length| *length == 1), "on {on}: {:?}", stands(&smooth));
    // Every drawing is still the source's own.
    let source = frames(&path, size);
    assert!((0..24 / on - 1).all(|drawing| smooth[2 * on * drawing] == source[on * drawing]), "a drawing was changed");
    // The steps between two drawings are as large as each other: mixtures by sixths on threes.
    let step = |slot: usize| -> u64 {
        smooth[slot].iter().zip(&smooth[slot + 1]).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    };
    for drawing in 0..24 / on - 1 {
        let steps: Vec<u64> = (2 * on * drawing..2 * on * (drawing + 1)).map(step).collect();
        let (least, most) = (*steps.iter().min().unwrap(), *steps.iter().max().unwrap());
        assert!(4 * most < 5 * least, "on {on}, after drawing {drawing}: {steps:?}");
    }

    let mut joined = Vec::new();
    for (first, end) in [(0, 3), (3, 18), (18, 48)] {
        let part = render_with(&path, rate(48, 1), Some(SlotRange::new(first, end)), true).unwrap();
        joined.extend(frames(&part.path, size));
    }
    assert!(joined == smooth, "segments differ from the whole");
}

#[test]
fn animation_on_twos_is_repeated_unless_it_is_to_be_moved() {
    animation_is_repeated_unless_it_is_to_be_moved(2);
}

#[test]
fn animation_on_threes_is_repeated_unless_it_is_to_be_moved() {
    animation_is_repeated_unless_it_is_to_be_moved(3);
}

#[test]
fn a_hold_stays_where_drawings_are_moved() {
    let folder = tempfile::tempdir().unwrap();
    let path = animation(folder.path(), "hold.mp4", "floor(N/6)");
    let size = 128 * 64 * 3 / 2;
    let faithful = frames(&render(&path, rate(48, 1), None).unwrap().path, size);
    assert!(faithful == frames(&render_with(&path, rate(48, 1), None, true).unwrap().path, size));
}

#[test]
fn sizes_formats_and_turns_become_even_upright_420() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, source: &str, options: &str, expected: (&str, &str)| {
        let path = clip(folder.path(), name, source, options);
        let rendered = render(&path, rate(50, 1), None).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let size = format!("{},{}", entry(&rendered.path, "v:0", "width"), entry(&rendered.path, "v:0", "height"));
        let found = (&size[..], &entry(&rendered.path, "v:0", "pix_fmt")[..]);
        assert_eq!(found, expected, "{name}");
        assert_eq!(times(&rendered.path).len() as u64, rendered.slots, "{name}");
    };
    let small = "testsrc2=s=64x48:r=25:d=0.4";
    check("444.mp4", small, &format!("-vf scale=65:47 {X264} -pix_fmt yuv444p"), ("66,48", "yuv420p"));
    check("odd.mkv", small, "-vf scale=65:47 -c:v ffv1 -pix_fmt yuv420p", ("66,48", "yuv420p"));
    check("422.mp4", small, &format!("{X264} -pix_fmt yuv422p10le"), ("64,48", "yuv420p"));
    check("rgb.mov", small, "-c:v qtrle", ("64,48", "yuv420p"));
    check("fields.mp4", small, &format!("{X264} -flags +ilme+ildct -top 1"), ("64,48", "yuv420p"));
}

#[test]
fn a_turned_clip_is_shown_upright() {
    let folder = tempfile::tempdir().unwrap();
    let flat = clip(folder.path(), "flat.mp4", "testsrc2=s=64x48:r=25:d=0.4", &format!("{X264} -pix_fmt yuv420p"));
    let turned = folder.path().join("turned.mp4");
    let (from, to) = (flat.to_str().unwrap(), turned.to_str().unwrap());
    output("ffmpeg", &["-v", "error", "-i", from, "-c", "copy", "-metadata:s:v", "rotate=90", to]);
    let rendered = render(&turned, rate(25, 1), None).unwrap();
    assert_eq!((&entry(&rendered.path, "v:0", "width")[..], &entry(&rendered.path, "v:0", "height")[..]), ("48", "64"));
    let size = 64 * 48 * 3 / 2;
    // A player turns the source by its tag; the result has no tag and is the same.
    assert!(frames(&rendered.path, size) == frames(&turned, size), "the turn differs from a player's");
}

#[test]
fn colours_keep_their_tags_and_range() {
    let folder = tempfile::tempdir().unwrap();
    let tags = "-color_range pc -colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let path =
        clip(folder.path(), "full.mp4", "testsrc2=s=64x48:r=25:d=0.4", &format!("{X264} -pix_fmt yuvj420p {tags}"));
    let rendered = render(&path, rate(50, 1), None).unwrap();
    for (tag, value) in
        [("color_range", "pc"), ("color_space", "bt709"), ("color_primaries", "bt709"), ("color_transfer", "bt709")]
    {
        assert_eq!(entry(&rendered.path, "v:0", tag), value, "{tag}");
    }
    let size = 64 * 48 * 3 / 2;
    assert!(frames(&rendered.path, size)[0] == frames(&path, size)[0], "the codes of the first frame were changed");
}

#[test]
fn variable_rate_is_shown_at_its_own_times() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("-vf select=not(eq(mod(n\\,4)\\,2)) -vsync vfr {X264} -pix_fmt yuv420p");
    let path = clip(folder.path(), "vfr.mp4", "testsrc2=s=64x48:r=25:d=1", &options);
    let rendered = render(&path, rate(25, 1), None).unwrap();
    let size = 64 * 48 * 3 / 2;
    let (source, shown) = (frames(&path, size), frames(&rendered.path, size));
    // Frames 0 1 3 4 5 7 …: the slots of the left-out frames are made, the others are the source's.
    assert!(shown[0] == source[0] && shown[1] == source[1] && shown[3] == source[2] && shown[4] == source[3]);
    assert!(shown[2] != source[1] && shown[2] != source[2]);
}

#[test]
fn pictures_too_small_or_damaged_are_the_clips_fault() {
    let folder = tempfile::tempdir().unwrap();
    let small = clip(folder.path(), "tiny.mkv", "testsrc2=s=8x8:r=25:d=0.4", "-c:v ffv1 -pix_fmt yuv420p");
    let failure = render(&small, rate(50, 1), None).err().expect("a tiny clip was rendered");
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(failure.message.contains("8x8"), "{failure}");

    // Half of the pictures' bytes are gone, the index is whole.
    let whole = clip(folder.path(), "whole.mp4", "testsrc2=s=64x48:r=25:d=4", &format!("{X264} -movflags +faststart"));
    let mut bytes = std::fs::read(&whole).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    let broken = folder.path().join("broken.mp4");
    std::fs::write(&broken, bytes).unwrap();
    let failure = render(&broken, rate(50, 1), None).err().expect("a damaged clip was rendered");
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(failure.message.contains("could not be decoded"), "{failure}");
}

#[test]
fn a_codec_without_decoder_is_named_with_and_without_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sound) in [("mute.avi", ""), ("loud.avi", "-f lavfi -i sine=440:duration=0.4 -c:a pcm_s16le")] {
        let path = clip(folder.path(), name, "testsrc2=s=64x48:r=25:d=0.4", &format!("{sound} -c:v magicyuv"));
        let failure = render(&path, rate(50, 1), None).err().expect("a codec without decoder was rendered");
        assert_eq!(failure.class, FailureClass::Input, "{failure}");
        assert!(failure.message.contains("no decoder for magicyuv"), "{name}: {failure}");
    }
}

#[test]
fn the_software_encoder_works_here_and_a_missing_one_does_not() {
    init().unwrap();
    assert_eq!(encoder::works(encoder::SOFTWARE, Depth::Eight), Ok(()));
    assert!(encoder::works("no-such-encoder", Depth::Eight).is_err());
}

#[path = "deep_tests.rs"]
mod deep;
#[path = "shape_tests.rs"]
mod shapes;
