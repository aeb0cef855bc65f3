//! `rescue.comp`: an exhaustive search far around nodes whose patch is not found along their vector.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `rescue.comp`.
    RescuePush {
        plane: PlanePush,
        columns: u32,
        /// To each side, px of the level.
        reach: i32,
    }
}
const _: () = assert!(size_of::<RescuePush>() == 24 && offset_of!(RescuePush, reach) == 20);

/// Reads node list `from` and writes node list `to`. One workgroup a node.
pub fn rescue(plan: &Plan, side: Side, level: usize, reach: i32, from: usize, to: usize) -> Dispatch {
    let grid = plan.nodes(level);
    Dispatch {
        shader: Shader::Rescue,
        buffers: vec![Slot::Luma(side), Slot::Luma(side.other()), Slot::Nodes(side, from), Slot::Nodes(side, to)],
        push: RescuePush { plane: plan.levels[level].into(), columns: grid.columns, reach }.words(),
        groups: [grid.columns, grid.rows, 1],
    }
}
