//! From a clip's timeline to its slots: which source frame, or which moment between two, each slot shows. Pure.

mod retimer;

pub use retimer::{Retimer, Shot};
