//! The twins in the order of the engine: a pair once, then any number of times between its frames.

use super::*;
use crate::plan::Plan;
use crate::verdict::{PairFacts, PairVerdict};
use crate::{Phase, PlanarFrame, Settings};

/// A source frame with its pyramid.
pub struct Source {
    pub frame: PlanarFrame,
    /// The luma pyramid that motion is searched on, of 8 bits.
    pub levels: Vec<Plane>,
    pub planes: Planes,
}

impl Source {
    pub fn new(plan: &Plan, frame: &PlanarFrame) -> Source {
        let planes = Planes::of(frame);
        let luma = match &planes {
            Planes::Eight([y, ..]) => y.clone(),
            Planes::Ten([y, ..]) => reduce(y),
        };
        Source { frame: frame.clone(), levels: pyramid(&plan.levels, luma), planes }
    }
}

/// What is known of a pair whatever the output time; `[0]` from the first frame to the second, `[1]` back.
pub struct Pair {
    pub nodes: [Vec<Node>; 2],
    pub flow: [Vec<Dense>; 2],
    pub priorities: [Vec<u32>; 2],
    pub standing: Vec<Standing>,
    pub overlays: Vec<Overlay>,
    pub facts: PairFacts,
}

/// The work of a pair.
pub fn pair(plan: &Plan, first: &Source, second: &Source) -> Pair {
    let sides = [(first, second), (second, first)];
    let mut parents = plan.nodes(plan.coarsest);
    let mut nodes = sides.map(|(a, b)| coarse(&a.levels[plan.coarsest], &b.levels[plan.coarsest], parents));
    for level in (plan.finest..=plan.coarsest).rev() {
        let grid = plan.nodes(level);
        let scale = if level == plan.coarsest { 1 } else { 2 };
        let planes = sides.map(|(a, b)| (&a.levels[level], &b.levels[level]));
        let each = |of: &dyn Fn(usize) -> Vec<Node>| [of(0), of(1)];
        nodes = each(&|d| search(planes[d].0, planes[d].1, grid, &nodes[d], parents, scale, plan.steps));
        if plan.propagate {
            nodes = each(&|d| propagate(planes[d].0, planes[d].1, grid, &nodes[d]));
        }
        if plan.agrees(level) {
            let anew = plan.searches_anew(level);
            nodes = each(&|d| agree(planes[d].0, planes[d].1, grid, &nodes[d], &nodes[1 - d], anew));
        }
        if let Some(reach) = plan.rescue_reach_px(level) {
            nodes = each(&|d| rescue(planes[d].0, planes[d].1, grid, &nodes[d], reach));
        }
        parents = grid;
    }
    let (cells, shift, grid) = (plan.cell_grid(), plan.cell_shift(), plan.nodes(plan.finest));
    let (a, b) = (&first.levels[plan.finest], &second.levels[plan.finest]);
    let flow = [densify(a, b, &nodes[0], grid, cells, shift), densify(b, a, &nodes[1], grid, cells, shift)];
    let priorities = [confidence(&flow[0], &flow[1], cells, shift), confidence(&flow[1], &flow[0], cells, shift)];
    let mut facts = PairFacts::default();
    super::facts(&mut facts, &nodes[0]);
    super::facts(&mut facts, &nodes[1]);
    let planes = [&first.levels[plan.cells], &second.levels[plan.cells]];
    for (here, there) in [(0, 1), (1, 0)] {
        let fields = [flow[here].as_slice(), flow[there].as_slice()];
        cell_facts(&mut facts, [planes[here], planes[there]], fields, &priorities[here], (cells, shift));
    }
    still_facts(&mut facts, &first.levels[plan.overview], &second.levels[plan.overview]);
    let tiles = plan.tile_grid();
    let (standing, edges) = standing(&first.levels[0], &second.levels[0], tiles);
    let overlays = overlays(&standing, edges, tiles);
    Pair { nodes, flow, priorities, standing, overlays, facts }
}

/// Everything made for one output time.
pub struct Output {
    pub arrived: [Vec<u32>; 2],
    pub projected: Vec<Projected>,
    pub means: Vec<Vec<Mean>>,
    pub filled: Vec<Projected>,
    pub errors: Vec<u32>,
    pub choices: Vec<Choice>,
    pub frame: PlanarFrame,
}

/// The work of an output time, whatever the pair's verdict.
pub fn output(plan: &Plan, first: &Source, second: &Source, pair: &Pair, phase: Phase) -> Output {
    let (cells, shift, time) = (plan.cell_grid(), plan.cell_shift(), phase.q14());
    let arrived = [
        splat(&pair.flow[0], &pair.priorities[0], cells, shift, time),
        splat(&pair.flow[1], &pair.priorities[1], cells, shift, 16384 - time),
    ];
    let (projected, means) = resolve(&arrived[0], &arrived[1], &pair.flow[0], &pair.flow[1], cells);
    let mut means = vec![means];
    for grid in plan.fill_grids().iter().take(crate::plan::FILL_LEVELS) {
        let next = pull(&means[means.len() - 1], *grid);
        means.push(next);
    }
    let planes = [&first.levels[plan.cells], &second.levels[plan.cells]];
    let (filled, errors) = errors(planes, &projected, &means, cells, shift, time);
    let choices = select(&filled, &errors, cells, plan.window, time);
    let frame = composite(plan, [&first.planes, &second.planes], &choices, &pair.overlays, time);
    Output { arrived, projected, means, filled, errors, choices, frame }
}

/// The frame at `phase`, as the engine would give it.
pub fn interpolate(
    plan: &Plan,
    settings: Settings,
    first: &Source,
    second: &Source,
    phase: Phase,
    pair: &Pair,
) -> PlanarFrame {
    let verdict = PairVerdict::of(pair.facts, settings);
    if verdict.repeats() {
        return if phase.nearer_second() { second.frame.clone() } else { first.frame.clone() };
    }
    if verdict.mixes() {
        return mix(plan, first, second, phase);
    }
    output(plan, first, second, pair, phase).frame
}

/// Both frames where they stand, mixed.
pub fn mix(plan: &Plan, first: &Source, second: &Source, phase: Phase) -> PlanarFrame {
    let unmoved = Choice::UNMOVED;
    let choices = vec![unmoved; plan.cell_grid().count() as usize];
    let overlays = vec![Overlay::default(); plan.tile_grid().count() as usize];
    composite(plan, [&first.planes, &second.planes], &choices, &overlays, phase.q14())
}
