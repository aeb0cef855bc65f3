//! A frame made inside a scene cut: does it show one shot, or a ghost of both?

use super::luma::Luma;

/// Half the side of the 9×9 neighbourhood whose range a pixel may lie in.
const REACH: usize = 4;
/// Coding noise that still counts as the same shot, in 8-bit levels.
const TOLERANCE: f32 = 6.0;
/// Fewer pixels in which the shots differ say nothing.
const PIXELS_MIN: usize = 200;
/// A frame passes when this share of those pixels is explained by one shot.
pub const PURITY_MIN: f64 = 0.95;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutScore {
    /// Share of the pixels in which both shots differ that one shot explains.
    pub purity: f64,
    /// Share of them that neither explains: a blend.
    pub ghost: f64,
}

/// Scores `made` between the last frame of one shot and the first of the next; `None` when the shots hardly differ.
pub fn cut_score(before: &Luma, after: &Luma, made: &Luma) -> Option<CutScore> {
    let (low_a, high_a) = ranges(before);
    let (low_b, high_b) = ranges(after);
    let made = made.to_floats();
    let (mut differing, mut of_a, mut of_b) = (0_usize, 0_usize, 0_usize);
    for (pixel, value) in made.iter().enumerate() {
        if high_a[pixel] < low_b[pixel] || high_b[pixel] < low_a[pixel] {
            differing += 1;
            of_a += usize::from((low_a[pixel]..=high_a[pixel]).contains(value));
            of_b += usize::from((low_b[pixel]..=high_b[pixel]).contains(value));
        }
    }
    let share = |count: usize| count as f64 / differing as f64;
    (differing >= PIXELS_MIN)
        .then(|| CutScore { purity: share(of_a.max(of_b)), ghost: 1.0 - share(of_a) - share(of_b) })
}

/// The lowest and highest value around each pixel, widened by the tolerance; the picture ends at its edge.
fn ranges(picture: &Luma) -> (Vec<f32>, Vec<f32>) {
    let samples = picture.to_floats();
    let low = around(&samples, picture.width_px, picture.height_px, f32::min);
    let high = around(&samples, picture.width_px, picture.height_px, f32::max);
    (low.iter().map(|value| value - TOLERANCE).collect(), high.iter().map(|value| value + TOLERANCE).collect())
}

fn around(samples: &[f32], width: usize, height: usize, pick: fn(f32, f32) -> f32) -> Vec<f32> {
    let span = |at: usize, size: usize| at.saturating_sub(REACH)..(at + REACH + 1).min(size);
    let mut across = vec![0.0; samples.len()];
    for (row, picked) in samples.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        for (x, value) in picked.iter_mut().enumerate() {
            *value = row[span(x, width)].iter().copied().reduce(pick).unwrap_or(row[x]);
        }
    }
    let mut down = across.clone();
    for y in 0..height {
        for near in span(y, height) {
            for x in 0..width {
                let value = &mut down[y * width + x];
                *value = pick(*value, across[near * width + x]);
            }
        }
    }
    down
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: u8) -> Luma {
        Luma::from_bytes(32, 24, vec![value; 32 * 24])
    }

    fn check(made: &Luma, expected: CutScore) {
        assert_eq!(cut_score(&flat(40), &flat(200), made), Some(expected));
    }

    #[test]
    fn a_frame_of_either_shot_is_pure() {
        check(&flat(40), CutScore { purity: 1.0, ghost: 0.0 });
        check(&flat(203), CutScore { purity: 1.0, ghost: 0.0 });
    }

    #[test]
    fn a_blend_is_a_ghost() {
        check(&flat(120), CutScore { purity: 0.0, ghost: 1.0 });
    }

    #[test]
    fn a_frame_of_both_shots_is_half_pure() {
        let mut halves = vec![40; 32 * 12];
        halves.extend(vec![200; 32 * 12]);
        check(&Luma::from_bytes(32, 24, halves), CutScore { purity: 0.5, ghost: 0.0 });
    }

    #[test]
    fn shots_that_look_alike_are_not_scored() {
        assert_eq!(cut_score(&flat(40), &flat(45), &flat(41)), None);
    }
}
