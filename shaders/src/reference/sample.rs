//! Twin of `sample.glsl`: bilinear and bicubic samples at positions between pixels.

use super::{Code, Plane};

/// Bilinear, position in 1/16 px, result in Q8.
pub(super) fn bilinear_q8(plane: &Plane, x16: i32, y16: i32) -> i32 {
    let (x, y, fx, fy) = (x16 >> 4, y16 >> 4, x16 & 15, y16 & 15);
    let [a, b] = plane.span::<2>(x, y);
    let [c, d] = plane.span::<2>(x, y + 1);
    let (upper, lower) = ((a << 4) + fx * (b - a), (c << 4) + fx * (d - c));
    (upper << 4) + fy * (lower - upper)
}

/// The four weights of a phase in 1/32 px, in 1/128; they sum to 128, and their centre is the phase exactly.
pub(super) fn bicubic_weights(phase: i32) -> [i32; 4] {
    // What an outer tap takes away; Keys' kernel of a = -0.75, its phase bent so that its centre is where it should be.
    let outer = |p: i32, rest: i32| (p * rest * rest * (1024 + 80 * p - 3 * p * p) + (1 << 18)) >> 19;
    let rest = 32 - phase;
    let (left, right) = (outer(phase, rest), outer(rest, phase));
    [-left, 4 * rest + 2 * left - right, 4 * phase + 2 * right - left, -right]
}

/// Bicubic at (x, y) + offset in 1/32 px, result in Q4, not clamped to the code range.
pub(super) fn bicubic_q4<C: Code>(plane: &Plane<C>, x: i32, y: i32, offset_32: [i32; 2]) -> i32 {
    let (left, top) = (x + (offset_32[0] >> 5) - 1, y + (offset_32[1] >> 5) - 1);
    let (across, down) = (bicubic_weights(offset_32[0] & 31), bicubic_weights(offset_32[1] & 31));
    let mut sum = 512;
    for (row, weight) in down.iter().enumerate() {
        let span = plane.span::<4>(left, top + row as i32);
        sum += weight * (0..4).map(|column| across[column] * span[column]).sum::<i32>();
    }
    sum >> 10
}
