//! The engine as callers use it, on the software device: order, repeats, refusals, the same bytes every time.

mod pictures;

use pictures::{Scene, software_device};
use tweenfarm_shaders::reference::{Source, mix};
use tweenfarm_shaders::{
    Device, DeviceKind, Engine, EngineError, FrameSize, PairKind, Phase, PlanarFrame, Quality, Settings, devices,
};

const SIZE: FrameSize = FrameSize { width_px: 98, height_px: 62 };

fn engine() -> Engine {
    Engine::new(&software_device(), SIZE, Settings::default()).unwrap()
}

fn between(engine: &mut Engine, q16: u32) -> PlanarFrame {
    let mut out = PlanarFrame::new(SIZE);
    engine.between(Phase::from_q16(q16).unwrap(), &mut out).unwrap();
    out
}

#[test]
fn devices_are_listed_with_the_software_device_last() {
    let found = devices().unwrap();
    let last = found.last().unwrap();
    assert_eq!(last.kind, DeviceKind::Cpu);
    assert_eq!(last.uuid.len(), 32);
    assert!(last.uuid.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
    assert!(last.memory_bytes > 0 && !last.name.is_empty() && !last.driver.is_empty());
}

#[test]
fn an_unknown_device_is_refused_by_its_name() {
    let error = Device::open(Some("00000000000000000000000000000000")).unwrap_err();
    assert!(matches!(error, EngineError::NoDevice { .. }), "{error}");
    assert!(error.to_string().contains("00000000000000000000000000000000"));
}

#[test]
fn sizes_the_engine_cannot_take_are_refused() {
    let device = software_device();
    for [width_px, height_px] in [[15, 16], [16, 14], [17, 32], [32, 33], [8194, 64], [0, 0]] {
        let made = Engine::new(&device, FrameSize { width_px, height_px }, Settings::default());
        assert!(matches!(made, Err(EngineError::Size { .. })), "{width_px}x{height_px}");
    }
}

#[test]
fn a_frame_before_two_were_pushed_is_refused_also_after_a_reset() {
    let mut engine = engine();
    let (first, second) = Scene::Crossing.pair(SIZE);
    let mut out = PlanarFrame::new(SIZE);
    assert!(matches!(engine.between(Phase::HALF, &mut out), Err(EngineError::Order { pushed: 0 })));
    engine.push(&first).unwrap();
    assert!(matches!(engine.verdict(), Err(EngineError::Order { pushed: 1 })));
    engine.push(&second).unwrap();
    engine.between(Phase::HALF, &mut out).unwrap();
    engine.reset();
    assert!(matches!(engine.between(Phase::HALF, &mut out), Err(EngineError::Order { pushed: 0 })));
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let mut engine = engine();
    let wrong = PlanarFrame::new(FrameSize { width_px: 64, height_px: 48 });
    assert!(matches!(engine.push(&wrong), Err(EngineError::FrameSize { .. })));
}

#[test]
fn the_result_depends_on_the_pair_alone() {
    let (first, second) = Scene::Crossing.pair(SIZE);
    let (other, another) = Scene::Pan { x_px: 3, y_px: 2 }.pair(SIZE);
    let mut fresh = engine();
    fresh.push(&first).unwrap();
    fresh.push(&second).unwrap();
    let expected = [13107, 32768, 52429].map(|q16| between(&mut fresh, q16));
    // After other frames, in another order of times, in the other place of the ring, after a reset.
    let mut used = engine();
    for frame in [&other, &another, &other] {
        used.push(frame).unwrap();
    }
    between(&mut used, 32768);
    used.reset();
    for frame in [&another, &first, &second] {
        used.push(frame).unwrap();
    }
    let again = [52429, 13107, 32768].map(|q16| between(&mut used, q16));
    assert!(again[0] == expected[2] && again[1] == expected[0] && again[2] == expected[1]);
    // A pair in the middle that nobody asked about must not matter either.
    let mut skipped = engine();
    for frame in [&first, &other, &another, &first, &second] {
        skipped.push(frame).unwrap();
    }
    assert!(between(&mut skipped, 32768) == expected[1]);
}

#[test]
fn a_cut_and_a_duplicate_give_the_nearer_frame_byte_for_byte() {
    let mut engine = engine();
    let (first, second) = Scene::Noise.pair(SIZE);
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    assert_eq!(engine.verdict().unwrap().kind, PairKind::Cut);
    assert!(between(&mut engine, 32767) == first);
    assert!(between(&mut engine, 32768) == second);
    engine.push(&second).unwrap();
    assert_eq!(engine.verdict().unwrap().kind, PairKind::Duplicate);
    assert!(between(&mut engine, 1) == second);
    assert!(between(&mut engine, 65535) == second);
}

#[test]
fn without_scene_cuts_an_unlike_pair_is_mixed() {
    let settings = Settings { scene_cuts: false, ..Settings::default() };
    let mut engine = Engine::new(&software_device(), SIZE, settings).unwrap();
    let (first, second) = Scene::Noise.pair(SIZE);
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    let verdict = engine.verdict().unwrap();
    assert!(!verdict.repeats(), "{verdict:?}");
    let made = between(&mut engine, 32768);
    assert!(made != first && made != second);
}

#[test]
fn a_fast_fade_mixes_both_frames_as_its_twin_does() {
    let mut engine = engine();
    let (first, second) = Scene::Brighter(90).pair(SIZE);
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    assert_eq!(engine.verdict().unwrap().kind, PairKind::Fade, "{:?}", engine.verdict());
    let made = between(&mut engine, 16384);
    let plan = engine.plan();
    let sources = [Source::new(plan, &first), Source::new(plan, &second)];
    assert!(made == mix(plan, &sources[0], &sources[1], Phase::from_q16(16384).unwrap()));
    for (made, (first, second)) in made.planes()[0].iter().zip(first.planes()[0].iter().zip(second.planes()[0])) {
        assert_eq!(u32::from(*made), (3 * u32::from(*first) + u32::from(*second) + 2) / 4);
    }
}

#[test]
fn a_pipeline_cache_is_written_and_a_spoilt_one_does_no_harm() {
    let folder = std::env::temp_dir().join(format!("tweenfarm-shaders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("pipelines");
    let software = devices().unwrap().into_iter().find(|facts| facts.kind == DeviceKind::Cpu).unwrap();
    Device::open_with_cache(Some(&software.uuid), Some(&file)).unwrap();
    assert!(file.exists());
    std::fs::write(&file, b"not a cache").unwrap();
    Device::open_with_cache(Some(&software.uuid), Some(&file)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn device_memory_beside_the_frames_stays_within_its_bounds() {
    let device = software_device();
    for (width_px, height_px, most_mib) in [(1920, 1080, 60), (3840, 2160, 240), (1080, 1920, 60)] {
        for quality in [Quality::Fast, Quality::Balanced] {
            let settings = Settings { quality, ..Settings::default() };
            let engine = Engine::new(&device, FrameSize { width_px, height_px }, settings).unwrap();
            let memory = engine.memory();
            assert!(memory.work_bytes < most_mib << 20, "{width_px}x{height_px} {quality:?}: {memory:?}");
        }
    }
}
