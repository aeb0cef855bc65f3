//! What stands still in a moving picture: logos, captions, the edges of bars. Found in the truth alone, so that every
//! method is held to the same pixels.

use super::luma::Luma;
use serde::{Deserialize, Serialize};

/// A pixel stands still when it stays within this range over all frames looked at: coding noise moves it by a code.
const RANGE_MAX: f32 = 2.0;
/// Still pixels wanted among the 5×5 around one: noise alone seldom leaves so many in place.
const NEIGHBOURS_MIN: usize = 9;
/// Detail: a still pixel beside it differs by this much. Flat pixels would look the same anywhere.
const STEP_MIN: f32 = 12.0;
/// Fewer pixels than this say nothing.
const PIXELS_MIN: usize = 64;

/// Places of the still detail in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct StillDetail(Vec<usize>);

/// How far a made frame moved what stands still, in codes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StillError {
    pub mean: f64,
    pub max: f64,
}

impl StillDetail {
    /// What stands still with detail over all of these frames; `None` of next to nothing.
    pub fn find(frames: &[Luma]) -> Option<StillDetail> {
        let first = frames.first()?;
        let (width, height) = (first.width_px, first.height_px);
        let mut low = first.to_floats();
        let mut high = low.clone();
        for frame in &frames[1..] {
            for (at, value) in frame.to_floats().into_iter().enumerate() {
                low[at] = low[at].min(value);
                high[at] = high[at].max(value);
            }
        }
        let still: Vec<bool> = low.iter().zip(&high).map(|(low, high)| high - low <= RANGE_MAX).collect();
        let around = |at: usize, reach: usize| {
            let (x, y) = (at % width, at / width);
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
            let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
            rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
        };
        let chosen = |at: &usize| {
            still[*at]
                && around(*at, 1).any(|near| still[near] && (low[near] - low[*at]).abs() >= STEP_MIN)
                && around(*at, 2).filter(|near| still[*near]).count() >= NEIGHBOURS_MIN
        };
        let places: Vec<usize> = (0..still.len()).filter(chosen).collect();
        (places.len() >= PIXELS_MIN).then_some(StillDetail(places))
    }

    pub fn error(&self, truth: &Luma, made: &Luma) -> StillError {
        let (truth, made) = (truth.to_floats(), made.to_floats());
        let differences = self.0.iter().map(|&at| f64::from((truth[at] - made[at]).abs()));
        let (sum, max) = differences.fold((0.0, 0.0_f64), |(sum, max), value| (sum + value, max.max(value)));
        StillError { mean: sum / self.0.len() as f64, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A texture that moves by `shift`, with a checked square of 4-pixel fields on it that does not.
    fn frame(shift: usize) -> Luma {
        let code = |x: usize, y: usize| {
            if (20..36).contains(&x) && (8..24).contains(&y) {
                return if (x / 4 + y / 4).is_multiple_of(2) { 40 } else { 200 };
            }
            ((x + shift) * 73 + (x + shift) * y % 91) as u8
        };
        Luma::from_bytes(64, 32, (0..64 * 32).map(|at| code(at % 64, at / 64)).collect())
    }

    #[test]
    fn a_logo_on_a_moving_picture_is_found_and_its_error_is_its_own() {
        let still = StillDetail::find(&[frame(0), frame(3), frame(6)]).expect("the square stands still");
        assert!(still.0.iter().all(|at| (20..36).contains(&(at % 64)) && (8..24).contains(&(at / 64))), "{still:?}");
        assert_eq!(still.error(&frame(3), &frame(6)), StillError { mean: 0.0, max: 0.0 });
        let dark = Luma::from_bytes(64, 32, vec![40; 64 * 32]);
        assert_eq!(still.error(&frame(3), &dark).max, 160.0);
    }

    #[test]
    fn a_flat_wall_is_not_detail() {
        let wall = Luma::from_bytes(64, 32, vec![90; 64 * 32]);
        assert_eq!(StillDetail::find(&[wall.clone(), wall]), None);
    }
}
