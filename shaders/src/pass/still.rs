//! `still.comp`: what comparing the frames in place says about the pair.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::size_of;

push_block! {
    /// Push constants of `still.comp`.
    StillPush { plane: PlanePush }
}
const _: () = assert!(size_of::<StillPush>() == 16);

pub fn still(plan: &Plan) -> Dispatch {
    let plane = plan.levels[plan.overview];
    Dispatch {
        shader: Shader::Still,
        buffers: vec![Slot::Luma(Side::First), Slot::Luma(Side::Second), Slot::Facts],
        push: StillPush { plane: plane.into() }.words(),
        groups: groups(plane.width_px.div_ceil(4), plane.height_px.div_ceil(4)),
    }
}
