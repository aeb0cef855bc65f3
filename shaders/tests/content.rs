//! Content on which interpolation usually fails, drawn so that the right answer is known.

mod pictures;

use pictures::Scene;
use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, interpolate, pair};
use tweenfarm_shaders::{FrameSize, PairKind, PairVerdict, Phase, PlanarFrame, Settings};

const SIZE: FrameSize = FrameSize { width_px: 192, height_px: 144 };

fn make(first: &PlanarFrame, second: &PlanarFrame, q16: u32) -> (PlanarFrame, PairVerdict) {
    let settings = Settings::default();
    let plan = Plan::new(first.size(), settings);
    let sources = [Source::new(&plan, first), Source::new(&plan, second)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    let phase = Phase::from_q16(q16).unwrap();
    let made = interpolate(&plan, settings, &sources[0], &sources[1], phase, &pair);
    (made, PairVerdict::of(pair.facts, settings))
}

/// Draws `code` over every luma pixel for which it gives one.
fn draw(frame: &mut PlanarFrame, code: impl Fn(i32, i32) -> Option<u8>) {
    let width = frame.size().width_px as usize;
    for (at, place) in frame.planes_mut()[0].iter_mut().enumerate() {
        if let Some(code) = code((at % width) as i32, (at / width) as i32) {
            *place = code;
        }
    }
}

/// Pans under what `code` draws over both frames; it has to be in the made frame as it is in both.
fn stays_put(what: &str, code: impl Fn(i32, i32) -> Option<u8>) {
    for [x_px, y_px] in [[6, 0], [-14, 0], [4, 6], [0, -8], [24, 0]] {
        let (mut first, mut second) = Scene::Pan { x_px, y_px }.pair(SIZE);
        draw(&mut first, &code);
        draw(&mut second, &code);
        for q16 in [13107, 32768] {
            let made = make(&first, &second, q16).0;
            for (at, found) in made.planes()[0].iter().enumerate() {
                let (x, y) = ((at % SIZE.width_px as usize) as i32, (at / SIZE.width_px as usize) as i32);
                if let Some(code) = code(x, y) {
                    assert!(found.abs_diff(code) <= 1, "{what} over {x_px},{y_px} at {x},{y}: {found} for {code}");
                }
            }
        }
    }
}

#[test]
fn letterbox_bars_stay_put_over_a_pan() {
    stays_put("bars", |_, y| (!(20..124).contains(&y)).then_some(16));
}

#[test]
fn a_logo_stays_put_over_a_pan() {
    stays_put("logo", |x, y| {
        let inside = (130..178).contains(&x) && (12..36).contains(&y);
        (inside && ((x / 6 + y / 6) % 2 == 0 || !(136..172).contains(&x))).then_some(235)
    });
}

/// Letters of strokes `thick_px` wide and twelve high, eight apart, in two lines.
fn captions(thick_px: i32) -> impl Fn(i32, i32) -> Option<u8> {
    move |x, y| {
        let line = (y - 100).rem_euclid(20);
        if !(24..168).contains(&x) || !(100..140).contains(&y) || line >= 12 {
            return None;
        }
        let (letter, across) = ((x - 24) / 12, (x - 24) % 12);
        let inside = across < 8;
        let upright = across < thick_px || (8 - thick_px..8).contains(&across);
        let level = match letter % 3 {
            0 => (5..5 + thick_px).contains(&line),
            1 => line < thick_px || line >= 12 - thick_px,
            _ => line < thick_px,
        };
        (inside && (upright || level)).then_some(235)
    }
}

#[test]
fn captions_of_strokes_of_two_pixels_stay_put_over_a_pan() {
    stays_put("caption", captions(2));
}

#[test]
fn captions_of_strokes_of_one_pixel_stay_put_over_a_pan() {
    stays_put("caption", captions(1));
}

#[test]
fn a_flash_repeats_the_nearer_frame() {
    let (first, _) = Scene::Crossing.pair(SIZE);
    let mut second = Scene::Crossing.at(SIZE, 2);
    for code in second.planes_mut()[0].iter_mut() {
        *code = (255 - (255 - i32::from(*code)) / 4) as u8;
    }
    let (made, verdict) = make(&first, &second, 16384);
    assert!(verdict.repeats(), "{verdict:?}");
    assert!(made == first);
    assert!(make(&first, &second, 49152).0 == second);
    // And back: the frame after the flash.
    let third = Scene::Crossing.at(SIZE, 4);
    assert!(make(&second, &third, 49152).0 == third);
}

#[test]
fn pans_as_fast_as_the_search_reaches_are_no_cuts() {
    let size = FrameSize { width_px: 640, height_px: 360 };
    for [x_px, y_px] in [[60, 0], [-56, 20], [0, 60]] {
        let (first, second) = Scene::Pan { x_px, y_px }.pair(size);
        let (_, verdict) = make(&first, &second, 32768);
        assert_eq!(verdict.kind, PairKind::Normal, "{x_px},{y_px}: {verdict:?}");
    }
}
