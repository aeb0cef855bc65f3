//! `pyramid.comp`: one level of a frame's luma pyramid from the level above it.

use super::push::{PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::Plan;
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `pyramid.comp`.
    PyramidPush { above: PlanePush, below: PlanePush }
}
const _: () = assert!(size_of::<PyramidPush>() == 32 && offset_of!(PyramidPush, below) == 16);

/// Makes `level` from `level - 1`.
pub fn pyramid(plan: &Plan, side: Side, level: usize) -> Dispatch {
    let (above, below) = (plan.levels[level - 1], plan.levels[level]);
    Dispatch {
        shader: Shader::Pyramid,
        buffers: vec![Slot::Luma(side)],
        push: PyramidPush { above: above.into(), below: below.into() }.words(),
        groups: groups(below.tiles_across, below.tiles_down()),
    }
}
