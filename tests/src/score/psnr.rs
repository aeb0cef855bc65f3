//! Peak signal to noise ratio: of the whole picture, and of the pixels that came out worst.

use super::luma::Luma;

/// Above this nobody sees a difference; identical pictures score it, so that they don't carry a mean to infinity.
pub const PSNR_MAX_DB: f64 = 60.0;

/// Differences are sorted into bins of 1/16: exact for 8 and 10 bits, and finer than a score's rounding for the rest.
const BINS_PER_LEVEL: f32 = 16.0;
const BIN_COUNT: usize = 256 * 16;

/// What one comparison of two pictures says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean squared error of all pixels.
    pub mse: f64,
    /// Mean squared error of the worst 5 % of the pixels.
    pub mse_worst: f64,
}

impl Noise {
    pub fn psnr_db(&self) -> f64 {
        psnr_db(self.mse)
    }

    pub fn psnr_worst_db(&self) -> f64 {
        psnr_db(self.mse_worst)
    }
}

/// Decibels of a mean squared error on the 8-bit scale, at most `PSNR_MAX_DB`.
pub fn psnr_db(mse: f64) -> f64 {
    if mse > 0.0 { (10.0 * (255.0 * 255.0 / mse).log10()).min(PSNR_MAX_DB) } else { PSNR_MAX_DB }
}

pub fn noise(truth: &Luma, made: &Luma) -> Noise {
    let mut bins = vec![(0_u32, 0.0_f64); BIN_COUNT];
    let mut sum = 0.0;
    truth.for_rows(made, |a, b| {
        for (x, y) in a.iter().zip(b) {
            let difference = (x - y).abs();
            let square = f64::from(difference) * f64::from(difference);
            let bin = &mut bins[((difference * BINS_PER_LEVEL) as usize).min(BIN_COUNT - 1)];
            bin.0 += 1;
            bin.1 += square;
            sum += square;
        }
    });
    let pixels = truth.width_px * truth.height_px;
    Noise { mse: sum / pixels as f64, mse_worst: worst(&bins, pixels.div_ceil(20)) }
}

/// The mean square of the `wanted` largest differences; a bin that is needed in part counts with its mean.
fn worst(bins: &[(u32, f64)], wanted: usize) -> f64 {
    let (mut left, mut sum) = (wanted as f64, 0.0);
    for &(count, squares) in bins.iter().rev().filter(|(count, _)| *count > 0) {
        let taken = f64::from(count).min(left);
        sum += squares * taken / f64::from(count);
        left -= taken;
        if left <= 0.0 {
            break;
        }
    }
    sum / wanted.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::{super::luma::tests::picture_pair, *};

    #[test]
    fn identical_pictures_score_the_cap() {
        let (a, _) = picture_pair();
        assert_eq!(noise(&a, &a).psnr_db(), PSNR_MAX_DB);
        assert_eq!(noise(&a, &a).psnr_worst_db(), PSNR_MAX_DB);
    }

    #[test]
    fn noise_of_a_known_pair_is_what_numpy_says() {
        let (a, b) = picture_pair();
        let found = noise(&a, &b);
        // numpy: mean((a-b)**2) in float64, and the mean of its 39 largest of 768 squares.
        assert!((found.mse - EXPECTED_MSE).abs() < 1e-9, "{found:?}");
        assert!((found.mse_worst - EXPECTED_MSE_WORST).abs() < 1e-9, "{found:?}");
        assert!((found.psnr_db() - EXPECTED_PSNR).abs() < 1e-6, "{}", found.psnr_db());
    }

    #[test]
    fn the_worst_pixels_are_counted_apart() {
        let truth = Luma::from_bytes(10, 10, vec![100; 100]);
        let mut made = vec![100; 100];
        made[37] = 120;
        let found = noise(&truth, &Luma::from_bytes(10, 10, made));
        assert_eq!((found.mse, found.mse_worst), (4.0, 80.0));
    }

    const EXPECTED_MSE: f64 = 229.035_156_25;
    const EXPECTED_MSE_WORST: f64 = 1_095.871_794_871_795;
    const EXPECTED_PSNR: f64 = 24.531_782_104;
}
