//! The parts of the agent that need neither GStreamer nor Vulkan; those live in the worker program alone.

pub mod worker;
