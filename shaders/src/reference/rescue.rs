//! Twin of `rescue.comp`: where a node's patch is not found along its vector, an exhaustive search far around.

use super::{Node, Plane, patch::COST_PER_CODE};
use crate::plan::Grid;
use rayon::prelude::*;

/// Nodes that cost no more than this are left alone: 12 codes, from where on a patch counts as found nowhere.
const FOUND: i32 = 12 * COST_PER_CODE;

/// Reads one list of nodes and gives another. `reach` is to each side, px of the level.
pub fn rescue(source: &Plane, target: &Plane, grid: Grid, nodes: &[Node], reach: i32) -> Vec<Node> {
    (0..grid.count())
        .into_par_iter()
        .map(|index| {
            let own = nodes[index as usize];
            let (column, row) = ((index % grid.columns) as i32, (index / grid.columns) as i32);
            if own.cost <= FOUND { own } else { far(source, target, [column, row], own, reach) }
        })
        .collect()
}

fn far(source: &Plane, target: &Plane, [column, row]: [i32; 2], own: Node, reach: i32) -> Node {
    let (left, top) = (4 * column - 2, 4 * row - 2);
    let patch: [[i32; 8]; 8] = std::array::from_fn(|y| source.span::<8>(left, top + y as i32));
    let side = 2 * reach + 1;
    let cost_at = |place: i32| {
        let (dx, dy) = (place % side - reach, place / side - reach);
        let apart: [[i32; 8]; 8] = std::array::from_fn(|y| {
            let span = target.span::<8>(left + dx, top + dy + y as i32);
            std::array::from_fn(|x| span[x] - patch[y][x])
        });
        // As in the search: what is brighter all over costs little.
        let mean = (apart.as_flattened().iter().sum::<i32>() >> 6).clamp(-12, 12);
        let cost = apart.as_flattened().iter().map(|apart| (apart - mean).abs().min(40)).sum::<i32>() + 10 * mean.abs();
        // 0.2 codes a pixel for every pixel of length.
        cost + 6 * (2 * dx.abs().max(dy.abs()) + dx.abs().min(dy.abs()))
    };
    let costs: Vec<i32> = (0..side * side).map(cost_at).collect();
    let (mut best, mut place) = (i32::MAX, 0);
    for (index, cost) in (0..).zip(&costs) {
        if *cost < best {
            (best, place) = (*cost, index);
        }
    }
    // What looks nearly as good elsewhere says nothing: repeated texture, or nothing at all to go by.
    let alike = (0..).zip(&costs).any(|(other, cost): (i32, _)| {
        let apart = (other % side - place % side).abs().max((other / side - place / side).abs());
        apart > 2 && 10 * cost < 13 * best
    });
    if alike || 5 * best + 256 >= 4 * (own.cost >> 4) {
        return own;
    }
    Node { vector: [16 * (place % side - reach), 16 * (place / side - reach)], cost: 16 * best }
}
