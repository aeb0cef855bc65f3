//! The bench: one run that measures quality and speed of the farm's engine against what people use today.

pub mod method;
pub mod quality;
pub mod report;
pub mod speed;

pub use method::{Method, Programs};
