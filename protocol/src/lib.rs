//! The shared language of Tweenfarm: ids, units, tasks, the agents' service and the operator API's bodies.
//!
//! Everything here is plain data. Decisions live in the daemon's rules, pixels in the engine.

pub mod codec;
pub mod encoders;
pub mod ids;
pub mod intake;
pub mod join;
pub mod operator;
pub mod output;
#[cfg(feature = "tls")]
pub mod pinned;
pub mod service;
pub mod task;
pub mod units;

pub use ids::*;
pub use units::*;
