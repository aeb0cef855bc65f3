//! Twins of `reduce.comp`: luma of 10 bits in 8; of `pyramid.comp`: one level from the one above it, [1 3 3 1]/8 both ways,
//! rounded once; and of `quads.comp`: the 2x2 codes that begin at every pixel.

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

/// Luma as motion is searched on it.
pub fn reduce(deep: &Plane<u16>) -> Plane {
    Plane::from_fn(deep.width as u32, deep.height as u32, |x, y| ((deep.code(x, y) + 2) >> 2).min(255) as u8)
}

/// All levels of a luma plane.
pub fn pyramid(levels: &[PlaneLayout], luma: Plane) -> Vec<Plane> {
    let mut planes = vec![luma];
    for level in 1..levels.len() {
        let next = half(&planes[level - 1]);
        planes.push(next);
    }
    planes
}

/// The 2x2 codes that begin at every pixel, a word each: from one pixel outside on to the last.
pub fn quads(plane: &Plane) -> Vec<u32> {
    let places = (-1..plane.height).flat_map(|y| (-1..plane.width).map(move |x| (x, y)));
    places
        .map(|(x, y)| {
            let ([a, b], [c, d]) = (plane.span::<2>(x, y), plane.span::<2>(x, y + 1));
            [d, c, b, a].into_iter().fold(0, |word, code| word << 8 | code as u32)
        })
        .collect()
}
