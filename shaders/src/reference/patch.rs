//! Twin of `patch.glsl`: one 8x8 patch of the source frame, the cost of a vector, one step towards a better one.

use super::{Plane, Vector};

/// A code of mean difference over the 64 pixels of a patch, in units of cost.
pub const COST_PER_CODE: i32 = 1024;
/// What a challenger has to win by: 0.3 codes.
pub const MARGIN: i32 = 307;
/// Vectors nearer than this to the best so far are not tried: 1/2 px, which the steps find by themselves.
pub const NEAR_16: i32 = 8;
/// Steps may not lead farther than 4 px from where they began.
const REACH_16: i32 = 64;
/// Added to the Hessian's diagonal: one squared code per pixel, in the doubled gradients' units.
const DAMPING: i32 = 256;

/// The best vector of a node so far. The cost is at most 51072.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub vector: Vector,
    pub cost: i32,
}

/// What comparing a patch with its place in the target gives.
pub(super) struct Match {
    pub cost: i32,
    /// Gradient times residual, the mean of both removed.
    pub pull: [i32; 2],
}

/// A patch of the source with everything that does not depend on the vector.
pub struct Patch {
    left: i32,
    top: i32,
    codes_q4: [[i32; 8]; 8],
    gradient_x: [[i32; 8]; 8],
    gradient_y: [[i32; 8]; 8],
    gradient_sum: [i32; 2],
    /// xx, xy, yy of the mean-removed Hessian.
    hessian: [i32; 3],
}

impl Patch {
    /// The patch of node (column, row): 8x8 pixels, two beyond its 4x4 cell on every side.
    pub fn of_node(source: &Plane, column: i32, row: i32) -> Patch {
        let (left, top) = (4 * column - 2, 4 * row - 2);
        let window: [[i32; 10]; 10] = std::array::from_fn(|y| source.span::<10>(left - 1, top - 1 + y as i32));
        let codes_q4 = std::array::from_fn(|y| std::array::from_fn(|x| window[y + 1][x + 1] << 4));
        let gradient_x: [[i32; 8]; 8] =
            std::array::from_fn(|y| std::array::from_fn(|x| window[y + 1][x + 2] - window[y + 1][x]));
        let gradient_y: [[i32; 8]; 8] =
            std::array::from_fn(|y| std::array::from_fn(|x| window[y + 2][x + 1] - window[y][x + 1]));
        let (mut sum, mut hessian) = ([0; 2], [0; 3]);
        for y in 0..8 {
            for x in 0..8 {
                let (gx, gy) = (gradient_x[y][x], gradient_y[y][x]);
                sum[0] += gx;
                sum[1] += gy;
                hessian[0] += gx * gx;
                hessian[1] += gx * gy;
                hessian[2] += gy * gy;
            }
        }
        hessian[0] -= (sum[0] * sum[0]) >> 6;
        hessian[1] -= (sum[0] * sum[1]) >> 6;
        hessian[2] -= (sum[1] * sum[1]) >> 6;
        hessian[0] += DAMPING;
        hessian[2] += DAMPING;
        Patch { left, top, codes_q4, gradient_x, gradient_y, gradient_sum: sum, hessian }
    }

    /// Compares the patch with the target at `vector`.
    pub(super) fn compare(&self, target: &Plane, vector: Vector) -> Match {
        let (x16, y16) = (16 * self.left + vector[0], 16 * self.top + vector[1]);
        let (x, y, fx, fy) = (x16 >> 4, y16 >> 4, x16 & 15, y16 & 15);
        let across: [[i32; 8]; 9] = std::array::from_fn(|row| {
            let span = target.span::<9>(x, y + row as i32);
            std::array::from_fn(|column| (span[column] << 4) + fx * (span[column + 1] - span[column]))
        });
        let (mut sum, mut pull) = (0, [0; 2]);
        let mut clipped_sum = 0;
        let mut residual = [[0; 8]; 8];
        for row in 0..8 {
            for column in 0..8 {
                let sample_q8 = (across[row][column] << 4) + fy * (across[row + 1][column] - across[row][column]);
                let difference = (sample_q8 >> 4) - self.codes_q4[row][column];
                residual[row][column] = difference;
                sum += difference;
                let clipped = difference.clamp(-1024, 1024);
                clipped_sum += clipped;
                pull[0] += self.gradient_x[row][column] * clipped;
                pull[1] += self.gradient_y[row][column] * clipped;
            }
        }
        let mean = (sum >> 6).clamp(-192, 192);
        let mut cost = 10 * mean.abs();
        for row in residual {
            for difference in row {
                cost += (difference - mean).abs().min(640);
            }
        }
        let (centre_x, centre_y) = (x + 4, y + 4);
        if centre_x < 0 || centre_y < 0 || centre_x >= target.width || centre_y >= target.height {
            cost += 8 * COST_PER_CODE;
        }
        let pull = [0, 1].map(|axis| pull[axis] - ((self.gradient_sum[axis] * clipped_sum) >> 6));
        Match { cost, pull }
    }

    /// Takes `challenger` if it is clearly better and not nearly the same.
    pub(super) fn challenge(&self, target: &Plane, best: Node, challenger: Vector, margin: i32) -> Node {
        if near(best.vector, challenger) {
            return best;
        }
        let cost = self.compare(target, challenger).cost;
        if cost + margin < best.cost { Node { vector: challenger, cost } } else { best }
    }

    /// Up to `steps` looks at the target, each one a step of the inverse problem further; keeps the best place seen.
    pub(super) fn descend(&self, target: &Plane, start: Node, steps: u32) -> Node {
        let mut best = start;
        let mut vector = start.vector;
        for step in 0..steps {
            let found = self.compare(target, vector);
            if step > 0 && found.cost >= best.cost {
                break;
            }
            best = Node { vector, cost: found.cost };
            let delta = solve(self.hessian, found.pull);
            vector = [vector[0] - delta[0], vector[1] - delta[1]];
            let farthest = (vector[0] - start.vector[0]).abs().max((vector[1] - start.vector[1]).abs());
            if delta == [0, 0] || farthest > REACH_16 {
                break;
            }
        }
        best
    }
}

/// True if two vectors are the same to within half a pixel.
pub(super) fn near(one: Vector, other: Vector) -> bool {
    (one[0] - other[0]).abs() < NEAR_16 && (one[1] - other[1]).abs() < NEAR_16
}

fn bits(value: i32) -> i32 {
    32 - value.leading_zeros() as i32
}

/// The step in 1/16 px: Hessian^-1 times pull, in 32-bit integers. Both are cut to 14 and 15 bits first.
fn solve(hessian: [i32; 3], pull: [i32; 2]) -> Vector {
    let cut = (bits(hessian[0].max(hessian[2])) - 14).max(0);
    let [xx, xy, yy] = hessian.map(|term| term >> cut);
    let pull_cut = (bits(pull[0].abs().max(pull[1].abs())) - 15).max(0);
    let [x, y] = pull.map(|term| term >> pull_cut);
    let determinant = (xx * yy - xy * xy).max(xx + yy);
    let exponent = 1 + pull_cut - cut;
    [ratio(yy * x - xy * y, determinant, exponent), ratio(xx * y - xy * x, determinant, exponent)]
}

/// numerator / denominator * 2^exponent, rounded, at most 4 px either way.
fn ratio(numerator: i32, denominator: i32, exponent: i32) -> i32 {
    let above = numerator.unsigned_abs() >> (-exponent).clamp(0, 31);
    let below = (denominator as u32 >> exponent.clamp(0, 31)).max(1);
    let rounded = ((above + below / 2) / below).min(REACH_16 as u32) as i32;
    if numerator < 0 { -rounded } else { rounded }
}
