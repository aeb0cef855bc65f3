//! `facts.comp`: what the finest nodes say about the pair.

use super::push::push_block;
use super::{Dispatch, Shader, Side, Slot};
use crate::plan::Plan;
use std::mem::size_of;

push_block! {
    /// Push constants of `facts.comp`.
    FactsPush { count: u32 }
}
const _: () = assert!(size_of::<FactsPush>() == 4);

/// Nodes a workgroup looks at.
const NODES_PER_GROUP: u32 = 256;

/// Reads node list `from`.
pub fn facts(plan: &Plan, side: Side, from: usize) -> Dispatch {
    let count = plan.nodes(plan.finest).count();
    Dispatch {
        shader: Shader::Facts,
        buffers: vec![Slot::Nodes(side, from), Slot::Facts],
        push: FactsPush { count }.words(),
        groups: [count.div_ceil(NODES_PER_GROUP), 1, 1],
    }
}
