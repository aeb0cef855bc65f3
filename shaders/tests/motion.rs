//! Motions other than a pan, and pictures that mislead a search, drawn so that the right answer is known.

use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, interpolate, pair};
use tweenfarm_shaders::{FrameSize, PairKind, PairVerdict, Phase, PlanarFrame, Settings};

const SIZE: FrameSize = FrameSize { width_px: 320, height_px: 240 };

fn make(first: &PlanarFrame, second: &PlanarFrame) -> (PlanarFrame, PairVerdict) {
    let settings = Settings::default();
    let plan = Plan::new(SIZE, settings);
    let sources = [Source::new(&plan, first), Source::new(&plan, second)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    let made = interpolate(&plan, settings, &sources[0], &sources[1], Phase::HALF, &pair);
    (made, PairVerdict::of(pair.facts, settings))
}

/// A frame of `code(x, y)`, x and y counted from the middle of the picture.
fn drawn(code: impl Fn(f64, f64) -> f64) -> PlanarFrame {
    let mut frame = PlanarFrame::new(SIZE);
    let [luma, u, v] = frame.planes_mut();
    for (at, place) in luma.iter_mut().enumerate() {
        let (x, y) = (at % SIZE.width_px as usize, at / SIZE.width_px as usize);
        *place = code(x as f64 - 160.0, y as f64 - 120.0).round().clamp(0.0, 255.0) as u8;
    }
    u.fill(128);
    v.fill(128);
    frame
}

/// Waves of many lengths: known everywhere, alike nowhere.
fn waves(x: f64, y: f64) -> f64 {
    let parts = [
        (40.0, 0.043, 0.021),
        (30.0, -0.027, 0.069),
        (20.0, 0.213, -0.137),
        (14.0, 0.371, 0.293),
        (8.0, -0.307, 0.523),
    ];
    128.0 + parts.iter().map(|(size, along, down)| size * (along * x + down * y).sin()).sum::<f64>()
}

/// PSNR of luma, `border` pixels left out on every side.
fn psnr(made: &PlanarFrame, truth: &PlanarFrame, border: usize) -> f64 {
    let (width, height) = (SIZE.width_px as usize, SIZE.height_px as usize);
    let places = (border..height - border).flat_map(|y| (border..width - border).map(move |x| y * width + x));
    let squares: Vec<f64> =
        places.map(|at| f64::from(made.planes()[0][at].abs_diff(truth.planes()[0][at])).powi(2)).collect();
    10.0 * (255.0f64.powi(2) * squares.len() as f64 / squares.iter().sum::<f64>().max(1e-9)).log10()
}

/// Makes the frame in the middle of a motion whose picture at time t is `at(t)`.
fn check(what: &str, at: impl Fn(f64) -> PlanarFrame, least_db: f64) {
    let (made, verdict) = make(&at(0.0), &at(1.0));
    assert_eq!(verdict.kind, PairKind::Normal, "{what}: {verdict:?}");
    let found = psnr(&made, &at(0.5), 40);
    assert!(found >= least_db, "{what}: {found:.2} dB");
}

#[test]
fn zooms_are_followed_and_fast_ones_are_no_cuts() {
    for (growth, least_db) in [(0.02, 50.0), (-0.05, 50.0), (0.15, 50.0)] {
        let at = |time: f64| {
            let scale = 1.0 + growth * time;
            drawn(move |x, y| waves(x / scale, y / scale))
        };
        check(&format!("zoom by {growth}"), at, least_db);
    }
}

#[test]
fn rotations_are_followed() {
    for (degrees, least_db) in [(1.0f64, 50.0), (-4.0, 48.0), (8.0, 42.0)] {
        let at = |time: f64| {
            let (sin, cos) = (degrees.to_radians() * (time - 0.5)).sin_cos();
            drawn(move |x, y| waves(cos * x + sin * y, cos * y - sin * x))
        };
        check(&format!("{degrees} degrees"), at, least_db);
    }
}

/// Pans of a picture that repeats itself, up to three eighths of its period: at half of it nobody could tell which way.
fn check_repeated(what: &str, code: impl Fn(f64, f64) -> f64, steps: &[[f64; 2]]) {
    for [along, down] in steps {
        let at = |time: f64| drawn(|x, y| code(x - along * time, y - down * time));
        check(&format!("{what} by {along},{down}"), at, 50.0);
    }
}

#[test]
fn railings_do_not_tear() {
    let railings = |x: f64, _: f64| if x.rem_euclid(16.0) < 5.0 { 200.0 } else { 60.0 };
    check_repeated("railings", railings, &[[2.0, 0.0], [4.0, 0.0], [6.0, 0.0], [-6.0, 0.0]]);
}

#[test]
fn a_wall_of_bricks_does_not_tear() {
    let bricks = |x: f64, y: f64| {
        let row = (y / 12.0).floor();
        let along = (x + 15.0 * row).rem_euclid(30.0);
        if y.rem_euclid(12.0) < 2.0 || along < 2.0 { 190.0 } else { 110.0 + 8.0 * (row * 1.7).sin() }
    };
    check_repeated("bricks", bricks, &[[2.0, 0.0], [4.0, 0.0], [6.0, 0.0], [-6.0, 0.0], [10.0, 0.0], [0.0, 4.0]]);
}

#[test]
fn fences_windows_and_chequers_do_not_tear() {
    let fence = |x: f64, y: f64| {
        let wire = (x + y).rem_euclid(14.0) < 2.0 || (x - y).rem_euclid(14.0) < 2.0;
        if wire { 200.0 } else { 80.0 + 20.0 * (x * 0.02 + y * 0.013).sin() }
    };
    check_repeated("fence", fence, &[[4.0, 0.0], [-6.0, 0.0], [0.0, 4.0]]);
    let windows = |x: f64, y: f64| {
        let window = x.rem_euclid(24.0) < 12.0 && y.rem_euclid(20.0) < 12.0;
        if window { 60.0 } else { 150.0 + 10.0 * (x * 0.011).sin() }
    };
    check_repeated("windows", windows, &[[6.0, 0.0], [8.0, 0.0], [0.0, 4.0]]);
    let chequers =
        |x: f64, y: f64| if ((x / 10.0).floor() + (y / 10.0).floor()) as i64 & 1 == 0 { 70.0 } else { 180.0 };
    check_repeated("chequers", chequers, &[[4.0, 0.0], [6.0, 0.0], [-6.0, 0.0], [0.0, 4.0]]);
}

#[test]
fn a_pan_under_a_slow_fade_is_followed() {
    for darker in [0.97, 0.93, 1.06] {
        let at = |time: f64| {
            let gain = 1.0 + (darker - 1.0) * time;
            drawn(move |x, y| 0.7 * gain * waves(x - 6.0 * time, y))
        };
        check(&format!("a fade by {darker}"), at, 48.0);
    }
}

#[test]
fn grain_over_a_still_picture_is_not_taken_for_motion() {
    let mut word = 1u32;
    let mut grain = || {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(word >> 16) / 65536.0 * 12.0 - 6.0
    };
    let mut noisy = || {
        let mut frame = drawn(waves);
        for code in frame.planes_mut()[0].iter_mut() {
            *code = (f64::from(*code) + grain()).round().clamp(0.0, 255.0) as u8;
        }
        frame
    };
    let (first, second) = (noisy(), noisy());
    let still = drawn(waves);
    // Two frames' grain averages out: the made one is nearer to the picture than either.
    assert!(psnr(&make(&first, &second).0, &still, 0) > psnr(&first, &still, 0).max(psnr(&second, &still, 0)));
}
