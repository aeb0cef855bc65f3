//! Twin of `search.comp`: the nodes of one level from those of the level above it.

use super::{Node, Patch, Plane, Vector, patch::MARGIN};
use crate::plan::Grid;
use rayon::prelude::*;

/// `scale` is 2 where the parents belong to the next coarser level, 1 where they are of this level (the coarsest).
pub fn search(
    source: &Plane,
    target: &Plane,
    grid: Grid,
    parents: &[Node],
    parent_grid: Grid,
    scale: i32,
    steps: u32,
) -> Vec<Node> {
    (0..grid.count())
        .into_par_iter()
        .map(|index| {
            let (column, row) = ((index % grid.columns) as i32, (index / grid.columns) as i32);
            let patch = Patch::of_node(source, column, row);
            let candidates = candidates(column, row, parents, parent_grid, scale);
            let mut best = Node { vector: candidates[0], cost: patch.compare(target, candidates[0]).cost };
            for challenger in &candidates[1..] {
                best = patch.challenge(target, best, *challenger, MARGIN);
            }
            patch.descend(target, best, steps)
        })
        .collect()
}

/// The nearest parent, the three others around the node, zero.
fn candidates(column: i32, row: i32, parents: &[Node], grid: Grid, scale: i32) -> [Vector; 5] {
    let at = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, grid.columns as i32 - 1), y.clamp(0, grid.rows as i32 - 1));
        let vector = parents[y as usize * grid.columns as usize + x as usize].vector;
        [vector[0] * scale, vector[1] * scale]
    };
    let (x, y) = if scale == 2 { (column >> 1, row >> 1) } else { (column, row) };
    let (beside, below) = (x + 2 * (column & 1) - 1, y + 2 * (row & 1) - 1);
    [at(x, y), at(beside, y), at(x, below), at(beside, below), [0, 0]]
}
