//! Twin of `agree.comp`: of several places where a patch is found, the nearest.

use super::{Node, Patch, Plane, Vector, length, patch::COST_PER_CODE};
use crate::plan::Grid;
use rayon::prelude::*;

/// How much more the nearer likeness may cost: 2 codes.
const ALIKE: i32 = 2 * COST_PER_CODE;
/// Likenesses are no nearer to each other than this: 2 px.
const APART_16: i32 = 32;
/// How much more the place half way between both has to cost, or they are one: 2 codes.
const BETWEEN: i32 = 2 * COST_PER_CODE;
/// How far off other nodes are heard, nodes.
const OFF: i32 = 4;
/// Looks at the target of a search begun anew; what is heard of is where it should be.
const LOOKS: u32 = 3;

/// Reads one list of nodes of each direction and gives another; `anew`: whether the search also starts once more from
/// where the node stands.
pub fn agree(source: &Plane, target: &Plane, grid: Grid, nodes: &[Node], back: &[Node], anew: bool) -> Vec<Node> {
    let at = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, grid.columns as i32 - 1), y.clamp(0, grid.rows as i32 - 1));
        y as usize * grid.columns as usize + x as usize
    };
    (0..grid.count())
        .into_par_iter()
        .map(|index| {
            let (column, row) = ((index % grid.columns) as i32, (index / grid.columns) as i32);
            let own = nodes[index as usize];
            // Nodes are 4 px apart.
            let [x, y] = own.vector.map(|part| (part + 32) >> 6);
            let returned = back[at(column + x, row + y)].vector.map(|part| -part);
            let far = [(OFF, 0), (-OFF, 0), (0, OFF), (0, -OFF)].map(|(x, y)| nodes[at(column + x, row + y)].vector);
            let mut starts = vec![(returned, 1)];
            starts.extend(far.map(|vector| (vector, 1)));
            starts.extend(anew.then_some(([0, 0], LOOKS)));
            if !starts.iter().any(|(start, _)| is_nearer(*start, own.vector)) {
                return own;
            }
            let patch = Patch::of_node(source, column, row);
            starts.into_iter().fold(own, |best, (start, looks)| nearer_likeness(&patch, target, best, start, looks))
        })
        .collect()
}

fn nearer_likeness(patch: &Patch, target: &Plane, best: Node, start: Vector, looks: u32) -> Node {
    if !is_nearer(start, best.vector) {
        return best;
    }
    let other = patch.descend(target, Node { vector: start, cost: 0 }, looks);
    if !is_nearer(other.vector, best.vector) || other.cost > best.cost + ALIKE {
        return best;
    }
    // A flat patch and an edge along itself are alike all the way between both: that is one likeness, and no reason.
    let half_way = [0, 1].map(|axis| (best.vector[axis] + other.vector[axis]) >> 1);
    let between = patch.compare(target, half_way).cost;
    if between > best.cost.max(other.cost) + BETWEEN { other } else { best }
}

/// Whether `one` is shorter, and neither the same place nor the one next to it.
fn is_nearer(one: Vector, other: Vector) -> bool {
    let apart = (one[0] - other[0]).abs().max((one[1] - other[1]).abs());
    apart >= APART_16 && length(one) < length(other)
}
