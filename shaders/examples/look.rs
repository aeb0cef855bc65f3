//! Writes what the CPU twins make of two frames, to be looked at: `look CLIP FRAME FOLDER [APART]` takes the frames FRAME and
//! FRAME + APART (2) of a clip and writes `made.ppm`, the luma half way between them, `truth.ppm`, the clip's own frame there,
//! and `flow.ppm`: direction is hue, length is colour. Decodes with the `ffmpeg` program.

use std::path::Path;
use std::process::Command;
use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, Vector, interpolate, pair};
use tweenfarm_shaders::{FrameSize, PairVerdict, Phase, PlanarFrame, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [clip, frame, folder, rest @ ..] = arguments.as_slice() else {
        return Err("usage: look CLIP FRAME FOLDER [APART]".into());
    };
    let frame: usize = frame.parse()?;
    let apart: usize = rest.first().map_or(Ok(2), |text| text.parse())?;
    let size = probe(clip)?;
    let read = |index: usize| -> Result<PlanarFrame, Box<dyn std::error::Error>> {
        let select = format!("select=eq(n\\,{index})");
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-i", clip, "-vf", &select, "-frames:v", "1"])
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .output()?;
        let mut frame = PlanarFrame::new(size);
        if run.stdout.len() != frame.as_bytes().len() {
            return Err(format!("the clip has no frame {index}").into());
        }
        frame.as_bytes_mut().copy_from_slice(&run.stdout);
        Ok(frame)
    };
    let settings = Settings::default();
    let plan = Plan::new(size, settings);
    let sources = [Source::new(&plan, &read(frame)?), Source::new(&plan, &read(frame + apart)?)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    println!("{:?}", PairVerdict::of(pair.facts, settings));
    let made = interpolate(&plan, settings, &sources[0], &sources[1], Phase::HALF, &pair);
    let folder = Path::new(folder);
    let grey = |codes: &[u8]| codes.iter().flat_map(|code| [*code; 3]).collect::<Vec<u8>>();
    let side = [size.width_px, size.height_px];
    write(&folder.join("made.ppm"), side, &grey(made.planes()[0]))?;
    write(&folder.join("truth.ppm"), side, &grey(read(frame + apart / 2)?.planes()[0]))?;
    let cells = plan.cell_grid();
    let vectors: Vec<Vector> = pair.flow[0].iter().map(|cell| cell.vector).collect();
    let longest = vectors.iter().map(|vector| length(*vector)).fold(1.0, f64::max);
    println!("longest vector {:.1} px", longest * f64::from(1 << plan.finest) / 16.0);
    let colours: Vec<u8> = vectors.iter().flat_map(|vector| colour(*vector, longest)).collect();
    write(&folder.join("flow.ppm"), [cells.columns, cells.rows], &colours)?;
    Ok(())
}

fn length([x, y]: Vector) -> f64 {
    f64::from(x).hypot(f64::from(y))
}

/// White where nothing moves, fully coloured at the longest vector.
fn colour(vector: Vector, longest: f64) -> [u8; 3] {
    let turn = f64::from(vector[1]).atan2(f64::from(vector[0]));
    let share = (length(vector) / longest).sqrt();
    [0.0, 2.1, 4.2].map(|shift| (255.0 - share * 127.5 * (1.0 - (turn + shift).cos())) as u8)
}

fn write(file: &Path, [width, height]: [u32; 2], codes: &[u8]) -> std::io::Result<()> {
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    bytes.extend_from_slice(codes);
    std::fs::write(file, bytes)
}

fn probe(clip: &str) -> Result<FrameSize, Box<dyn std::error::Error>> {
    let run = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", clip])
        .output()?;
    let text = String::from_utf8(run.stdout)?;
    let mut sides = text.trim().trim_end_matches(',').split(',').map(str::parse::<u32>);
    let (Some(width), Some(height)) = (sides.next(), sides.next()) else { return Err("no video in the clip".into()) };
    Ok(FrameSize { width_px: width?, height_px: height? }.check()?)
}
