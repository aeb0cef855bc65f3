//! Twin of `confidence.comp`: how much a cell's vector is to be trusted, 1 to 1023.

use super::{Dense, length};
use crate::plan::Grid;
use rayon::prelude::*;

/// What a vector that leaves the frame counts as inconsistency: 2 px.
const OUTSIDE_16: i32 = 32;

/// Priorities of `forward`'s cells, `backward` being the other direction's field.
pub fn confidence(forward: &[Dense], backward: &[Dense], cells: Grid, shift: u32) -> Vec<u32> {
    (0..cells.count() as usize)
        .into_par_iter()
        .map(|index| {
            let cell = forward[index];
            priority(cell.residual_q4, inconsistency(forward, backward, cells, shift, index), cell.spread_16)
        })
        .collect()
}

/// How far from a cell the way there and back ends, 1/16 px.
pub(super) fn inconsistency(forward: &[Dense], backward: &[Dense], cells: Grid, shift: u32, index: usize) -> i32 {
    let (x, y) = ((index % cells.columns as usize) as i32, (index / cells.columns as usize) as i32);
    let vector = forward[index].vector;
    let half = 8 << shift;
    let target_x = x + ((vector[0] + half) >> (4 + shift));
    let target_y = y + ((vector[1] + half) >> (4 + shift));
    if target_x < 0 || target_y < 0 || target_x >= cells.columns as i32 || target_y >= cells.rows as i32 {
        return OUTSIDE_16;
    }
    let back = backward[target_y as usize * cells.columns as usize + target_x as usize].vector;
    length([vector[0] + back[0], vector[1] + back[1]])
}

/// exp(-6 d), d = 3 - 1/(1 + r/10) - 1/(1 + c/2) - 1/(1 + s/2), in 1/1023; powers of two with straight lines between.
fn priority(residual_q4: i32, inconsistency_16: i32, spread_16: i32) -> u32 {
    let trust = |half_way: i32, value: i32| (1024 * half_way) / (half_way + value);
    let doubt = 3072 - trust(160, residual_q4) - trust(32, inconsistency_16) - trust(32, spread_16);
    // 6 / ln 2 = 8864 / 1024
    let exponent = (doubt * 8864) >> 10;
    let (whole, part) = (exponent >> 10, exponent & 1023);
    let value = ((1023 * (2048 - part)) >> 11) >> whole.min(31);
    value.max(1) as u32
}
