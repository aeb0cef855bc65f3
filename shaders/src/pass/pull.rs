//! `pull.comp`: means of the valid cells over blocks twice as wide.

use super::push::push_block;
use super::{Dispatch, Shader, Slot, groups};
use crate::plan::{Grid, Plan};
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `pull.comp`.
    PullPush { below_grid: [u32; 2], above_grid: [u32; 2], below_first: u32, above_first: u32 }
}
const _: () = assert!(size_of::<PullPush>() == 24 && offset_of!(PullPush, below_first) == 16);

/// Makes `level` of the means from `level - 1`; level 0 is the cells.
pub fn pull(plan: &Plan, level: usize) -> Dispatch {
    let grids = plan.fill_grids();
    let first = |level: usize| grids[..level].iter().map(|grid| Grid::count(*grid)).sum::<u32>();
    let (below, above) = (grids[level - 1], grids[level]);
    Dispatch {
        shader: Shader::Pull,
        buffers: vec![Slot::Means],
        push: PullPush {
            below_grid: below.into(),
            above_grid: above.into(),
            below_first: first(level - 1),
            above_first: first(level),
        }
        .words(),
        groups: groups(above.columns, above.rows),
    }
}
