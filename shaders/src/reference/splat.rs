//! Twin of `splat.comp`: sends every cell along its vector to the output time; where several arrive, the one with the
//! highest priority stays, of equals the last in the picture. The order of work does not matter.

use super::Dense;
use crate::plan::Grid;

/// `time_q14` is how far along the vectors: t from the first frame, 1 - t from the second. Zero where nothing arrives.
pub fn splat(flow: &[Dense], priorities: &[u32], cells: Grid, shift: u32, time_q14: i32) -> Vec<u32> {
    let mut arrived = vec![0u32; cells.count() as usize];
    for index in 0..cells.count() {
        let (x, y) = ((index % cells.columns) as i32, (index / cells.columns) as i32);
        let vector = flow[index as usize].vector;
        let bits = 14 + 4 + shift;
        let to_x = x + ((vector[0] * time_q14 + (1 << (bits - 1))) >> bits);
        let to_y = y + ((vector[1] * time_q14 + (1 << (bits - 1))) >> bits);
        if to_x < 0 || to_y < 0 || to_x >= cells.columns as i32 || to_y >= cells.rows as i32 {
            continue;
        }
        let place = &mut arrived[to_y as usize * cells.columns as usize + to_x as usize];
        *place = (*place).max(priorities[index as usize] << 22 | index);
    }
    arrived
}
