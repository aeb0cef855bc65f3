//! What Tweenfarm is tested, shown and measured with from outside: real processes, real video, real HTTP.
//!
//! Uses the programs as anyone would: their command lines, files and sockets. Depends on none of their crates.

pub mod apiframe;
pub mod bench;
pub mod client;
pub mod clips;
pub mod farm;
pub mod folders;
pub mod inspect;
pub mod operator;
pub mod process;
pub mod program;
pub mod programs;
pub mod receiver;
pub mod relay;
pub mod score;
pub mod sentence;
pub mod wait;
pub mod watcher;
