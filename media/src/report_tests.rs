//! Reports of `ffprobe` 5.1, shortened, and what must be read from them.

use super::*;
use serde_json::{Value, json};

/// A video stream of an MP4, 640×360 at 30 fps, as `ffprobe` shows it.
fn video() -> Value {
    json!({
        "index": 0, "codec_name": "h264", "codec_type": "video", "width": 640, "height": 360,
        "pix_fmt": "yuv420p", "field_order": "progressive", "r_frame_rate": "30/1", "avg_frame_rate": "30/1",
        "time_base": "1/30000", "start_pts": 0, "duration_ts": 4000, "nb_frames": "4",
        "disposition": { "default": 1, "attached_pic": 0 }
    })
}

fn packets(pts: &[i64]) -> Vec<Value> {
    pts.iter()
        .map(|pts| json!({ "stream_index": 0, "pts": pts, "duration": 1000, "size": "10", "flags": "K_" }))
        .collect()
}

fn report(streams: &[Value], packets: &[Value], container: &str, duration: &str) -> Result<SourceFacts, ProbeError> {
    let report = json!({
        "packets": packets, "streams": streams, "format": { "format_name": container, "duration": duration }
    });
    read(&serde_json::to_vec(&report).unwrap(), 1234).map(|clip| clip.facts)
}

const MP4: &str = "mov,mp4,m4a,3gp,3g2,mj2";

fn with(mut stream: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        stream[name] = value.clone();
    }
    stream
}

fn fraction(num: i64, den: i64) -> Rational {
    Rational::new(num, den).unwrap()
}

#[test]
fn a_plain_clip_gives_its_size_rate_and_duration() {
    let facts = report(&[video()], &packets(&[0, 3000, 1000, 2000]), MP4, "0.133333").unwrap();
    let video = &facts.video;
    assert_eq!((video.width_px, video.height_px, video.rotation_deg, video.frame_count), (640, 360, 0, 4));
    assert_eq!((video.average_rate, video.duration), (Rational::whole(30), fraction(4, 30)));
    assert_eq!((facts.size_bytes, &facts.container[..], facts.audio.len()), (1234, MP4, 0));
    assert!(!video.interlaced);
}

#[test]
fn packets_hidden_by_an_edit_are_not_counted() {
    let mut all = packets(&[-2000, -1000, 0, 1000, 2000, 3000]);
    all[0]["flags"] = json!("KD");
    all[1]["flags"] = json!("_D");
    let facts = report(&[video()], &all, MP4, "0.133333").unwrap();
    assert_eq!((facts.video.frame_count, facts.video.duration), (4, fraction(4, 30)));
}

#[test]
fn a_cover_picture_is_no_video() {
    let cover = with(video(), json!({ "index": 1, "codec_name": "mjpeg", "disposition": { "attached_pic": 1 } }));
    let song = json!({ "index": 0, "codec_name": "aac", "codec_type": "audio", "time_base": "1/44100" });
    let refused = report(&[song, cover.clone()], &[], MP4, "3.0").unwrap_err();
    assert!(matches!(refused, ProbeError::NoVideo), "{refused}");
    let behind = with(cover, json!({ "index": 0 }));
    let moving: Vec<Value> =
        packets(&[0, 1000, 2000, 3000]).into_iter().map(|packet| with(packet, json!({ "stream_index": 1 }))).collect();
    let facts = report(&[behind, with(video(), json!({ "index": 1 }))], &moving, MP4, "0.133333").unwrap();
    assert_eq!((&facts.video.codec[..], facts.video.frame_count), ("h264", 4));
}

#[test]
fn rotation_is_read_from_matrix_and_tag_and_turns_the_size() {
    let check = |changes: Value, expected: (u16, u32, u32)| {
        let facts = report(&[with(video(), changes)], &packets(&[0, 1000, 2000, 3000]), MP4, "0.13").unwrap();
        assert_eq!((facts.video.rotation_deg, facts.video.width_px, facts.video.height_px), expected);
    };
    let matrix =
        |rotation: Value| json!({ "side_data_list": [{ "side_data_type": "Display Matrix", "rotation": rotation }] });
    check(matrix(json!(-90)), (90, 360, 640));
    check(matrix(json!(90)), (270, 360, 640));
    check(matrix(json!(-180)), (180, 640, 360));
    check(matrix(json!(180)), (180, 640, 360));
    check(matrix(json!(-89.99)), (90, 360, 640));
    check(json!({ "tags": { "rotate": "270" } }), (270, 360, 640));
    check(json!({ "tags": { "rotate": "sideways" } }), (0, 640, 360));
    check(json!({ "side_data_list": [{ "side_data_type": "CPB properties" }] }), (0, 640, 360));
}

#[test]
fn the_packets_decide_over_a_claimed_rate() {
    let stream = with(video(), json!({ "r_frame_rate": "60/1", "avg_frame_rate": "359/12" }));
    let facts = report(&[stream], &packets(&[0, 1000, 2000, 3000]), MP4, "0.13").unwrap();
    assert_eq!(facts.video.average_rate, Rational::whole(30));
}

#[test]
fn a_matroska_file_gives_exact_ntsc_from_milliseconds() {
    let stream = with(
        video(),
        json!({ "time_base": "1/1000", "avg_frame_rate": "24000/1001", "r_frame_rate": "24000/1001",
                "duration_ts": null, "nb_frames": null, "tags": { "DURATION": "00:00:00.167000000" } }),
    );
    let pts: Vec<Value> = [0, 42, 83, 125]
        .iter()
        .map(|pts| json!({ "stream_index": 0, "pts": pts, "duration": 41, "flags": "K_" }))
        .collect();
    let facts = report(&[stream], &pts, "matroska,webm", "0.167000").unwrap();
    assert_eq!((facts.video.average_rate, facts.video.duration), (fraction(24_000, 1001), fraction(4 * 1001, 24_000)));
}

#[test]
fn full_range_is_what_range_or_format_say() {
    let check = |changes: Value, expected| {
        let streams = [with(video(), changes)];
        let report = json!({
            "packets": packets(&[0, 1000, 2000]), "streams": streams, "format": { "format_name": MP4 }
        });
        assert_eq!(read(&serde_json::to_vec(&report).unwrap(), 1).unwrap().full_range, expected);
    };
    check(json!({ "pix_fmt": "yuvj420p" }), true);
    check(json!({ "color_range": "pc" }), true);
    check(json!({ "color_range": "tv", "color_space": "bt709" }), false);
    check(json!({}), false);
}

#[test]
fn interlaced_is_what_the_field_order_says() {
    let check = |order: &str, expected| {
        let stream = with(video(), json!({ "field_order": order }));
        let facts = report(&[stream], &packets(&[0, 1000, 2000, 3000]), MP4, "0.13").unwrap();
        assert_eq!(facts.video.interlaced, expected, "{order}");
    };
    check("tt", true);
    check("bb", true);
    check("tb", true);
    check("progressive", false);
    check("unknown", false);
}

#[test]
fn sound_is_placed_relative_to_the_first_picture() {
    let late = with(video(), json!({ "start_pts": 30_000 }));
    let sound = json!({
        "index": 1, "codec_name": "aac", "codec_type": "audio", "time_base": "1/48000", "channels": 2,
        "sample_rate": "48000", "start_pts": 24_000, "duration_ts": 96_000
    });
    let facts = report(&[late, sound.clone()], &packets(&[30_000, 31_000, 32_000, 33_000]), MP4, "2.5").unwrap();
    let track = &facts.audio[0];
    assert_eq!((track.start, track.duration), (fraction(-1, 2), Rational::whole(2)));
    assert_eq!((track.channels, track.sample_rate_hz, &track.codec[..]), (2, 48_000, "aac"));

    // Matroska says no duration per track: the packets do.
    let bare = with(sound, json!({ "start_pts": 0, "duration_ts": null }));
    let mut all = packets(&[0, 1000, 2000, 3000]);
    all.push(json!({ "stream_index": 1, "pts": 0, "duration": 1024, "flags": "K_" }));
    all.push(json!({ "stream_index": 1, "pts": 1024, "duration": 1024, "flags": "K_" }));
    let facts = report(&[video(), bare], &all, "matroska,webm", "0.133").unwrap();
    assert_eq!(facts.audio[0].duration, fraction(2048, 48_000));
}

#[test]
fn damage_is_named() {
    let check = |result: Result<SourceFacts, ProbeError>, expected: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(expected), "'{text}' does not say '{expected}'");
    };
    let short = with(video(), json!({ "nb_frames": "100" }));
    check(report(&[short], &packets(&[0, 1000]), "avi", "3.3"), "2 of its 100 frames");
    let uncounted = with(video(), json!({ "nb_frames": null }));
    check(report(&[uncounted], &packets(&[0, 1000]), "matroska,webm", "60.0"), "of 60.0 seconds");
    check(report(&[video()], &[], MP4, "60.0"), "no frames");
    check(report(&[video()], &packets(&[0]), MP4, "0.03"), "single frame");
    check(report(&[with(video(), json!({ "width": 0 }))], &packets(&[0, 1000]), MP4, "1.0"), "size of its pictures");
    let absurd = packets(&[0, i64::MAX]);
    check(report(&[video()], &absurd, MP4, "1.0"), "timestamps");
    check(read(b"{}", 1).map(|clip| clip.facts), "not a video");
    check(read(b"not json", 1).map(|clip| clip.facts), "not a video");
}
