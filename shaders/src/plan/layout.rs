//! How planes lie in memory: four pixels to a word, a border of repeated edge pixels left and right, so that a window
//! may start anywhere without a clamp per pixel. Rows are clamped by the reader.

use crate::FrameSize;

/// Repeated edge pixels on the left; on the right at least as many follow the last whole word. The widest window is 12
/// pixels from a word's start, and a window that begins more than 12 pixels outside shows nothing but the edge.
pub const PAD_PX: u32 = 16;

/// One plane inside a buffer of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneLayout {
    pub width_px: u32,
    pub height_px: u32,
    /// Words from one row to the next.
    pub stride_words: u32,
    /// Where the border of the first row starts.
    pub first_word: u32,
}

impl PlaneLayout {
    pub fn new(width_px: u32, height_px: u32, first_word: u32) -> PlaneLayout {
        PlaneLayout { width_px, height_px, stride_words: width_px.div_ceil(4) + 2 * PAD_PX / 4, first_word }
    }

    /// `count` planes, each half the one before (rounded up), stored one after the other.
    pub fn pyramid(size: FrameSize, count: usize) -> Vec<PlaneLayout> {
        let mut levels = vec![PlaneLayout::new(size.width_px, size.height_px, 0)];
        for level in 1..count {
            let above = levels[level - 1];
            let (width_px, height_px) = (above.width_px.div_ceil(2), above.height_px.div_ceil(2));
            levels.push(PlaneLayout::new(width_px, height_px, above.end_word()));
        }
        levels
    }

    pub fn words(&self) -> u32 {
        self.stride_words * self.height_px
    }

    pub fn end_word(&self) -> u32 {
        self.first_word + self.words()
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
        ChromaLayout { u, v: PlaneLayout { first_word: u.end_word(), ..u } }
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
    pub fn new(size: FrameSize) -> MadeLayout {
        let chroma_stride_words = size.width_px.div_ceil(8);
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
