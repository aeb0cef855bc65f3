//! The visible mark of a trial: the word TWEENFARM in a corner, drawn from strokes at any size, blended into planes.
//!
//! Whole numbers only: the same picture gets the same bytes on every machine. Needs no font, knows no GStreamer.

use crate::planes::{Layout, change, code_bytes};
use tweenfarm_protocol::output::Depth;

/// A point in a letter's box, whose capitals are `CAPITAL` high; y grows downwards.
type Point = (i64, i64);

/// Height of a capital from the middle of its top stroke to the middle of its bottom one.
const CAPITAL: i64 = 100;
/// Half the thickness of a stroke.
const STROKE: i64 = 11;
/// Half the thickness of a stroke with its outline.
const OUTLINED: i64 = 18;
/// Between two letters, from middle of stroke to middle of stroke.
const GAP: i64 = 42;

/// Samples per pixel and axis, which make the edges smooth.
const SAMPLES: i64 = 8;
/// Of 256: how much of the white and of the dark is seen where they cover a pixel fully.
const WHITE_OPACITY: u32 = 176;
const DARK_OPACITY: u32 = 112;

/// The mark's height is this part of the picture's shorter side…
const HEIGHT_PART: usize = 12;
/// …but not less than can be read, where the picture has room for it.
const HEIGHT_MIN_PX: usize = 10;
/// Its distance from the edges as a part of the shorter side.
const MARGIN_PART: usize = 30;
/// Of the picture's width it takes at most four fifths, of its height at most one half.
const WIDTH_MOST: (usize, usize) = (4, 5);
const HEIGHT_MOST: (usize, usize) = (1, 2);

/// A letter: how wide it is and its strokes, each a line through its points.
struct Letter {
    width: i64,
    strokes: &'static [&'static [Point]],
}

const T: Letter = Letter { width: 64, strokes: &[&[(0, 0), (64, 0)], &[(32, 0), (32, 100)]] };
const W: Letter = Letter { width: 96, strokes: &[&[(0, 0), (24, 100), (48, 12), (72, 100), (96, 0)]] };
const E: Letter = Letter { width: 52, strokes: &[&[(52, 0), (0, 0), (0, 100), (52, 100)], &[(0, 50), (44, 50)]] };
const N: Letter = Letter { width: 64, strokes: &[&[(0, 100), (0, 0), (64, 100), (64, 0)]] };
const F: Letter = Letter { width: 50, strokes: &[&[(50, 0), (0, 0), (0, 100)], &[(0, 50), (42, 50)]] };
const A: Letter = Letter { width: 72, strokes: &[&[(0, 100), (36, 0), (72, 100)], &[(13, 66), (59, 66)]] };
const R: Letter = Letter {
    width: 58,
    strokes: &[
        &[
            (0, 100),
            (0, 0),
            (32, 0),
            (43, 3),
            (51, 10),
            (55, 19),
            (56, 28),
            (55, 37),
            (51, 46),
            (43, 53),
            (32, 56),
            (0, 56),
        ],
        &[(30, 56), (58, 100)],
    ],
};
const M: Letter = Letter { width: 78, strokes: &[&[(0, 100), (0, 0), (39, 70), (78, 0), (78, 100)]] };

const WORD: [&Letter; 9] = [&T, &W, &E, &E, &N, &F, &A, &R, &M];

/// Which codes are white and black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    pub white: u8,
    pub black: u8,
}

impl Codes {
    pub const FULL: Codes = Codes { white: 255, black: 0 };
    /// Of broadcast and of nearly every file.
    pub const LIMITED: Codes = Codes { white: 235, black: 16 };
}

/// How much of a pixel is white and how much dark, of 256; together never more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cover {
    white: u32,
    dark: u32,
}

/// The mark for pictures of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    codes: Codes,
    /// The picture's size in pixels.
    picture: (usize, usize),
    /// Where the mark stands; even, so that pixels of colour are never half in it.
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    covers: Vec<Cover>,
}

impl Mark {
    /// For pictures of `width` x `height` pixels. Pictures too small for anything to be seen get an empty mark.
    pub fn new(width: usize, height: usize, codes: Codes) -> Mark {
        let even = |length: usize| length & !1;
        let (word_width, word_height) = (word_width() as usize, (CAPITAL + 2 * OUTLINED) as usize);
        let short = width.min(height);
        let tall = (short / HEIGHT_PART).max(HEIGHT_MIN_PX);
        let tall = tall.min(height * HEIGHT_MOST.0 / HEIGHT_MOST.1);
        let tall = even(tall.min(width * WIDTH_MOST.0 * word_height / (WIDTH_MOST.1 * word_width)));
        // Two pixels high it is a grey dash, which a picture of 16x4 has room for.
        let tall = if width >= 16 && height >= 4 { tall.max(2) } else { 0 };
        let wide = even((tall * word_width).div_ceil(word_height) + 1);
        let margin = (short / MARGIN_PART).max(1);
        let left = even(width.saturating_sub(wide + margin));
        let top = even(height.saturating_sub(tall + margin));
        let covers = if tall == 0 { Vec::new() } else { covers(wide, tall) };
        let (wide, tall) = if tall == 0 { (0, 0) } else { (wide, tall) };
        Mark { codes, picture: (width, height), left, top, width: wide, height: tall, covers }
    }

    /// True for the mark of such pictures.
    pub fn fits(&self, width: usize, height: usize, codes: Codes) -> bool {
        self.picture == (width, height) && self.codes == codes
    }

    /// Blends the mark into the plane of brightness.
    pub fn blend_luma(&self, plane: &mut [u8], layout: Layout, depth: Depth) {
        let more = depth.bits() - 8;
        let (white, black) = (u32::from(self.codes.white) << more, u32::from(self.codes.black) << more);
        for (y, row) in self.covers.chunks_exact(self.width.max(1)).enumerate() {
            let Some(line) = line(plane, layout, self.top + y, self.left, self.width, depth) else { return };
            change(line, depth, |x, code| {
                let Cover { white: lit, dark } = row[x];
                (code * (256 - lit - dark) + white * lit + black * dark + 128) >> 8
            });
        }
    }

    /// Blends the mark, which has no colour, into a plane of colour of half the width and height.
    pub fn blend_chroma(&self, plane: &mut [u8], layout: Layout, depth: Depth) {
        let grey = 128 << (depth.bits() - 8);
        let half = self.width / 2;
        for (y, rows) in self.covers.chunks_exact((2 * self.width).max(1)).enumerate() {
            let Some(line) = line(plane, layout, self.top / 2 + y, self.left / 2, half, depth) else { return };
            let (upper, lower) = rows.split_at(self.width);
            change(line, depth, |x, code| {
                let four = [upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1]];
                let cover = four.iter().map(|cover| cover.white + cover.dark).sum::<u32>();
                (code * (1024 - cover) + grey * cover + 512) >> 10
            });
        }
    }
}

/// A part of a row of a plane; `None` where the plane has no such row.
fn line(plane: &mut [u8], layout: Layout, y: usize, left: usize, width: usize, depth: Depth) -> Option<&mut [u8]> {
    if y >= layout.height || left >= layout.width {
        return None;
    }
    let (start, bytes) = (y * layout.stride, code_bytes(depth));
    plane.get_mut(start + bytes * left..start + bytes * (left + width).min(layout.width))
}

/// Width of the whole word with its outline.
fn word_width() -> i64 {
    WORD.iter().map(|letter| letter.width).sum::<i64>() + GAP * (WORD.len() as i64 - 1) + 2 * OUTLINED
}

/// All lines of the word, as pairs of points.
fn lines() -> Vec<(Point, Point)> {
    let mut lines = Vec::new();
    let mut left = OUTLINED;
    for letter in WORD {
        let placed = |(x, y): Point| (left + x, OUTLINED + y);
        for stroke in letter.strokes {
            lines.extend(stroke.windows(2).map(|pair| (placed(pair[0]), placed(pair[1]))));
        }
        left += letter.width + GAP;
    }
    lines
}

/// The word drawn `tall` pixels high: for every pixel the samples that fall on a stroke and on its outline.
fn covers(wide: usize, tall: usize) -> Vec<Cover> {
    // Everything is scaled so that a sample stands at a whole place: one unit of a letter is `unit` of them.
    let unit = 2 * SAMPLES * tall as i64;
    let step = 2 * (CAPITAL + 2 * OUTLINED);
    let lines: Vec<Line> = lines().into_iter().map(|(a, b)| Line::new(a, b, unit)).collect();
    let mut covers = Vec::with_capacity(wide * tall);
    for y in 0..tall as i64 {
        for x in 0..wide as i64 {
            let (mut white, mut dark) = (0, 0);
            let near: Vec<&Line> = lines.iter().filter(|line| line.is_near(x, y, step, unit)).collect();
            for sample in 0..if near.is_empty() { 0 } else { SAMPLES * SAMPLES } {
                // The middle of the sample, half a step in.
                let at = |pixel: i64, part: i64| (pixel * SAMPLES + part) * step + step / 2;
                let point = (at(x, sample % SAMPLES), at(y, sample / SAMPLES));
                if near.iter().any(|line| line.reaches(point, STROKE * unit)) {
                    white += 1;
                } else if near.iter().any(|line| line.reaches(point, OUTLINED * unit)) {
                    dark += 1;
                }
            }
            let all = (SAMPLES * SAMPLES) as u32;
            covers.push(Cover { white: white * WHITE_OPACITY / all, dark: dark * DARK_OPACITY / all });
        }
    }
    covers
}

/// A stroke's middle from one point to another.
struct Line {
    from: Point,
    along: Point,
    length_squared: i128,
}

impl Line {
    fn new(from: Point, to: Point, unit: i64) -> Line {
        let along = ((to.0 - from.0) * unit, (to.1 - from.1) * unit);
        Line { from: (from.0 * unit, from.1 * unit), along, length_squared: dot(along, along) }
    }

    /// False where no sample of this pixel can be on the line or its outline.
    fn is_near(&self, x: i64, y: i64, step: i64, unit: i64) -> bool {
        let pixel = SAMPLES * step;
        let apart = |pixel_at: i64, from: i64, along: i64| {
            let (low, high) = (from.min(from + along) - OUTLINED * unit, from.max(from + along) + OUTLINED * unit);
            (pixel_at + 1) * pixel < low || pixel_at * pixel > high
        };
        !apart(x, self.from.0, self.along.0) && !apart(y, self.from.1, self.along.1)
    }

    /// True when the point is within `reach` of the line.
    fn reaches(&self, point: Point, reach: i64) -> bool {
        let to = (point.0 - self.from.0, point.1 - self.from.1);
        let (forward, reach_squared) = (dot(to, self.along), i128::from(reach) * i128::from(reach));
        if forward <= 0 {
            return dot(to, to) <= reach_squared;
        }
        if forward >= self.length_squared {
            let beyond = (to.0 - self.along.0, to.1 - self.along.1);
            return dot(beyond, beyond) <= reach_squared;
        }
        let aside = i128::from(to.0) * i128::from(self.along.1) - i128::from(to.1) * i128::from(self.along.0);
        aside * aside <= reach_squared * self.length_squared
    }
}

fn dot(a: Point, b: Point) -> i128 {
    i128::from(a.0) * i128::from(b.0) + i128::from(a.1) * i128::from(b.1)
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
