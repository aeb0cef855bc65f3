//! Sources of 10 bits: all of them are worked on, and what leaves as 8 is dithered, not cut.

use super::*;
use crate::testing::frames_as;
use tweenfarm_protocol::output::Codec;

const SIZE: usize = 64 * 48 * 3 / 2;
/// Every code of 10 bits somewhere, moving.
const DEEP: &str =
    "nullsrc=s=64x48:r=25:d=0.4,format=yuv420p10le,geq=lum='mod(X*16+Y+N*5\\,1024)':cb='512+X+N':cr='512-Y'";
const LOSSLESS: &str = "-c:v ffv1 -pix_fmt yuv420p10le";

fn format(codec: Codec, depth: Depth) -> OutputFormat {
    OutputFormat { size: None, codec, depth }
}

fn codes(frame: &[u8]) -> Vec<u16> {
    frame.chunks(2).map(|code| u16::from_le_bytes([code[0], code[1]])).collect()
}

#[test]
fn frames_of_10_bits_reach_the_encoder_bit_by_bit_and_the_others_lie_between() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "deep.mkv", DEEP, LOSSLESS);
    let format = format(Codec::Hevc, Depth::Ten);
    let rendered = render_as(&path, rate(50, 1), None, false, EncodeSettings::Lossless, format).unwrap();
    assert_eq!(entry(&rendered.path, "v:0", "pix_fmt"), "yuv420p10le");
    let (source, shown) =
        (frames_as(&path, 2 * SIZE, "yuv420p10le"), frames_as(&rendered.path, 2 * SIZE, "yuv420p10le"));
    assert_eq!((source.len(), shown.len(), rendered.ran.frames_made), (10, 20, 9));
    for (index, frame) in source.iter().enumerate() {
        assert!(*frame == shown[2 * index], "source frame {index} was changed");
    }
    let (before, made, after) = (codes(&source[0]), codes(&shown[1]), codes(&source[1]));
    for ((one, other), made) in before.iter().zip(&after).zip(&made) {
        assert_eq!(u32::from(*made), (u32::from(*one) + u32::from(*other)) / 2);
    }
}

#[test]
fn ten_bits_leave_as_eight_by_dither_that_stands_still() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "deep.mkv", DEEP, LOSSLESS);
    let render = |path: &Path| {
        let format = OutputFormat::default();
        render_as(path, rate(25, 1), None, false, EncodeSettings::Lossless, format).unwrap().path
    };
    let (source, shown) = (frames_as(&path, 2 * SIZE, "yuv420p10le"), frames(&render(&path), SIZE));
    assert_eq!(source.len(), shown.len());
    for (source, shown) in source.iter().zip(&shown) {
        for (at, (code, made)) in codes(source).iter().zip(shown).enumerate().take(64 * 48) {
            let threshold = [[0, 2], [3, 1]][(at / 64) % 2][at % 2];
            assert_eq!(u16::from(*made), (code.min(&1020) + threshold) >> 2, "pixel {at}");
        }
    }
    let still = "nullsrc=s=64x48:r=25:d=0.4,format=yuv420p10le,geq=lum='X+Y+400':cb=513:cr=510";
    let still = frames(&render(&clip(folder.path(), "still.mkv", still, LOSSLESS)), SIZE);
    assert!(still.iter().all(|frame| *frame == still[0]), "a still picture flickers");
}

#[test]
fn eight_bits_leave_as_ten_without_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "eight.mp4", "testsrc2=s=64x48:r=25:d=0.4", &format!("{X264} -pix_fmt yuv420p"));
    let format = format(Codec::Hevc, Depth::Ten);
    let rendered = render_as(&path, rate(25, 1), None, false, EncodeSettings::Lossless, format).unwrap();
    let (source, shown) = (frames(&path, SIZE), frames_as(&rendered.path, 2 * SIZE, "yuv420p10le"));
    assert_eq!(source.len(), shown.len());
    for (source, shown) in source.iter().zip(&shown) {
        assert!(codes(shown).iter().zip(source).all(|(deep, code)| *deep == u16::from(*code) << 2));
    }
}

#[test]
fn a_clip_of_10_bits_is_scaled_and_turned_in_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "deep.mp4", DEEP, "-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le");
    let turned = folder.path().join("turned.mp4");
    let (from, to) = (path.to_str().unwrap(), turned.to_str().unwrap());
    output("ffmpeg", &["-v", "error", "-i", from, "-c", "copy", "-metadata:s:v", "rotate=90", to]);
    for (width, height) in [(96, 128), (24, 32)] {
        let size = PictureSize::new(width, height).ok();
        let format = OutputFormat { size, codec: Codec::Hevc, depth: Depth::Ten };
        let rendered = render_as(&turned, rate(30, 1), None, false, EncodeSettings::Lossless, format).unwrap();
        let frames = frames_as(&rendered.path, (width * height * 3) as usize, "yuv420p10le");
        assert_eq!(frames.len(), 12);
        let fine = codes(&frames[0]).iter().filter(|code| **code % 4 != 0).count();
        assert!(fine > frames[0].len() / 8, "{width}x{height}: only {fine} codes are finer than 8 bits");
    }
}

#[test]
fn what_an_hdr_master_says_of_itself_is_said_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let master = "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1):max-cll=1000,400";
    let options = format!(
        "-c:v libx265 -x265-params log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:{master} -pix_fmt yuv420p10le"
    );
    let path = clip(folder.path(), "hdr.mp4", DEEP, &options);
    for format in [format(Codec::Hevc, Depth::Ten), OutputFormat::default()] {
        let rendered = render_as(&path, rate(50, 1), None, false, EncodeSettings::default(), format).unwrap();
        for (tag, value) in [
            ("color_space", "bt2020nc"),
            ("color_primaries", "bt2020"),
            ("color_transfer", "smpte2084"),
            ("color_range", "tv"),
        ] {
            assert_eq!(entry(&rendered.path, "v:0", tag), value, "{format}: {tag}");
        }
        if format.codec == Codec::H264 {
            // Its element has no words for the rest.
            continue;
        }
        let text = rendered.path.to_str().unwrap();
        let first = ["-v", "error", "-select_streams", "v:0", "-read_intervals", "%+#1", "-show_frames", text];
        let told = String::from_utf8_lossy(&output("ffprobe", &first)).into_owned();
        for fact in ["red_x=35400/50000", "max_luminance=10000000/10000", "max_content=1000", "max_average=400"] {
            assert!(told.contains(fact), "{format}: {fact} is not in {told}");
        }
    }
}
