//! The worker's Vulkan device and the engine on it, behind what the pipeline asks for.

use crate::start_up::{Noted, Start, noting};
use std::path::{Path, PathBuf};
use tweenfarm_agent::worker::messages;
use tweenfarm_element::interpolator::{MakeInterpolator, on_device, on_device_timed};
use tweenfarm_protocol::task::{self, EngineSettings};
use tweenfarm_shaders::{
    Depth, Device, DeviceFacts, DeviceKind, ENGINE, EngineError, FrameSize, Phase, PlanarFrame, Quality, Settings,
};

/// Where it is told what took how long.
#[derive(Clone, Debug)]
pub struct Profile {
    pub file: PathBuf,
    pub start: Start,
}

/// An open device.
#[derive(Clone)]
pub struct Gpu(Device);

impl Gpu {
    /// Opens the device with this UUID, or the best there is; `cache` keeps compiled shaders from one run to the next.
    pub fn open(uuid: Option<&str>, cache: Option<&Path>) -> Result<Gpu, EngineError> {
        Device::open_with_cache(uuid, cache).map(Gpu)
    }

    pub fn facts(&self) -> &DeviceFacts {
        self.0.facts()
    }

    /// Name and version of the engine, such as `flow 1`.
    pub fn engine_name() -> &'static str {
        ENGINE
    }

    /// Makes an engine on this device once the picture size is known; what `profile` wants to
    /// know is written when it ends.
    pub fn engine(&self, settings: EngineSettings, profile: Option<&Profile>) -> MakeInterpolator {
        let quality = match settings.quality {
            task::Quality::Fast => Quality::Fast,
            task::Quality::Balanced => Quality::Balanced,
            task::Quality::High => Quality::High,
        };
        let settings = Settings { quality, scene_cuts: settings.scene_cuts };
        let Some(Profile { file, start }) = profile.cloned() else { return on_device(self.0.clone(), settings) };
        let noted = Noted::default();
        let seen = noted.clone();
        let engine = on_device_timed(self.0.clone(), settings, move |table| {
            if let Err(error) = std::fs::write(&file, format!("{}\n{table}", start.told(&seen))) {
                tracing::warn!(file = %file.display(), %error, "the table of passes cannot be written");
            }
        });
        noting(engine, noted)
    }

    /// Makes a frame whose content is known and compares: a driver may accept every call and compute nonsense.
    /// The answer says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |error: EngineError| error.to_string();
        let mut engine = (self.engine(EngineSettings::default(), None))(CHECK_SIZE, Depth::Eight).map_err(wrong)?;
        let (first, truth, second) = (moved(0), moved(CHECK_STEP_PX), moved(2 * CHECK_STEP_PX));
        let mut made = PlanarFrame::new(CHECK_SIZE);
        engine.push(&first).map_err(wrong)?;
        engine.push(&second).map_err(wrong)?;
        engine.submit(Phase::HALF).and_then(|()| engine.collect(&mut made)).map_err(wrong)?;
        let mixed: Vec<u8> = first.as_bytes().iter().zip(second.as_bytes()).map(|(a, b)| a.midpoint(*b)).collect();
        let (made, mixed) = (distance(made.as_bytes(), truth.as_bytes()), distance(&mixed, truth.as_bytes()));
        // Motion that was found leaves borders only; mixing leaves the whole texture.
        if made * 3 < mixed {
            return Ok(());
        }
        Err(format!(
            "a frame made from a known motion is off by {made}, a mere mix by {mixed} (sums of code differences)"
        ))
    }
}

const CHECK_SIZE: FrameSize = FrameSize { width_px: 192, height_px: 128 };
const CHECK_STEP_PX: u32 = 3;

/// A smooth random texture, moved to the right by `by_px`.
fn moved(by_px: u32) -> PlanarFrame {
    const CELL_PX: u32 = 8;
    // An integer hash of the lattice point: the same texture on every machine.
    let value = |x: u32, y: u32| {
        let mut hash = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
        (hash >> 16) & 0xFF
    };
    let texture = |x: u32, y: u32| {
        let (cell_x, cell_y, in_x, in_y) = (x / CELL_PX, y / CELL_PX, x % CELL_PX, y % CELL_PX);
        let row = |y: u32| value(cell_x, y) * (CELL_PX - in_x) + value(cell_x + 1, y) * in_x;
        ((row(cell_y) * (CELL_PX - in_y) + row(cell_y + 1) * in_y) / (CELL_PX * CELL_PX)) as u8
    };
    let mut frame = PlanarFrame::new(CHECK_SIZE);
    let [luma, u, v] = frame.planes_mut();
    // Started far to the right of 0, so that moving never goes below it.
    let start_px = 1024 - by_px;
    for (index, code) in (0_u32..).zip(luma.iter_mut()) {
        *code = 16 + texture(start_px + index % CHECK_SIZE.width_px, index / CHECK_SIZE.width_px) / 2;
    }
    u.fill(128);
    v.fill(128);
    frame
}

fn distance(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
}

/// The devices of this machine in the words of the protocol between agent and worker.
pub fn devices() -> Result<Vec<messages::DeviceFacts>, EngineError> {
    let list = tweenfarm_shaders::devices()?;
    Ok(list
        .into_iter()
        .map(|DeviceFacts { uuid, name, kind, .. }| messages::DeviceFacts { uuid, name, kind: told(kind) })
        .collect())
}

fn told(kind: DeviceKind) -> messages::DeviceKind {
    match kind {
        DeviceKind::Discrete => messages::DeviceKind::Discrete,
        DeviceKind::Integrated => messages::DeviceKind::Integrated,
        DeviceKind::Other => messages::DeviceKind::Other,
        DeviceKind::Cpu => messages::DeviceKind::Cpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_passes_the_check() {
        let gpu = Gpu::open(None, None).expect("a Vulkan device, such as the package mesa-vulkan-drivers gives");
        assert_eq!(gpu.check(), Ok(()));
    }
}
