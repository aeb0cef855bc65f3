//! Everything that follows from the picture's size and the settings alone: levels, grids, layouts, and the work of a
//! frame, a pair and an output as lists of passes. Pure data; nothing here touches a device.

mod deep;
mod layout;
mod recording;
mod waits;

pub use deep::{DeepLayout, DeepPlane};
pub use layout::{ChromaLayout, Grid, MadeLayout, PAD_TILES, PlaneLayout, TILE_PX};
pub use recording::{
    FACT_WORDS, Step, finest_nodes, frame_steps, gated_words, mix_steps, output_steps, pair_steps, slot_words,
};
pub use waits::{Access, Stage, Stages, Waits};

use crate::{Depth, FrameSize, Quality, Settings};

/// Spacing of the search nodes, px of their level.
pub const NODE_PITCH_PX: u32 = 4;
/// Levels of means that fill holes of a projected flow; 2^6 cells is wider than any hole seen.
pub const FILL_LEVELS: usize = 6;

/// The shape of one engine's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub size: FrameSize,
    /// The luma pyramid, full size first, one after the other in one buffer.
    pub levels: Vec<PlaneLayout>,
    /// U and V in one buffer, of frames of 8 bits.
    pub chroma: ChromaLayout,
    /// All planes of a frame of more; motion is searched on what is left of its luma in 8.
    pub deep: Option<DeepLayout>,
    /// A made frame.
    pub made: MadeLayout,
    /// The level of the exhaustive search.
    pub coarsest: usize,
    /// The level of the finest nodes.
    pub finest: usize,
    /// The level whose pixels are the cells of the flow field.
    pub cells: usize,
    /// Cells to every side of a cell over which its candidates are compared.
    pub window: u32,
    /// The level on which the two frames are compared in place.
    pub overview: usize,
    /// Inverse-search steps per node after its candidates.
    pub steps: u32,
    /// Whether neighbours' vectors are tried.
    pub propagate: bool,
}

impl Plan {
    /// For frames of 8 bits.
    pub fn new(size: FrameSize, settings: Settings) -> Plan {
        Plan::of_depth(size, Depth::Eight, settings)
    }

    pub fn of_depth(size: FrameSize, depth: Depth, settings: Settings) -> Plan {
        let short_px = size.width_px.min(size.height_px);
        let mut coarsest = 0;
        while short_px >> (coarsest + 1) >= 24 {
            coarsest += 1;
        }
        // A node pitch of about 960x540 is enough; only small pictures need full-size nodes.
        let balanced = match short_px {
            0..=576 => 0usize,
            577..=1440 => 1,
            _ => 2,
        };
        let mut finest = match settings.quality {
            Quality::Fast => balanced + 1,
            Quality::Balanced => balanced,
            Quality::High => balanced.saturating_sub(1),
        }
        .min(coarsest);
        // A cell that is sent to the output time says where it came from in 22 bits.
        let cells_at = |level: usize| (u64::from(size.width_px) >> level) * (u64::from(size.height_px) >> level);
        while finest < coarsest && cells_at(cells_for(finest)) > 1 << 22 {
            finest += 1;
        }
        let cells = cells_for(finest);
        let levels = PlaneLayout::pyramid(size, coarsest.max(cells) + 1);
        // Sums of squares over the overview fit 32 bits up to 2^20 pixels.
        let mut overview = (cells + 1).min(levels.len() - 1);
        while overview + 1 < levels.len() && levels[overview].width_px * levels[overview].height_px > 1 << 20 {
            overview += 1;
        }
        let fast = settings.quality == Quality::Fast;
        Plan {
            size,
            levels,
            chroma: ChromaLayout::new(size),
            deep: (depth == Depth::Ten).then(|| DeepLayout::new(size)),
            made: MadeLayout::new(size, depth),
            coarsest,
            finest,
            cells,
            // 10 or 12 px of pictures whose nodes lie 4 or 8 px apart, 20 px of larger ones.
            window: if finest == 1 { 1 } else { 2 },
            overview,
            steps: if fast { 2 } else { 3 },
            propagate: !fast,
        }
    }

    /// Bits of the frames' codes.
    pub fn depth(&self) -> Depth {
        if self.deep.is_some() { Depth::Ten } else { Depth::Eight }
    }

    /// Nodes of one level.
    pub fn nodes(&self, level: usize) -> Grid {
        let plane = self.levels[level];
        Grid { columns: plane.width_px.div_ceil(NODE_PITCH_PX), rows: plane.height_px.div_ceil(NODE_PITCH_PX) }
    }

    /// Whether a level's nodes settle on the nearest of several likenesses. What the finest ones start from has settled.
    pub fn agrees(&self, level: usize) -> bool {
        self.propagate && level > self.finest
    }

    /// Whether they also search once more from where they stand: cheap on levels of few nodes.
    pub fn searches_anew(&self, level: usize) -> bool {
        level >= self.finest + 2
    }

    /// How far nodes that found nothing are searched for on a level, px of it to each side; `None`: not at all. The two
    /// coarsest levels reach a third of the picture's height, and things a seventh of it high.
    pub fn rescue_reach_px(&self, level: usize) -> Option<i32> {
        match self.coarsest - level {
            _ if !self.propagate => None,
            0 => Some(24),
            1 => Some(16),
            _ => None,
        }
    }

    /// Cells of the flow field.
    pub fn cell_grid(&self) -> Grid {
        let plane = self.levels[self.cells];
        Grid { columns: plane.width_px, rows: plane.height_px }
    }

    /// Pixels of the cells' plane at which a 2x2 block begins that shows anything of it: one more each way.
    pub fn quad_grid(&self) -> Grid {
        let plane = self.levels[self.cells];
        Grid { columns: plane.width_px + 1, rows: plane.height_px + 1 }
    }

    /// Tiles of the full size, without border.
    pub fn tile_grid(&self) -> Grid {
        let plane = self.levels[0];
        Grid { columns: plane.width_px.div_ceil(TILE_PX), rows: plane.height_px.div_ceil(TILE_PX) }
    }

    /// log2 of a cell's side in px of the finest node level: 0 or 1.
    pub fn cell_shift(&self) -> u32 {
        (self.cells - self.finest) as u32
    }

    /// The grids of means above the cells, finest first.
    pub fn fill_grids(&self) -> Vec<Grid> {
        let mut grids = vec![self.cell_grid()];
        for level in 0..FILL_LEVELS {
            grids.push(grids[level].halved());
        }
        grids
    }
}

/// The level of the cells: of 2x2 px of the finest nodes' level, but not of more than 4x4 px of the picture for that.
fn cells_for(finest: usize) -> usize {
    (finest + 1).min(2).max(finest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_the_largest_picture_is_told_in_22_bits_at_every_setting() {
        for quality in [Quality::Fast, Quality::Balanced, Quality::High] {
            for [width_px, height_px] in [[8192, 8192], [7680, 4320], [8192, 576], [3840, 2160], [8190, 2162]] {
                let settings = Settings { quality, ..Settings::default() };
                let plan = Plan::new(FrameSize { width_px, height_px }, settings);
                assert!(plan.cell_grid().count() <= 1 << 22, "{width_px}x{height_px} {quality:?}");
            }
        }
    }

    #[test]
    fn usual_pictures_keep_the_level_of_their_setting() {
        for (width_px, height_px, fast, balanced, high) in
            [(640, 360, 1, 0, 0), (1280, 720, 2, 1, 0), (1920, 1080, 2, 1, 0), (3840, 2160, 3, 2, 1)]
        {
            let finest = |quality| {
                let settings = Settings { quality, ..Settings::default() };
                Plan::new(FrameSize { width_px, height_px }, settings).finest
            };
            let found = [Quality::Fast, Quality::Balanced, Quality::High].map(finest);
            assert_eq!(found, [fast, balanced, high], "{width_px}x{height_px}");
        }
    }
}
