//! How much work a piece is: what shares between accounts are counted in.
//!
//! Pixels of output, weighed by what is done to each. Counts of pieces would give who submits long 4K clips many times
//! what others get.

use crate::model::{Job, Spot};
use tweenfarm_protocol::task::Quality;

/// Of a pixel that the engine makes with balanced quality. The others are beside it as they were measured, roughly: what
/// matters is that nobody is charged tenfold.
const BALANCED: u64 = 8;
const FAST: u64 = 4;
const HIGH: u64 = 24;
/// Decoded, perhaps scaled, and encoded.
const COPIED: u64 = 2;

/// Of the piece at `spot`; never 0, so that nobody is served for nothing.
pub fn of(job: &Job, spot: Spot) -> u64 {
    let slots = match spot {
        Spot::Segment(_) => job.state.piece(spot).map_or(1, |piece| piece.slots.len()),
        Spot::Join | Spot::Mark => job.slot_count,
    };
    let pixels = slots.saturating_mul(job.output_pixels());
    match (spot, job.engine.quality) {
        (Spot::Segment(_), _) if job.engine.nearest => pixels.saturating_mul(COPIED),
        (Spot::Segment(_), Quality::Fast) => pixels.saturating_mul(FAST),
        (Spot::Segment(_), Quality::Balanced) => pixels.saturating_mul(BALANCED),
        (Spot::Segment(_), Quality::High) => pixels.saturating_mul(HIGH),
        (Spot::Mark, _) => pixels.saturating_mul(COPIED),
        // Streams are copied; only the borders are decoded.
        (Spot::Join, _) => pixels / 64,
    }
    .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use tweenfarm_protocol::task::EngineSettings;

    #[test]
    fn work_is_counted_in_pixels_and_not_in_pieces() {
        // Segments of 50 slots, 1280 x 720.
        let mut job = samples::job(1, 1, 1, samples::rendering());
        let mut check = |engine: EngineSettings, spot, expected: u64| {
            job.engine = engine;
            assert_eq!(of(&job, spot), expected * 1280 * 720, "{engine}");
        };
        let usual = EngineSettings::default();
        check(usual, Spot::Segment(0), 50 * BALANCED);
        check(EngineSettings { quality: Quality::High, ..usual }, Spot::Segment(1), 50 * HIGH);
        check(EngineSettings { nearest: true, ..usual }, Spot::Segment(1), 50 * COPIED);
        check(usual, Spot::Mark, 200 * COPIED);
        job.format.size = None;
        assert_eq!(of(&job, Spot::Join), 64 * 48 * 200 / 64);
        job.slot_count = 0;
        assert_eq!(of(&job, Spot::Join), 1);
    }
}
