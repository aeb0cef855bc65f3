//! `coarse.comp`: exhaustive integer search on the coarsest level.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `coarse.comp`.
    CoarsePush { plane: PlanePush, columns: u32 }
}
const _: () = assert!(size_of::<CoarsePush>() == 20 && offset_of!(CoarsePush, columns) == 16);

/// From the frame on `side` to the other one, into node list `to`; one workgroup a node.
pub fn coarse(plan: &Plan, side: Side, to: usize) -> Dispatch {
    let grid = plan.nodes(plan.coarsest);
    Dispatch {
        shader: Shader::Coarse,
        buffers: vec![Slot::Luma(side), Slot::Luma(side.other()), Slot::Nodes(side, to)],
        push: CoarsePush { plane: plan.levels[plan.coarsest].into(), columns: grid.columns }.words(),
        groups: [grid.columns, grid.rows, 1],
    }
}
