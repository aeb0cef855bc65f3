//! Twin of `composite.comp` and `composite10.comp`: samples both frames along the chosen flow and mixes them into codes.

use super::{Choice, Code, Overlay, Plane, Planes, sample::bicubic_q4};
use crate::PlanarFrame;
use crate::plan::Plan;
use rayon::prelude::*;

/// Whether a pixel may be shown where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// It moves with the rest.
    Never,
    /// Where one of the two samples along the motion is what stands here.
    IfOneSided,
    Always,
}

/// What both samples may differ by from a place at rest without being something that passes over it: 6 codes of 8 bits.
const FAINT_Q4: i32 = 6 * 16;

/// The made frame.
pub fn composite(
    plan: &Plan,
    frames: [&Planes; 2],
    choices: &[Choice],
    overlays: &[Overlay],
    time_q14: i32,
) -> PlanarFrame {
    match frames {
        [Planes::Eight(first), Planes::Eight(second)] => of_codes(plan, [first, second], choices, overlays, time_q14),
        [Planes::Ten(first), Planes::Ten(second)] => of_codes(plan, [first, second], choices, overlays, time_q14),
        _ => panic!("both frames of a pair have the same bits"),
    }
}

fn of_codes<C: Code>(
    plan: &Plan,
    frames: [&[Plane<C>; 3]; 2],
    choices: &[Choice],
    overlays: &[Overlay],
    time_q14: i32,
) -> PlanarFrame {
    let mut frame = PlanarFrame::of_depth(plan.size, plan.depth());
    let (cells, tiles) = (plan.cell_grid(), plan.tile_grid());
    let [y, u, v] = frame.planes_mut();
    let of = |plane: usize| frames.map(|planes| &planes[plane]);
    let luma = of(0);
    let choice = |block_x: usize, block_y: usize| {
        let down = plan.cells - 1;
        choices[(block_y >> down) * cells.columns as usize + (block_x >> down)]
    };
    let overlay = |block_x: usize, block_y: usize| overlays[(block_y >> 1) * tiles.columns as usize + (block_x >> 1)];
    let halved = |block_x: usize, block_y: usize| {
        let same = same_in_both(luma, block_x, block_y);
        let all = same == [true; 4];
        (choice(block_x, block_y), stays(overlay(block_x, block_y), all, all))
    };
    plane(y, luma, plan, time_q14, 0, &|x, y| {
        let (block_x, block_y) = (x >> 1, y >> 1);
        let same = same_in_both(luma, block_x, block_y);
        // A stroke that is one pixel wide has two of the four.
        let stroke = same[(x & 1) + 2 * (y & 1)] && same.iter().filter(|same| **same).count() >= 2;
        (choice(block_x, block_y), stays(overlay(block_x, block_y), same == [true; 4], stroke))
    });
    plane(u, of(1), plan, time_q14, 1, &halved);
    plane(v, of(2), plan, time_q14, 1, &halved);
    frame
}

fn stays(overlay: Overlay, all: bool, stroke: bool) -> Stays {
    if overlay.overlaid && stroke {
        Stays::Always
    } else if overlay.rests && all {
        Stays::IfOneSided
    } else {
        Stays::Never
    }
}

/// Which pixels of a 2x2 block are the same in both frames, to a code of 8 bits.
fn same_in_both<C: Code>([first, second]: [&Plane<C>; 2], block_x: usize, block_y: usize) -> [bool; 4] {
    std::array::from_fn(|part| {
        let (x, y) = ((2 * block_x + (part & 1)) as i32, (2 * block_y + (part >> 1)) as i32);
        (first.code(x, y) - second.code(x, y)).abs() <= C::UNIT
    })
}

/// One plane; `halved` is 1 for chroma. `how` gives a pixel's choice and whether it stays.
fn plane<C: Code>(
    bytes: &mut [u8],
    frames: [&Plane<C>; 2],
    plan: &Plan,
    time_q14: i32,
    halved: u32,
    how: &(impl Fn(usize, usize) -> (Choice, Stays) + Sync),
) {
    let width = frames[0].width as usize;
    bytes.par_chunks_mut(C::BYTES * width).enumerate().for_each(|(y, row)| {
        for (x, code) in row.chunks_exact_mut(C::BYTES).enumerate() {
            let place = [x as i32, y as i32];
            C::write(pixel(frames, how(x, y), place, plan.finest as u32, halved, time_q14), code);
        }
    });
}

fn pixel<C: Code>(
    frames: [&Plane<C>; 2],
    (choice, stays): (Choice, Stays),
    [x, y]: [i32; 2],
    finest: u32,
    halved: u32,
    time_q14: i32,
) -> i32 {
    // 1/32 px of this plane from 1/16 px of the finest node level.
    let whole = choice.flow.map(|axis| (axis << (finest + 1)) >> halved);
    let back = whole.map(|axis| (axis * time_q14 + 8192) >> 14);
    let a = bicubic_q4(frames[0], x, y, [-back[0], -back[1]]);
    let b = bicubic_q4(frames[1], x, y, [whole[0] - back[0], whole[1] - back[1]]);
    let mut mixed = (choice.first_q14 * a + (16384 - choice.first_q14) * b + 8192) >> 14;
    let (still_a, still_b) = (frames[0].code(x, y) << 4, frames[1].code(x, y) << 4);
    let still = ((16384 - time_q14) * still_a + time_q14 * still_b + 8192) >> 14;
    if choice.unmoved > 0 {
        mixed += (choice.unmoved * (still - mixed) + 128) >> 8;
    }
    let (code, still_code) = (((mixed + 8) >> 4).clamp(0, C::MOST), (still + 8) >> 4);
    let (off_a, off_b) = ((a - still).abs(), (b - still).abs());
    let held = match stays {
        Stays::Never => false,
        // Something that passes over a place at rest is in both samples; the edge of a bar only in one.
        Stays::IfOneSided => 4 * off_a.min(off_b) <= off_a.max(off_b) || off_a.max(off_b) <= FAINT_Q4 * C::UNIT,
        Stays::Always => true,
    };
    if held && (code - still_code).abs() > C::UNIT { still_code } else { code }
}
