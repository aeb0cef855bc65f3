//! From 10 bits to 8 and back. Fewer bits are dithered by place, so that a gradient has no bands and a still picture
//! no flicker; the mean code is exact. Whole numbers, the same on every machine. Knows no GStreamer.

use tweenfarm_protocol::output::Depth;

/// What is added before two bits go, by place: each once in two by two pixels, the finest pattern there is.
const THRESHOLDS: [[u16; 2]; 2] = [[0, 2], [3, 1]];

/// Rewrites row `y` of a plane from one depth to another. Ten bits lie in two bytes, the lower one first.
pub fn row(source: &[u8], from: Depth, target: &mut [u8], to: Depth, y: usize) {
    match (from, to) {
        (Depth::Ten, Depth::Eight) => {
            let [even, odd] = THRESHOLDS[y % 2];
            let fewer = |bytes: &[u8], threshold| {
                let code = u16::from_le_bytes([bytes[0], bytes[1]]);
                // The highest codes have nothing above them.
                ((code.min(1020) + threshold) >> 2) as u8
            };
            for (codes, made) in source.chunks(4).zip(target.chunks_mut(2)) {
                for ((code, made), threshold) in codes.chunks_exact(2).zip(made).zip([even, odd]) {
                    *made = fewer(code, threshold);
                }
            }
        }
        (Depth::Eight, Depth::Ten) => {
            for (code, made) in source.iter().zip(target.chunks_exact_mut(2)) {
                made.copy_from_slice(&(u16::from(*code) << 2).to_le_bytes());
            }
        }
        (Depth::Eight, Depth::Eight) | (Depth::Ten, Depth::Ten) => {
            for (code, made) in source.iter().zip(target) {
                *made = *code;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_eight(code: u16, x: usize, y: usize) -> u8 {
        let source: Vec<u8> = code.to_le_bytes().repeat(x + 1);
        let mut made = vec![0; x + 1];
        row(&source, Depth::Ten, &mut made, Depth::Eight, y);
        made[x]
    }

    #[test]
    fn two_by_two_pixels_have_the_exact_mean() {
        for code in 0..=1020 {
            let sum: u16 =
                [(0, 0), (1, 0), (0, 1), (1, 1)].iter().map(|(x, y)| u16::from(to_eight(code, *x, *y))).sum();
            assert_eq!(sum, code, "{code}");
        }
        assert_eq!((to_eight(1023, 0, 1), to_eight(1023, 1, 1)), (255, 255));
    }

    #[test]
    fn eight_bits_come_back_from_ten_as_they_were_wherever_they_stand() {
        let codes: Vec<u8> = (0..=255).collect();
        let mut deep = vec![0; 512];
        row(&codes, Depth::Eight, &mut deep, Depth::Ten, 0);
        for y in 0..2 {
            let mut back = vec![0; 256];
            row(&deep, Depth::Ten, &mut back, Depth::Eight, y);
            assert_eq!(back, codes);
        }
    }

    #[test]
    fn a_row_of_odd_length_is_whole() {
        let mut made = [9; 4];
        row(&[4, 0, 8, 0, 12, 0], Depth::Ten, &mut made[..3], Depth::Eight, 0);
        assert_eq!(made, [1, 2, 3, 9]);
    }
}
