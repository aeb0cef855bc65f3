//! One Y plane on the 8-bit limited-range scale: bytes where that is exact, floats for deeper or full-range video.

/// A picture's brightness, row by row without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Luma {
    pub width_px: usize,
    pub height_px: usize,
    samples: Samples,
}

#[derive(Clone, Debug, PartialEq)]
enum Samples {
    /// 8-bit limited range, as stored.
    Bytes(Vec<u8>),
    /// Scaled to the 8-bit limited range: deeper samples, or full range.
    Floats(Vec<f32>),
}

impl Luma {
    /// 8-bit limited range. `samples` holds width × height bytes.
    pub fn from_bytes(width_px: usize, height_px: usize, samples: Vec<u8>) -> Luma {
        assert_eq!(samples.len(), width_px * height_px, "a Y plane has one sample per pixel");
        Luma { width_px, height_px, samples: Samples::Bytes(samples) }
    }

    /// Samples of `bits` bits, little endian in 16, or bytes of the full range.
    pub fn from_plane(width_px: usize, height_px: usize, plane: &[u8], bits: u32, full_range: bool) -> Luma {
        if bits <= 8 && !full_range {
            return Luma::from_bytes(width_px, height_px, plane.to_vec());
        }
        let divisor = f32::from(1_u16 << bits.saturating_sub(8));
        let limited = |value: f32| if full_range { value * (219.0 / 255.0) + 16.0 } else { value };
        let samples: Vec<f32> = if bits <= 8 {
            plane.iter().map(|&sample| limited(f32::from(sample))).collect()
        } else {
            let words = plane.chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
            words.map(|sample| limited(f32::from(sample) / divisor)).collect()
        };
        assert_eq!(samples.len(), width_px * height_px, "a Y plane has one sample per pixel");
        Luma { width_px, height_px, samples: Samples::Floats(samples) }
    }

    /// Writes row `y` into `row`, which holds one value per column.
    pub fn row(&self, y: usize, row: &mut [f32]) {
        let span = y * self.width_px..(y + 1) * self.width_px;
        match &self.samples {
            Samples::Bytes(bytes) => {
                for (value, &byte) in row.iter_mut().zip(&bytes[span]) {
                    *value = f32::from(byte);
                }
            }
            Samples::Floats(floats) => row.copy_from_slice(&floats[span]),
        }
    }

    /// The whole plane as floats.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.samples {
            Samples::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            Samples::Floats(floats) => floats.clone(),
        }
    }

    /// Calls `visit` with each row of two pictures of one size.
    pub fn for_rows(&self, other: &Luma, mut visit: impl FnMut(&[f32], &[f32])) {
        assert_eq!((self.width_px, self.height_px), (other.width_px, other.height_px), "pictures of one size");
        let (mut mine, mut theirs) = (vec![0.0; self.width_px], vec![0.0; self.width_px]);
        for y in 0..self.height_px {
            self.row(y, &mut mine);
            other.row(y, &mut theirs);
            visit(&mine, &theirs);
        }
    }

    /// Mean absolute difference per pixel.
    pub fn mean_difference(&self, other: &Luma) -> f64 {
        let mut sum = 0.0;
        self.for_rows(other, |mine, theirs| {
            sum += mine.iter().zip(theirs).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        });
        sum / (self.width_px * self.height_px) as f64
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two 32×24 pictures of a fixed noise over a ramp; the second is the first shifted and disturbed.
    pub fn picture_pair() -> (Luma, Luma) {
        let sample = |x: u32, y: u32, salt: u32| {
            let mut word = (x * 73_856_093) ^ (y * 19_349_663) ^ (salt * 83_492_791);
            word = (word ^ (word >> 13)).wrapping_mul(1_274_126_177);
            (word >> 16) % 32
        };
        let plane = |shift: u32, salt: u32| {
            let pixels = (0..24).flat_map(move |y| (0..32).map(move |x| (x, y)));
            pixels.map(|(x, y)| (40 + 4 * (x + shift) + 2 * y + sample(x, y, salt)) as u8).collect()
        };
        (Luma::from_bytes(32, 24, plane(0, 1)), Luma::from_bytes(32, 24, plane(2, 7)))
    }

    #[test]
    fn deeper_and_full_range_samples_land_on_the_8_bit_limited_scale() {
        let ten_bit = Luma::from_plane(2, 1, &[0x40, 0x00, 0xAC, 0x03], 10, false);
        assert_eq!(ten_bit.to_floats(), [16.0, 235.0]);
        let full = Luma::from_plane(2, 1, &[0, 255], 8, true);
        assert_eq!(full.to_floats(), [16.0, 235.0]);
    }
}
