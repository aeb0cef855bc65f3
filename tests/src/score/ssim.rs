//! Structural similarity.
//! Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
//! 2004, equation 13, with its window (11×11 gaussian, sigma 1.5), over the valid region, without downsampling.

use super::luma::Luma;

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f32 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f32 = (0.03 * 255.0) * (0.03 * 255.0);
/// Filtered planes: both means, the sum of both mean squares (only their sum is needed), the mean product.
const MAPS: usize = 4;

/// The mean over the valid region, at most 1; `None` for a picture smaller than the window.
pub fn ssim(a: &Luma, b: &Luma) -> Option<f64> {
    let (width, height) = (a.width_px, a.height_px);
    if width < WINDOW || height < WINDOW {
        return None;
    }
    let columns = width - (WINDOW - 1);
    let kernel = kernel();
    // The last 11 rows of each map, filtered across; a row of the result is their weighted sum downwards.
    let mut rows = vec![0.0_f32; WINDOW * MAPS * columns];
    let mut sums = vec![0.0_f32; MAPS * columns];
    let (mut squares, mut products) = (vec![0.0_f32; width], vec![0.0_f32; width]);
    let (mut y, mut total) = (0, 0.0_f64);
    a.for_rows(b, |row_a, row_b| {
        for x in 0..width {
            squares[x] = row_a[x] * row_a[x] + row_b[x] * row_b[x];
            products[x] = row_a[x] * row_b[x];
        }
        let slot = (y % WINDOW) * MAPS * columns;
        let across = rows[slot..slot + MAPS * columns].chunks_exact_mut(columns);
        for (filtered, source) in across.zip([row_a, row_b, &squares, &products]) {
            filter_across(source, &kernel, filtered);
        }
        if y + 1 >= WINDOW {
            sums.fill(0.0);
            for (tap, weight) in kernel.iter().enumerate() {
                // The oldest row stands in the slot after the newest.
                let slot = ((y + 1 + tap) % WINDOW) * MAPS * columns;
                for (sum, value) in sums.iter_mut().zip(&rows[slot..slot + MAPS * columns]) {
                    *sum += weight * value;
                }
            }
            total += row_similarity(&sums, columns);
        }
        y += 1;
    });
    Some(total / (columns * (height - (WINDOW - 1))) as f64)
}

fn kernel() -> [f32; WINDOW] {
    let weight = |tap: usize| {
        let distance = tap as f64 - (WINDOW / 2) as f64;
        (-distance * distance / (2.0 * SIGMA * SIGMA)).exp()
    };
    let sum: f64 = (0..WINDOW).map(weight).sum();
    std::array::from_fn(|tap| (weight(tap) / sum) as f32)
}

fn filter_across(source: &[f32], kernel: &[f32; WINDOW], filtered: &mut [f32]) {
    filtered.fill(0.0);
    for (tap, weight) in kernel.iter().enumerate() {
        for (value, sample) in filtered.iter_mut().zip(&source[tap..]) {
            *value += weight * sample;
        }
    }
}

fn row_similarity(sums: &[f32], columns: usize) -> f64 {
    let (mean_a, rest) = sums.split_at(columns);
    let (mean_b, rest) = rest.split_at(columns);
    let (squares, products) = rest.split_at(columns);
    (0..columns)
        .map(|x| {
            let mean_squares = mean_a[x] * mean_a[x] + mean_b[x] * mean_b[x];
            let mean_product = mean_a[x] * mean_b[x];
            let (variances, covariance) = (squares[x] - mean_squares, products[x] - mean_product);
            let luminance = (2.0 * mean_product + C1) / (mean_squares + C1);
            let structure = (2.0 * covariance + C2) / (variances + C2);
            f64::from(luminance * structure)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{super::luma::tests::picture_pair, *};

    /// Computed apart in float64 by numpy: a direct 11×11 sum around each pixel, deviations from the mean, no separable filter.
    const EXPECTED: f64 = 0.495_727_051_1;

    #[test]
    fn a_known_pair_scores_what_a_direct_sum_says() {
        let (a, b) = picture_pair();
        let found = ssim(&a, &b).expect("the pictures are larger than the window");
        assert!((found - EXPECTED).abs() < 1e-5, "{found}");
    }

    #[test]
    fn identical_pictures_score_one() {
        let (a, _) = picture_pair();
        let found = ssim(&a, &a).expect("the pictures are larger than the window");
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn a_picture_smaller_than_the_window_has_no_score() {
        let tiny = Luma::from_bytes(10, 20, vec![0; 200]);
        assert_eq!(ssim(&tiny, &tiny), None);
    }
}
