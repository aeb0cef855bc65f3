//! Twin of `densify.comp`: one vector per cell of the flow field from the patches that cover it.

use super::{Node, Plane, Vector, sample::bilinear_q8};
use crate::plan::Grid;
use rayon::prelude::*;

/// A cell of the flow field of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense {
    /// 1/16 px of the finest node level.
    pub vector: Vector,
    /// Residual of the covering patches here, in 1/16 code, the better ones counting more.
    pub residual_q4: i32,
    /// How far the covering patches' vectors lie from their mean, 1/16 px, both axes added.
    pub spread_16: i32,
}

/// `shift` is log2 of a cell's side in px of the planes' level: 0 or 1.
pub fn densify(source: &Plane, target: &Plane, nodes: &[Node], node_grid: Grid, cells: Grid, shift: u32) -> Vec<Dense> {
    (0..cells.count())
        .into_par_iter()
        .map(|index| {
            let x = ((index % cells.columns) as i32) << shift;
            let y = ((index / cells.columns) as i32) << shift;
            let (column, row) = (((x + 2) >> 2) - 1, ((y + 2) >> 2) - 1);
            let (mut vectors, mut weights) = ([[0; 2]; 4], [0; 4]);
            let mut residuals = [0; 4];
            for corner in 0..4 {
                let node_x = (column + (corner as i32 & 1)).clamp(0, node_grid.columns as i32 - 1);
                let node_y = (row + (corner as i32 >> 1)).clamp(0, node_grid.rows as i32 - 1);
                let vector = nodes[node_y as usize * node_grid.columns as usize + node_x as usize].vector;
                let mut sum = 0;
                for part_y in 0..1 << shift {
                    for part_x in 0..1 << shift {
                        let (px, py) = (x + part_x, y + part_y);
                        let sample = bilinear_q8(target, 16 * px + vector[0], 16 * py + vector[1]);
                        sum += ((sample >> 4) - (source.code(px, py) << 4)).abs();
                    }
                }
                residuals[corner] = sum >> (2 * shift);
                vectors[corner] = vector;
                weights[corner] = 4096 / residuals[corner].max(16);
            }
            blend(vectors, weights, residuals)
        })
        .collect()
}

fn blend(vectors: [Vector; 4], weights: [i32; 4], residuals: [i32; 4]) -> Dense {
    let total: i32 = weights.iter().sum();
    let mean = |values: [i32; 4]| {
        let sum: u32 = (0..4).map(|corner| weights[corner] as u32 * values[corner] as u32).sum();
        ((sum + total as u32 / 2) / total as u32) as i32
    };
    // Vectors are moved to where they are positive, so that the division rounds one way.
    let vector = [0, 1].map(|axis| mean(vectors.map(|vector| vector[axis] + 32768)) - 32768);
    let spread_16 =
        mean(vectors.map(|other| (other[0] - vector[0]).abs() + (other[1] - vector[1]).abs()).map(|d| d.min(4095)));
    Dense { vector, residual_q4: mean(residuals), spread_16 }
}
