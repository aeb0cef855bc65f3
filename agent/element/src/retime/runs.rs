//! Runs: drawings that a clip shows for several frames in a row, found in a pass over all of it, and the frames that
//! are left when they are to be moved in between. Knows no decoder.

/// Animation is drawn on ones, twos or threes; what stands still for longer is meant to.
const MOVED_RUN_MAX: usize = 3;
/// Side of the squares that an overview takes the means of: what a codec adds to a repeated picture drowns in them.
const SQUARE_PX: usize = 4;
/// Two overviews show the same picture when they differ by less than this on average, in tenths of a code, …
const MEAN_DIFFERENCE_TENTHS: u64 = 4;
/// … and by more than this, in codes, …
const CHANGED_CODES: u8 = 2;
/// … in no more than one of so many squares. The engine's verdict draws the same lines.
const CHANGED_ONE_OF: u64 = 1000;

/// A small picture of a frame's luma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview(Vec<u8>);

impl Overview {
    /// Of a plane in rows of `width` codes, `stride` apart. A rest of less than a square at the edges is left out.
    pub fn of(luma: &[u8], width: usize, height: usize, stride: usize) -> Overview {
        let (columns, rows) = (width / SQUARE_PX, height / SQUARE_PX);
        let mut codes = Vec::with_capacity(columns * rows);
        let mut sums = vec![0_u16; columns];
        for row in 0..rows {
            sums.fill(0);
            for y in row * SQUARE_PX..(row + 1) * SQUARE_PX {
                let Some(line) = luma.get(y * stride..y * stride + columns * SQUARE_PX) else { return Overview(codes) };
                for (sum, square) in sums.iter_mut().zip(line.chunks_exact(SQUARE_PX)) {
                    *sum += square.iter().map(|code| u16::from(*code)).sum::<u16>();
                }
            }
            const PIXELS: u16 = (SQUARE_PX * SQUARE_PX) as u16;
            codes.extend(sums.iter().map(|sum| ((sum + PIXELS / 2) / PIXELS) as u8));
        }
        Overview(codes)
    }

    pub fn shows_the_same(&self, other: &Overview) -> bool {
        let differences = || self.0.iter().zip(&other.0).map(|(a, b)| a.abs_diff(*b));
        let squares = self.0.len() as u64;
        let sum: u64 = differences().map(u64::from).sum();
        let changed = differences().filter(|difference| *difference > CHANGED_CODES).count() as u64;
        self.0.len() == other.0.len()
            && 10 * sum < MEAN_DIFFERENCE_TENTHS * squares.max(1)
            && changed * CHANGED_ONE_OF <= squares
    }
}

/// Finds the runs of a clip, frame by frame.
#[derive(Debug, Default)]
pub struct Runs {
    /// The first picture of the run that goes on: a slow change is told from a repetition by comparing with it.
    first: Option<Overview>,
    /// First frame and length.
    runs: Vec<(u64, usize)>,
}

impl Runs {
    /// Takes the next frame that was decoded; frames ascend. A frame that is missing ends a run.
    pub fn see(&mut self, frame: u64, picture: Overview) {
        if let (Some(first), Some((start, length))) = (&self.first, self.runs.last_mut())
            && *start + *length as u64 == frame
            && first.shows_the_same(&picture)
        {
            *length += 1;
            return;
        }
        self.runs.push((frame, 1));
        self.first = Some(picture);
    }

    /// The frames that count: of a short run its first alone, so that what follows is moved to across it. The last run
    /// has nothing to move to.
    pub fn kept(self) -> Vec<u64> {
        let last = self.runs.len().saturating_sub(1);
        let of_run = |(index, (start, length)): (usize, (u64, usize))| {
            let is_moved = length <= MOVED_RUN_MAX && index < last;
            start..start + if is_moved { 1 } else { length as u64 }
        };
        self.runs.into_iter().enumerate().flat_map(of_run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter is a frame's picture; a dot is a frame that was not decoded.
    fn check(pictures: &str, expected: &[u64]) {
        let mut runs = Runs::default();
        for (frame, picture) in (0..).zip(pictures.bytes()).filter(|(_, picture)| *picture != b'.') {
            runs.see(frame, Overview(vec![picture; 100]));
        }
        assert_eq!(runs.kept(), expected, "{pictures}");
    }

    #[test]
    fn drawings_on_twos_and_threes_count_once_and_a_hold_stays() {
        check("", &[]);
        check("ACEG", &[0, 1, 2, 3]);
        check("AACCEE", &[0, 2, 4, 5]);
        check("AAACCCE", &[0, 3, 6]);
        check("AAAACE", &[0, 1, 2, 3, 4, 5]);
        check("ACCCCCEE", &[0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_frame_that_is_missing_ends_a_run() {
        check("AA.AACC", &[0, 3, 5, 6]);
    }

    #[test]
    fn what_changes_slowly_is_no_hold() {
        // Neighbours differ by less than a picture that is repeated may, the third from the first does not.
        let mut runs = Runs::default();
        for frame in 0..6_u64 {
            let changed = 20 * frame as usize;
            let codes = (0..100).map(|square| if square < changed { 101 } else { 100 }).collect();
            runs.see(frame, Overview(codes));
        }
        assert_eq!(runs.runs, [(0, 2), (2, 2), (4, 2)]);
    }

    #[test]
    fn the_noise_of_a_codec_is_the_same_picture_and_a_small_move_is_not() {
        let flat = vec![100_u8; 400 * 400];
        let mut noisy = flat.clone();
        noisy.iter_mut().step_by(3).for_each(|code| *code += 1);
        let mut moved = flat.clone();
        for y in 0..40 {
            moved[y * 400..y * 400 + 40].fill(140);
        }
        let overview = |codes: &[u8]| Overview::of(codes, 400, 400, 400);
        assert!(overview(&flat).shows_the_same(&overview(&noisy)));
        assert!(!overview(&flat).shows_the_same(&overview(&moved)));
    }

    #[test]
    fn an_overview_has_the_means_of_whole_squares() {
        let (width, height, stride) = (9, 5, 11);
        let luma: Vec<u8> = (0..height * stride).map(|at| if at % stride < 4 { 10 } else { 30 }).collect();
        assert_eq!(Overview::of(&luma, width, height, stride), Overview(vec![10, 30]));
        assert_eq!(Overview::of(&luma[..20], width, height, stride), Overview(Vec::new()));
    }
}
