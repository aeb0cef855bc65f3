//! Webhooks on their way: what the farm says is due is written, signed and sent, once. What is due is decided in
//! `model::webhook` and kept by the farm; nothing here changes a job.

mod deliver;
mod message;

pub use deliver::Deliveries;
pub use message::{Described, signature};
