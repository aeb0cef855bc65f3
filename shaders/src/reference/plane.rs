//! Twin of the planes that the shaders read, in rows instead of tiles: same borders, same clamps.

use crate::plan::{ChromaLayout, PAD_TILES, PlaneLayout, TILE_PX};

/// Repeated edge pixels left and right; on the right at least as many as a window can reach.
const PAD: usize = 16;

/// One plane of 8-bit codes with its border of repeated edge pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    pub width: i32,
    pub height: i32,
    stride: usize,
    bytes: Vec<u8>,
}

impl Plane {
    /// A plane whose pixel (x, y) is `code(x, y)`; the border repeats the edges.
    pub fn from_fn(width: u32, height: u32, mut code: impl FnMut(i32, i32) -> u8) -> Plane {
        let stride = width as usize + 2 * PAD;
        let mut bytes = Vec::with_capacity(stride * height as usize);
        for y in 0..height as i32 {
            let start = bytes.len();
            bytes.resize(start + PAD, 0);
            bytes.extend((0..width as i32).map(|x| code(x, y)));
            let (first, last) = (bytes[start + PAD], bytes[bytes.len() - 1]);
            bytes[start..start + PAD].fill(first);
            bytes.resize(start + stride, last);
        }
        Plane { width: width as i32, height: height as i32, stride, bytes }
    }

    pub fn from_codes(width: u32, height: u32, codes: &[u8]) -> Plane {
        Plane::from_fn(width, height, |x, y| codes[y as usize * width as usize + x as usize])
    }

    /// The words as they lie on the device: tile by tile, border included.
    pub fn words(&self) -> Vec<u32> {
        let layout = PlaneLayout::new(self.width as u32, self.height as u32, 0);
        let mut words = Vec::with_capacity(layout.words() as usize);
        let corner = |tile: u32| (TILE_PX * tile) as i32 - (TILE_PX * PAD_TILES) as i32;
        for down in 0..layout.tiles_down() {
            for across in 0..layout.tiles_across {
                for row in 0..TILE_PX as i32 {
                    let codes = self.span::<4>(corner(across), corner(down) + row);
                    words.push(codes.iter().rev().fold(0, |word, code| word << 8 | *code as u32));
                }
            }
        }
        words
    }

    /// A row from its border on: pixel x is at `PAD + x`. Rows outside are the nearest inside.
    pub fn row(&self, y: i32) -> &[u8] {
        let start = y.clamp(0, self.height - 1) as usize * self.stride;
        &self.bytes[start..start + self.stride]
    }

    /// `N` pixels from x on; a start more than 12 px outside shows the edge all the same.
    pub fn span<const N: usize>(&self, x: i32, y: i32) -> [i32; N] {
        let start = (x.clamp(-12, self.width) + PAD as i32) as usize;
        let row = &self.row(y)[start..start + N];
        std::array::from_fn(|column| i32::from(row[column]))
    }

    pub fn code(&self, x: i32, y: i32) -> i32 {
        self.span::<1>(x, y)[0]
    }
}

/// U and V of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chroma {
    pub u: Plane,
    pub v: Plane,
}

impl Chroma {
    pub fn from_codes(layout: ChromaLayout, u: &[u8], v: &[u8]) -> Chroma {
        let (width, height) = (layout.u.width_px, layout.u.height_px);
        Chroma { u: Plane::from_codes(width, height, u), v: Plane::from_codes(width, height, v) }
    }
}
