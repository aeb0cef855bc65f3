//! Small procedural pictures whose motion is known, and the software device to try them on.
#![allow(dead_code)] // Each test program uses its own part.

use tweenfarm_shaders::{Depth, Device, DeviceKind, FrameSize, PlanarFrame, devices};

/// The software device, whatever else there is. Panics, naming the package, where there is none.
pub fn software_device() -> Device {
    let software = devices()
        .expect("Vulkan is there")
        .into_iter()
        .find(|facts| facts.kind == DeviceKind::Cpu)
        .expect("a software device is there: install mesa-vulkan-drivers");
    Device::open(Some(&software.uuid)).expect("the software device opens")
}

#[derive(Debug, Clone, Copy)]
pub enum Scene {
    /// A textured plane moved by whole pixels: what is at x in the first frame is at x + (x_px, y_px) in the second.
    Pan { x_px: i32, y_px: i32 },
    /// Two textured discs that cross over a textured ground which itself drifts.
    Crossing,
    /// Two pictures with nothing in common.
    Noise,
    /// The same picture, brighter by this many codes in the second frame.
    Brighter(i32),
}

impl Scene {
    pub fn pair(self, size: FrameSize) -> (PlanarFrame, PlanarFrame) {
        (self.at(size, 0), self.at(size, 2))
    }

    /// The frame at `half_steps` of the way: 0 the first, 1 the middle, 2 the second.
    pub fn at(self, size: FrameSize, half_steps: i32) -> PlanarFrame {
        let mut frame = PlanarFrame::new(size);
        let [y, u, v] = frame.planes_mut();
        fill(y, size.width_px, |x, y| self.luma(size, x, y, half_steps));
        fill(u, size.width_px / 2, |x, y| self.luma(size, 2 * x, 2 * y, half_steps) / 2 + 60);
        fill(v, size.width_px / 2, |x, y| 200 - self.luma(size, 2 * x, 2 * y, half_steps) / 2);
        frame
    }

    fn luma(self, size: FrameSize, x: i32, y: i32, half_steps: i32) -> u8 {
        match self {
            Scene::Pan { x_px, y_px } => texture(2 * x - x_px * half_steps, 2 * y - y_px * half_steps, 1),
            Scene::Crossing => {
                let (width, height) = (size.width_px as i32, size.height_px as i32);
                let disc = |centre_x: i32, centre_y: i32, seed: u32| {
                    let (dx, dy) = (x - centre_x, y - centre_y);
                    (dx * dx + dy * dy < width * height / 40).then(|| texture(2 * dx, 2 * dy, seed))
                };
                disc(width / 3 + 4 * half_steps, height / 2, 5)
                    .or_else(|| disc(2 * width / 3 - 3 * half_steps, height / 2 + half_steps, 9))
                    .unwrap_or_else(|| texture(2 * x - half_steps, 2 * y, 3))
            }
            Scene::Noise => (hash(x as u32, y as u32, 77 + half_steps as u32) & 255) as u8,
            Scene::Brighter(codes) => {
                (i32::from(texture(2 * x, 2 * y, 1)) / 2 + codes * half_steps / 2).clamp(0, 255) as u8
            }
        }
    }
}

fn fill(plane: &mut [u8], width: u32, code: impl Fn(i32, i32) -> u8) {
    for (index, place) in plane.iter_mut().enumerate() {
        *place = code((index as u32 % width) as i32, (index as u32 / width) as i32);
    }
}

/// A smooth random texture, in half pixels: bilinear between random values 8 pixels apart, and a finer layer.
fn texture(x: i32, y: i32, seed: u32) -> u8 {
    ((3 * lattice(x, y, 16, seed) + lattice(x, y, 6, seed + 1)) / 4) as u8
}

fn lattice(x: i32, y: i32, pitch: i32, seed: u32) -> i32 {
    let (cell_x, cell_y) = (x.div_euclid(pitch), y.div_euclid(pitch));
    let (part_x, part_y) = (x.rem_euclid(pitch), y.rem_euclid(pitch));
    let corner = |dx: i32, dy: i32| (hash((cell_x + dx) as u32, (cell_y + dy) as u32, seed) & 255) as i32;
    let upper = corner(0, 0) * (pitch - part_x) + corner(1, 0) * part_x;
    let lower = corner(0, 1) * (pitch - part_x) + corner(1, 1) * part_x;
    (upper * (pitch - part_y) + lower * part_y) / (pitch * pitch)
}

fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let mut word = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    word = (word ^ (word >> 15)).wrapping_mul(0x2c1b_3c6d);
    word = (word ^ (word >> 12)).wrapping_mul(0x297a_2d39);
    word ^ (word >> 15)
}

/// The same picture in 10 bits, with something in the lowest two: dither that differs from frame to frame, and codes at
/// both ends of their range.
pub fn deepened(frame: &PlanarFrame, seed: u32) -> PlanarFrame {
    let mut deep = PlanarFrame::of_depth(frame.size(), Depth::Ten);
    let pairs = deep.as_bytes_mut().chunks_exact_mut(2).zip(frame.as_bytes());
    for (index, (code, shallow)) in (0_u32..).zip(pairs) {
        let noise = (index ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b) >> 30;
        code.copy_from_slice(&((u16::from(*shallow) << 2) + noise as u16).to_le_bytes());
    }
    deep
}
