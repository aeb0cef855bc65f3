//! `errors.comp`: fills holes and measures how far the frames disagree along each candidate.

use super::push::push_block;
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::{FILL_LEVELS, Plan};
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `errors.comp`.
    ErrorsPush {
        grid: [u32; 2],
        cell_shift: u32,
        fill_levels: u32,
    }
}
const _: () = assert!(size_of::<ErrorsPush>() == 16 && offset_of!(ErrorsPush, fill_levels) == 12);

pub fn errors(plan: &Plan) -> Dispatch {
    let cells = plan.cell_grid();
    Dispatch {
        shader: Shader::Errors,
        buffers: vec![
            Slot::Quads(Side::First),
            Slot::Quads(Side::Second),
            Slot::Projected,
            Slot::Means,
            Slot::Errors,
            Slot::Moment,
        ],
        push: ErrorsPush { grid: cells.into(), cell_shift: plan.cell_shift(), fill_levels: FILL_LEVELS as u32 }.words(),
        groups: groups(cells.columns, cells.rows),
    }
}
