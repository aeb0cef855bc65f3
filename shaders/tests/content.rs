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

/// A disc of 29 px that moves 36 px over `ground`, at half the way: how far its pixels are off in the mean.
fn disc_over(ground: impl Fn(i32, i32) -> u8) -> f64 {
    let frame = |centre_x: i32| {
        let mut frame = PlanarFrame::new(SIZE);
        frame.planes_mut()[1].fill(128);
        frame.planes_mut()[2].fill(128);
        draw(&mut frame, |x, y| {
            let (dx, dy) = (x - centre_x, y - 70);
            Some(if dx * dx + dy * dy <= 196 { 235 - (dx * dx + dy * dy) as u8 / 2 } else { ground(x, y) })
        });
        frame
    };
    let (first, truth, second) = (frame(77), frame(95), frame(113));
    let made = make(&first, &second, 32768).0;
    let inside = |at: usize| ((at % 192) as i32 - 95).pow(2) + ((at / 192) as i32 - 70).pow(2) <= 196;
    let off: Vec<f64> = (0..made.planes()[0].len())
        .filter(|at| inside(*at))
        .map(|at| f64::from(made.planes()[0][at].abs_diff(truth.planes()[0][at])))
        .collect();
    off.iter().sum::<f64>() / off.len() as f64
}

#[test]
fn a_light_that_crosses_a_dark_wall_is_not_held_back() {
    let off = disc_over(|_, _| 20);
    assert!(off < 12.0, "{off} codes in the mean");
}

#[test]
fn a_ball_that_crosses_a_still_ground_is_not_held_back() {
    let ground = Scene::Pan { x_px: 0, y_px: 0 }.at(SIZE, 0);
    let off = disc_over(|x, y| ground.planes()[0][(y * 192 + x) as usize] / 2);
    assert!(off < 12.0, "{off} codes in the mean");
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

/// A still ground before which a part of the picture shows a plane moved by `moved`.
fn before_a_ground(moved: [i32; 2]) -> PlanarFrame {
    let mut frame = Scene::Crossing.at(SIZE, 0);
    let [x_px, y_px] = moved;
    let plane = Scene::Pan { x_px, y_px }.at(SIZE, 2);
    let inside = |x: i32, y: i32| (50..150).contains(&x) && (20..130).contains(&y);
    draw(&mut frame, |x, y| inside(x, y).then(|| plane.planes()[0][(y * SIZE.width_px as i32 + x) as usize]));
    frame
}

#[test]
fn a_jump_within_a_shot_is_a_cut() {
    let first = before_a_ground([0, 0]);
    let second = before_a_ground([1000, 777]);
    let (made, verdict) = make(&first, &second, 16384);
    assert_eq!(verdict.kind, PairKind::Cut, "{verdict:?}");
    assert!(made == first);
    assert!(make(&first, &second, 49152).0 == second);
    for moved in [[6, 0], [-12, 8], [20, 0]] {
        let (_, verdict) = make(&first, &before_a_ground(moved), 32768);
        assert_eq!(verdict.kind, PairKind::Normal, "{moved:?}: {verdict:?}");
    }
}

#[test]
fn a_light_that_goes_on_over_half_the_picture_is_no_cut() {
    for brighter in [10, 20, 40] {
        let first = Scene::Pan { x_px: 8, y_px: 0 }.at(SIZE, 0);
        let mut second = Scene::Pan { x_px: 8, y_px: 0 }.at(SIZE, 2);
        let width = SIZE.width_px as usize;
        for (at, code) in second.planes_mut()[0].iter_mut().enumerate() {
            if at % width > width / 2 {
                *code = code.saturating_add(brighter);
            }
        }
        let (_, verdict) = make(&first, &second, 32768);
        println!("{verdict:?}");
        assert!(!verdict.repeats(), "{brighter}: {verdict:?}");
    }
}

/// Frame `step` of `steps` of a dissolve between two shots; both pan.
fn dissolving(step: i32, steps: i32) -> PlanarFrame {
    let one = Scene::Pan { x_px: 2, y_px: 0 }.at(SIZE, step);
    let other = Scene::Pan { x_px: 0, y_px: -2 }.at(SIZE, step + 1000);
    let mut frame = one.clone();
    for (code, other) in frame.as_bytes_mut().iter_mut().zip(other.as_bytes()) {
        *code = ((i32::from(*code) * (steps - step) + i32::from(*other) * step) / steps) as u8;
    }
    frame
}

#[test]
fn a_dissolve_is_no_cut_and_every_made_frame_lies_between_its_neighbours() {
    for steps in [8, 16, 30] {
        for step in (0..steps).step_by(2) {
            let (first, truth, second) =
                (dissolving(step, steps), dissolving(step + 1, steps), dissolving(step + 2, steps));
            let (made, verdict) = make(&first, &second, 32768);
            assert!(!verdict.repeats(), "{step} of {steps}: {verdict:?}");
            // A pop is a frame that is nearer to one of its neighbours than they are to each other by half, or off the way.
            let [to_first, to_second, to_truth, apart] =
                [(&made, &first), (&made, &second), (&made, &truth), (&first, &second)].map(|(a, b)| mean_apart(a, b));
            assert!(to_first.max(to_second) < 0.75 * apart, "{step} of {steps}: {to_first} {to_second} of {apart}");
            assert!(to_truth < 0.5 * apart, "{step} of {steps}: {to_truth} of {apart}");
        }
    }
}

/// A pan of which `left` of 100 parts are left, the rest is `code`.
fn fading(half_step: i32, left: i32, code: i32) -> PlanarFrame {
    let mut frame = Scene::Pan { x_px: 2, y_px: 0 }.at(SIZE, half_step);
    let [luma, u, v] = frame.planes_mut();
    let mix = |place: &mut u8, end: i32| *place = ((i32::from(*place) * left + end * (100 - left)) / 100) as u8;
    luma.iter_mut().for_each(|place| mix(place, code));
    u.iter_mut().chain(v).for_each(|place| mix(place, 128));
    frame
}

#[test]
fn a_fade_through_black_or_white_has_no_cut_and_no_step_is_held() {
    for end in [16, 235] {
        // Five frames to the end, every second of them given, wherever the first given one lies; and back.
        for first_left in (20..=100).step_by(5) {
            for way_back in [false, true] {
                let lefts = [first_left, (first_left - 20).max(0), (first_left - 40).max(0)];
                let frames = [0, 1, 2].map(|at| fading(at, lefts[at as usize], end));
                let [first, truth, second] =
                    if way_back { [&frames[2], &frames[1], &frames[0]] } else { [&frames[0], &frames[1], &frames[2]] };
                let (made, verdict) = make(first, second, 32768);
                assert!(!verdict.repeats(), "{first_left} to {end}: {verdict:?}");
                // Below 40 the end comes halfway, and nobody can know.
                let (off, held) = (mean_apart(&made, truth), mean_apart(first, truth).min(mean_apart(second, truth)));
                assert!(first_left < 40 || off < 0.5 * held, "{first_left} to {end}: {off} of {held}");
            }
        }
    }
}

#[test]
fn a_picture_in_full_contrast_beside_black_is_cut() {
    let mut first = fading(0, 100, 16);
    draw(&mut first, |_, y| (y < 20).then_some(225));
    let black = fading(2, 0, 16);
    // What a codec leaves on black.
    let mut grainy = black.clone();
    draw(&mut grainy, |x, y| Some(16 + ((x * 7 + y * 13) % 3) as u8));
    for (first, second) in [(&first, &black), (&black, &first), (&first, &grainy), (&grainy, &first)] {
        let (made, verdict) = make(first, second, 16384);
        assert_eq!(verdict.kind, PairKind::Cut, "{verdict:?}");
        assert!(made == *first);
    }
}

/// Mean difference of luma, codes.
fn mean_apart(one: &PlanarFrame, other: &PlanarFrame) -> f64 {
    let (one, other) = (one.planes()[0], other.planes()[0]);
    one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / one.len() as f64
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

#[test]
fn pans_far_beyond_the_coarsest_nodes_are_found() {
    let size = FrameSize { width_px: 640, height_px: 360 };
    for [x_px, y_px] in [[130, 0], [-160, 30], [0, 110]] {
        let (first, second) = Scene::Pan { x_px, y_px }.pair(size);
        let (_, verdict) = make(&first, &second, 32768);
        assert_eq!(verdict.kind, PairKind::Normal, "{x_px},{y_px}: {verdict:?}");
    }
}

#[test]
fn an_object_that_moves_200_px_at_1080p_is_found() {
    let size = FrameSize { width_px: 1920, height_px: 1080 };
    let ground = Scene::Pan { x_px: 0, y_px: 0 }.at(size, 0);
    let thing = Scene::Crossing.at(size, 0);
    let frame = |left: i32, top: i32| {
        let mut frame = ground.clone();
        draw(&mut frame, |x, y| {
            let (dx, dy) = (x - left, y - top);
            let inside = (0..160).contains(&dx) && (0..160).contains(&dy);
            // Its texture is four times as coarse as the ground's, so that there is something of it at every level.
            inside.then(|| thing.planes()[0][((dy / 4 + 100) * 1920 + dx / 4 + 100) as usize])
        });
        frame
    };
    for [x_px, y_px] in [[200, 0], [-160, 120], [0, -200]] {
        let (left, top) = (870, 450);
        let (first, second) = (frame(left, top), frame(left + x_px, top + y_px));
        let truth = frame(left + x_px / 2, top + y_px / 2);
        let made = make(&first, &second, 32768).0;
        let (mut off, mut count) = (0, 0);
        for y in top + y_px / 2..top + y_px / 2 + 160 {
            for x in left + x_px / 2..left + x_px / 2 + 160 {
                let at = (y * 1920 + x) as usize;
                off += u32::from(made.planes()[0][at].abs_diff(truth.planes()[0][at]));
                count += 1;
            }
        }
        // Not found, it is 40 off.
        assert!(off < 16 * count, "{x_px},{y_px}: {} codes in the mean", f64::from(off) / f64::from(count));
    }
}
