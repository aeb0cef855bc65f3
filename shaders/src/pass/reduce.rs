//! `reduce.comp`: what motion is searched on, of a frame of 10 bits.

use super::push::{DeepPush, PlanePush, push_block};
use super::{Dispatch, Shader, Side, Slot, groups};
use crate::plan::{DeepLayout, Plan};
use std::mem::{offset_of, size_of};

push_block! {
    /// Push constants of `reduce.comp`.
    ReducePush { deep: DeepPush, reduced: PlanePush }
}
const _: () = assert!(size_of::<ReducePush>() == 32 && offset_of!(ReducePush, reduced) == 16);

/// Makes level 0 of the pyramid, border included.
pub fn reduce(plan: &Plan, deep: &DeepLayout, side: Side) -> Dispatch {
    let reduced = plan.levels[0];
    Dispatch {
        shader: Shader::Reduce,
        buffers: vec![Slot::Deep(side), Slot::Luma(side)],
        push: ReducePush { deep: deep.planes[0].into(), reduced: reduced.into() }.words(),
        groups: groups(reduced.tiles_across, reduced.tiles_down()),
    }
}
