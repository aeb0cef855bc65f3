//! `overlay.comp`: where something lies over the picture and does not move with it.

use super::push::push_block;
use super::{Dispatch, Shader, Slot, groups};
use crate::plan::Plan;
use std::mem::size_of;

push_block! {
    /// Push constants of `overlay.comp`.
    OverlayPush { grid: [u32; 2] }
}
const _: () = assert!(size_of::<OverlayPush>() == 8);

/// The edges of the whole picture are counted.
pub fn overlay(plan: &Plan) -> Dispatch {
    let tiles = plan.tile_grid();
    Dispatch {
        shader: Shader::Overlay,
        buffers: vec![Slot::Standing, Slot::Facts, Slot::Overlays],
        push: OverlayPush { grid: tiles.into() }.words(),
        groups: groups(tiles.columns, tiles.rows),
    }
}
