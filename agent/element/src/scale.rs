//! Scaling of planes: Lanczos with three lobes, in whole numbers once its weights are made, so that every segment of a
//! job is scaled alike. Knows where chroma samples sit; knows no GStreamer.

use crate::planes::{Layout, code_bytes};
use rayon::prelude::*;
use tweenfarm_protocol::output::Depth;

/// Lobes of the kernel on either side: sharp, and it rings little.
const LOBES: f64 = 3.0;
/// Weights are in 1/16384: their sum times the largest code and its overshoot stays within 32 bits.
const WEIGHT_BITS: u32 = 14;
/// Between both directions samples have four bits below a code, and a 10-bit one with its overshoot fits 16 bits.
const MIDDLE_BITS: u32 = 4;
/// Rows that one thread makes at a time: few enough to share out, many enough that what they have in common is little.
const BAND_ROWS: usize = 32;

/// Where a chroma sample sits among the luma samples it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Siting {
    /// At the left one of them rather than between both.
    pub left: bool,
    /// At the upper one rather than between both.
    pub top: bool,
}

impl Siting {
    /// As H.264 and HEVC mean it when nothing is said.
    pub const USUAL: Siting = Siting { left: true, top: false };
}

/// Width and height of a picture in luma pixels.
pub type Sides = [usize; 2];

/// Scales pictures of 4:2:0 from one size to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    luma: [Axis; 2],
    chroma: [Axis; 2],
    depth: Depth,
}

impl Scaler {
    pub fn new(from: Sides, to: Sides, siting: Siting, depth: Depth) -> Scaler {
        let cosited = [siting.left, siting.top];
        let luma = std::array::from_fn(|side| Axis::luma(from[side], to[side]));
        let chroma = std::array::from_fn(|side| Axis::chroma(from[side], to[side], cosited[side]));
        Scaler { luma, chroma, depth }
    }

    /// Scales one plane: 0 is luma, the others are chroma. Layouts are those of the sizes told at first.
    pub fn plane(&self, plane: usize, source: &[u8], from: Layout, target: &mut [u8], to: Layout) {
        let [across, down] = if plane == 0 { &self.luma } else { &self.chroma };
        let row_bytes = from.width * code_bytes(self.depth);
        if to.stride == 0 || from.width == 0 {
            return;
        }
        let rows = |row: usize| source.get(row * from.stride..row * from.stride + row_bytes);
        target.par_chunks_mut(to.stride * BAND_ROWS).enumerate().for_each(|(band, lines)| {
            let first = band * BAND_ROWS;
            let count = lines.len().div_ceil(to.stride).min(to.height.saturating_sub(first));
            let Some(last) = count.checked_sub(1).map(|more| first + more) else { return };
            let top = down.start(first);
            let narrowed: Vec<Vec<i16>> = (top..down.start(last) + down.taps)
                .map(|row| rows(row).map_or_else(|| vec![0; to.width], |bytes| across.apply(bytes, self.depth)))
                .collect();
            for (line, y) in lines.chunks_mut(to.stride).zip(first..=last) {
                let at = down.start(y) - top;
                mix(&narrowed[at..at + down.taps], down.weights(y), line, self.depth);
            }
        });
    }
}

/// One direction: which samples make each sample of the result, and by which weights.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    taps: usize,
    /// The first source sample of each sample of the result; all its taps are inside.
    starts: Vec<usize>,
    /// `taps` for each sample, together 1; of 16 bits, since processors multiply those fastest.
    weights: Vec<i16>,
}

impl Axis {
    fn luma(from: usize, to: usize) -> Axis {
        let ratio = from as f64 / to as f64;
        Axis::new(from, to, ratio, (ratio - 1.0) / 2.0)
    }

    /// `from` and `to` are luma's; a chroma sample stands for two of them.
    fn chroma(from: usize, to: usize, cosited: bool) -> Axis {
        let ratio = from as f64 / to as f64;
        let offset = if cosited { (ratio - 1.0) / 4.0 } else { (ratio - 1.0) / 2.0 };
        Axis::new(from.div_ceil(2), to.div_ceil(2), ratio, offset)
    }

    /// Sample `i` of the result stands at `i * ratio + offset` of the source.
    fn new(from: usize, to: usize, ratio: f64, offset: f64) -> Axis {
        // A smaller picture sees as much of the source in each sample as it covers.
        let spread = ratio.max(1.0);
        let reach = (LOBES * spread).ceil();
        let taps = (2 * reach as usize).min(from);
        let last = from as i64 - 1;
        let mut axis = Axis { taps, starts: Vec::with_capacity(to), weights: Vec::with_capacity(to * taps) };
        for index in 0..to {
            let place = index as f64 * ratio + offset;
            let first = place.floor() as i64 - reach as i64 + 1;
            let start = first.clamp(0, (from - taps) as i64);
            let mut window = vec![0.0; taps];
            for sample in first..first + 2 * reach as i64 {
                // Beyond the edge the edge goes on.
                let within = (sample.clamp(0, last) - start).clamp(0, taps as i64 - 1);
                window[within as usize] += lanczos((sample as f64 - place) / spread);
            }
            axis.starts.push(start as usize);
            axis.weights.extend(whole(&window));
        }
        axis
    }

    fn start(&self, index: usize) -> usize {
        self.starts[index]
    }

    fn weights(&self, index: usize) -> &[i16] {
        &self.weights[index * self.taps..(index + 1) * self.taps]
    }

    /// A row of codes, with `MIDDLE_BITS` below each.
    fn apply(&self, row: &[u8], depth: Depth) -> Vec<i16> {
        let codes: Vec<i32> = match depth {
            Depth::Eight => row.iter().map(|code| i32::from(*code)).collect(),
            Depth::Ten => row.chunks_exact(2).map(|code| i32::from(u16::from_le_bytes([code[0], code[1]]))).collect(),
        };
        match self.taps {
            6 => self.sums::<6>(&codes),
            8 => self.sums::<8>(&codes),
            10 => self.sums::<10>(&codes),
            12 => self.sums::<12>(&codes),
            _ => self
                .starts
                .iter()
                .zip(self.weights.chunks_exact(self.taps))
                .map(|(s, w)| sum(w, &codes[*s..]))
                .collect(),
        }
    }

    /// With the number of taps known when this is compiled: what every enlargement and a step down to a half have.
    fn sums<const TAPS: usize>(&self, codes: &[i32]) -> Vec<i16> {
        let weights = self.weights.chunks_exact(TAPS);
        let of = |(start, weights): (&usize, &[i16])| {
            let (mut sum, codes) = (1 << (WEIGHT_BITS - MIDDLE_BITS - 1), &codes[*start..*start + TAPS]);
            for tap in 0..TAPS {
                sum += i32::from(weights[tap]) * codes[tap];
            }
            (sum >> (WEIGHT_BITS - MIDDLE_BITS)) as i16
        };
        self.starts.iter().zip(weights).map(of).collect()
    }
}

fn sum(weights: &[i16], codes: &[i32]) -> i16 {
    let sum: i32 = weights.iter().zip(codes).map(|(weight, code)| i32::from(*weight) * code).sum();
    ((sum + (1 << (WEIGHT_BITS - MIDDLE_BITS - 1))) >> (WEIGHT_BITS - MIDDLE_BITS)) as i16
}

/// Mixes rows into codes.
fn mix(rows: &[Vec<i16>], weights: &[i16], line: &mut [u8], depth: Depth) {
    let width = rows.first().map_or(0, Vec::len);
    let mut sums = vec![1_i32 << (WEIGHT_BITS + MIDDLE_BITS - 1); width];
    for (row, weight) in rows.iter().zip(weights) {
        for (sum, sample) in sums.iter_mut().zip(row) {
            *sum += i32::from(*weight) * i32::from(*sample);
        }
    }
    let code = |sum: i32, most: i32| (sum >> (WEIGHT_BITS + MIDDLE_BITS)).clamp(0, most);
    match depth {
        Depth::Eight => {
            for (byte, sum) in line.iter_mut().zip(sums) {
                *byte = code(sum, 255) as u8;
            }
        }
        Depth::Ten => {
            for (bytes, sum) in line.chunks_exact_mut(2).zip(sums) {
                bytes.copy_from_slice(&(code(sum, 1023) as u16).to_le_bytes());
            }
        }
    }
}

fn lanczos(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        return 1.0;
    }
    if x.abs() >= LOBES {
        return 0.0;
    }
    let angle = std::f64::consts::PI * x;
    LOBES * angle.sin() * (angle / LOBES).sin() / (angle * angle)
}

/// Weights as whole numbers; together exactly 1, so that a flat surface keeps its code.
fn whole(window: &[f64]) -> Vec<i16> {
    let one = 1_i32 << WEIGHT_BITS;
    let total: f64 = window.iter().sum();
    let mut weights: Vec<i16> = window.iter().map(|weight| (weight / total * f64::from(one)).round() as i16).collect();
    let missing = one - weights.iter().map(|weight| i32::from(*weight)).sum::<i32>();
    if let Some(largest) = weights.iter_mut().max() {
        *largest += missing as i16;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(width: usize, height: usize, depth: Depth) -> Layout {
        Layout { width, height, stride: width * code_bytes(depth) }
    }

    /// Scales one plane of 8-bit codes; chroma's sizes are luma's still.
    fn scaled(codes: &[u8], plane: usize, from: Sides, to: Sides, siting: Siting) -> Vec<u8> {
        let halves = |sides: Sides| if plane == 0 { sides } else { sides.map(|side| side.div_ceil(2)) };
        let ([width, height], [to_width, to_height]) = (halves(from), halves(to));
        let mut made = vec![0; to_width * to_height];
        let scaler = Scaler::new(from, to, siting, Depth::Eight);
        let (from, to) = (layout(width, height, Depth::Eight), layout(to_width, to_height, Depth::Eight));
        scaler.plane(plane, codes, from, &mut made, to);
        made
    }

    #[test]
    fn the_same_size_keeps_every_code() {
        let codes: Vec<u8> = (0..64 * 48).map(|at| (at * 37 % 251) as u8).collect();
        assert_eq!(scaled(&codes, 0, [64, 48], [64, 48], Siting::USUAL), codes);
        assert_eq!(scaled(&codes, 1, [128, 96], [128, 96], Siting::USUAL), codes);
    }

    #[test]
    fn a_flat_surface_keeps_its_code_at_every_size_and_depth() {
        let sizes: [(Sides, Sides); 4] =
            [([64, 48], [128, 96]), ([64, 48], [42, 20]), ([65, 47], [500, 30]), ([3, 2], [64, 64])];
        for (from, to) in sizes {
            for plane in [0, 1] {
                let size = if plane == 0 { from[0] * from[1] } else { from[0].div_ceil(2) * from[1].div_ceil(2) };
                let made = scaled(&vec![235; size], plane, from, to, Siting::USUAL);
                assert!(made.iter().all(|code| *code == 235), "{from:?} to {to:?}");
            }
        }
        let flat: Vec<u8> = [0x03_u8, 0x02].repeat(32 * 32);
        let mut made = vec![0; 2 * 80 * 20];
        let scaler = Scaler::new([32, 32], [80, 20], Siting::USUAL, Depth::Ten);
        scaler.plane(0, &flat, layout(32, 32, Depth::Ten), &mut made, layout(80, 20, Depth::Ten));
        assert!(made.chunks(2).all(|code| code == [0x03, 0x02]));
    }

    /// A ramp that rises by `step` a luma pixel, as luma and chroma see it.
    fn ramp(width: usize, height: usize, at: impl Fn(f64) -> f64) -> Vec<u8> {
        let row: Vec<u8> = (0..width).map(|x| at(x as f64).round() as u8).collect();
        row.repeat(height)
    }

    #[test]
    fn a_ramp_stays_where_it_is_in_luma_and_in_chroma_of_every_siting() {
        // Twice as large: pixel x of the result stands at (x + 1/2) / 2 - 1/2 of the source.
        let luma = scaled(&ramp(48, 16, |x| 20.0 + 4.0 * x), 0, [48, 16], [96, 32], Siting::USUAL);
        for (x, code) in (8..88).map(|x| (x, luma[16 * 96 + x])) {
            let exact = 20.0 + 4.0 * ((x as f64 + 0.5) / 2.0 - 0.5);
            assert!((f64::from(code) - exact).abs() <= 0.76, "luma {x}: {code}, not {exact}");
        }
        for left in [true, false] {
            let siting = Siting { left, top: false };
            // Where the chroma sample stands among the luma pixels.
            let place = |x: f64| if left { 2.0 * x } else { 2.0 * x + 0.5 };
            let source = ramp(24, 8, |x| 20.0 + 4.0 * place(x));
            let chroma = scaled(&source, 1, [48, 16], [96, 32], siting);
            for (x, code) in (8..40).map(|x| (x, chroma[8 * 48 + x])) {
                let exact = 20.0 + 4.0 * ((place(x as f64) + 0.5) / 2.0 - 0.5);
                assert!((f64::from(code) - exact).abs() <= 0.76, "chroma {x} left {left}: {code}, not {exact}");
            }
        }
    }

    #[test]
    fn a_smaller_picture_has_no_aliases() {
        // Stripes of one pixel are grey from afar.
        let stripes: Vec<u8> = (0..128 * 32).map(|at| if at % 2 == 0 { 16 } else { 235 }).collect();
        let made = scaled(&stripes, 0, [128, 32], [48, 12], Siting::USUAL);
        let inner = made.chunks(48).flat_map(|row| &row[4..44]);
        assert!(inner.into_iter().all(|code| code.abs_diff(125) <= 6), "{:?}", &made[..48]);
    }

    #[test]
    fn padding_of_rows_is_neither_read_nor_written() {
        let mut source = vec![99; 40 * 16];
        for row in source.chunks_mut(40) {
            row[..32].fill(50);
        }
        let mut made = vec![7; 80 * 32];
        let scaler = Scaler::new([32, 16], [64, 32], Siting::USUAL, Depth::Eight);
        let (from, to) = (Layout { width: 32, height: 16, stride: 40 }, Layout { width: 64, height: 32, stride: 80 });
        scaler.plane(0, &source, from, &mut made, to);
        assert!(made.chunks(80).all(|row| row[..64].iter().all(|c| *c == 50) && row[64..].iter().all(|c| *c == 7)));
    }
}
