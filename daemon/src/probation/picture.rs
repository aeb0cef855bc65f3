//! The film of the probe: a smooth texture that moves evenly to the right, so that every frame between two is known.

pub(super) const WIDTH_PX: u32 = 192;
pub(super) const HEIGHT_PX: u32 = 128;
/// 9 frames of the source at 30 fps last 0.3 s, which is this many slots at 60 fps.
pub(super) const SLOTS: u64 = 18;
/// From one slot to the next; the source's frames are every second slot.
const STEP_PX: u32 = 3;
/// Between points of the lattice that the texture is made of.
const CELL_PX: u32 = 8;
/// Left of the first frame there has to be texture to move in.
const ORIGIN_PX: u32 = 1000;

/// Brightness of one slot, limited range, row by row.
pub(super) fn luma(slot: u64) -> Vec<u8> {
    let moved = STEP_PX * u32::try_from(slot).expect("a probe has few slots");
    let row = |y| (0..WIDTH_PX).map(move |x| code(x + ORIGIN_PX - moved, y));
    (0..HEIGHT_PX).flat_map(row).collect()
}

fn code(x: u32, y: u32) -> u8 {
    let ((cell_x, in_x), (cell_y, in_y)) = ((x / CELL_PX, x % CELL_PX), (y / CELL_PX, y % CELL_PX));
    let between = |a: u32, b: u32, part: u32| a * (CELL_PX - part) + b * part;
    let upper = between(point(cell_x, cell_y), point(cell_x + 1, cell_y), in_x);
    let lower = between(point(cell_x, cell_y + 1), point(cell_x + 1, cell_y + 1), in_x);
    let value = between(upper, lower, in_y) / (CELL_PX * CELL_PX);
    u8::try_from(16 + value * 219 / 255).expect("limited range ends at 235")
}

/// An integer hash of the lattice point: the same texture on every machine.
fn point(x: u32, y: u32) -> u32 {
    let hash = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    (hash >> 16) & 0xFF
}
