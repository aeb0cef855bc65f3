//! Worker processes: one per GPU slot, restartable, without keys and without network.

pub mod child;
pub mod devices;

pub mod last_words;
pub mod messages;
pub mod program;

pub use tweenfarm_protocol::encoders;
