//! The CPU twins: every pass once more in plain safe Rust, with the same integers in the same order, so that a shader
//! can be compared bit for bit. For tests and for measuring, never a fallback: the engine does not call this module.

mod agree;
mod coarse;
mod composite;
mod confidence;
mod densify;
mod errors;
mod facts;
mod interpolator;
mod overlay;
mod patch;
mod plane;
mod propagate;
mod pull;
mod pyramid;
mod rescue;
mod resolve;
mod sample;
mod search;
mod select;
mod splat;

pub use agree::agree;
pub use coarse::coarse;
pub use composite::composite;
pub use confidence::confidence;
pub use densify::{Dense, densify};
pub use errors::errors;
pub use facts::{cell_facts, facts, still_facts};
pub use interpolator::{Output, Pair, Source, interpolate, mix, output, pair};
pub use overlay::{Overlay, Standing, overlays, standing};
pub use patch::{Node, Patch};
pub use plane::{Code, Plane, Planes};
pub use propagate::propagate;
pub use pull::{Mean, pull};
pub use pyramid::{half, pyramid, quads, reduce};
pub use rescue::rescue;
pub use resolve::{Projected, resolve};
pub use search::search;
pub use select::{Choice, select};
pub use splat::splat;

/// A vector in 1/16 px of its level: x right, y down.
pub type Vector = [i32; 2];

/// Two vector halves in one word, as the buffers hold them.
pub fn pack(vector: Vector) -> u32 {
    (vector[0] as u32 & 0xffff) | ((vector[1] as u32) << 16)
}

/// The reverse of [`pack`].
pub fn unpack(word: u32) -> Vector {
    [i32::from(word as u16 as i16), i32::from((word >> 16) as u16 as i16)]
}

/// Length of a vector, to within 12 %: the long side and half the short one.
pub(crate) fn length(vector: Vector) -> i32 {
    let (x, y) = (vector[0].abs(), vector[1].abs());
    x.max(y) + x.min(y) / 2
}
