//! The parts of the agent that need neither GStreamer nor Vulkan; those live in the worker program alone.

pub mod availability;
pub mod cache;
pub mod command;
pub mod config;
mod device_readings;
pub mod discovery;
pub mod halt;
pub mod identity;
pub mod join;
pub mod lease;
pub mod link;
pub mod log;
pub mod outbox;
pub mod reload;
pub mod run;
pub mod slot;
mod standing;
pub mod state_folder;
pub mod systemd;
pub mod transfer;
pub mod worker;

#[cfg(test)]
mod testing;
