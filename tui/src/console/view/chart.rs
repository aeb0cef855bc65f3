//! A chart of columns, newest at the right, of one row or of many.

use super::put;
use crate::console::{state::State, theme::Tone};
use ratatui::{buffer::Buffer, layout::Rect};

/// One column for each value that fits, the newest at the right edge; `top` is what a full column stands for.
pub fn draw(buffer: &mut Buffer, area: Rect, values: &[f64], top: f64, tone: Tone, state: &State) {
    let steps = state.glyphs.columns.len() - 1;
    let style = state.theme.tone(tone);
    let fits = usize::from(area.width);
    let newest = &values[values.len().saturating_sub(fits)..];
    let from = area.right() - newest.len() as u16;
    for (value, x) in newest.iter().zip(from..area.right()) {
        let full = f64::from(area.height) * steps as f64;
        let part = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        // Something is never drawn as nothing.
        let filled = ((part * full).round() as usize).max(usize::from(*value > 0.0));
        for row in 0..area.height {
            let here = filled.saturating_sub(usize::from(row) * steps).min(steps);
            if here > 0 {
                put(buffer, x, area.bottom() - 1 - row, 1, state.glyphs.columns[here], style);
            }
        }
    }
}

/// The least of 1, 2, 5, 10, 20 … that is not below the highest value: the scale stays the same while values change a little.
pub fn round_top(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let mut top = 1.0;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle().take(60) {
        if top >= highest {
            break;
        }
        top *= factor;
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_a_round_number() {
        let check = |highest: f64, expected: f64| assert_eq!(round_top(&[0.0, highest]), expected, "{highest}");
        check(0.0, 1.0);
        check(1.5, 2.0);
        check(3.0, 5.0);
        check(5.0, 5.0);
        check(61.0, 100.0);
    }
}
