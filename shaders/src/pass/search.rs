//! `search.comp`: the nodes of one level from those of the level above it.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `search.comp`.
    SearchPush {
        plane: PlanePush,
        grid: [u32; 2],
        parent_grid: [u32; 2],
        /// 2: parents of the next coarser level; 1: of this level.
        scale: i32,
        steps: u32,
    }
}
const _: () = assert!(size_of::<SearchPush>() == 40 && offset_of!(SearchPush, scale) == 32);

/// Reads node list `from` and writes node list `to`.
pub fn search(plan: &Plan, side: Side, level: usize, from: usize, to: usize) -> Dispatch {
    let grid = plan.nodes(level);
    let (parents, scale) = if level == plan.coarsest { (grid, 1) } else { (plan.nodes(level + 1), 2) };
    Dispatch {
        shader: Shader::Search,
        buffers: vec![Slot::Luma(side), Slot::Luma(side.other()), Slot::Nodes(side, from), Slot::Nodes(side, to)],
        push: SearchPush {
            plane: plan.levels[level].into(),
            grid: grid.into(),
            parent_grid: parents.into(),
            scale,
            steps: plan.steps,
        }
        .words(),
        groups: groups(grid.columns, grid.rows),
    }
}
