//! Worker processes: one per GPU slot, restartable, without keys and without network.

pub mod messages;
