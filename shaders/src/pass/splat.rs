//! `splat.comp`: sends the cells of one frame to the output time.

use super::push::push_block;
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `splat.comp`.
    SplatPush {
        grid: [u32; 2],
        cell_shift: u32,
        /// 1: the vectors lead from the second frame to the first.
        from_second: u32,
    }
}
const _: () = assert!(size_of::<SplatPush>() == 16 && offset_of!(SplatPush, from_second) == 12);

pub fn splat(plan: &Plan, side: Side) -> Dispatch {
    let cells = plan.cell_grid();
    let from_second = u32::from(side == Side::Second);
    Dispatch {
        shader: Shader::Splat,
        buffers: vec![Slot::Flow(side), Slot::Priorities(side), Slot::Arrived(side), Slot::Moment],
        push: SplatPush { grid: cells.into(), cell_shift: plan.cell_shift(), from_second }.words(),
        groups: groups(cells.columns, cells.rows),
    }
}
