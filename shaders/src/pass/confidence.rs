//! `confidence.comp`: how much each cell's vector is to be trusted.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `confidence.comp`.
    ConfidencePush { plane: PlanePush, grid: [u32; 2], cell_shift: u32 }
}
const _: () = assert!(size_of::<ConfidencePush>() == 28 && offset_of!(ConfidencePush, cell_shift) == 24);

/// One invocation makes four cells, and adds to the facts.
pub fn confidence(plan: &Plan, side: Side) -> Dispatch {
    let cells = plan.cell_grid();
    Dispatch {
        shader: Shader::Confidence,
        buffers: vec![
            Slot::Flow(side),
            Slot::Flow(side.other()),
            Slot::Luma(side),
            Slot::Luma(side.other()),
            Slot::Priorities(side),
            Slot::Facts,
        ],
        push: ConfidencePush {
            plane: plan.levels[plan.cells].into(),
            grid: cells.into(),
            cell_shift: plan.cell_shift(),
        }
        .words(),
        groups: groups(cells.columns, cells.rows.div_ceil(4)),
    }
}
