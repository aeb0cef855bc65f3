//! Twin of `composite.comp`: samples both frames along the chosen flow and mixes them into codes.

use super::{Choice, Chroma, Plane, errors::is_unmoved, sample::bicubic_q4};
use crate::PlanarFrame;
use crate::plan::Plan;
use rayon::prelude::*;

/// The made frame.
pub fn composite(
    plan: &Plan,
    luma: [&Plane; 2],
    chroma: [&Chroma; 2],
    choices: &[Choice],
    time_q14: i32,
) -> PlanarFrame {
    let mut frame = PlanarFrame::new(plan.size);
    let cells = plan.cell_grid();
    let [y, u, v] = frame.planes_mut();
    // A logo, a caption, a bar: what is the same in both frames among more of its like stays where it is.
    let choice = |block_x: usize, block_y: usize| {
        let down = plan.cells - 1;
        let choice = choices[(block_y >> down) * cells.columns as usize + (block_x >> down)];
        Choice {
            among_unmoved: choice.among_unmoved && is_unmoved(luma, 2 * block_x as i32, 2 * block_y as i32),
            ..choice
        }
    };
    plane(y, luma, plan, &choice, time_q14, 0);
    plane(u, [&chroma[0].u, &chroma[1].u], plan, &choice, time_q14, 1);
    plane(v, [&chroma[0].v, &chroma[1].v], plan, &choice, time_q14, 1);
    frame
}

/// One plane; `halved` is 1 for chroma.
fn plane(
    codes: &mut [u8],
    frames: [&Plane; 2],
    plan: &Plan,
    choice: &(impl Fn(usize, usize) -> Choice + Sync),
    time_q14: i32,
    halved: u32,
) {
    let width = frames[0].width as usize;
    let to_block = 1 - halved;
    codes.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, code) in row.iter_mut().enumerate() {
            *code = pixel(
                frames,
                choice(x >> to_block, y >> to_block),
                [x as i32, y as i32],
                plan.finest as u32,
                halved,
                time_q14,
            );
        }
    });
}

fn pixel(frames: [&Plane; 2], choice: Choice, [x, y]: [i32; 2], finest: u32, halved: u32, time_q14: i32) -> u8 {
    // 1/32 px of this plane from 1/16 px of the finest node level.
    let whole = choice.flow.map(|axis| (axis << (finest + 1)) >> halved);
    let back = whole.map(|axis| (axis * time_q14 + 8192) >> 14);
    let a = bicubic_q4(frames[0], x, y, [-back[0], -back[1]]);
    let b = bicubic_q4(frames[1], x, y, [whole[0] - back[0], whole[1] - back[1]]);
    let mut mixed = ((16384 - time_q14) * a + time_q14 * b + 8192) >> 14;
    if choice.visible > 0 {
        let shown = (choice.share * a + (256 - choice.share) * b + 128) >> 8;
        mixed += (choice.visible * (shown - mixed) + 128) >> 8;
    }
    let (a, b) = (frames[0].code(x, y) << 4, frames[1].code(x, y) << 4);
    let still = ((16384 - time_q14) * a + time_q14 * b + 8192) >> 14;
    if choice.unmoved > 0 {
        mixed += (choice.unmoved * (still - mixed) + 128) >> 8;
    }
    let (code, still) = (((mixed + 8) >> 4).clamp(0, 255), (still + 8) >> 4);
    let shown = if choice.among_unmoved && (code - still).abs() > 1 { still } else { code };
    shown as u8
}
