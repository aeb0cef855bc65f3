//! The settings of a program: layers (defaults, file, environment, flags), where each value was written, and what a
//! reload changes.
//!
//! Knows no key: programs say what they accept. Reads the file and the environment, and nothing else.

mod layers;
mod lines;
mod reload;
mod written;

pub use layers::{Flag, Layers};
pub use reload::{Effective, Reload, changes_live};
pub use written::{Place, SettingsError, Written};
