//! The only place that knows Vulkan: devices, pipelines, buffers, and turning steps into submitted commands.
//! Decides nothing about interpolation.

mod device;
mod failure;
mod machine;
mod pipelines;

pub use device::{Device, DeviceFacts, DeviceKind, devices};
pub use machine::StepTime;
pub(crate) use machine::{Machine, Recorded};
