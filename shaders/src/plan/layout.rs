//! How planes lie in memory: in tiles of 4x4 pixels, sixteen bytes each, inside a border of repeated edge pixels, so
//! that a window of up to 9x9 pixels may start anywhere without a clamp per pixel and is read in nine pieces.

use crate::{Depth, FrameSize};

/// Side of a tile, px. A tile is four words, a word for each row.
pub const TILE_PX: u32 = 4;
/// Tiles of repeated edge pixels on every side: a window that begins more than 12 pixels outside shows nothing but the edge.
pub const PAD_TILES: u32 = 3;
/// Words to a tile.
pub const TILE_WORDS: u32 = 4;

/// One plane inside a buffer of tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneLayout {
    pub width_px: u32,
    pub height_px: u32,
    /// From one row of tiles to the next: border included.
    pub tiles_across: u32,
    /// The upper left tile of the border.
    pub first_tile: u32,
}

impl PlaneLayout {
    pub fn new(width_px: u32, height_px: u32, first_tile: u32) -> PlaneLayout {
        PlaneLayout { width_px, height_px, tiles_across: width_px.div_ceil(TILE_PX) + 2 * PAD_TILES, first_tile }
    }

    /// `count` planes, each half the one before (rounded up), stored one after the other.
    pub fn pyramid(size: FrameSize, count: usize) -> Vec<PlaneLayout> {
        let mut levels = vec![PlaneLayout::new(size.width_px, size.height_px, 0)];
        for level in 1..count {
            let above = levels[level - 1];
            let (width_px, height_px) = (above.width_px.div_ceil(2), above.height_px.div_ceil(2));
            levels.push(PlaneLayout::new(width_px, height_px, above.end_tile()));
        }
        levels
    }

    /// Rows of tiles, border included.
    pub fn tiles_down(&self) -> u32 {
        self.height_px.div_ceil(TILE_PX) + 2 * PAD_TILES
    }

    pub fn words(&self) -> u32 {
        TILE_WORDS * self.tiles_across * self.tiles_down()
    }

    pub fn end_tile(&self) -> u32 {
        self.first_tile + self.tiles_across * self.tiles_down()
    }

    pub fn end_word(&self) -> u32 {
        TILE_WORDS * self.end_tile()
    }

    /// Copies a tight plane into its place among `bytes`, border included.
    pub fn lay_out(&self, codes: &[u8], bytes: &mut [u8]) {
        let (width, pad) = (self.width_px as usize, PAD_TILES as usize);
        let row_bytes = 16 * self.tiles_across as usize;
        let start = 16 * self.first_tile as usize;
        let whole = width / 4;
        let last_row = self.height_px as i64 - 1;
        for (tile_row, tiles) in bytes[start..].chunks_exact_mut(row_bytes).take(self.tiles_down() as usize).enumerate()
        {
            let y = 4 * (tile_row as i64 - pad as i64);
            let rows: [&[u8]; 4] = std::array::from_fn(|row| {
                let from = (y + row as i64).clamp(0, last_row) as usize * width;
                &codes[from..from + width]
            });
            let inside = tiles[16 * pad..].chunks_exact_mut(16).zip(
                rows[0]
                    .chunks_exact(4)
                    .zip(rows[1].chunks_exact(4))
                    .zip(rows[2].chunks_exact(4).zip(rows[3].chunks_exact(4))),
            );
            for (tile, ((one, two), (three, four))) in inside {
                tile[..4].copy_from_slice(one);
                tile[4..8].copy_from_slice(two);
                tile[8..12].copy_from_slice(three);
                tile[12..].copy_from_slice(four);
            }
            let edges = (0..pad).chain(pad + whole..self.tiles_across as usize);
            for at in edges {
                for (row, codes) in rows.iter().enumerate() {
                    for lane in 0..4 {
                        let x = (4 * at + lane).saturating_sub(4 * pad).min(width - 1);
                        tiles[16 * at + 4 * row + lane] = codes[x];
                    }
                }
            }
        }
    }
}

/// The two chroma planes, half the luma's size, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChromaLayout {
    pub u: PlaneLayout,
    pub v: PlaneLayout,
}

impl ChromaLayout {
    pub fn new(size: FrameSize) -> ChromaLayout {
        let u = PlaneLayout::new(size.width_px / 2, size.height_px / 2, 0);
        ChromaLayout { u, v: PlaneLayout { first_tile: u.end_tile(), ..u } }
    }

    pub fn words(&self) -> u32 {
        self.v.end_word()
    }
}

/// A made frame: Y, U and V one after the other, no border. Rows end at whole words of the chroma planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeLayout {
    /// Words of a chroma row; a luma row has twice as many.
    pub chroma_stride_words: u32,
    pub u_word: u32,
    pub v_word: u32,
    pub words: u32,
}

impl MadeLayout {
    pub fn new(size: FrameSize, depth: Depth) -> MadeLayout {
        let chroma_stride_words = depth.code_bytes() as u32 * size.width_px.div_ceil(8);
        let u_word = 2 * chroma_stride_words * size.height_px;
        let chroma_words = chroma_stride_words * (size.height_px / 2);
        MadeLayout { chroma_stride_words, u_word, v_word: u_word + chroma_words, words: u_word + 2 * chroma_words }
    }
}

/// A rectangle of nodes or cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub columns: u32,
    pub rows: u32,
}

impl Grid {
    pub fn count(self) -> u32 {
        self.columns * self.rows
    }

    pub fn halved(self) -> Grid {
        Grid { columns: self.columns.div_ceil(2), rows: self.rows.div_ceil(2) }
    }
}
