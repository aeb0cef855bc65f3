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
        /// How far along the vectors of this side.
        time_q14: i32,
    }
}
const _: () = assert!(size_of::<SplatPush>() == 16 && offset_of!(SplatPush, time_q14) == 12);

/// `time_q14` is the output time, counted from the first frame.
pub fn splat(plan: &Plan, side: Side, time_q14: i32) -> Dispatch {
    let cells = plan.cell_grid();
    let along = match side {
        Side::First => time_q14,
        Side::Second => 16384 - time_q14,
    };
    Dispatch {
        shader: Shader::Splat,
        buffers: vec![Slot::Flow(side), Slot::Priorities(side), Slot::Arrived(side)],
        push: SplatPush { grid: cells.into(), cell_shift: plan.cell_shift(), time_q14: along }.words(),
        groups: groups(cells.columns, cells.rows),
    }
}
