//! Twin of `coarse.comp`: exhaustive integer search on the coarsest level.

use super::{Node, Plane};
use crate::plan::Grid;
use rayon::prelude::*;

/// Reach to each side, px of the coarsest level.
pub const REACH_PX: i32 = 8;

/// Every node's best integer vector; zero unless another is clearly better.
pub fn coarse(source: &Plane, target: &Plane, grid: Grid) -> Vec<Node> {
    (0..grid.count())
        .into_par_iter()
        .map(|index| node(source, target, (index % grid.columns) as i32, (index / grid.columns) as i32))
        .collect()
}

fn node(source: &Plane, target: &Plane, column: i32, row: i32) -> Node {
    let (left, top) = (4 * column - 2, 4 * row - 2);
    let patch: [[i32; 8]; 8] = std::array::from_fn(|y| source.span::<8>(left, top + y as i32));
    let cost_at = |dx: i32, dy: i32| {
        let mut cost = 0;
        for (y, codes) in patch.iter().enumerate() {
            let span = target.span::<8>(left + dx, top + dy + y as i32);
            cost += (0..8).map(|x| (span[x] - codes[x]).abs().min(40)).sum::<i32>();
        }
        // 0.8 codes a pixel for every pixel of length: far matches of repeated texture are seldom true.
        let length = 2 * dx.abs().max(dy.abs()) + dx.abs().min(dy.abs());
        cost + ((51 * length) >> 1)
    };
    let zero = cost_at(0, 0);
    let (mut best, mut found) = ([0, 0], i32::MAX);
    for dy in -REACH_PX..=REACH_PX {
        for dx in -REACH_PX..=REACH_PX {
            let cost = cost_at(dx, dy);
            if cost < found {
                (best, found) = ([16 * dx, 16 * dy], cost);
            }
        }
    }
    if 5 * found + 256 < 4 * zero {
        Node { vector: best, cost: 16 * found }
    } else {
        Node { vector: [0, 0], cost: 16 * zero }
    }
}
