//! Twin of `select.comp`: picks a candidate per cell by the disagreement around it, and how to mix the frames there.

use super::{Projected, Vector};
use crate::plan::Grid;
use rayon::prelude::*;

/// What the composite needs to know of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// From the first frame to the second, 1/16 px of the finest node level.
    pub flow: Vector,
    /// The first frame's share of what moves, 0..=16384.
    pub first_q14: i32,
    /// How far to go from there to the unmoved mix of both frames, 0..=256.
    pub unmoved: i32,
}

impl Choice {
    /// Both frames where they stand, mixed.
    pub const UNMOVED: Choice = Choice { flow: [0, 0], first_q14: 0, unmoved: 256 };
}

/// A challenger has to win by half a code a pixel over a window of 5x5: 12.5.
const MARGIN: u32 = 12;

/// `window`: cells to every side that are looked at, 1 or 2.
pub fn select(projected: &[Projected], errors: &[u32], cells: Grid, window: u32, time_q14: i32) -> Vec<Choice> {
    let reach = window as i32;
    let at = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, cells.columns as i32 - 1), y.clamp(0, cells.rows as i32 - 1));
        y as usize * cells.columns as usize + x as usize
    };
    (0..cells.count())
        .into_par_iter()
        .map(|index| {
            let (x, y) = ((index % cells.columns) as i32, (index / cells.columns) as i32);
            // Three fields of at most 25 * 40 = 1000 each: the word adds them all at once.
            let mut sums = 0;
            for dy in -reach..=reach {
                for dx in -reach..=reach {
                    sums += errors[at(x + dx, y + dy)];
                }
            }
            // Nine cells count as 25 do: 25/9 = 89/32.
            let sum_of = |field: u32| if window == 1 { ((field & 1023) * 89) >> 5 } else { field & 1023 };
            let cell = projected[index as usize];
            let (mut flow, mut sum) = (cell.merged, sum_of(sums));
            for (challenger, error) in [(cell.first, sum_of(sums >> 10)), (cell.second, sum_of(sums >> 20))] {
                if error + MARGIN < sum {
                    (flow, sum) = (challenger, error);
                }
            }
            // 131/128 = 256/250: from 5 codes a pixel on, all at 15; then from 12 on, all at 32.
            let visible = (((sum as i32 - 125) * 131) >> 7).clamp(0, 256);
            let unmoved = (((sum as i32 - 300) * 131) >> 8).clamp(0, 256);
            let mut covered = [0u32; 2];
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let trust = projected[at(x + dx, y + dy)].trust;
                    covered[0] += trust[0];
                    covered[1] += trust[1];
                }
            }
            // As far as only one frame shows the place, what it covers decides.
            let by_time = 16384 - time_q14;
            let first_q14 = by_time + ((visible * ((share(covered, time_q14) << 6) - by_time) + 128) >> 8);
            Choice { flow, first_q14, unmoved }
        })
        .collect()
}

/// (1-t) va / ((1-t) va + t vb), v being coverage over a quarter of what is possible, within 0.02..1; in 1/256.
fn share(covered: [u32; 2], time_q14: i32) -> i32 {
    // A quarter of 9 cells at 1023 is 2302; 46 is 2 % of it.
    let [first, second] = covered.map(|sum| sum.clamp(46, 2302));
    let one = first * ((16384 - time_q14) as u32 >> 4);
    let other = second * (time_q14 as u32 >> 4);
    ((256 * (one >> 4) + 1) / ((one >> 4) + (other >> 4) + 1)).min(256) as i32
}
