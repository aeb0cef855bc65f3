//! The bench: one run that measures quality and speed of the farm's engine against what people use today, and the daemon
//! under load.

pub mod crowd;
pub mod engine;
pub mod http;
pub mod method;
pub mod passes;
pub mod peers;
pub mod poller;
pub mod quality;
pub mod report;
pub mod shared;
pub mod speed;

pub use method::{Method, Programs};
