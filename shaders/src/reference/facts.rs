//! Twins of `facts.comp`, `still.comp`, `gate.comp` and of what `confidence.comp` counts: the few numbers that tell what
//! kind of pair this is.

use super::{Dense, Node, Plane, confidence::inconsistency, patch::COST_PER_CODE};
use crate::plan::Grid;
use crate::verdict::{PairFacts, shows_the_same};

/// What the finest nodes say, both directions added up.
pub fn facts(facts: &mut PairFacts, nodes: &[Node]) {
    for node in nodes {
        facts.nodes += 1;
        facts.bad_nodes += u32::from(node.cost > 12 * COST_PER_CODE);
        facts.moved_residual_q4 += node.cost as u32 >> 6;
    }
}

/// What comparing the two frames in place says, on one level.
pub fn still_facts(facts: &mut PairFacts, first: &Plane, second: &Plane) {
    for y in 0..first.height {
        for x in 0..first.width {
            let (a, b) = (first.code(x, y), second.code(x, y));
            let difference = (a - b).unsigned_abs();
            facts.pixels += 1;
            facts.still_residual += difference;
            facts.changed_pixels += u32::from(difference > 2);
            let (c, d) = (a as u32 >> 2, b as u32 >> 2);
            for (sum, term) in facts.moments.iter_mut().zip([c, d, c * c, d * d, c * d]) {
                *sum += term;
            }
            facts.histogram[0][(a >> 3) as usize] += 1;
            facts.histogram[1][(b >> 3) as usize] += 1;
        }
    }
    facts.same = shows_the_same(facts.still_residual, facts.changed_pixels, facts.pixels);
}

/// Cells that differ by more than this in place have changed: codes.
const CHANGED: i32 = 10;
/// A cell whose residual is larger has led to something unlike: 12 codes.
const UNLIKE_Q4: i32 = 12 * 16;
/// A way back that ends this far from its cell leads to something else: of what is unlike anyway, and of everything.
const MISSED_CELLS: i32 = 2;
const FAR_CELLS: i32 = 4;

/// What the cells of one direction say, from its frame's plane to the other's.
pub fn cell_facts(
    facts: &mut PairFacts,
    [here, there]: [&Plane; 2],
    [forward, backward]: [&[Dense]; 2],
    priorities: &[u32],
    (cells, shift): (Grid, u32),
) {
    facts.cells += priorities.len() as u32;
    facts.trusted_cells += priorities.iter().filter(|priority| **priority >= 64).count() as u32;
    for index in 0..cells.count() as usize {
        let (x, y) = ((index % cells.columns as usize) as i32, (index / cells.columns as usize) as i32);
        if (here.code(x, y) - there.code(x, y)).abs() > CHANGED {
            facts.changed_cells += 1;
            let missed = inconsistency(forward, backward, cells, shift, index) >> (4 + shift);
            let most = if forward[index].residual_q4 > UNLIKE_Q4 { MISSED_CELLS } else { FAR_CELLS };
            facts.astray_cells += u32::from(missed >= most);
        }
    }
}
