//! Twin of the padded planes that the shaders read: same borders, same clamps.

use crate::plan::{ChromaLayout, PAD_PX, PlaneLayout};

const PAD: usize = PAD_PX as usize;

/// One plane of 8-bit codes with its border of repeated edge pixels, laid out as on the device.
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
        let stride = PlaneLayout::new(width, height, 0).stride_words as usize * 4;
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

    /// The bytes as they lie on the device.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A row from its border on: pixel x is at `PAD_PX + x`. Rows outside are the nearest inside.
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
