//! Times the engine: `speed WIDTH HEIGHT [fast|balanced|high] [I420-FILE]` prints milliseconds per source frame with its pair
//! and per output, in wall and processor time, the same with several in flight, and each pass's share when run alone. The frames are
//! the first four of the file, or a moving texture. The device is the best one.

use std::time::{Duration, Instant};
use tweenfarm_shaders::{
    Device, Engine, EngineError, FrameSize, PassTimes, Phase, PlanarFrame, Quality, Settings, pass_table,
};

const PAIRS: u32 = 12;
const STEPWISE: u32 = 12;

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
    println!("one at a time: pair {}, output {}", pair.line(), output.line());
    for times in [2, 4] {
        let spent = in_flight(&mut engine, &pictures, times, &mut out)?;
        println!("several in flight, x{times}: {} a made frame", spent.line_of(PAIRS * (times - 1)));
    }
    // Other programs on the cores only ever add to a time: the least of several says most.
    let mut least: Option<PassTimes> = None;
    for _ in 0..STEPWISE {
        let times = engine.run_stepwise(Phase::HALF, &mut || processor_time().unwrap_or_default())?;
        match &mut least {
            None => least = Some(times),
            Some(least) => {
                for (least, pass) in least.passes.iter_mut().zip(&times.passes) {
                    least.total = least.total.min(pass.total);
                }
            }
        }
    }
    let times = least.unwrap_or_default();
    print!("{}", pass_table(engine.plan(), engine.memory(), &times, "the processor"));
    Ok(())
}

/// The whole way at a multiple of the rate, as the element goes it.
fn in_flight(
    engine: &mut Engine,
    pictures: &[PlanarFrame],
    times: u32,
    out: &mut PlanarFrame,
) -> Result<Spent, Box<dyn std::error::Error>> {
    let mut spent = Spent::default();
    spent.add(|| {
        for index in 0..PAIRS {
            engine.push(&pictures[index as usize % pictures.len()])?;
            for part in 1..times {
                if engine.in_flight() == Engine::IN_FLIGHT {
                    engine.collect(out)?;
                }
                engine.submit(Phase::from_q16(65536 * part / times).expect("a part of the way"))?;
            }
        }
        while engine.in_flight() > 0 {
            engine.collect(out)?;
        }
        Ok(())
    })?;
    Ok(spent)
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
        self.line_of(PAIRS)
    }

    fn line_of(&self, count: u32) -> String {
        let each = |total: Duration| total.as_secs_f64() * 1e3 / f64::from(count);
        format!("{:.2} ms (processor {:.2} ms)", each(self.wall), each(self.processor))
    }
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
