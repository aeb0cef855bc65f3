//! What kind of pair two frames are, from a few sums that the device counts. Pure: facts in, verdict out.

use crate::Settings;

/// Luma codes to a histogram bin: 8.
pub const HISTOGRAM_BINS: usize = 32;

/// Sums over one pair, both directions added up where there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairFacts {
    /// Nodes of the finest level.
    pub nodes: u32,
    /// Nodes whose patch is found nowhere: more than 12 codes a pixel.
    pub bad_nodes: u32,
    /// Sum over the nodes of the mean residual along the motion, 1/16 code.
    pub moved_residual_q4: u32,
    /// Pixels of the cell level.
    pub pixels: u32,
    /// Sum of differences in place, codes.
    pub still_residual: u32,
    /// Pixels that differ by more than 2 codes in place.
    pub changed_pixels: u32,
    /// Cells of both directions.
    pub cells: u32,
    /// Cells whose vector is trusted: priority of 64 (1/16) or more.
    pub trusted_cells: u32,
    /// Cells that differ by more than 10 codes in place.
    pub changed_cells: u32,
    /// Those of them whose vector leads astray: the way back misses the cell by 4 cells, or by 2 from what is more than 12
    /// codes unlike.
    pub astray_cells: u32,
    /// Sums over the pixels of a/4, b/4, their squares and their product.
    pub moments: [u32; 5],
    /// Luma histograms of the two frames.
    pub histogram: [[u32; HISTOGRAM_BINS]; 2],
    /// Both frames show the same picture: [`shows_the_same`].
    pub same: bool,
}

/// Whether two frames show the same picture, from the pixels' sums: a mean difference under 0.4 codes in place, and at
/// most a thousandth of the pixels changed. The device decides by the same numbers, in `gate.comp`.
pub fn shows_the_same(still_residual: u32, changed_pixels: u32, pixels: u32) -> bool {
    5 * u64::from(still_residual) < 2 * u64::from(pixels) && 1000 * u64::from(changed_pixels) <= u64::from(pixels)
}

impl PairFacts {
    /// From the words that `facts.comp` and `still.comp` have counted; the two totals are known beforehand.
    pub fn from_words(words: &[u32], nodes: u32, pixels: u32, cells: u32) -> PairFacts {
        let histogram = |first: usize| std::array::from_fn(|bin| words[first + bin]);
        PairFacts {
            nodes,
            bad_nodes: words[0],
            moved_residual_q4: words[1],
            pixels,
            still_residual: words[2],
            changed_pixels: words[3],
            cells,
            trusted_cells: words[4],
            changed_cells: words[13 + 2 * HISTOGRAM_BINS],
            astray_cells: words[14 + 2 * HISTOGRAM_BINS],
            moments: std::array::from_fn(|index| words[5 + index]),
            histogram: [histogram(10), histogram(10 + HISTOGRAM_BINS)],
            same: words[10 + 2 * HISTOGRAM_BINS] != 0,
        }
    }
}

/// What kind of pair it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    Normal,
    /// Two scenes: each half of the time shows its own frame.
    Cut,
    /// The same picture twice.
    Duplicate,
    /// One scene getting brighter or darker too fast for its motion to be followed: both frames, mixed.
    Fade,
    /// No motion explains the pair, but it is no clear cut: mixed where nothing fits.
    Hopeless,
}

/// The verdict with the numbers behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairVerdict {
    pub kind: PairKind,
    /// Share of patches found nowhere, 0..=1.
    pub bad_share: f64,
    /// Mean residual along the motion, codes.
    pub moved_residual: f64,
    /// Mean difference in place, codes.
    pub still_residual: f64,
    /// How unlike the histograms are, 0..=1.
    pub histogram_distance: f64,
    /// Share of cells whose vectors are trusted, 0..=1.
    pub trusted_share: f64,
    /// Share of cells that changed in place, and of cells that changed and whose vectors lead astray, 0..=1.
    pub changed_share: f64,
    pub astray_share: f64,
    /// Correlation of the two frames in place, -1..=1.
    pub correlation: f64,
    /// Mean luma of the second frame less that of the first, codes.
    pub brightening: f64,
}

impl PairVerdict {
    /// Judges a pair. Every threshold is compared in whole numbers or in doubles that are exact for these sums.
    pub fn of(facts: PairFacts, settings: Settings) -> PairVerdict {
        let share = |part: u32, whole: u32| if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) };
        let bad_share = share(facts.bad_nodes, facts.nodes);
        let moved_residual = share(facts.moved_residual_q4, facts.nodes) / 16.0;
        let still_residual = share(facts.still_residual, facts.pixels);
        let histogram_distance = histogram_distance(&facts);
        let trusted_share = share(facts.trusted_cells, facts.cells);
        let changed_share = share(facts.changed_cells, facts.cells);
        let astray_share = share(facts.astray_cells, facts.cells);
        let end = End::of(&facts.histogram);
        let correlation = match end {
            // What a codec leaves on black correlates with nothing, by chance with anything.
            Some(End::Cut) => 0.0,
            Some(End::Fade) | None => correlation(&facts),
        };
        let brightening = brightness(&facts.histogram[1]) - brightness(&facts.histogram[0]);
        // Across a cut the search still finds patches that look alike, but their vectors agree with nothing: no cell is
        // trusted. The same holds in a fade, where the brightness spoils the trust; there the frames correlate in place.
        let lost = trusted_share < 0.02;
        // At the last step to black or white there is nothing to match either.
        let ends = end == Some(End::Fade);
        let fades = (lost || ends) && brightening.abs() > 3.0;
        let nowhere = bad_share > 0.65
            || (histogram_distance > 0.45 && moved_residual > 0.6 * still_residual && moved_residual > 8.0);
        // Where a shot goes on after a gap, its ground is found again, and most of what changed is not: the search finds
        // look-alikes, and others on the way back. So it does in a dissolve, whose frames correlate in place.
        let jump = !fades && astray_share > 0.15 && 2.0 * astray_share > changed_share;
        let cut = ((nowhere || jump) && correlation < 0.9) || (lost && bad_share > 0.1 && correlation < 0.7);
        let kind = if facts.same {
            PairKind::Duplicate
        } else if cut && settings.scene_cuts && !(fades && ends) {
            PairKind::Cut
        } else if fades && bad_share > 0.02 {
            PairKind::Fade
        } else if bad_share > 0.35 {
            PairKind::Hopeless
        } else {
            PairKind::Normal
        };
        PairVerdict {
            kind,
            bad_share,
            moved_residual,
            still_residual,
            histogram_distance,
            trusted_share,
            changed_share,
            astray_share,
            correlation,
            brightening,
        }
    }

    /// True where both frames are mixed as they stand.
    pub fn mixes(&self) -> bool {
        self.kind == PairKind::Fade
    }

    /// True where the nearer source frame is shown instead of a made one.
    pub fn repeats(&self) -> bool {
        matches!(self.kind, PairKind::Cut | PairKind::Duplicate)
    }
}

/// Share of pixels that would have to change bins, after the shift of up to two bins that explains most.
fn histogram_distance(facts: &PairFacts) -> f64 {
    let [first, second] = &facts.histogram;
    let bins = HISTOGRAM_BINS as i32;
    let apart = |shift: i32| -> u64 {
        (0..bins)
            .map(|bin| {
                let other = bin + shift;
                let there = if (0..bins).contains(&other) { second[other as usize] } else { 0 };
                u64::from(first[bin as usize].abs_diff(there))
            })
            .sum()
    };
    let least = (-2..=2).map(apart).min().unwrap_or(0);
    if facts.pixels == 0 { 0.0 } else { (least as f64 / (2.0 * f64::from(facts.pixels))).min(1.0) }
}

/// Pearson's, from whole sums; 1 where a frame is flat.
fn correlation(facts: &PairFacts) -> f64 {
    let [a, b, aa, bb, ab] = facts.moments.map(f64::from);
    let count = f64::from(facts.pixels);
    let (va, vb) = (count * aa - a * a, count * bb - b * b);
    if va <= 0.0 || vb <= 0.0 { 1.0 } else { (count * ab - a * b) / (va * vb).sqrt() }
}

/// What came before a frame of one colour, or comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A picture without its full contrast: the last step of a fade to black or white, or a dark scene, and mixed with a
    /// flat frame nothing is there twice.
    Fade,
    /// A picture in full contrast: cut.
    Cut,
}

impl End {
    /// `None` where neither frame is of one colour.
    fn of([first, second]: &[[u32; HISTOGRAM_BINS]; 2]) -> Option<End> {
        const FLAT_BINS: usize = 1;
        // Four fifths of the codes of video: a fade of three frames, every second of them given, begins its last step at two
        // thirds.
        const NEAR_BINS: usize = 23;
        // Up to a hundredth of the pixels may be elsewhere: a channel's logo, sparks of a codec.
        let within = |histogram: &[u32; HISTOGRAM_BINS], middle: usize, reach: usize| {
            let inside = &histogram[middle.saturating_sub(reach)..=(middle + reach).min(HISTOGRAM_BINS - 1)];
            let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
            100 * sum(inside) >= 99 * sum(histogram)
        };
        let end = |flat: &[u32; HISTOGRAM_BINS], other: &[u32; HISTOGRAM_BINS]| {
            let most = (0..HISTOGRAM_BINS).max_by_key(|bin| flat[*bin]).unwrap_or(0);
            let is_near = || if within(other, most, NEAR_BINS) { End::Fade } else { End::Cut };
            within(flat, most, FLAT_BINS).then(is_near)
        };
        end(first, second).or_else(|| end(second, first))
    }
}

/// Mean luma, codes.
fn brightness(histogram: &[u32; HISTOGRAM_BINS]) -> f64 {
    let count: f64 = histogram.iter().map(|count| f64::from(*count)).sum();
    let sum: f64 = histogram.iter().enumerate().map(|(bin, count)| f64::from(*count) * (8.0 * bin as f64 + 4.0)).sum();
    if count == 0.0 { 0.0 } else { sum / count }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of a frame of 10000 pixels, 1000 nodes and 1000 cells, from shares and codes.
    struct Case {
        bad_share: f64,
        moved: f64,
        still: f64,
        changed_share: f64,
        trusted_share: f64,
        astray_share: f64,
        /// 1 or -1.
        correlation: i32,
        brighter_bins: usize,
    }

    const PAN: Case = Case {
        bad_share: 0.01,
        moved: 2.0,
        still: 20.0,
        changed_share: 0.9,
        trusted_share: 0.7,
        astray_share: 0.05,
        correlation: -1,
        brighter_bins: 0,
    };

    fn kind(case: &Case, scene_cuts: bool) -> PairKind {
        let mut histogram = [[0; HISTOGRAM_BINS]; 2];
        histogram[0][8] = 5000;
        histogram[0][12] = 5000;
        histogram[1][8 + case.brighter_bins] = 5000;
        histogram[1][12 + case.brighter_bins] = 5000;
        // Half the pixels 16, half 24 quarter codes in both frames, the same way round or the other.
        let product = if case.correlation > 0 { 5000 * (16 * 16 + 24 * 24) } else { 10000 * 16 * 24 };
        let squares = 5000 * (16 * 16 + 24 * 24);
        let (still_residual, changed_pixels) = ((10000.0 * case.still) as u32, (10000.0 * case.changed_share) as u32);
        let facts = PairFacts {
            nodes: 1000,
            bad_nodes: (1000.0 * case.bad_share) as u32,
            moved_residual_q4: (16000.0 * case.moved) as u32,
            pixels: 10000,
            still_residual,
            changed_pixels,
            cells: 1000,
            trusted_cells: (1000.0 * case.trusted_share) as u32,
            changed_cells: (1000.0 * case.changed_share) as u32,
            astray_cells: (1000.0 * case.astray_share) as u32,
            moments: [200_000, 200_000, squares, squares, product],
            histogram,
            same: shows_the_same(still_residual, changed_pixels, 10000),
        };
        PairVerdict::of(facts, Settings { scene_cuts, ..Settings::default() }).kind
    }

    fn check(case: Case, expected: PairKind) {
        assert_eq!(kind(&case, true), expected);
    }

    #[test]
    fn a_pan_is_normal_however_much_it_changes_in_place() {
        check(PAN, PairKind::Normal);
    }

    #[test]
    fn the_same_picture_is_a_duplicate_unless_a_thousandth_of_it_changed() {
        let same = || Case { still: 0.1, changed_share: 0.001, correlation: 1, ..PAN };
        check(same(), PairKind::Duplicate);
        check(Case { changed_share: 0.002, ..same() }, PairKind::Normal);
        check(Case { still: 0.5, ..same() }, PairKind::Normal);
    }

    #[test]
    fn patches_found_nowhere_are_a_cut_only_between_unlike_pictures() {
        check(Case { bad_share: 0.7, trusted_share: 0.0, ..PAN }, PairKind::Cut);
        check(Case { bad_share: 0.7, trusted_share: 0.0, correlation: 1, ..PAN }, PairKind::Hopeless);
    }

    #[test]
    fn look_alikes_that_nothing_trusts_are_a_cut() {
        check(Case { bad_share: 0.15, trusted_share: 0.0, ..PAN }, PairKind::Cut);
        check(Case { bad_share: 0.15, trusted_share: 0.1, ..PAN }, PairKind::Normal);
    }

    #[test]
    fn a_jump_within_a_shot_is_a_cut_where_most_of_what_changed_leads_astray() {
        let jump = || Case { changed_share: 0.3, astray_share: 0.2, trusted_share: 0.4, ..PAN };
        check(jump(), PairKind::Cut);
        check(Case { astray_share: 0.1, ..jump() }, PairKind::Normal);
        check(Case { changed_share: 0.5, ..jump() }, PairKind::Normal);
        // A dissolve.
        check(Case { correlation: 1, ..jump() }, PairKind::Normal);
        // A fade.
        check(Case { trusted_share: 0.0, bad_share: 0.05, brighter_bins: 2, ..jump() }, PairKind::Fade);
    }

    #[test]
    fn a_fast_fade_is_one_only_where_the_frames_are_alike_in_place() {
        let fade = || Case { bad_share: 0.2, trusted_share: 0.0, correlation: 1, brighter_bins: 2, ..PAN };
        check(fade(), PairKind::Fade);
        check(Case { correlation: -1, ..fade() }, PairKind::Cut);
        check(Case { trusted_share: 0.5, ..fade() }, PairKind::Normal);
    }

    #[test]
    fn the_last_step_of_a_fade_is_none_of_a_picture_in_full_contrast() {
        /// Shares of a hundred pixels and the bins they are in.
        fn histogram(parts: &[(usize, u32)]) -> [u32; HISTOGRAM_BINS] {
            let mut bins = [0; HISTOGRAM_BINS];
            parts.iter().for_each(|(bin, share)| bins[*bin] += 100 * share);
            bins
        }
        let black = histogram(&[(2, 99), (28, 1)]);
        let check = |first: [u32; HISTOGRAM_BINS], second: [u32; HISTOGRAM_BINS], expected: Option<End>| {
            assert_eq!(End::of(&[first, second]), expected);
            assert_eq!(End::of(&[second, first]), expected);
        };
        check(histogram(&[(2, 30), (8, 40), (25, 30)]), black, Some(End::Fade));
        check(histogram(&[(2, 30), (8, 40), (26, 30)]), black, Some(End::Cut));
        check(histogram(&[(8, 30), (24, 40), (30, 30)]), histogram(&[(31, 100)]), Some(End::Fade));
        // Neither is flat.
        check(histogram(&[(2, 50), (6, 50)]), histogram(&[(2, 95), (6, 5)]), None);
        // From black to white.
        check(black, histogram(&[(31, 100)]), Some(End::Cut));
    }

    #[test]
    fn without_scene_cuts_a_cut_is_hopeless_at_worst() {
        let cut = Case { bad_share: 0.7, trusted_share: 0.0, ..PAN };
        assert_eq!(kind(&cut, false), PairKind::Hopeless);
    }
}
