//! Every shader against its twin, bit for bit, on the software device, through whole pairs of small procedural pictures.

mod pictures;

use pictures::{Scene, deepened, software_device};
use std::time::Duration;
use tweenfarm_shaders::pass::{Side, Slot};
use tweenfarm_shaders::plan::{Plan, finest_nodes};
use tweenfarm_shaders::reference::{self, Dense, Mean, Plane, Source, pack};
use tweenfarm_shaders::{Depth, Engine, FrameSize, Phase, PlanarFrame, Quality, Settings};

/// Compares every buffer of a pair and of two outputs with the twins, and the made frames with them too.
fn check(scene: Scene, width_px: u32, height_px: u32, quality: Quality) {
    check_depth(scene, width_px, height_px, quality, Depth::Eight);
}

fn check_depth(scene: Scene, width_px: u32, height_px: u32, quality: Quality, depth: Depth) {
    let size = FrameSize { width_px, height_px };
    let settings = Settings { quality, scene_cuts: false };
    let plan = Plan::of_depth(size, depth, settings);
    let (mut first, mut second) = scene.pair(size);
    if depth == Depth::Ten {
        (first, second) = (deepened(&first, 1), deepened(&second, 2));
    }
    let mut engine = Engine::of_depth(&software_device(), size, depth, settings).unwrap();
    engine.push(&first).unwrap();
    engine.push(&second).unwrap();
    let verdict = engine.verdict().unwrap();
    let sources = [Source::new(&plan, &first), Source::new(&plan, &second)];
    let pair = reference::pair(&plan, &sources[0], &sources[1]);
    assert_eq!(verdict, tweenfarm_shaders::PairVerdict::of(pair.facts, settings), "verdict");

    for (index, side) in Side::BOTH.into_iter().enumerate() {
        let levels: Vec<u32> = sources[index].levels.iter().flat_map(Plane::words).collect();
        same("pyramid", &engine.inspect(Slot::Luma(side)).unwrap(), &levels);
        let quads = reference::quads(&sources[index].levels[plan.cells]);
        same("quads", &engine.inspect(Slot::Quads(side)).unwrap(), &quads);
        let nodes: Vec<u32> = pair.nodes[index].iter().flat_map(|node| [pack(node.vector), node.cost as u32]).collect();
        same("nodes", &engine.inspect(Slot::Nodes(side, finest_nodes(&plan))).unwrap(), &nodes);
        let flow: Vec<u32> = pair.flow[index].iter().flat_map(dense_words).collect();
        same("flow", &engine.inspect(Slot::Flow(side)).unwrap(), &flow);
        same("priorities", &engine.inspect(Slot::Priorities(side)).unwrap(), &pair.priorities[index]);
    }
    let standing_word =
        |tile: &reference::Standing| tile.blocks | tile.kept << 8 | tile.touched << 16 | tile.pixels << 24;
    let standing: Vec<u32> = pair.standing.iter().map(standing_word).collect();
    same("standing", &engine.inspect(Slot::Standing).unwrap(), &standing);
    let overlays: Vec<u32> =
        pair.overlays.iter().map(|tile| u32::from(tile.rests) | u32::from(tile.overlaid) << 1).collect();
    same("overlays", &engine.inspect(Slot::Overlays).unwrap(), &overlays);
    for q16 in [32768, 13107] {
        let phase = Phase::from_q16(q16).unwrap();
        let expected = reference::output(&plan, &sources[0], &sources[1], &pair, phase);
        let mut made = PlanarFrame::new(size);
        if verdict.repeats() || verdict.mixes() {
            engine.run_stepwise(phase, &mut || Duration::ZERO).unwrap();
        } else {
            engine.between(phase, &mut made).unwrap();
        }
        for (index, side) in Side::BOTH.into_iter().enumerate() {
            same("arrived", &engine.inspect(Slot::Arrived(side)).unwrap(), &expected.arrived[index]);
        }
        let means: Vec<u32> = expected.means.iter().flatten().flat_map(mean_words).collect();
        same("means", &engine.inspect(Slot::Means).unwrap(), &means);
        let projected: Vec<u32> = expected
            .filled
            .iter()
            .flat_map(|cell| {
                [pack(cell.merged), pack(cell.first), pack(cell.second), cell.trust[0] | cell.trust[1] << 16]
            })
            .collect();
        same("projected", &engine.inspect(Slot::Projected).unwrap(), &projected);
        same("errors", &engine.inspect(Slot::Errors).unwrap(), &expected.errors);
        let choices: Vec<u32> = expected
            .choices
            .iter()
            .flat_map(|choice| {
                let how = choice.first_q14 | choice.unmoved << 16;
                [pack(choice.flow), how as u32]
            })
            .collect();
        same("choices", &engine.inspect(Slot::Choices).unwrap(), &choices);
        if !verdict.repeats() && !verdict.mixes() {
            assert!(made == expected.frame, "made frame at {q16}");
        }
    }
}

fn same(what: &str, found: &[u32], expected: &[u32]) {
    // A list of nodes may be longer than its level.
    assert!(found.len() >= expected.len(), "{what}: {} words, expected {}", found.len(), expected.len());
    if let Some(at) = (0..expected.len()).find(|at| found[*at] != expected[*at]) {
        panic!("{what}: word {at} of {} is {:#010x}, expected {:#010x}", expected.len(), found[at], expected[at]);
    }
}

fn dense_words(cell: &Dense) -> [u32; 2] {
    [pack(cell.vector), cell.residual_q4 as u32 | (cell.spread_16 as u32) << 16]
}

fn mean_words(mean: &Mean) -> [u32; 2] {
    [pack(mean.vector), mean.count]
}

#[test]
fn every_pass_equals_its_twin_on_a_pan() {
    check(Scene::Pan { x_px: 5, y_px: -3 }, 64, 48, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_where_objects_cross() {
    check(Scene::Crossing, 176, 144, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_where_half_the_size_is_odd() {
    check(Scene::Crossing, 98, 62, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_on_the_smallest_picture() {
    check(Scene::Pan { x_px: 1, y_px: 1 }, 16, 16, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_across_unlike_pictures() {
    check(Scene::Noise, 98, 62, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_at_the_fast_and_high_settings() {
    check(Scene::Crossing, 130, 98, Quality::Fast);
    check(Scene::Crossing, 98, 130, Quality::High);
}

#[test]
fn every_pass_equals_its_twin_on_an_upright_picture_whose_flow_is_coarse() {
    check(Scene::Crossing, 578, 580, Quality::Fast);
}

#[test]
fn every_pass_equals_its_twin_where_a_cell_is_a_tile() {
    check(Scene::Noise, 130, 98, Quality::Fast);
    check(Scene::Crossing, 580, 582, Quality::Balanced);
}

#[test]
fn every_pass_equals_its_twin_on_frames_of_10_bits() {
    check_depth(Scene::Crossing, 176, 144, Quality::Balanced, Depth::Ten);
    check_depth(Scene::Crossing, 98, 62, Quality::High, Depth::Ten);
    check_depth(Scene::Pan { x_px: 5, y_px: -3 }, 66, 50, Quality::Fast, Depth::Ten);
    check_depth(Scene::Pan { x_px: 1, y_px: 1 }, 16, 16, Quality::Balanced, Depth::Ten);
    check_depth(Scene::Noise, 98, 62, Quality::Balanced, Depth::Ten);
}
