//! Any size, time and setting: the engine's frame is the twin's.

mod pictures;

use pictures::{Scene, software_device};
use proptest::prelude::*;
use tweenfarm_shaders::plan::Plan;
use tweenfarm_shaders::reference::{Source, interpolate, pair};
use tweenfarm_shaders::{Device, Engine, FrameSize, Phase, PlanarFrame, Quality, Settings};

fn any_scene() -> impl Strategy<Value = Scene> {
    prop_oneof![
        (-20..20i32, -12..12i32).prop_map(|(x_px, y_px)| Scene::Pan { x_px, y_px }),
        Just(Scene::Crossing),
        Just(Scene::Noise),
        (-60..60i32).prop_map(Scene::Brighter),
    ]
}

fn any_quality() -> impl Strategy<Value = Quality> {
    prop_oneof![Just(Quality::Fast), Just(Quality::Balanced), Just(Quality::High)]
}

fn is_the_twins(device: &Device, scene: Scene, size: FrameSize, phase: Phase, settings: Settings) -> bool {
    let (first, second) = scene.pair(size);
    let mut engine = Engine::new(device, size, settings).unwrap();
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    let mut made = PlanarFrame::new(size);
    engine.between(phase, &mut made).unwrap();
    let plan = Plan::new(size, settings);
    let sources = [Source::new(&plan, &first), Source::new(&plan, &second)];
    let pair = pair(&plan, &sources[0], &sources[1]);
    made == interpolate(&plan, settings, &sources[0], &sources[1], phase, &pair)
}

#[test]
fn a_frame_is_the_twins_at_any_size_time_and_setting() {
    let device = software_device();
    let cases = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(
        scene in any_scene(),
        half_width in 8u32..90,
        half_height in 8u32..70,
        q16 in 1u32..65536,
        quality in any_quality(),
        scene_cuts in any::<bool>(),
    )| {
        let size = FrameSize { width_px: 2 * half_width, height_px: 2 * half_height };
        let phase = Phase::from_q16(q16).unwrap();
        let settings = Settings { quality, scene_cuts };
        prop_assert!(is_the_twins(&device, scene, size, phase, settings));
    });
}

#[test]
fn an_engine_can_move_to_another_thread() {
    fn can_move<T: Send>() {}
    can_move::<Engine>();
    can_move::<Device>();
}
