//! The agent's commands for people: what they take, what they print, and their exit codes.

pub mod doctor;
pub mod render;
