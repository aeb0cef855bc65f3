//! `select.comp`: picks a candidate per cell.

use super::push::push_block;
use super::{Dispatch, Shader, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `select.comp`.
    SelectPush { grid: [u32; 2], window: u32 }
}
const _: () = assert!(size_of::<SelectPush>() == 12 && offset_of!(SelectPush, window) == 8);

/// One invocation makes 2x4 cells.
pub fn select(plan: &Plan) -> Dispatch {
    let cells = plan.cell_grid();
    Dispatch {
        shader: Shader::Select,
        buffers: vec![Slot::Projected, Slot::Errors, Slot::Choices, Slot::Moment],
        push: SelectPush { grid: cells.into(), window: plan.window }.words(),
        groups: groups(cells.columns.div_ceil(2), cells.rows.div_ceil(4)),
    }
}
