//! `standing.comp`: which edges stand where they stood.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `standing.comp`.
    StandingPush { plane: PlanePush, grid: [u32; 2] }
}
const _: () = assert!(size_of::<StandingPush>() == 24 && offset_of!(StandingPush, grid) == 16);

pub fn standing(plan: &Plan) -> Dispatch {
    let tiles = plan.tile_grid();
    Dispatch {
        shader: Shader::Standing,
        buffers: vec![Slot::Luma(Side::First), Slot::Luma(Side::Second), Slot::Standing, Slot::Facts],
        push: StandingPush { plane: plan.levels[0].into(), grid: tiles.into() }.words(),
        groups: groups(tiles.columns, tiles.rows),
    }
}
