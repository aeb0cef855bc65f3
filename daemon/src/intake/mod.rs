//! The rules of watch folders: which names are files that somebody is still writing, when a file is whole, to what rate it
//! goes, where its result belongs, and what becomes of a file after a success or a failure.
//!
//! Facts in, plan out: time is an argument, and nothing here looks at a disk. `watch` does what these rules say.

pub mod item;
pub mod name;
pub mod place;
pub mod retry;
pub mod settle;
pub mod target;

pub use item::{Item, ItemId, ItemState, Place, Promise, Seen, Stage, Stamp};
pub use retry::{Failure, RetryRules};
pub use target::Target;
