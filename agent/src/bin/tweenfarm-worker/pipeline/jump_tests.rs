//! Segments that begin in the middle of clips of many kinds, against the whole rendered from the start.

use super::*;
use crate::{
    pipeline::tests::render,
    testing::{clip, frames, output, rate},
};
use std::path::Path;
use tweenfarm_media::{ProbeLimits, probe_clip};
use tweenfarm_protocol::SlotRange;

const FRAME_BYTES: usize = 64 * 48 * 3 / 2;

/// Whether decoding began in the middle in each of three later segments, which together with the first hold the whole.
fn jumped(path: &Path) -> [bool; 3] {
    let target = rate(60, 1);
    let whole = render(path, target, None).unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
    let (shown, last) = (frames(&whole.path, FRAME_BYTES), whole.slots);
    assert_eq!(shown.len() as u64, last);
    let borders = [0, last / 3 + 1, last / 2, last - 5, last];
    let parts = borders.windows(2).map(|pair| {
        let slots = SlotRange::new(pair[0], pair[1]);
        let part = render(path, target, Some(slots)).unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
        let own = frames(&part.path, FRAME_BYTES);
        let here = &shown[pair[0] as usize..pair[1] as usize];
        assert_eq!(own.len(), here.len());
        let differs = (pair[0]..).zip(own.iter().zip(here)).find(|(_, (own, here))| own != here);
        assert!(differs.is_none(), "{}: slot {} differs", path.display(), differs.map_or(0, |(slot, _)| slot));
        part.ran.jumped
    });
    let [first, rest @ ..] = <[bool; 4]>::try_from(parts.collect::<Vec<_>>()).unwrap();
    assert!(!first, "the first segment begins where the clip does");
    rest
}

#[test]
fn a_segment_holds_the_frames_of_the_whole_wherever_its_decoding_begins() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, options: &str, expected: [bool; 3]| {
        let path = clip(folder.path(), name, "testsrc2=s=64x48:r=24000/1001:d=4,noise=alls=20:allf=t", options);
        assert_eq!(jumped(&path), expected, "{name}");
    };
    let (always, never) = ([true; 3], [false; 3]);
    let x264 = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -g 12 -bf 3";
    check("closed.mp4", x264, always);
    check("closed.mkv", x264, always);
    check("pyramid.mov", &format!("{x264} -x264-params b-pyramid=normal:ref=4"), always);
    check("variable.mp4", &format!("{x264} -vf select=not(eq(mod(n\\,4)\\,2)) -vsync vfr"), always);
    check("fragments.mp4", &format!("{x264} -movflags frag_keyframe+empty_moov"), always);
    // Key frames of an open group are no IDR: what a decoder recovers at is not trusted.
    check("open.mp4", &format!("{x264} -x264-params open-gop=1:keyint=12:min-keyint=12:scenecut=0"), never);
    check("refresh.mp4", &format!("{x264} -x264-params intra-refresh=1:keyint=12"), never);
    check("open265.mp4", "-pix_fmt yuv420p -c:v libx265 -x265-params log-level=none:keyint=12:open-gop=1", always);
    check("vp9.webm", "-pix_fmt yuv420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12", always);
    check("vp8.mkv", "-pix_fmt yuv420p -c:v libvpx -deadline realtime -g 12", always);
    check("prores.mov", "-c:v prores_ks -profile:v 0", always);
    check("jpeg.mov", "-pix_fmt yuvj420p -c:v mjpeg", always);
    check("one.mp4", &format!("{x264} -g 1000"), never);
    // No index that both readers are exact about.
    check("stream.ts", x264, never);
    check("divx.avi", "-pix_fmt yuv420p -c:v mpeg4 -bf 2 -g 12", never);
}

#[test]
fn a_clip_that_was_cut_by_an_edit_list_is_entered_at_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -g 12 -bf 2";
    let whole = clip(folder.path(), "whole.mp4", "testsrc2=s=64x48:r=25:d=8", options);
    let cut = folder.path().join("cut.mp4");
    let (from, to) = (whole.to_str().unwrap(), cut.to_str().unwrap());
    // Copied from between two key frames on: what is before is in the file, and hidden.
    output("ffmpeg", &["-v", "error", "-ss", "0.7", "-i", from, "-c", "copy", to]);
    assert_eq!(jumped(&cut), [true; 3]);
}

#[test]
fn a_file_whose_index_is_not_there_is_decoded_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let options = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -g 12";
    let clip_of = |name: &str| clip(folder.path(), name, "testsrc2=s=64x48:r=25:d=4", options);
    let path = clip_of("indexed.mkv");
    let mut bytes = std::fs::read(&path).unwrap();
    // The head of Matroska's Cues, and the entry of the seek head that leads there.
    let cues = [0x1c, 0x53, 0xbb, 0x6b];
    let found: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == cues).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at..at + 4].copy_from_slice(&[0xec, 0x53, 0xbb, 0x6b]);
    }
    let bare = folder.path().join("bare.mkv");
    std::fs::write(&bare, bytes).unwrap();
    jumped(&bare);
}

#[test]
fn the_last_entry_before_the_first_frame_is_taken_if_it_is_worth_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "keys.mp4", "testsrc2=s=64x48:r=25:d=2", "-c:v libx264 -g 10 -sc_threshold 0");
    let mut clip = probe_clip(&path, &ProbeLimits::default()).unwrap();
    let frames: Vec<u64> = clip.entries.iter().map(|entry| entry.frame).collect();
    assert_eq!(frames, [0, 10, 20, 30, 40]);
    let entry = |clip: &Clip, frame| Jump::to(clip, frame).map(|jump| jump.entry.frame);
    assert_eq!([0, 9, 10, 39, 49].map(|frame| entry(&clip, frame)), [None, None, Some(10), Some(30), Some(40)]);
    clip.facts.video.interlaced = true;
    assert_eq!(entry(&clip, 30), None, "a deinterlacer looks at the pictures before");
}

#[test]
fn only_a_picture_that_refers_to_nothing_before_it_is_begun_with() {
    let unit = |kind: u8| [&[0, 0, 0, 2][..], &[kind, 0]].concat();
    let check = |codec, units: &[u8], expected: bool| {
        let packet: Vec<u8> = units.iter().flat_map(|kind| unit(*kind)).collect();
        assert_eq!(begins_anew(codec, &packet), expected, "{codec} {units:?}");
    };
    check("h264", &[0x09, 0x67, 0x68, 0x65], true);
    check("h264", &[0x06, 0x41], false);
    check("h264", &[0x09], false);
    check("hevc", &[0x40, 0x26], true);
    check("hevc", &[0x2a], true);
    check("hevc", &[0x02], false);
    check("vp8", &[], false);
    check("mpeg4", &[0], false);
    assert!(!begins_anew("h264", &[0xff, 0xff, 0xff, 0xff, 0x06]), "a unit longer than its packet");
}
