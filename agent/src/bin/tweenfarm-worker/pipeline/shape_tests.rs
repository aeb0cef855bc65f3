//! Sizes and codecs of results: exactly what was asked for, undistorted, in the source's own colours.

use super::*;
use tweenfarm_protocol::output::Codec;

fn sized(width_px: u32, height_px: u32) -> OutputFormat {
    OutputFormat { size: PictureSize::new(width_px, height_px).ok(), ..OutputFormat::default() }
}

fn shown(path: &Path, entries: &[&str]) -> Vec<String> {
    entries.iter().map(|name| entry(path, "v:0", name)).collect()
}

#[test]
fn a_size_is_made_exactly_at_every_rate_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let tags = "-color_range pc -colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let made = format!("{X264} -pix_fmt yuvj420p {tags}");
    let path = clip(folder.path(), "small.mp4", "testsrc2=s=160x90:r=25:d=1", &made);
    let entries =
        ["width", "height", "r_frame_rate", "sample_aspect_ratio", "color_range", "color_space", "color_transfer"];
    let check = |target, (width, height), slots: usize, expected: &[&str]| {
        let format = sized(width, height);
        let rendered = render_as(&path, target, None, false, EncodeSettings::Lossless, format).unwrap();
        assert_eq!(times(&rendered.path).len(), slots, "{format} at {target}");
        assert_eq!(shown(&rendered.path, &entries), expected, "{format} at {target}");
    };
    // Larger, smaller, and one side of each; a rate above, equal and below the source's.
    check(rate(60, 1), (320, 180), 60, &["320", "180", "60/1", "1:1", "pc", "bt709", "bt709"]);
    check(rate(25, 1), (80, 46), 25, &["80", "46", "25/1", "1:1", "pc", "bt709", "bt709"]);
    check(rate(10, 1), (320, 40), 10, &["320", "40", "10/1", "2:9", "pc", "bt709", "bt709"]);
    check(rate(24, 1), (128, 128), 24, &["128", "128", "24/1", "16:9", "pc", "bt709", "bt709"]);
}

#[test]
fn pixels_that_are_not_square_stay_so_when_a_picture_is_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("-vf setsar=8/9 {X264} -pix_fmt yuv420p");
    let path = clip(folder.path(), "ntsc.mp4", "testsrc2=s=72x48:r=25:d=0.4", &options);
    for (format, expected) in
        [(OutputFormat::default(), "72,48,8:9"), (sized(144, 96), "144,96,8:9"), (sized(64, 48), "64,48,1:1")]
    {
        let rendered = render_as(&path, rate(50, 1), None, false, EncodeSettings::Lossless, format).unwrap();
        assert_eq!(shown(&rendered.path, &["width", "height", "sample_aspect_ratio"]).join(","), expected);
    }
}

#[test]
fn a_turned_clip_is_scaled_upright() {
    let folder = tempfile::tempdir().unwrap();
    let flat = clip(folder.path(), "flat.mp4", "testsrc2=s=64x48:r=25:d=0.4", &format!("{X264} -pix_fmt yuv420p"));
    let turned = folder.path().join("turned.mp4");
    let (from, to) = (flat.to_str().unwrap(), turned.to_str().unwrap());
    output("ffmpeg", &["-v", "error", "-i", from, "-c", "copy", "-metadata:s:v", "rotate=90", to]);
    let rendered = render_as(&turned, rate(25, 1), None, false, EncodeSettings::Lossless, sized(24, 32)).unwrap();
    assert_eq!(shown(&rendered.path, &["width", "height", "sample_aspect_ratio"]).join(","), "24,32,1:1");
}

#[test]
fn a_scaled_picture_is_what_another_scaler_makes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        clip(folder.path(), "soft.mp4", "testsrc2=s=160x90:r=25:d=0.4", &format!("{X264} -crf 5 -pix_fmt yuv420p"));
    for (width, height) in [(320, 180), (80, 46)] {
        let rendered =
            render_as(&path, rate(25, 1), None, false, EncodeSettings::Lossless, sized(width, height)).unwrap();
        let text = path.to_str().unwrap();
        let scale = format!("scale={width}:{height}:flags=lanczos+accurate_rnd+full_chroma_int");
        let raw =
            output("ffmpeg", &["-v", "error", "-i", text, "-vf", &scale, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]);
        let size = (width * height * 3 / 2) as usize;
        let (ours, theirs) = (frames(&rendered.path, size), raw.chunks(size).collect::<Vec<_>>());
        assert_eq!(ours.len(), theirs.len());
        for (plane, range) in [("luma", 0..size * 2 / 3), ("chroma", size * 2 / 3..size)] {
            let (a, b) = (&ours[3][range.clone()], &theirs[3][range]);
            let squares: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
            let error = (squares as f64 / a.len() as f64).sqrt();
            assert!(error < 3.0, "{width}x{height} {plane}: {error:.2} codes apart");
        }
    }
}

#[test]
fn segments_of_a_scaled_clip_hold_the_frames_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "cut.mp4", "testsrc2=s=64x48:r=24:d=0.5", &format!("{X264} -pix_fmt yuv420p"));
    let render = |slots| render_as(&path, rate(60, 1), slots, false, EncodeSettings::Lossless, sized(96, 72)).unwrap();
    let size = 96 * 72 * 3 / 2;
    let whole = frames(&render(None).path, size);
    let parts = [(0, 7), (7, 30)].map(|(first, end)| render(Some(SlotRange::new(first, end))).path);
    assert!(parts.iter().flat_map(|path| frames(path, size)).eq(whole), "segments differ from the whole");
}

#[test]
fn every_codec_and_depth_that_is_here_gives_its_frames_at_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "source.mp4", "testsrc2=s=64x48:r=25:d=0.4", &format!("{X264} -pix_fmt yuv420p"));
    for (codec, depth, pixels) in [
        (Codec::H264, Depth::Ten, "yuv420p10le"),
        (Codec::Hevc, Depth::Eight, "yuv420p"),
        (Codec::Hevc, Depth::Ten, "yuv420p10le"),
        (Codec::Av1, Depth::Eight, "yuv420p"),
    ] {
        let format = OutputFormat { size: None, codec, depth };
        let rendered = match render_as(&path, rate(50, 1), None, false, EncodeSettings::default(), format) {
            Ok(rendered) => rendered,
            Err(failure) if failure.message.contains("does not work on this machine") => {
                eprintln!("{failure}");
                continue;
            }
            Err(failure) => panic!("{format}: {failure}"),
        };
        assert_eq!(shown(&rendered.path, &["codec_name", "pix_fmt"]), [codec.name(), pixels]);
        let times = times(&rendered.path);
        assert_eq!(times.len(), 20, "{format}");
        assert!(
            times.iter().enumerate().all(|(slot, time)| (time - slot as f64 / 50.0).abs() < 2e-6),
            "{format}: {times:?}"
        );
    }
}
