//! Sweeps: passes that compare what is with what should be. Each takes no input, and doing one twice is harmless.

pub mod audit;
pub mod key_uses;
pub mod leases;
pub mod orphans;
pub mod projects;
pub mod retention;
