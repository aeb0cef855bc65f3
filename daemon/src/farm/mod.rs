//! The farm: every change is a command applied in one place, in one transaction, by one writer.
//!
//! `handle` is what others call; `writer` is the one thread that changes anything. It groups the commands that wait,
//! applies each through a `transaction`, makes all durable with one sync, and only then answers and runs effects.

mod accounts;
mod agents;
mod board;
mod clock;
mod command;
mod controls;
pub mod crash;
mod error;
mod events;
mod hand_out;
pub mod handle;
mod jobs;
mod leases;
mod line;
mod money;
mod open_jobs;
mod operators;
mod presence;
mod projects;
mod read;
mod request;
mod stories;
mod story;
mod tally;
mod transaction;
mod uploads;
mod view;
mod webhooks;
mod writer;

pub use clock::{Clock, SystemClock};
pub use controls::Order;
pub use error::FarmError;
pub use events::{EventReader, From, Told};
pub use handle::{Effect, Farm, FarmRules};
pub use request::{
    Asked, Bought, Home, Idempotency, MoneyBack, NewAccount, NewKey, NewUpload, NewWebhook, Payer, Payment, Reversed,
    SignedIn, Submission, Submitted,
};
pub use tally::{BUSY_OVER, Instruments, Tally, WorkerTally};
pub use view::{AgentView, Audit, ClaimedNews, InHand, JobView, LeaseSweep, LeasedWork, Load, Piece};
