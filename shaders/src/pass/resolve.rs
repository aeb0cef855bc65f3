//! `resolve.comp`: three flow candidates per cell from what arrived.

use super::push::push_block;
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::size_of;

push_block! {
    /// Push constants of `resolve.comp`.
    ResolvePush { grid: [u32; 2] }
}
const _: () = assert!(size_of::<ResolvePush>() == 8);

pub fn resolve(plan: &Plan) -> Dispatch {
    let cells = plan.cell_grid();
    Dispatch {
        shader: Shader::Resolve,
        buffers: vec![
            Slot::Arrived(Side::First),
            Slot::Arrived(Side::Second),
            Slot::Flow(Side::First),
            Slot::Flow(Side::Second),
            Slot::Projected,
            Slot::Means,
        ],
        push: ResolvePush { grid: cells.into() }.words(),
        groups: groups(cells.columns, cells.rows),
    }
}
