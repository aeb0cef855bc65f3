//! `gate.comp`: whether the outputs of a pair have anything to make.

use super::push::push_block;
use super::{Dispatch, Shader, Slot};
use crate::plan::{Plan, gated_words};
use std::mem::size_of;

push_block! {
    /// Push constants of `gate.comp`.
    GatePush {
        /// Of the overview level.
        pixels: u32,
        /// Words of `Slot::Groups`.
        count: u32,
    }
}
const _: () = assert!(size_of::<GatePush>() == 8);

/// One workgroup; the pair's facts are complete.
pub fn gate(plan: &Plan) -> Dispatch {
    let plane = plan.levels[plan.overview];
    Dispatch {
        shader: Shader::Gate,
        buffers: vec![Slot::Facts, Slot::Groups],
        push: GatePush { pixels: plane.width_px * plane.height_px, count: gated_words(plan) }.words(),
        groups: [1, 1, 1],
    }
}
