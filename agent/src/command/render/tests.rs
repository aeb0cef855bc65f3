use super::*;
use crate::testing::worker_script;
use std::{fs, process::Command};

/// A real clip of `frames` frames at `rate`, so that the probe sees what it would see.
fn clip(path: &Path, rate: u32, frames: u32) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc=size=64x48:rate={rate}"))
        .args(["-frames:v", &frames.to_string(), "-pix_fmt", "yuv420p"])
        .arg(path)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
}

struct Fixture {
    folder: tempfile::TempDir,
    request: Request,
}

impl Fixture {
    /// A clip of 10 frames at 30, and what a worker would make of it beside it.
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("results")).unwrap();
        clip(&folder.path().join("in.mp4"), 30, 10);
        clip(&folder.path().join("made.mp4"), 60, 20);
        let request = Request {
            input: folder.path().join("in.mp4"),
            output: folder.path().join("results/out.mp4"),
            rate: Rational::whole(60),
            encode: EncodeSettings::default(),
            encoder: None,
            engine: EngineSettings::default(),
            format: OutputFormat::default(),
            device: DeviceChoice::All,
            profile: false,
            quiet: true,
            stall: Duration::from_secs(60),
        };
        Fixture { folder, request }
    }

    /// Joins by copying the file of that name.
    fn program(&self, joined: &str) -> Program {
        let copy = format!(
            "case $order in *'\"order\":\"join\"'*) cp {}/{joined} \"$output\";; esac\n    echo \"{{\\\"event\\\":\\\"progress",
            self.folder.path().display()
        );
        let body = worker_script::GOOD.replacen("echo \"{\\\"event\\\":\\\"progress", &copy, 1);
        worker_script::greeting(self.folder.path(), &body)
    }

    fn results(&self) -> Vec<std::ffi::OsString> {
        fs::read_dir(self.folder.path().join("results")).unwrap().map(|item| item.unwrap().file_name()).collect()
    }
}

#[tokio::test]
async fn a_file_is_rendered_joined_and_told_about() {
    let fixture = Fixture::new();
    let summary = render(&fixture.request, &fixture.program("made.mp4")).await.unwrap();
    assert_eq!((summary.source_rate.as_str(), summary.output_rate.as_str()), ("30", "60"));
    assert_eq!((summary.source_frames, summary.frames, summary.frames_made), (10, 20, 1));
    assert_eq!(summary.size_bytes, fs::metadata(&fixture.request.output).unwrap().len());
    assert_eq!(fixture.results(), ["out.mp4"], "only the result is there");
    let table = summary.table();
    assert!(table.contains("10 → 20 (1 made)") && table.contains("60 fps"), "{table}");
}

#[tokio::test]
async fn a_failure_creates_nothing_and_keeps_what_was_there() {
    let fixture = Fixture::new();
    fs::write(&fixture.request.output, b"an earlier result").unwrap();
    let wrong_count = render(&fixture.request, &fixture.program("in.mp4")).await;
    assert!(matches!(wrong_count, Err(RenderError::WrongCount { expected: 20, found: 10 })), "{wrong_count:?}");
    let crash = worker_script::greeting(fixture.folder.path(), "read -r order; kill -SEGV $$");
    assert!(matches!(render(&fixture.request, &crash).await, Err(RenderError::Worker(_))));
    assert_eq!(fixture.results(), ["out.mp4"]);
    assert_eq!(fs::read(&fixture.request.output).unwrap(), b"an earlier result");
}

#[tokio::test]
async fn the_source_is_never_overwritten_under_any_name() {
    let fixture = Fixture::new();
    let input = &fixture.request.input;
    let link = fixture.folder.path().join("link.mp4");
    fs::hard_link(input, &link).unwrap();
    for output in [input.clone(), link, fixture.folder.path().join("results/../in.mp4")] {
        let request = Request { output, ..fixture.request.clone() };
        let refused = render(&request, &fixture.program("made.mp4")).await;
        assert!(matches!(refused, Err(RenderError::OverwritesInput { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn bad_input_is_told_in_a_sentence_before_anything_is_started() {
    let fixture = Fixture::new();
    let text = fixture.folder.path().join("text.mp4");
    fs::write(&text, b"not a film\n").unwrap();
    let no_worker = Program::at(&fixture.folder.path().join("missing"));
    let check = async |input: PathBuf, expected: &str| {
        let error = render(&Request { input, ..fixture.request.clone() }, &no_worker).await.unwrap_err();
        // As main prints it: with its causes.
        let error = format!("{:#}", anyhow::Error::from(error));
        assert!(error.contains(expected), "'{expected}' is not in: {error}");
    };
    check(text, "not a video that can be read").await;
    check(fixture.folder.path().join("nowhere.mp4"), "does not exist").await;
    assert!(fixture.results().is_empty());
}

#[test]
fn a_fractional_rate_is_shown_exactly_and_as_people_say_it() {
    let summary = Summary {
        input: PathBuf::from("in.mp4"),
        output: PathBuf::from("out.mp4"),
        source_rate: "24000/1001".to_owned(),
        output_rate: "60000/1001".to_owned(),
        source_frames: 24,
        frames: 60,
        frames_made: 40,
        duration_seconds: 1.001,
        width_px: 1,
        height_px: 1,
        size_bytes: 1,
        device: String::new(),
        engine: String::new(),
        settings: String::new(),
        settings_hash: String::new(),
        encoder: String::new(),
        render_fps: 1.0,
        elapsed_ms: 1,
        decode_ms: 1,
        interpolate_ms: 1,
        encode_ms: 1,
        join_ms: 1,
        passes: None,
    };
    assert!(summary.table().contains("59.940 (60000/1001) fps"), "{}", summary.table());
}
