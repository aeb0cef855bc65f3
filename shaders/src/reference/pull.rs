//! Twin of `pull.comp`: means of the valid cells, over blocks twice as wide at every level; holes are read from there.

use super::{Vector, unpack};
use crate::plan::Grid;

/// The mean vector of a block and the number of cells it stands for, capped at 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mean {
    pub vector: Vector,
    pub count: u32,
}

/// The next level of means.
pub fn pull(below: &[Mean], grid: Grid) -> Vec<Mean> {
    let above = grid.halved();
    (0..above.count())
        .map(|index| {
            let (x, y) = (index % above.columns, index / above.columns);
            let (mut sum, mut count) = ([0u32; 2], 0);
            for corner in 0..4 {
                let (child_x, child_y) = (2 * x + (corner & 1), 2 * y + (corner >> 1));
                if child_x >= grid.columns || child_y >= grid.rows {
                    continue;
                }
                let child = below[(child_y * grid.columns + child_x) as usize];
                count += child.count;
                sum = [0, 1].map(|axis| sum[axis] + child.count * (child.vector[axis] + 32768) as u32);
            }
            if count == 0 {
                return Mean { vector: unpack(0), count };
            }
            let vector = sum.map(|sum| ((sum + count / 2) / count) as i32 - 32768);
            Mean { vector, count: count.min(255) }
        })
        .collect()
}
