//! Several pairs and outputs in flight: the same frames in the same order as one at a time.

mod pictures;

use pictures::{Scene, software_device};
use tweenfarm_shaders::{Engine, EngineError, FrameSize, PairKind, Phase, PlanarFrame, Settings};

const SIZE: FrameSize = FrameSize { width_px: 98, height_px: 62 };

fn engine() -> Engine {
    Engine::new(&software_device(), SIZE, Settings::default()).unwrap()
}

fn phase(q16: u32) -> Phase {
    Phase::from_q16(q16).unwrap()
}

/// Motion, a cut, the same picture twice, motion, a fast fade, motion: more frames than the engine has places.
fn clip() -> Vec<PlanarFrame> {
    let (still, moved) = Scene::Crossing.pair(SIZE);
    let (noise, other_noise) = Scene::Noise.pair(SIZE);
    let (dark, bright) = Scene::Brighter(90).pair(SIZE);
    let pan: Vec<_> = (0..3).map(|step| Scene::Pan { x_px: 3, y_px: 1 }.at(SIZE, 2 * step)).collect();
    let mut clip = vec![still, moved, noise.clone(), noise, other_noise];
    clip.extend(pan);
    clip.extend([dark, bright]);
    clip
}

/// Every output of `clip`, asked for as far ahead as there is room.
fn ahead(engine: &mut Engine, clip: &[PlanarFrame], phases: &[u32]) -> Vec<PlanarFrame> {
    let mut made = Vec::new();
    let mut take = |engine: &mut Engine| {
        let mut out = PlanarFrame::new(SIZE);
        engine.collect(&mut out).unwrap();
        made.push(out);
    };
    for (index, frame) in clip.iter().enumerate() {
        engine.push(frame).unwrap();
        for q16 in phases.iter().filter(|_| index > 0) {
            if engine.in_flight() == Engine::IN_FLIGHT {
                take(engine);
            }
            engine.submit(phase(*q16)).unwrap();
        }
    }
    while engine.in_flight() > 0 {
        take(engine);
    }
    made
}

fn one_at_a_time(clip: &[PlanarFrame], phases: &[u32]) -> Vec<PlanarFrame> {
    let mut engine = engine();
    let mut made = Vec::new();
    for (index, frame) in clip.iter().enumerate() {
        engine.push(frame).unwrap();
        for q16 in phases.iter().filter(|_| index > 0) {
            let mut out = PlanarFrame::new(SIZE);
            // The verdict is known before anything is made.
            engine.verdict().unwrap();
            engine.between(phase(*q16), &mut out).unwrap();
            made.push(out);
        }
    }
    made
}

#[test]
fn frames_in_flight_are_those_made_one_at_a_time_whatever_their_pairs_are() {
    let clip = clip();
    let mut engine = engine();
    let mut kinds = Vec::new();
    for frame in &clip {
        engine.push(frame).unwrap();
        kinds.extend(engine.verdict().ok().map(|verdict| verdict.kind));
    }
    for kind in [PairKind::Normal, PairKind::Cut, PairKind::Duplicate, PairKind::Fade] {
        assert!(kinds.contains(&kind), "no {kind:?} among {kinds:?}");
    }
    engine.reset();
    for phases in [&[32768][..], &[16384, 32768, 49152], &[9362, 18725, 28087, 37449, 46811, 56174]] {
        let expected = one_at_a_time(&clip, phases);
        for again in 0..2 {
            let made = ahead(&mut engine, &clip, phases);
            assert_eq!(made.len(), expected.len());
            let differ: Vec<usize> = (0..made.len()).filter(|index| made[*index] != expected[*index]).collect();
            assert!(differ.is_empty(), "outputs {differ:?} of {} a pair, turn {again}", phases.len());
            engine.reset();
        }
    }
}

#[test]
fn frames_of_a_pair_can_be_collected_when_others_were_pushed_long_since() {
    let clip = clip();
    let expected = one_at_a_time(&clip[..2], &[20000, 40000]);
    let mut engine = engine();
    engine.push(&clip[0]).unwrap();
    engine.push(&clip[1]).unwrap();
    for q16 in [20000, 40000] {
        engine.submit(phase(q16)).unwrap();
    }
    for frame in &clip[2..] {
        engine.push(frame).unwrap();
    }
    let mut out = PlanarFrame::new(SIZE);
    for expected in expected {
        engine.collect(&mut out).unwrap();
        assert!(out == expected);
    }
}

#[test]
fn more_than_there_is_room_for_and_less_than_nothing_are_refused() {
    let mut engine = engine();
    let mut out = PlanarFrame::new(SIZE);
    assert!(matches!(engine.collect(&mut out), Err(EngineError::OutOfTurn { in_flight: 0, .. })));
    let (first, second) = Scene::Crossing.pair(SIZE);
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    for _ in 0..Engine::IN_FLIGHT {
        engine.submit(Phase::HALF).unwrap();
    }
    let full = Engine::IN_FLIGHT;
    assert!(matches!(engine.submit(Phase::HALF), Err(EngineError::OutOfTurn { in_flight, .. }) if in_flight == full));
    assert!(matches!(engine.between(Phase::HALF, &mut out), Err(EngineError::OutOfTurn { .. })));
    engine.reset();
    assert_eq!(engine.in_flight(), 0);
    assert!(matches!(engine.submit(Phase::HALF), Err(EngineError::Order { pushed: 0 })));
}

#[test]
fn passes_timed_by_the_device_are_all_told_and_change_nothing() {
    let clip = clip();
    let mut engine = engine();
    assert!(engine.time_passes(), "the software device has a clock");
    let made = ahead(&mut engine, &clip[..3], &[32768]);
    assert!(made == one_at_a_time(&clip[..3], &[32768]));
    let times = engine.pass_times().unwrap();
    let told = |name: &str| times.passes.iter().filter(|pass| pass.name == name).map(|pass| pass.steps).sum::<u32>();
    for name in ["upload", "pyramid", "search", "densify", "splat", "composite", "download"] {
        assert!(told(name) > 0, "{name} is not among {:?}", times.passes);
    }
    use tweenfarm_shaders::Often::{Frame, Output, Pair};
    assert_eq!([Frame, Pair, Output].map(|often| times.runs(often)), [3, 2, 2]);
    assert!(times.passes.iter().any(|pass| !pass.total.is_zero()));
}
