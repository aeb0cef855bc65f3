//! Marked copies of files that were made by another program: the same frames, the same sound, the mark in its corner.

use super::*;
use crate::testing::{clip, entry, frames, output, rate, times};
use std::path::PathBuf;
use tweenfarm_protocol::{
    Rational,
    output::OutputFormat,
    task::{EncodeSettings, EncoderClass, EngineSettings},
};

const SIZE: (usize, usize) = (320, 240);
const BYTES: usize = SIZE.0 * SIZE.1 * 3 / 2;

fn plan(target_rate: Rational, slot_count: u64, encode: EncodeSettings) -> OutputPlan {
    let (encoder, engine, format) = (EncoderClass::X264, EngineSettings::default(), OutputFormat::default());
    OutputPlan { target_rate, slot_count, encode, encoder, engine, format }
}

fn marked(source: &Path, plan: &OutputPlan) -> Result<(PathBuf, RenderFacts), Failure> {
    pipeline::init()?;
    let path = source.with_file_name("marked.mp4");
    let mut last = 0;
    let facts = mark(&[encoder::SOFTWARE.to_owned()], source, plan, &path, &mut |progress| {
        assert!(progress.frames_done >= last && progress.frames_done <= plan.slot_count);
        last = progress.frames_done;
    })?;
    assert_eq!(last, plan.slot_count);
    Ok((path, facts))
}

/// A file like those a join makes: H.264 with sound.
fn joined(folder: &Path, name: &str, rate: &str) -> PathBuf {
    let source = format!("testsrc2=s=320x240:r={rate}:d=1");
    let options = "-f lavfi -i sine=440:duration=1 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac \
                   -metadata title=Kept -video_track_timescale 60000";
    clip(folder, name, &source, options)
}

fn sound(path: &Path) -> Vec<u8> {
    output("ffmpeg", &["-v", "error", "-i", path.to_str().unwrap(), "-map", "0:a:0", "-c", "copy", "-f", "adts", "-"])
}

#[test]
fn a_marked_copy_differs_in_the_corner_alone_and_keeps_frames_times_sound_and_title() {
    let folder = tempfile::tempdir().unwrap();
    for (name, target) in [("sixty.mp4", rate(60, 1)), ("film.mp4", rate(60_000, 1001))] {
        let source = joined(folder.path(), name, &format!("{}/{}", target.num(), target.den()));
        let slot_count = times(&source).len() as u64;
        let (path, facts) = marked(&source, &plan(target, slot_count, EncodeSettings::Lossless)).unwrap();
        assert_eq!((facts.frames, facts.frames_made, facts.width_px, facts.height_px), (slot_count, 0, 320, 240));
        assert_eq!(facts.encoder, encoder::SOFTWARE);
        let (clean, copy) = (frames(&source, BYTES), frames(&path, BYTES));
        assert_eq!((clean.len() as u64, copy.len()), (slot_count, clean.len()), "{name}");
        for (slot, (clean, copy)) in clean.iter().zip(&copy).enumerate() {
            let mut changed = 0;
            for y in 0..SIZE.1 {
                for x in 0..SIZE.0 {
                    let differs = clean[y * SIZE.0 + x] != copy[y * SIZE.0 + x];
                    changed += usize::from(differs);
                    assert!(!differs || (x >= SIZE.0 / 2 && y >= SIZE.1 * 8 / 10), "{name}: {slot}: {x} {y} differs");
                }
            }
            assert!(changed > 500, "{name}: frame {slot} has {changed} pixels of the mark");
        }
        assert_eq!(times(&path), times(&source), "{name}");
        assert_eq!(entry(&path, "v:0", "r_frame_rate"), format!("{}/{}", target.num(), target.den()));
        assert!(sound(&path) == sound(&source), "{name}: the sound was changed");
        let title = ["-v", "error", "-show_entries", "format_tags=title", "-of", "csv=p=0", path.to_str().unwrap()];
        assert_eq!(String::from_utf8(output("ffprobe", &title)).unwrap().trim(), "Kept");
    }
}

#[test]
fn a_file_of_other_frames_than_planned_is_not_marked_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = joined(folder.path(), "short.mp4", "60");
    let refused = |plan: OutputPlan| marked(&source, &plan).map(|_| ()).expect_err("another plan's file was marked");
    let failure = refused(plan(rate(60, 1), 61, EncodeSettings::default()));
    assert!(failure.message.contains("60 of 61 frames"), "{failure}");
    // Twice the rate would need frames made in between.
    let failure = refused(plan(rate(120, 1), 60, EncodeSettings::default()));
    assert_ne!(failure.class, FailureClass::Input, "{failure}");
    fs::write(&source, "no video").unwrap();
    let failure = refused(plan(rate(60, 1), 60, EncodeSettings::default()));
    assert_eq!(failure.class, FailureClass::Internal, "{failure}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["short.mp4"]);
}
