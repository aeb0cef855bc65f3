//! The worker program as its agent uses it: orders in, events out, on a real Vulkan device (lavapipe will do).

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tweenfarm_agent::worker::messages::{Event, Order, SegmentFile};
use tweenfarm_protocol::{
    Rational, SlotRange,
    output::OutputFormat,
    task::{EncodeSettings, EncoderClass, EngineSettings, Failure, FailureClass, OutputPlan, Quality, RenderFacts},
};

struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    events: BufReader<ChildStdout>,
}

impl Worker {
    fn start(folder: &Path) -> Worker {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tweenfarm-worker"))
            .args(["serve", "--shader-cache"])
            .arg(folder.join("shaders"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker program starts");
        let events = BufReader::new(child.stdout.take().unwrap());
        let orders = child.stdin.take();
        let mut worker = Worker { child, orders, events };
        let Event::Ready { encoders, engine, .. } = worker.event() else { panic!("the worker is not ready") };
        assert!(encoders.iter().any(|encoder| encoder == "x264enc") && !engine.is_empty());
        worker
    }

    fn event(&mut self) -> Event {
        let mut line = String::new();
        self.events.read_line(&mut line).expect("the worker speaks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("'{line}' is no event: {error}"))
    }

    fn say(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("the worker still listens");
        writeln!(orders, "{line}").and_then(|()| orders.flush()).expect("the worker listens");
    }

    fn perform(&mut self, order: &Order) -> Result<RenderFacts, Failure> {
        self.say(&serde_json::to_string(order).unwrap());
        let mut frames_done = 0;
        loop {
            match self.event() {
                Event::Progress(progress) => {
                    assert!(progress.frames_done >= frames_done && progress.frames_done <= progress.frames_total);
                    frames_done = progress.frames_done;
                }
                Event::Done { facts } => return Ok(facts),
                Event::Failed(failure) => return Err(failure),
                Event::Ready { .. } => panic!("a second greeting"),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ffmpeg(arguments: &str, output: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i"])
        .args(arguments.split_whitespace())
        .arg(output)
        .status();
    assert!(status.expect("the package ffmpeg is installed").success());
}

fn frames(path: &Path) -> Vec<String> {
    let options = ["-map", "0:v:0", "-vsync", "0", "-f", "framemd5", "-"];
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(options).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let sums = text.lines().filter(|line| !line.starts_with('#'));
    sums.map(|line| line.rsplit(',').next().unwrap_or_default().trim().to_owned()).collect()
}

fn plan(slot_count: u64) -> OutputPlan {
    OutputPlan {
        target_rate: Rational::whole(60),
        slot_count,
        encode: EncodeSettings::Lossless,
        encoder: EncoderClass::X264,
        engine: EngineSettings::default(),
        format: OutputFormat::default(),
    }
}

#[test]
fn segments_are_rendered_bit_for_bit_like_the_whole_and_joined_with_proof() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let source = path("source.mp4");
    ffmpeg(
        "testsrc2=s=96x64:r=24:d=1 -f lavfi -i sine=440:duration=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
        &source,
    );
    let mut worker = Worker::start(folder.path());
    let mut render = |first, end| {
        let (slots, output) = (SlotRange::new(first, end), path(&format!("{first}-{end}.mp4")));
        let order = Order::Render { source: source.clone(), plan: plan(60), slots, output: output.clone() };
        let facts = worker.perform(&order).unwrap();
        assert_eq!((facts.frames, facts.width_px, facts.height_px), (end - first, 96, 64));
        assert!((1..=facts.elapsed_ms).contains(&facts.start_ms), "{} of {} ms", facts.start_ms, facts.elapsed_ms);
        SegmentFile { slots, path: output }
    };
    let whole = render(0, 60);
    let segments = vec![render(0, 17), render(17, 41), render(41, 60)];
    let parts: Vec<String> = segments.iter().flat_map(|segment| frames(&segment.path)).collect();
    assert_eq!(parts, frames(&whole.path));
    let output = path("joined.mp4");
    let order = Order::Join { source: source.clone(), plan: plan(60), segments, output: output.clone() };
    assert_eq!(worker.perform(&order).unwrap().frames, 60);
    assert_eq!(frames(&output), frames(&whole.path));
    let marked = path("marked.mp4");
    let order = Order::Mark { source: output.clone(), plan: plan(60), output: marked.clone() };
    let facts = worker.perform(&order).unwrap();
    assert_eq!((facts.frames, facts.frames_made, &facts.encoder[..]), (60, 0, "x264enc"));
    let all_marked = frames(&marked).iter().zip(frames(&output)).all(|(marked, clean)| *marked != clean);
    assert!(all_marked && frames(&marked).len() == 60, "a frame has no mark");
    // 24 to 60: every fifth slot is a second source frame.
    let kept = frames(&source);
    for (index, sum) in kept.iter().step_by(2).enumerate() {
        assert_eq!(*sum, parts[index * 5], "source frame {} was changed", index * 2);
    }
}

#[test]
fn an_order_that_cannot_be_done_fails_and_the_next_one_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path());
    worker.say("this is no order");
    assert!(matches!(worker.event(), Event::Failed(Failure { class: FailureClass::Internal, .. })));
    let (source, output) = (folder.path().join("clip.mp4"), folder.path().join("out.mp4"));
    let order = |source: &Path| Order::Render {
        source: source.to_owned(),
        plan: plan(12),
        slots: SlotRange::new(0, 12),
        output: output.clone(),
    };
    let failure = worker.perform(&order(&source)).unwrap_err();
    assert_eq!(failure.class, FailureClass::Resource, "{failure}");
    std::fs::write(&source, "a text file").unwrap();
    let failure = worker.perform(&order(&source)).unwrap_err();
    assert_eq!(failure.class, FailureClass::Input, "{failure}");
    assert!(!output.exists());
    ffmpeg("testsrc2=s=64x48:r=30:d=0.2", &source);
    assert_eq!(worker.perform(&order(&source)).unwrap().frames, 12);
}

#[test]
fn a_worker_whose_agent_is_gone_ends_in_the_middle_of_its_work() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("clip.mp4");
    // Far more work than the test would wait for.
    ffmpeg("testsrc2=s=1280x720:r=30:d=60 -c:v libx264 -preset ultrafast", &source);
    let mut worker = Worker::start(folder.path());
    let slots = SlotRange::new(0, 3600);
    let output = folder.path().join("out.mp4");
    worker.say(&serde_json::to_string(&Order::Render { source, plan: plan(3600), slots, output }).unwrap());
    assert!(matches!(worker.event(), Event::Progress(_)));
    worker.orders = None;
    assert!(worker.child.wait().unwrap().success());
}

#[test]
fn a_plan_is_kept_to_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, output) = (folder.path().join("clip.mp4"), folder.path().join("out.mp4"));
    ffmpeg("testsrc2=s=320x240:r=30:d=0.2 -pix_fmt yuv420p", &source);
    let mut worker = Worker::start(folder.path());
    let mut render = |plan: OutputPlan| {
        let slots = SlotRange::new(0, 12);
        let facts = worker.perform(&Order::Render { source: source.clone(), plan, slots, output: output.clone() })?;
        Ok::<_, Failure>((facts, frames(&output)))
    };
    let usual = render(plan(12)).unwrap();
    let fast = EngineSettings { quality: Quality::Fast, ..EngineSettings::default() };
    let fast = render(OutputPlan { engine: fast, ..plan(12) }).unwrap();
    assert_ne!(usual.0.settings_hash, fast.0.settings_hash);
    assert_eq!((usual.0.settings_hash.len(), usual.0.engine == fast.0.engine), (16, true));
    assert_ne!(usual.1, fast.1, "the quality makes no difference");
    let failure = render(OutputPlan { encoder: EncoderClass::Nvenc, ..plan(12) }).unwrap_err();
    assert_eq!(failure.class, FailureClass::Worker);
    assert!(failure.message.contains("nvenc"), "{failure}");
}
