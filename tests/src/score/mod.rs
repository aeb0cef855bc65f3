//! How a re-made clip is scored: frames are dropped, an interpolator makes them again, and only those are compared with
//! the truth. Knows no interpolator and prints nothing.
//!
//! Only the Y plane counts, on the 8-bit limited-range scale, without cropping. An output frame belongs to a source frame
//! by TIME; where no frame stands near enough, the one a viewer would see then is scored and counted as missing.

pub mod cut;
pub mod luma;
pub mod manifest;
pub mod psnr;
pub mod read;
pub mod ssim;
pub mod still;
pub mod task;

pub use manifest::{Clip, ClipSet};
pub use task::{FrameScore, Score, Source, TaskInput};

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The percentile by linear interpolation between the two nearest ranks; `None` of nothing.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let rank = percent / 100.0 * last as f64;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (rank - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_the_nearest_ranks() {
        // numpy.percentile([4, 1, 3, 2, 10], 5) and of 50, 95
        let values = [4.0, 1.0, 3.0, 2.0, 10.0];
        for (percent, expected) in [(5.0, 1.2), (50.0, 3.0), (95.0, 8.8)] {
            let found = percentile(values, percent).expect("there are values");
            assert!((found - expected).abs() < 1e-12, "{percent}: {found}");
        }
        assert_eq!(percentile([], 5.0), None);
        assert_eq!(mean([1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(mean([]), None);
    }
}
