//! The twins against answers that are known exactly. What holds for them holds for the shaders: `twins.rs` shows it.

mod pictures;

use pictures::Scene;
use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{self, Source, half, pair};
use tweenfarm_shaders::{FrameSize, PairKind, PairVerdict, Phase, PlanarFrame, Settings};

const SIZES: [[u32; 2]; 4] = [[16, 16], [98, 62], [64, 48], [176, 144]];
const PHASES: [u32; 5] = [1, 13107, 32768, 43690, 65535];

fn make(size: FrameSize, first: &PlanarFrame, second: &PlanarFrame, q16: u32) -> (PlanarFrame, PairVerdict) {
    let settings = Settings::default();
    let plan = Plan::new(size, settings);
    let sources = [Source::new(&plan, first), Source::new(&plan, second)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    let phase = Phase::from_q16(q16).unwrap();
    let made = reference::interpolate(&plan, settings, &sources[0], &sources[1], phase, &pair);
    (made, PairVerdict::of(pair.facts, settings))
}

/// Without the verdict's short cut.
fn make_in_full(size: FrameSize, first: &PlanarFrame, second: &PlanarFrame, q16: u32) -> PlanarFrame {
    let plan = Plan::new(size, Settings::default());
    let sources = [Source::new(&plan, first), Source::new(&plan, second)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    reference::output(&plan, &sources[0], &sources[1], &pair, Phase::from_q16(q16).unwrap()).frame
}

#[test]
fn identical_frames_give_the_same_frame_at_every_time() {
    for [width_px, height_px] in SIZES {
        let size = FrameSize { width_px, height_px };
        let frame = Scene::Crossing.at(size, 0);
        for q16 in PHASES {
            assert!(make_in_full(size, &frame, &frame, q16) == frame, "{width_px}x{height_px} at {q16}");
            let (made, verdict) = make(size, &frame, &frame, q16);
            assert_eq!(verdict.kind, PairKind::Duplicate);
            assert!(made == frame);
        }
    }
}

#[test]
fn a_pan_by_whole_pixels_is_found_exactly_inside() {
    let size = FrameSize { width_px: 176, height_px: 144 };
    for [x_px, y_px] in [[4, 0], [0, -6], [7, 3], [-12, 5], [20, -9]] {
        let (first, second) = Scene::Pan { x_px, y_px }.pair(size);
        let plan = Plan::new(size, Settings::default());
        let sources = [Source::new(&plan, &first), Source::new(&plan, &second)];
        let pair = pair(&plan, &sources[0], &sources[1]);
        let cells = plan.cell_grid();
        for row in 16..cells.rows - 16 {
            for column in 16..cells.columns - 16 {
                let vector = pair.flow[0][(row * cells.columns + column) as usize].vector;
                assert_eq!(vector, [16 * x_px, 16 * y_px], "pan {x_px},{y_px} at cell {column},{row}");
            }
        }
    }
}

#[test]
fn a_pan_by_even_pixels_gives_the_exact_middle_frame_inside() {
    let size = FrameSize { width_px: 176, height_px: 144 };
    for [x_px, y_px] in [[4, 0], [0, -6], [8, 2], [-12, 6]] {
        let scene = Scene::Pan { x_px, y_px };
        let (first, second) = scene.pair(size);
        let made = make(size, &first, &second, 32768).0;
        let truth = scene.at(size, 1);
        for y in 32..size.height_px - 32 {
            for x in 32..size.width_px - 32 {
                let at = (y * size.width_px + x) as usize;
                assert_eq!(made.planes()[0][at], truth.planes()[0][at], "pan {x_px},{y_px} at {x},{y}");
            }
        }
    }
}

#[test]
fn a_pan_by_parts_of_a_pixel_is_found_to_a_sixteenth() {
    // A drawn-out sine has known values between pixels.
    let size = FrameSize { width_px: 128, height_px: 96 };
    for sixteenths in [1, 5, 8, 11, 23] {
        let draw = |shift: f64| {
            let mut frame = PlanarFrame::new(size);
            let [y, u, v] = frame.planes_mut();
            for (index, place) in y.iter_mut().enumerate() {
                let (x, y) = (f64::from(index as u32 % 128) - shift, f64::from(index as u32 / 128));
                *place = (128.0 + 60.0 * (x / 5.0).sin() + 50.0 * (y / 6.0 + x / 31.0).cos()).round() as u8;
            }
            u.fill(128);
            v.fill(128);
            frame
        };
        let plan = Plan::new(size, Settings::default());
        let sources = [Source::new(&plan, &draw(0.0)), Source::new(&plan, &draw(f64::from(sixteenths) / 16.0))];
        let pair = pair(&plan, &sources[0], &sources[1]);
        let cells = plan.cell_grid();
        let mut sum = 0;
        let mut count = 0;
        for row in 8..cells.rows - 8 {
            for column in 8..cells.columns - 8 {
                let vector = pair.flow[0][(row * cells.columns + column) as usize].vector;
                assert!((vector[0] - sixteenths).abs() <= 2, "{sixteenths}/16 px: {vector:?} at {column},{row}");
                sum += vector[0];
                count += 1;
            }
        }
        let mean = f64::from(sum) / f64::from(count);
        assert!((mean - f64::from(sixteenths)).abs() <= 0.8, "{sixteenths}/16 px: mean {mean}");
    }
}

#[test]
fn a_picture_that_gets_brighter_does_so_evenly() {
    let size = FrameSize { width_px: 98, height_px: 62 };
    let scene = Scene::Brighter(8);
    let (first, second) = scene.pair(size);
    for (q16, added) in [(16384, 2), (32768, 4), (49152, 6)] {
        let made = make(size, &first, &second, q16).0;
        for (made, first) in made.planes()[0].iter().zip(first.planes()[0]) {
            let off = i32::from(*made) - i32::from(*first) - added;
            assert!(off.abs() <= 1, "{made} from {first} at {q16}");
        }
    }
}

#[test]
fn a_cut_repeats_the_nearer_frame() {
    let size = FrameSize { width_px: 98, height_px: 62 };
    let (first, second) = Scene::Noise.pair(size);
    for q16 in PHASES {
        let (made, verdict) = make(size, &first, &second, q16);
        assert_eq!(verdict.kind, PairKind::Cut);
        assert!(made == if q16 < 32768 { first.clone() } else { second.clone() }, "at {q16}");
    }
}

#[test]
fn a_pan_is_no_cut() {
    let size = FrameSize { width_px: 176, height_px: 144 };
    let (first, second) = Scene::Pan { x_px: 24, y_px: 10 }.pair(size);
    assert_eq!(make(size, &first, &second, 32768).1.kind, PairKind::Normal);
}

#[test]
fn halving_keeps_a_flat_plane_and_a_ramp() {
    let flat = reference::Plane::from_fn(31, 17, |_, _| 137);
    assert!(half(&flat) == reference::Plane::from_fn(16, 9, |_, _| 137));
    let ramp = half(&reference::Plane::from_fn(64, 8, |x, _| 2 * x as u8));
    for x in 1..31 {
        // The middle between pixels 2x and 2x + 1 of a ramp of 2 a pixel.
        assert_eq!(ramp.code(x, 2), 4 * x + 1);
    }
}

#[test]
fn swapping_the_frames_and_the_time_gives_nearly_the_same_frame() {
    let size = FrameSize { width_px: 176, height_px: 144 };
    let (first, second) = Scene::Crossing.pair(size);
    let there = make(size, &first, &second, 20000).0;
    let back = make(size, &second, &first, 65536 - 20000).0;
    let squares: u64 =
        there.planes()[0].iter().zip(back.planes()[0]).map(|(one, other)| u64::from(one.abs_diff(*other)).pow(2)).sum();
    let psnr = 10.0 * (255.0f64.powi(2) * there.planes()[0].len() as f64 / squares.max(1) as f64).log10();
    assert!(psnr > 35.0, "{psnr} dB");
}
