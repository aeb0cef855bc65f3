//! Twin of `propagate.comp`: one round in which every node tries its four neighbours' vectors.

use super::{
    Node, Patch, Plane,
    patch::{COST_PER_CODE, MARGIN},
};
use crate::plan::Grid;
use rayon::prelude::*;

/// A code: a node that fits better has nothing to gain, nor does one from a neighbour that fits so much worse.
const ENOUGH: i32 = COST_PER_CODE;

/// Reads one list of nodes and gives another, so the order of nodes does not matter.
pub fn propagate(source: &Plane, target: &Plane, grid: Grid, nodes: &[Node]) -> Vec<Node> {
    (0..grid.count())
        .into_par_iter()
        .map(|index| {
            let (column, row) = ((index % grid.columns) as i32, (index / grid.columns) as i32);
            let at = |x: i32, y: i32| {
                let (x, y) = (x.clamp(0, grid.columns as i32 - 1), y.clamp(0, grid.rows as i32 - 1));
                nodes[y as usize * grid.columns as usize + x as usize]
            };
            let patch = Patch::of_node(source, column, row);
            let own = at(column, row);
            let mut best = own;
            for (x, y) in [(column - 1, row), (column + 1, row), (column, row - 1), (column, row + 1)] {
                let other = at(x, y);
                if own.cost > ENOUGH && other.cost < own.cost + ENOUGH {
                    best = patch.challenge(target, best, other.vector, MARGIN);
                }
            }
            if best.vector == own.vector { own } else { patch.descend(target, best, 2) }
        })
        .collect()
}
