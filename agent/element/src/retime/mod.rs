//! From a clip's timeline to its slots: which source frame, or which moment between two, each slot shows. Pure.

mod feed;
mod placer;
mod retimer;
mod runs;
mod stream;
mod times;

pub use feed::{Due, Feed, Seen, Shown};
pub use placer::Placer;
pub use retimer::{Retimer, Shot};
pub use runs::{Overview, Runs};
pub use stream::StreamTimes;
pub use times::FrameTimes;
