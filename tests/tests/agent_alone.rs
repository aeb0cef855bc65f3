//! `tweenfarm-agent` without any server: `render` makes an exact file and tells the facts, `doctor` tells the truth.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    clips::{self, Recipe},
    inspect::{broken_promises, inspect},
    programs, sentence,
};

fn agent(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let program = programs::find("tweenfarm-agent").expect("the agent is built");
    Command::new(program).args(arguments).envs(environment.iter().copied()).output().expect("the agent runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}

fn check_render(source: &Path, output: &Path, fps: &str, options: &[&str]) -> Value {
    let mut arguments = vec!["render", text(source), text(output), "--fps", fps, "--json"];
    arguments.extend(options);
    let ran = agent(&arguments, &[]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let facts: Value = serde_json::from_slice(&ran.stdout).expect("facts in JSON");
    let (from, to) = (inspect(source).expect("the source"), inspect(output).expect("the result"));
    let broken = broken_promises(&from, &to, fps.parse::<Rational>().expect("a rate"));
    assert!(broken.is_empty(), "{}", broken.join("; "));
    assert_eq!(facts["frames"].as_u64(), Some(to.video.frames), "{facts}");
    facts
}

#[test]
fn a_file_is_rendered_to_whole_and_to_fractional_rates() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let source = folder.path().join("clip.mp4");
    clips::make(&source, Recipe { rate: "24000/1001", ..Recipe::default() }).expect("ffmpeg makes a clip");
    for fps in ["60", "60000/1001"] {
        let output = folder.path().join("out.mp4");
        let facts = check_render(&source, &output, fps, &[]);
        assert!(facts["frames_made"].as_u64() > Some(0), "{facts}");
        for name in ["device", "engine", "encoder"] {
            assert!(facts[name].as_str().is_some_and(|value| !value.is_empty()), "{name} of {facts}");
        }
    }
}

#[test]
fn a_size_is_made_exactly_with_the_rate_and_the_duration() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (source, output) = (folder.path().join("clip.mp4"), folder.path().join("out.mp4"));
    // Larger at twice the rate, smaller at half of it and at a rate that meets few of its frames.
    for (size, rate, fps) in [("640x360", "30", "60"), ("1920x1080", "60", "30"), ("1920x1080", "25", "24")] {
        clips::make(&source, Recipe { size, rate, seconds: 0.4, sound: true }).expect("ffmpeg makes a clip");
        let options = ["render", text(&source), text(&output), "--fps", fps, "--size", "1280x720", "--quality", "fast"];
        let ran = agent(&options, &[]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let (mut from, to) = (inspect(&source).expect("the source"), inspect(&output).expect("the result"));
        (from.video.width_px, from.video.height_px) = (1280, 720);
        let broken = broken_promises(&from, &to, fps.parse::<Rational>().expect("a rate"));
        assert!(broken.is_empty(), "{size} at {rate} to {fps}: {}", broken.join("; "));
    }
}

#[test]
fn a_codec_that_nothing_here_makes_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (source, output) = (folder.path().join("clip.mp4"), folder.path().join("out.mp4"));
    clips::make(&source, Recipe { seconds: 0.2, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let wish = ["--codec", "hevc", "--depth", "10", "--encoder", "x264"];
    let ran = agent(&[&["render", text(&source), text(&output), "--fps", "48"][..], &wish].concat(), &[]);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success() && said.contains("x264 cannot make hevc of 10 bits: choose x265"), "{said}");
    assert!(!output.exists());
}

#[test]
fn lossless_keeps_every_source_frame_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (source, output) = (folder.path().join("clip.mp4"), folder.path().join("out.mp4"));
    clips::make(&source, Recipe { sound: false, ..Recipe::default() }).expect("ffmpeg makes a clip");
    let facts = check_render(&source, &output, "48", &["--lossless"]);
    assert_eq!(facts["frames_made"].as_u64(), Some(24 - 1), "after the last source frame there is nothing to make");
    let (given, kept) = (hashes(&source, "null"), hashes(&output, "select='not(mod(n,2))'"));
    assert_eq!(given, kept);
    // At the source's own rate nothing is made at all.
    let facts = check_render(&source, &output, "24", &["--lossless"]);
    assert_eq!(facts["frames_made"].as_u64(), Some(0));
    assert_eq!(hashes(&source, "null"), hashes(&output, "null"));
}

/// A hash per decoded frame.
fn hashes(path: &Path, filter: &str) -> Vec<String> {
    let listing = path.with_extension("framemd5");
    clips::ffmpeg(&["-i", text(path), "-an", "-vf", filter, "-fps_mode", "passthrough", "-f", "framemd5"], &listing)
        .expect("ffmpeg hashes frames");
    let listing = fs::read_to_string(&listing).expect("a listing");
    let rows = listing.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.rsplit(',').next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn what_cannot_be_rendered_is_refused_in_a_sentence_and_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let letter = folder.path().join("letter.mp4");
    fs::write(&letter, "Not a film.\n".repeat(100)).expect("write");
    let output = folder.path().join("out.mp4");
    let ran = agent(&["render", text(&letter), text(&output), "--fps", "60", "--json"], &[]);
    assert!(!ran.status.success());
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!said.contains("panicked") && said.split_whitespace().count() >= 5, "{said}");
    let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder").filter_map(Result::ok).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn doctor_finds_this_machine_able_and_says_so_item_by_item() {
    let ran = agent(&["doctor", "--json"], &[]);
    let items: Vec<Value> = serde_json::from_slice(&ran.stdout).expect("items in JSON");
    let sick: Vec<_> = items.iter().filter(|item| item["ok"] != true).collect();
    assert!(sick.is_empty() && ran.status.success(), "{sick:#?}");
    assert!(items.len() >= 4, "{items:#?}");
}

#[test]
fn doctor_without_vulkan_names_the_lack_and_a_remedy() {
    let nowhere = [("VK_DRIVER_FILES", "/nonexistent"), ("VK_ICD_FILENAMES", "/nonexistent")];
    let ran = agent(&["doctor", "--json"], &nowhere);
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    let items: Vec<Value> = serde_json::from_slice(&ran.stdout).expect("items in JSON");
    let sick: Vec<_> = items.iter().filter(|item| item["ok"] != true).collect();
    assert!(!sick.is_empty(), "{items:#?}");
    for item in sick {
        assert_eq!(sentence::flaw(item["remedy"].as_str().unwrap_or_default()), None, "{item}");
    }
}
