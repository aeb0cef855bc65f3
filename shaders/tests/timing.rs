//! Where things are in a made frame: pans of known speed at the times that usual rates ask for, between pixels too.

use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, interpolate, pair};
use tweenfarm_shaders::{FrameSize, Phase, PlanarFrame, Settings};

const SIZE: FrameSize = FrameSize { width_px: 160, height_px: 128 };
/// How far a made frame may be from where its time puts it.
const TOLERANCE_PX: f64 = 0.05;

/// A picture that is known between pixels, and its slopes there.
fn picture(x: f64, y: f64) -> [f64; 3] {
    // Long waves too: a texture of short ones alone repeats itself, and many pans look the same on it.
    let waves = [
        (40.0, 0.083, 0.031, 0.0),
        (32.0, -0.047, 0.109, 1.0),
        (22.0, 0.213, -0.137, 2.0),
        (14.0, 0.371, 0.293, 3.0),
        (8.0, -0.307, 0.523, 4.0),
    ];
    let (mut code, mut slope_x, mut slope_y) = (128.0, 0.0, 0.0);
    for (size, along, down, turn) in waves {
        let angle: f64 = along * x + down * y + turn;
        code += size * angle.sin();
        slope_x += size * along * angle.cos();
        slope_y += size * down * angle.cos();
    }
    [code, slope_x, slope_y]
}

fn frame_at(moved: [f64; 2]) -> PlanarFrame {
    let mut frame = PlanarFrame::new(SIZE);
    let [luma, u, v] = frame.planes_mut();
    for (at, code) in luma.iter_mut().enumerate() {
        let (x, y) = (at % SIZE.width_px as usize, at / SIZE.width_px as usize);
        *code = picture(x as f64 - moved[0], y as f64 - moved[1])[0].round().clamp(0.0, 255.0) as u8;
    }
    u.fill(128);
    v.fill(128);
    frame
}

/// How far `frame` is from the picture moved by `moved`: least squares on the slopes, away from the edges.
fn displacement(frame: &PlanarFrame, moved: [f64; 2]) -> [f64; 2] {
    let (mut xx, mut xy, mut yy, mut xe, mut ye) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let luma = frame.planes()[0];
    for y in 32..SIZE.height_px as usize - 32 {
        for x in 32..SIZE.width_px as usize - 32 {
            let [code, slope_x, slope_y] = picture(x as f64 - moved[0], y as f64 - moved[1]);
            // A picture moved on by d is less by d times its slope.
            let error = code - f64::from(luma[y * SIZE.width_px as usize + x]);
            xx += slope_x * slope_x;
            xy += slope_x * slope_y;
            yy += slope_y * slope_y;
            xe += slope_x * error;
            ye += slope_y * error;
        }
    }
    let determinant = xx * yy - xy * xy;
    [(yy * xe - xy * ye) / determinant, (xx * ye - xy * xe) / determinant]
}

/// The times strictly between two source frames that occur from one rate to another, each rate a fraction.
fn phases(from: [u64; 2], to: [u64; 2], outputs: u64) -> Vec<u32> {
    let mut found: Vec<u32> = (1..outputs)
        .filter_map(|output| {
            // Output k is at k / to; in source frames that is k * from / to.
            let (above, below) = (output * from[0] * to[1], from[1] * to[0]);
            let q16 = ((above % below) * 65536 + below / 2) / below;
            (1..65536).contains(&q16).then_some(q16 as u32)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn is_on_time(speed: [f64; 2], phases: &[u32]) {
    let plan = Plan::new(SIZE, Settings::default());
    let sources = [[0.0, 0.0], speed].map(|moved| Source::new(&plan, &frame_at(moved)));
    let pair = pair(&plan, &sources[0], &sources[1]);
    for q16 in phases {
        let time = f64::from(*q16) / 65536.0;
        let phase = Phase::from_q16(*q16).unwrap();
        let made = interpolate(&plan, Settings::default(), &sources[0], &sources[1], phase, &pair);
        let off = displacement(&made, speed.map(|axis| axis * time));
        assert!(
            off.iter().all(|axis| axis.abs() <= TOLERANCE_PX),
            "{speed:?} px a frame at {time:.4}: off by {off:.3?} px"
        );
    }
}

const SPEEDS: [[f64; 2]; 5] = [[0.4, 0.0], [1.5, -0.75], [-3.7, 2.2], [7.25, 0.0], [-11.6, -5.3]];

#[test]
fn a_measured_displacement_is_the_one_that_was_made() {
    for moved in [[0.0, 0.0], [0.2, 0.0], [-0.1, 0.3]] {
        let found = displacement(&frame_at([2.0 + moved[0], moved[1] - 1.0]), [2.0, -1.0]);
        for (found, moved) in found.iter().zip(moved) {
            assert!((found - moved).abs() < 0.01, "{found} for {moved}");
        }
    }
}

#[test]
fn pans_are_on_time_from_24_to_60() {
    let phases = phases([24, 1], [60, 1], 10);
    assert_eq!(phases, [13107, 26214, 39322, 52429]);
    for speed in SPEEDS {
        is_on_time(speed, &phases);
    }
}

#[test]
fn pans_are_on_time_from_30_to_240() {
    let phases = phases([30, 1], [240, 1], 16);
    assert_eq!(phases.len(), 7);
    for speed in SPEEDS {
        is_on_time(speed, &phases);
    }
}

#[test]
fn pans_are_on_time_from_24000_1001_to_60() {
    // The times drift through the whole pair: a few of them from a long clip.
    let all = phases([24000, 1001], [60, 1], 1000);
    assert!(all.len() > 300);
    let some: Vec<u32> = all.into_iter().step_by(37).collect();
    for speed in SPEEDS {
        is_on_time(speed, &some);
    }
}

#[test]
fn pans_are_on_time_of_a_variable_rate() {
    // Milliseconds of source frames as a screen recording has them, shown at 60 a second: exact fractions of each gap.
    let stamps = [0u64, 17, 50, 133, 150, 233, 267];
    let phases: Vec<u32> = (1..16u64)
        .filter_map(|output| {
            let pair = stamps.windows(2).find(|pair| 60 * pair[0] < 1000 * output && 1000 * output < 60 * pair[1])?;
            let (into, gap) = (1000 * output - 60 * pair[0], 60 * (pair[1] - pair[0]));
            Some(((into * 65536 + gap / 2) / gap) as u32)
        })
        .collect();
    assert!(phases.len() > 8);
    for speed in SPEEDS {
        is_on_time(speed, &phases);
    }
}
