//! Twin of the planes that the shaders read, in rows instead of tiles: same borders, same clamps.

use crate::plan::{PAD_TILES, PlaneLayout, TILE_PX};
use crate::{Depth, FrameSize, PlanarFrame};

/// Repeated edge pixels left and right; on the right at least as many as a window can reach.
const PAD: usize = 16;

/// A pixel's code: 8 bits, or 10 in 16.
pub trait Code: Copy + Default + Into<i32> + PartialEq + Send + Sync {
    /// The largest one.
    const MOST: i32;
    /// A code of 8 bits in these.
    const UNIT: i32;
    const BYTES: usize;

    fn read(bytes: &[u8]) -> Self;
    /// `code` is within 0 and [`Code::MOST`].
    fn write(code: i32, bytes: &mut [u8]);
}

impl Code for u8 {
    const MOST: i32 = 255;
    const UNIT: i32 = 1;
    const BYTES: usize = 1;

    fn read(bytes: &[u8]) -> u8 {
        bytes[0]
    }

    fn write(code: i32, bytes: &mut [u8]) {
        bytes[0] = code as u8;
    }
}

impl Code for u16 {
    const MOST: i32 = 1023;
    const UNIT: i32 = 4;
    const BYTES: usize = 2;

    fn read(bytes: &[u8]) -> u16 {
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn write(code: i32, bytes: &mut [u8]) {
        bytes.copy_from_slice(&(code as u16).to_le_bytes());
    }
}

/// One plane of codes with its border of repeated edge pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane<C = u8> {
    pub width: i32,
    pub height: i32,
    stride: usize,
    codes: Vec<C>,
}

impl<C: Code> Plane<C> {
    /// A plane whose pixel (x, y) is `code(x, y)`; the border repeats the edges.
    pub fn from_fn(width: u32, height: u32, mut code: impl FnMut(i32, i32) -> C) -> Plane<C> {
        let stride = width as usize + 2 * PAD;
        let mut codes = Vec::with_capacity(stride * height as usize);
        for y in 0..height as i32 {
            let start = codes.len();
            codes.resize(start + PAD, C::default());
            codes.extend((0..width as i32).map(|x| code(x, y)));
            let (first, last) = (codes[start + PAD], codes[codes.len() - 1]);
            codes[start..start + PAD].fill(first);
            codes.resize(start + stride, last);
        }
        Plane { width: width as i32, height: height as i32, stride, codes }
    }

    /// Of a tight plane as it lies in memory.
    pub fn from_bytes(width: u32, height: u32, bytes: &[u8]) -> Plane<C> {
        Plane::from_fn(width, height, |x, y| C::read(&bytes[C::BYTES * (y as usize * width as usize + x as usize)..]))
    }

    /// A row from its border on: pixel x is at `PAD + x`. Rows outside are the nearest inside.
    pub fn row(&self, y: i32) -> &[C] {
        let start = y.clamp(0, self.height - 1) as usize * self.stride;
        &self.codes[start..start + self.stride]
    }

    /// `N` pixels from x on; a start more than 12 px outside shows the edge all the same.
    pub fn span<const N: usize>(&self, x: i32, y: i32) -> [i32; N] {
        let start = (x.clamp(-12, self.width) + PAD as i32) as usize;
        let row = &self.row(y)[start..start + N];
        std::array::from_fn(|column| row[column].into())
    }

    pub fn code(&self, x: i32, y: i32) -> i32 {
        self.span::<1>(x, y)[0]
    }
}

impl Plane {
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
}

/// All planes of one frame in all their bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planes {
    Eight([Plane; 3]),
    Ten([Plane<u16>; 3]),
}

impl Planes {
    pub fn of(frame: &PlanarFrame) -> Planes {
        match frame.depth() {
            Depth::Eight => Planes::Eight(planes(frame)),
            Depth::Ten => Planes::Ten(planes(frame)),
        }
    }
}

fn planes<C: Code>(frame: &PlanarFrame) -> [Plane<C>; 3] {
    let FrameSize { width_px, height_px } = frame.size();
    let [y, u, v] = frame.planes();
    let chroma = |bytes| Plane::from_bytes(width_px / 2, height_px / 2, bytes);
    [Plane::from_bytes(width_px, height_px, y), chroma(u), chroma(v)]
}
