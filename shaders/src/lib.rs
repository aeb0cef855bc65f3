//! The interpolation engine: two frames and a time in, the frame between them out, on any Vulkan 1.1 device.
//!
//! `plan` says what follows from the picture's size, `pass` describes one shader each, `gpu` runs them (the only place
//! that knows Vulkan), `reference` has the CPU twins that tests compare them with.

mod engine;
mod error;
mod frame;
mod gpu;
pub mod pass;
mod pass_table;
mod pass_times;
pub mod plan;
pub mod reference;
mod settings;
mod verdict;

pub use engine::Engine;
pub use error::EngineError;
pub use frame::{Depth, FrameSize, Phase, PlanarFrame};
pub use gpu::{Device, DeviceFacts, DeviceKind, Memory, devices};
pub use pass_table::{Cost, pass_table};
pub use pass_times::{Often, PassTime, PassTimes};
pub use settings::{ENGINE, Quality, Settings};
pub use verdict::{HISTOGRAM_BINS, PairFacts, PairKind, PairVerdict};
