//! The work of a pair and of an output, as lists of steps in the order they have to run. The device side turns them
//! into commands; it adds nothing of its own but the waits between a step that writes and one that reads.

use super::{FILL_LEVELS, Plan};
use crate::pass::{self, Dispatch, Side, Slot};

/// One step of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Brings a frame's full-size planes from the host.
    Upload(Side),
    /// Sets every word of a buffer.
    Fill(Slot, u32),
    /// Sets a buffer's words.
    Write(Slot, Vec<u32>),
    Run(Dispatch),
    /// Runs as many workgroups as three words of [`Slot::Groups`] say, from this one on: the dispatch's own, or none.
    RunGated(Dispatch, u32),
    /// Brings a buffer to the host.
    Download(Slot),
}

impl Step {
    /// The shader's name, or what else is done.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Upload(_) => "upload",
            Step::Fill(..) => "fill",
            Step::Write(..) => "write",
            Step::Run(dispatch) | Step::RunGated(dispatch, _) => dispatch.shader.name(),
            Step::Download(_) => "download",
        }
    }
}

/// A new source frame: upload, pyramid, and what outputs read of it.
pub fn frame_steps(plan: &Plan, side: Side) -> Vec<Step> {
    let mut steps = vec![Step::Upload(side)];
    steps.extend(plan.deep.as_ref().map(|deep| Step::Run(pass::reduce(plan, deep, side))));
    steps.extend((1..plan.levels.len()).map(|level| Step::Run(pass::pyramid(plan, side, level))));
    steps.push(Step::Run(pass::quads(plan, side)));
    steps
}

/// Everything of a pair that does not depend on the output time. The two directions stand side by side: neither writes
/// what the other reads, so they may run at the same time.
pub fn pair_steps(plan: &Plan) -> Vec<Step> {
    let mut steps = vec![Step::Fill(Slot::Facts, 0)];
    let mut both = |of: &dyn Fn(Side) -> Dispatch| steps.extend(Side::BOTH.map(|side| Step::Run(of(side))));
    let mut now = 0;
    both(&|side| pass::coarse(plan, side, now));
    for level in (plan.finest..=plan.coarsest).rev() {
        both(&|side| pass::search(plan, side, level, now, 1 - now));
        now = 1 - now;
        if plan.propagate {
            both(&|side| pass::propagate(plan, side, level, now, 1 - now));
            now = 1 - now;
        }
        if plan.agrees(level) {
            both(&|side| pass::agree(plan, side, level, now, 1 - now));
            now = 1 - now;
        }
        if let Some(reach) = plan.rescue_reach_px(level) {
            both(&|side| pass::rescue(plan, side, level, reach, now, 1 - now));
            now = 1 - now;
        }
    }
    both(&|side| pass::facts(plan, side, now));
    both(&|side| pass::densify(plan, side, now));
    both(&|side| pass::confidence(plan, side));
    steps.push(Step::Run(pass::still(plan)));
    steps.push(Step::Run(pass::standing(plan)));
    steps.push(Step::Run(pass::overlay(plan)));
    let groups = gated(plan).into_iter().flat_map(|dispatch| dispatch.groups).collect();
    steps.push(Step::Write(Slot::Groups, groups));
    steps.push(Step::Run(pass::gate(plan)));
    steps.push(Step::Download(Slot::Facts));
    steps
}

/// The passes of an output, in their order.
fn gated(plan: &Plan) -> Vec<Dispatch> {
    let mut passes: Vec<Dispatch> = Side::BOTH.map(|side| pass::splat(plan, side)).into();
    passes.push(pass::resolve(plan));
    passes.extend((1..=FILL_LEVELS).map(|level| pass::pull(plan, level)));
    passes.push(pass::errors(plan));
    passes.push(pass::select(plan));
    passes.push(pass::composite(plan));
    passes
}

/// Words of [`Slot::Groups`].
pub fn gated_words(plan: &Plan) -> u32 {
    3 * gated(plan).len() as u32
}

/// One output time of a pair whose steps have run. The time is [`Slot::Moment`]'s.
pub fn output_steps(plan: &Plan) -> Vec<Step> {
    let mut steps: Vec<Step> = Side::BOTH.map(|side| Step::Fill(Slot::Arrived(side), 0)).into();
    steps.extend((0..).step_by(3).zip(gated(plan)).map(|(word, dispatch)| Step::RunGated(dispatch, word)));
    steps.push(Step::Download(Slot::Made));
    steps
}

/// One output time of a pair that no motion explains: both frames where they stand, mixed. Every cell's choice is one
/// word twice; read as a choice it says `unmoved` all the way, and as a vector it then does not matter.
pub fn mix_steps(plan: &Plan) -> Vec<Step> {
    vec![Step::Fill(Slot::Choices, 256 << 16), Step::Run(pass::composite(plan)), Step::Download(Slot::Made)]
}

/// Which node list holds the finest nodes once a pair's steps have run.
pub fn finest_nodes(plan: &Plan) -> usize {
    let levels = plan.finest..=plan.coarsest;
    let lists = |level| {
        let rescues = plan.rescue_reach_px(level).is_some();
        1 + usize::from(plan.propagate) + usize::from(plan.agrees(level)) + usize::from(rescues)
    };
    levels.map(lists).sum::<usize>() % 2
}

/// Words of a buffer.
pub fn slot_words(plan: &Plan, slot: Slot) -> u32 {
    let cells = plan.cell_grid().count();
    match slot {
        Slot::Luma(_) => plan.levels.last().map_or(0, super::PlaneLayout::end_word),
        Slot::Quads(_) => plan.quad_grid().count(),
        Slot::Chroma(_) => plan.chroma.words(),
        Slot::Deep(_) => plan.deep.map_or(0, |deep| deep.words()),
        Slot::Nodes(..) => 2 * plan.nodes(plan.finest).count(),
        Slot::Flow(_) | Slot::Choices => 2 * cells,
        Slot::Priorities(_) | Slot::Arrived(_) | Slot::Errors => cells,
        Slot::Facts => FACT_WORDS as u32,
        Slot::Standing | Slot::Overlays => plan.tile_grid().count(),
        Slot::Projected => 4 * cells,
        Slot::Means => 2 * plan.fill_grids().iter().map(|grid| grid.count()).sum::<u32>(),
        Slot::Made => plan.made.words,
        Slot::Moment => 1,
        Slot::Groups => gated_words(plan),
    }
}

/// Two sums of the nodes, two of the pixels, one of the cells, five moments, two histograms, whether both frames are the
/// same, two sums of the edges, and two more of the cells.
pub const FACT_WORDS: usize = 10 + 2 * crate::HISTOGRAM_BINS + 5;
