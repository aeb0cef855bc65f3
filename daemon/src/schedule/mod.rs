//! The schedule's rules: how a job is cut, which piece is next, what a failure means. Facts in, decision out.

pub mod advance;
pub mod breaker;
pub mod fit;
pub mod need;
pub mod order;
pub mod outlook;
pub mod plan;
pub mod progress;
pub mod queue;
pub mod retry;
pub mod share;
pub mod stage;
pub mod step;
pub mod turns;
pub mod waiting;
pub mod work;

pub use retry::RetryRules;
