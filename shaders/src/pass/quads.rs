//! `quads.comp`: the 2x2 codes that begin at every pixel of the cells' plane.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::size_of;

push_block! {
    /// Push constants of `quads.comp`.
    QuadsPush { plane: PlanePush }
}
const _: () = assert!(size_of::<QuadsPush>() == 16);

/// One invocation makes 4x4 of them.
pub fn quads(plan: &Plan, side: Side) -> Dispatch {
    let grid = plan.quad_grid();
    Dispatch {
        shader: Shader::Quads,
        buffers: vec![Slot::Luma(side), Slot::Quads(side)],
        push: QuadsPush { plane: plan.levels[plan.cells].into() }.words(),
        groups: groups(grid.columns.div_ceil(4), grid.rows.div_ceil(4)),
    }
}
