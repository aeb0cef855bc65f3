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
