//! Twin of `resolve.comp`: turns what arrived from both frames into flow candidates at the output time.

use super::{Dense, Mean, Vector};
use crate::plan::Grid;

/// The candidates of a cell at the output time, all pointing from the first frame to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projected {
    pub merged: Vector,
    pub first: Vector,
    pub second: Vector,
    /// Priorities of what arrived from the first and second frame; zero where nothing did.
    pub trust: [u32; 2],
}

/// Winners of both splats to candidates; `Mean::count` is 0 where nothing arrived from either frame.
pub fn resolve(
    from_first: &[u32],
    from_second: &[u32],
    forward: &[Dense],
    backward: &[Dense],
    cells: Grid,
) -> (Vec<Projected>, Vec<Mean>) {
    (0..cells.count() as usize)
        .map(|index| {
            let (key_a, key_b) = (from_first[index], from_second[index]);
            let trust = [key_a >> 22, key_b >> 22];
            let first = forward[(key_a & 0x3f_ffff) as usize].vector;
            let back = backward[(key_b & 0x3f_ffff) as usize].vector;
            let second = [-back[0], -back[1]];
            let (merged, first, second) = match (trust[0] > 0, trust[1] > 0) {
                (true, true) => ([0, 1].map(|axis| mix(first[axis], second[axis], trust)), first, second),
                (true, false) => (first, first, first),
                (false, true) => (second, second, second),
                (false, false) => ([0, 0], [0, 0], [0, 0]),
            };
            let count = u32::from(trust != [0, 0]);
            (Projected { merged, first, second, trust }, Mean { vector: merged, count })
        })
        .unzip()
}

/// Mean weighted by priority; 20 (2 %) is added to both so that neither is quite without a voice.
fn mix(first: i32, second: i32, trust: [u32; 2]) -> i32 {
    let (one, other) = (trust[0] + 20, trust[1] + 20);
    let sum = one * (first + 32768) as u32 + other * (second + 32768) as u32;
    ((sum + (one + other) / 2) / (one + other)) as i32 - 32768
}
