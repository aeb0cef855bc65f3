//! Twin of `standing.comp` and `overlay.comp`: where something lies over the picture and does not move with it.

use super::Plane;
use crate::plan::{Grid, TILE_PX};
use rayon::prelude::*;

/// How much two neighbouring pixels differ at an edge, codes.
const EDGE: i32 = 12;
/// 2x2 blocks of the 36 around a tile that make it part of a place that may stay.
const UNMOVED_BLOCKS: u32 = 12;
/// Edges around a tile that stand still and make it part of an overlay, if they are three in five of those that touch a
/// place at rest: the letters of a moving line of text often come to lie on others.
const STANDING_EDGES: u32 = 8;
/// Pixels of the 144 that have to be the same for it: where a texture moves, fewer meet their like.
const SAME_PIXELS: u32 = 16;

/// What a tile of 4x4 full-size pixels shows in both frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// 2x2 blocks that are the same in both frames to a code, 0..=4.
    pub blocks: u32,
    /// Pixels that are the same in both frames to a code, 0..=16.
    pub pixels: u32,
    /// Edges of one of the frames at a pixel that is the same in both, 0..=32.
    pub touched: u32,
    /// Those of them that both frames have.
    pub kept: u32,
}

/// How the places around a tile may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlay {
    /// Much of it is the same in both frames.
    pub rests: bool,
    /// Edges stand still in it while most of the picture's edges move.
    pub overlaid: bool,
}

/// Tiles of the whole picture, and the picture's edges: all of the first frame's, and those where nothing changed.
pub fn standing(first: &Plane, second: &Plane, tiles: Grid) -> (Vec<Standing>, [u32; 2]) {
    let found: Vec<(Standing, [u32; 2])> = (0..tiles.count())
        .into_par_iter()
        .map(|index| {
            let (left, top) = (4 * (index % tiles.columns) as i32, 4 * (index / tiles.columns) as i32);
            let (mut standing, mut edges) = (Standing::default(), [0; 2]);
            let a: [[i32; 5]; 5] = std::array::from_fn(|y| first.span::<5>(left, top + y as i32));
            let b: [[i32; 5]; 5] = std::array::from_fn(|y| second.span::<5>(left, top + y as i32));
            let same = |x: usize, y: usize| (a[y][x] - b[y][x]).abs() <= 1;
            for block in 0..4 {
                let (x, y) = (2 * (block & 1), 2 * (block >> 1));
                let all = same(x, y) && same(x + 1, y) && same(x, y + 1) && same(x + 1, y + 1);
                standing.blocks += u32::from(all);
            }
            for y in 0..TILE_PX as usize {
                for x in 0..TILE_PX as usize {
                    standing.pixels += u32::from(same(x, y));
                    for (other_x, other_y) in [(x + 1, y), (x, y + 1)] {
                        let one = a[other_y][other_x] - a[y][x];
                        let other = b[other_y][other_x] - b[y][x];
                        let (here, there) = (same(x, y), same(other_x, other_y));
                        if one.abs() >= EDGE {
                            edges[0] += 1;
                            edges[1] += u32::from(here && there);
                        }
                        if (here || there) && (one.abs() >= EDGE || other.abs() >= EDGE) {
                            standing.touched += 1;
                            let kept = one.abs() >= EDGE && other.abs() >= EDGE && (one < 0) == (other < 0);
                            standing.kept += u32::from(kept);
                        }
                    }
                }
            }
            (standing, edges)
        })
        .collect();
    let edges = found.iter().fold([0, 0], |sums, (_, edges)| [sums[0] + edges[0], sums[1] + edges[1]]);
    (found.into_iter().map(|(standing, _)| standing).collect(), edges)
}

/// From the tiles and the picture's edges.
pub fn overlays(standing: &[Standing], edges: [u32; 2], tiles: Grid) -> Vec<Overlay> {
    let moves = 2 * edges[1] < edges[0];
    (0..tiles.count())
        .into_par_iter()
        .map(|index| {
            let (x, y) = ((index % tiles.columns) as i32, (index / tiles.columns) as i32);
            let mut sum = Standing::default();
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let (x, y) =
                        ((x + dx).clamp(0, tiles.columns as i32 - 1), (y + dy).clamp(0, tiles.rows as i32 - 1));
                    let part = standing[y as usize * tiles.columns as usize + x as usize];
                    sum.blocks += part.blocks;
                    sum.pixels += part.pixels;
                    sum.kept += part.kept;
                    sum.touched += part.touched;
                }
            }
            let overlaid =
                moves && sum.pixels >= SAME_PIXELS && sum.kept >= STANDING_EDGES && 5 * sum.kept >= 3 * sum.touched;
            Overlay { rests: sum.blocks >= UNMOVED_BLOCKS, overlaid }
        })
        .collect()
}
