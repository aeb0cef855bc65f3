//! From a clip's timeline to its slots: which source frame, or which moment between two, each slot shows. Pure.

mod feed;
mod placer;
mod retimer;

pub use feed::{Due, Feed, Seen, Shown};
pub use placer::Placer;
pub use retimer::{Retimer, Shot};
