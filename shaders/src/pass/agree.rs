//! `agree.comp`: of several places where a patch is found, the nearest.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `agree.comp`.
    AgreePush {
        plane: PlanePush,
        grid: [u32; 2],
        /// 1: a search begins where the node stands, too.
        anew: u32,
    }
}
const _: () = assert!(size_of::<AgreePush>() == 28 && offset_of!(AgreePush, anew) == 24);

/// Reads node list `from` of both directions and writes node list `to`.
pub fn agree(plan: &Plan, side: Side, level: usize, from: usize, to: usize) -> Dispatch {
    let grid = plan.nodes(level);
    Dispatch {
        shader: Shader::Agree,
        buffers: vec![
            Slot::Luma(side),
            Slot::Luma(side.other()),
            Slot::Nodes(side, from),
            Slot::Nodes(side.other(), from),
            Slot::Nodes(side, to),
        ],
        push: AgreePush {
            plane: plan.levels[level].into(),
            grid: grid.into(),
            anew: u32::from(plan.searches_anew(level)),
        }
        .words(),
        groups: groups(grid.columns, grid.rows),
    }
}
