//! Pixel copies between GStreamer's planes, which have strides and any size, and the engine's, which are tight and even.

use tweenfarm_protocol::output::Depth;

/// A plane as it lies in memory: rows of `width` codes, `stride` bytes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
}

/// Bytes of one code. Ten bits lie in two, the lower one first.
pub fn code_bytes(depth: Depth) -> usize {
    match depth {
        Depth::Eight => 1,
        Depth::Ten => 2,
    }
}

/// Rewrites every code of a row; `new` is told its place and what it was.
pub fn change(row: &mut [u8], depth: Depth, new: impl Fn(usize, u32) -> u32) {
    match depth {
        Depth::Eight => {
            for (x, code) in row.iter_mut().enumerate() {
                *code = new(x, u32::from(*code)) as u8;
            }
        }
        Depth::Ten => {
            for (x, bytes) in row.chunks_exact_mut(2).enumerate() {
                let code = new(x, u32::from(u16::from_le_bytes([bytes[0], bytes[1]])));
                bytes.copy_from_slice(&(code as u16).to_le_bytes());
            }
        }
    }
}

/// Copies a plane with a stride into a tight one that is as large or larger; what is missing at the right and at the
/// bottom repeats the edge, so that nothing of the picture is lost and nothing foreign borders it. `bytes` are those of a
/// code.
pub fn tighten(source: &[u8], from: Layout, tight: &mut [u8], width: usize, bytes: usize) {
    if from.width == 0 || width == 0 {
        return;
    }
    for (y, row) in tight.chunks_exact_mut(width * bytes).enumerate() {
        let start = y.min(from.height.saturating_sub(1)) * from.stride;
        let Some(line) = source.get(start..start + from.width * bytes) else { return };
        let (inside, beyond) = row.split_at_mut(from.width.min(width) * bytes);
        inside.copy_from_slice(&line[..inside.len()]);
        let edge = &line[line.len() - bytes..];
        beyond.chunks_exact_mut(bytes).for_each(|code| code.copy_from_slice(edge));
    }
}

/// Copies a tight plane into one with a stride.
pub fn spread(tight: &[u8], target: &mut [u8], to: Layout, bytes: usize) {
    if to.width == 0 || to.stride == 0 {
        return;
    }
    let row_bytes = to.width * bytes;
    for (line, row) in tight.chunks_exact(row_bytes).zip(target.chunks_mut(to.stride)).take(to.height) {
        if let Some(row) = row.get_mut(..row_bytes) {
            row.copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_odd_plane_grows_by_its_own_edge() {
        let source = [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9, 99];
        let mut tight = [0; 16];
        tighten(&source, Layout { width: 3, height: 3, stride: 4 }, &mut tight, 4, 1);
        assert_eq!(tight, [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 7, 8, 9, 9]);
    }

    #[test]
    fn a_last_row_without_its_padding_is_read() {
        let source = [1, 2, 0, 3, 4];
        let mut tight = [0; 4];
        tighten(&source, Layout { width: 2, height: 2, stride: 3 }, &mut tight, 2, 1);
        assert_eq!(tight, [1, 2, 3, 4]);
    }

    #[test]
    fn a_plane_spread_and_tightened_is_itself() {
        let tight: Vec<u8> = (0..12).collect();
        let layout = Layout { width: 4, height: 3, stride: 7 };
        let mut spread_out = [0; 7 * 3];
        spread(&tight, &mut spread_out, layout, 1);
        let mut back = vec![0; 12];
        tighten(&spread_out, layout, &mut back, 4, 1);
        assert_eq!(back, tight);
    }

    #[test]
    fn codes_of_two_bytes_stay_together() {
        let source = [1, 10, 2, 20, 3, 30, 99, 99, 4, 40, 5, 50, 6, 60];
        let layout = Layout { width: 3, height: 2, stride: 8 };
        let mut tight = [0; 16];
        tighten(&source, layout, &mut tight, 4, 2);
        assert_eq!(tight, [1, 10, 2, 20, 3, 30, 3, 30, 4, 40, 5, 50, 6, 60, 6, 60]);
        let mut spread_out = [7; 18];
        spread(&tight, &mut spread_out, Layout { width: 4, height: 2, stride: 9 }, 2);
        assert_eq!(spread_out[..10], [1, 10, 2, 20, 3, 30, 3, 30, 7, 4]);
    }

    proptest! {
        #[test]
        fn bytes_beyond_the_picture_are_neither_read_nor_written(
            (width, height, bytes, beyond) in (1..40_usize, 1..12_usize, 1..=2_usize, 0..23_usize),
            short_last_row in any::<bool>(),
            seed in any::<u8>(),
        ) {
            let layout = Layout { width, height, stride: width * bytes + beyond };
            let size = layout.stride * height - if short_last_row { beyond } else { 0 };
            let tight: Vec<u8> = (0..width * height * bytes).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect();
            let mut foreign = [vec![0x55; size], vec![0xAA; size]];
            for (target, untouched) in foreign.iter_mut().zip([0x55, 0xAA]) {
                spread(&tight, target, layout, bytes);
                for (at, byte) in target.iter().enumerate() {
                    let (y, x) = (at / layout.stride, at % layout.stride);
                    let expected = if x < width * bytes { tight[y * width * bytes + x] } else { untouched };
                    prop_assert_eq!(*byte, expected, "at {}", at);
                }
                let mut back = vec![0; tight.len()];
                tighten(target, layout, &mut back, width, bytes);
                prop_assert!(back == tight);
            }
        }
    }
}
