//! Times the engine: `speed WIDTH HEIGHT [fast|balanced|high] [I420-FILE]` prints milliseconds per source frame with its pair
//! and per output, in wall and processor time, and each pass's share when run alone. The frames are
//! the first four of the file, or a moving texture. The device is the best one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tweenfarm_shaders::{Device, Engine, EngineError, FrameSize, Phase, PlanarFrame, Quality, Settings, StepTime};

const PAIRS: u32 = 12;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [width, height, rest @ ..] = arguments.as_slice() else {
        return Err("usage: speed WIDTH HEIGHT [fast|balanced|high] [I420-FILE]".into());
    };
    let size = FrameSize { width_px: width.parse()?, height_px: height.parse()? }.check()?;
    let quality = match rest.first().map(String::as_str) {
        Some("fast") => Quality::Fast,
        Some("high") => Quality::High,
        _ => Quality::Balanced,
    };
    let device = Device::open(None)?;
    println!("{:?}", device.facts());
    let mut engine = Engine::new(&device, size, Settings { quality, ..Settings::default() })?;
    let plan = engine.plan();
    println!("levels {} coarsest {} finest {} cells {}", plan.levels.len(), plan.coarsest, plan.finest, plan.cells);
    let [all, frames] = engine.memory_bytes();
    println!("device memory {:.1} MiB, of it frames {:.1} MiB", mebibytes(all), mebibytes(frames));
    let pictures = match rest.get(1) {
        Some(file) => read_pictures(size, file)?,
        None => (0..4).map(|index| picture(size, index)).collect(),
    };
    let mut out = PlanarFrame::new(size);
    // The first round compiles; it is not counted.
    for (index, picture) in pictures.iter().take(3).enumerate() {
        engine.push(picture)?;
        if index > 0 {
            engine.between(Phase::HALF, &mut out)?;
        }
    }
    let (mut pair, mut output) = (Spent::default(), Spent::default());
    for index in 0..PAIRS {
        pair.add(|| {
            engine.push(&pictures[(index as usize + 3) % pictures.len()])?;
            engine.verdict()
        })?;
        output.add(|| engine.between(Phase::HALF, &mut out))?;
    }
    println!("verdict {:?}", engine.verdict()?);
    println!("pair {}, output {}", pair.line(), output.line());

    engine.push(&pictures[1])?;
    print_shares("pair", engine.profile_pair()?);
    print_shares("output", engine.profile_output(Phase::HALF)?);
    Ok(())
}

/// Wall and processor time of the same thing done `PAIRS` times.
#[derive(Default)]
struct Spent {
    wall: Duration,
    processor: Duration,
}

impl Spent {
    fn add<T>(&mut self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<(), Box<dyn std::error::Error>> {
        let (start, processor) = (Instant::now(), processor_time()?);
        work()?;
        self.wall += start.elapsed();
        self.processor += processor_time()? - processor;
        Ok(())
    }

    fn line(&self) -> String {
        let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(PAIRS);
        format!("{:.2} ms (processor {:.2} ms)", each(self.wall), each(self.processor))
    }
}

fn print_shares(what: &str, times: Vec<StepTime>) {
    let mut by_name: BTreeMap<&str, (Duration, u32)> = BTreeMap::new();
    for step in times {
        let entry = by_name.entry(step.name).or_default();
        entry.0 += step.time;
        entry.1 += 1;
    }
    for (name, (time, count)) in by_name {
        println!("  {what:6} {name:10} {count:3} x {:8.3} ms", time.as_secs_f64() * 1e3);
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The first four frames of a file of I420.
fn read_pictures(size: FrameSize, file: &str) -> Result<Vec<PlanarFrame>, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(file)?;
    let frame_bytes = PlanarFrame::new(size).as_bytes().len();
    let frames = bytes.chunks_exact(frame_bytes).take(4).map(|chunk| {
        let mut frame = PlanarFrame::new(size);
        frame.as_bytes_mut().copy_from_slice(chunk);
        frame
    });
    let frames: Vec<PlanarFrame> = frames.collect();
    if frames.len() < 4 { Err("fewer than four frames in the file".into()) } else { Ok(frames) }
}

/// A drifting picture of several scales, with a block that moves against the rest.
fn picture(size: FrameSize, index: u32) -> PlanarFrame {
    let mut frame = PlanarFrame::new(size);
    let width = size.width_px;
    let code = |x: u32, y: u32| {
        let block =
            x.abs_diff(width / 2 + 9 * index) < width / 8 && y.abs_diff(size.height_px / 2) < size.height_px / 8;
        let (x, y) = if block { (x + 500 - 9 * index, y) } else { (x + 5 * index, y + 2 * index) };
        let waves = 40.0 * (x as f32 / 7.0).sin() + 40.0 * (y as f32 / 11.0 + x as f32 / 23.0).sin();
        let grain = ((x / 3).wrapping_mul(2_654_435_761) ^ (y / 3).wrapping_mul(40_503)) >> 13 & 31;
        (112.0 + waves + grain as f32) as u8
    };
    let [luma, u, v] = frame.planes_mut();
    for (at, place) in luma.iter_mut().enumerate() {
        *place = code(at as u32 % width, at as u32 / width);
    }
    for (at, place) in u.iter_mut().chain(v).enumerate() {
        *place = 64 + code(at as u32 % (width / 2), at as u32 / (width / 2)) / 2;
    }
    frame
}

/// Processor time of all threads of this process so far, from `/proc/self/task/*/schedstat` in nanoseconds.
fn processor_time() -> Result<Duration, Box<dyn std::error::Error>> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split_whitespace().next().ok_or("a short line")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
