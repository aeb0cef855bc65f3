//! `densify.comp`: one vector per cell from the patches that cover it.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `densify.comp`.
    DensifyPush { plane: PlanePush, node_grid: [u32; 2], cell_grid: [u32; 2], cell_shift: u32 }
}
const _: () = assert!(size_of::<DensifyPush>() == 36 && offset_of!(DensifyPush, cell_shift) == 32);

/// Reads node list `from`; one invocation the 4x4 pixels between four nodes, which begin two pixels outside.
pub fn densify(plan: &Plan, side: Side, from: usize) -> Dispatch {
    let cells = plan.cell_grid();
    let shift = plan.cell_shift();
    Dispatch {
        shader: Shader::Densify,
        buffers: vec![Slot::Luma(side), Slot::Luma(side.other()), Slot::Nodes(side, from), Slot::Flow(side)],
        push: DensifyPush {
            plane: plan.levels[plan.finest].into(),
            node_grid: plan.nodes(plan.finest).into(),
            cell_grid: cells.into(),
            cell_shift: shift,
        }
        .words(),
        groups: groups(((cells.columns << shift) + 2).div_ceil(4), ((cells.rows << shift) + 2).div_ceil(4)),
    }
}
