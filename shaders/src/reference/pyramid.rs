//! Twin of `pyramid.comp`: one level from the one above it, [1 3 3 1]/8 both ways, rounded once.

use super::Plane;
use crate::plan::PlaneLayout;

/// The next level.
pub fn half(above: &Plane) -> Plane {
    const TAPS: [i32; 4] = [1, 3, 3, 1];
    let (width, height) = ((above.width as u32).div_ceil(2), (above.height as u32).div_ceil(2));
    Plane::from_fn(width, height, |x, y| {
        let mut sum = 32;
        for (row, weight) in TAPS.iter().enumerate() {
            let span = above.span::<4>(2 * x - 1, 2 * y - 1 + row as i32);
            sum += weight * (0..4).map(|column| TAPS[column] * span[column]).sum::<i32>();
        }
        (sum >> 6) as u8
    })
}

/// All levels of a luma plane.
pub fn pyramid(levels: &[PlaneLayout], luma: &[u8]) -> Vec<Plane> {
    let mut planes = vec![Plane::from_codes(levels[0].width_px, levels[0].height_px, luma)];
    for level in 1..levels.len() {
        let next = half(&planes[level - 1]);
        planes.push(next);
    }
    planes
}
