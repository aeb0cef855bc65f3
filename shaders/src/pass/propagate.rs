//! `propagate.comp`: every node tries its neighbours' vectors.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `propagate.comp`.
    PropagatePush { plane: PlanePush, grid: [u32; 2] }
}
const _: () = assert!(size_of::<PropagatePush>() == 24 && offset_of!(PropagatePush, grid) == 16);

/// Reads node list `from` and writes node list `to`.
pub fn propagate(plan: &Plan, side: Side, level: usize, from: usize, to: usize) -> Dispatch {
    let grid = plan.nodes(level);
    Dispatch {
        shader: Shader::Propagate,
        buffers: vec![Slot::Luma(side), Slot::Luma(side.other()), Slot::Nodes(side, from), Slot::Nodes(side, to)],
        push: PropagatePush { plane: plan.levels[level].into(), grid: grid.into() }.words(),
        groups: groups(grid.columns, grid.rows),
    }
}
