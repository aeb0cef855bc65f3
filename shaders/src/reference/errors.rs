//! Twin of `errors.comp`: fills holes, and measures for each of a cell's three candidates how far the two frames disagree.

use super::{Mean, Plane, Projected, Vector, sample::bilinear_q8};
use crate::plan::Grid;
use rayon::prelude::*;

/// Candidates with holes filled, and three disagreements of at most 40 codes in 10 bits each. The planes are the cells'.
pub fn errors(
    [first, second]: [&Plane; 2],
    projected: &[Projected],
    means: &[Vec<Mean>],
    cells: Grid,
    shift: u32,
    time_q14: i32,
) -> (Vec<Projected>, Vec<u32>) {
    (0..cells.count() as usize)
        .into_par_iter()
        .map(|index| {
            let (x, y) = ((index % cells.columns as usize) as i32, (index / cells.columns as usize) as i32);
            let mut cell = projected[index];
            if cell.trust == [0, 0] {
                let filled = fill(means, cells, x, y);
                (cell.merged, cell.first, cell.second) = (filled, filled, filled);
            }
            let error = |flow: Vector| {
                let near = flow.map(|axis| (axis * time_q14 + (1 << (13 + shift))) >> (14 + shift));
                let whole = flow.map(|axis| (axis + shift as i32) >> shift);
                let a = bilinear_q8(first, 16 * x - near[0], 16 * y - near[1]);
                let b = bilinear_q8(second, 16 * x + whole[0] - near[0], 16 * y + whole[1] - near[1]);
                (((a - b).abs() + 128) >> 8).min(40) as u32
            };
            let merged = error(cell.merged);
            let of_first = if close(cell.first, cell.merged) { merged } else { error(cell.first) };
            let of_second = if close(cell.second, cell.merged) { merged } else { error(cell.second) };
            (cell, merged | of_first << 10 | of_second << 20)
        })
        .unzip()
}

/// The nearest level of means that knows something about this place.
fn fill(means: &[Vec<Mean>], cells: Grid, x: i32, y: i32) -> Vector {
    let mut grid = cells;
    for (level, list) in means.iter().enumerate() {
        if level > 0 {
            grid = grid.halved();
        }
        let mean = list[(y as usize >> level) * grid.columns as usize + (x as usize >> level)];
        if mean.count > 0 {
            return mean.vector;
        }
    }
    [0, 0]
}

/// Candidates this near are not told apart: 1/8 px.
fn close(one: Vector, other: Vector) -> bool {
    (one[0] - other[0]).abs() <= 2 && (one[1] - other[1]).abs() <= 2
}
