//! Twins of `facts.comp`, `still.comp` and `gate.comp`: the few numbers that tell what kind of pair this is.

use super::{Node, Plane, patch::COST_PER_CODE};
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

/// What the priorities of one direction say.
pub fn trust_facts(facts: &mut PairFacts, priorities: &[u32]) {
    facts.cells += priorities.len() as u32;
    facts.trusted_cells += priorities.iter().filter(|priority| **priority >= 64).count() as u32;
}
