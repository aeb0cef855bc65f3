//! The only place that knows Vulkan: devices, pipelines, buffers, and turning steps into submitted commands.
//! Decides nothing about interpolation.

mod buffers;
mod device;
mod failure;
#[cfg(test)]
mod lost;
mod machine;
mod pipelines;
mod post;
mod recorder;

pub use buffers::Memory;
pub(crate) use buffers::{At, OUTPUTS, SOURCES};
pub use device::{Device, DeviceFacts, DeviceKind, devices};
pub(crate) use machine::{Flight, Machine};
pub(crate) use recorder::{Lead, Recorded};
