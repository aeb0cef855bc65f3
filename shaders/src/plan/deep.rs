//! How planes of 10-bit codes lie in memory: row by row, four codes of 16 bits to a texel, inside a border left and right
//! of repeated edge codes; above and below readers clamp.

use crate::FrameSize;

/// Codes of a texel.
const TEXEL_CODES: usize = 4;
const TEXEL_WORDS: u32 = 2;
/// Texels of repeated edge codes left and right: as wide as the border of the planes that motion is searched on.
const PAD_TEXELS: u32 = 3;

/// One plane inside a buffer of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeepPlane {
    pub width_px: u32,
    pub height_px: u32,
    /// From one row to the next: border included.
    pub texels_across: u32,
    /// The first one of the border of the first row.
    pub first_texel: u32,
}

impl DeepPlane {
    fn new(width_px: u32, height_px: u32, first_texel: u32) -> DeepPlane {
        let texels_across = width_px.div_ceil(TEXEL_CODES as u32) + 2 * PAD_TEXELS;
        DeepPlane { width_px, height_px, texels_across, first_texel }
    }

    fn end_texel(&self) -> u32 {
        self.first_texel + self.texels_across * self.height_px
    }

    /// Copies a tight plane into its place among `bytes`, border included.
    pub fn lay_out(&self, codes: &[u8], bytes: &mut [u8]) {
        let row_bytes = 2 * TEXEL_CODES * self.texels_across as usize;
        let start = 2 * TEXEL_CODES * self.first_texel as usize;
        let (tight, pad) = (2 * self.width_px as usize, 2 * TEXEL_CODES * PAD_TEXELS as usize);
        for (row, source) in bytes[start..].chunks_exact_mut(row_bytes).zip(codes.chunks_exact(tight)) {
            let (left, rest) = row.split_at_mut(pad);
            let (inside, right) = rest.split_at_mut(tight);
            inside.copy_from_slice(source);
            for (border, edge) in [(left, &source[..2]), (right, &source[tight - 2..])] {
                border.chunks_exact_mut(2).for_each(|code| code.copy_from_slice(edge));
            }
        }
    }
}

/// Y, U and V one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeepLayout {
    pub planes: [DeepPlane; 3],
}

impl DeepLayout {
    pub fn new(size: FrameSize) -> DeepLayout {
        let y = DeepPlane::new(size.width_px, size.height_px, 0);
        let u = DeepPlane::new(size.width_px / 2, size.height_px / 2, y.end_texel());
        let v = DeepPlane { first_texel: u.end_texel(), ..u };
        DeepLayout { planes: [y, u, v] }
    }

    pub fn words(&self) -> u32 {
        TEXEL_WORDS * self.planes[2].end_texel()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_in_their_borders_one_after_the_other() {
        let layout = DeepLayout::new(FrameSize { width_px: 18, height_px: 16 });
        let [y, u, v] = layout.planes;
        assert_eq!((y.texels_across, u.texels_across, u.first_texel), (11, 9, 176));
        assert_eq!((v.first_texel, layout.words()), (176 + 72, 2 * (176 + 144)));
        let codes: Vec<u8> = (0..9 * 8_u16).flat_map(|at| (1000 - at).to_le_bytes()).collect();
        let mut bytes = vec![0xee; 4 * layout.words() as usize];
        u.lay_out(&codes, &mut bytes);
        let code = |texel: u32, at: u32| {
            let from = (8 * texel + 2 * at) as usize;
            u16::from_le_bytes([bytes[from], bytes[from + 1]])
        };
        let second_row = u.first_texel + u.texels_across;
        assert_eq!([code(second_row, 0), code(second_row + 2, 3), code(second_row + 3, 0)], [991, 991, 991]);
        assert_eq!([code(second_row + 3, 1), code(second_row + 5, 0), code(second_row + 5, 1)], [990, 983, 983]);
        assert_eq!(code(second_row + 8, 3), 983);
        assert_eq!(bytes[..8 * 176], [0xee; 8 * 176], "another plane was touched");
    }
}
