//! Why the farm did not do what it was asked.

use crate::{ledger::LedgerError, store::StoreError};
use tweenfarm_protocol::{ProjectId, Xeconds};

/// `http/error.rs` pairs each with a status, for each public API.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    #[error("no {what} has this id")]
    NotFound { what: &'static str },
    #[error("the {what} belongs to another account")]
    NotYours { what: &'static str },
    #[error("need {needed} xeconds, have {available}")]
    InsufficientXeconds { needed: Xeconds, available: Xeconds },
    #[error("nothing has been uploaded under this key, or it has expired")]
    NotUploaded,
    #[error("the object was replaced while it was being looked at: send the request again")]
    Replaced,
    #[error("a job has used the object: upload the clip under a new key")]
    Pinned,
    #[error("the key belongs to project {0}, not to the one given")]
    OtherProject(ProjectId),
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    #[error("the same Idempotency-Key came with another request before")]
    IdempotencyConflict,
    #[error(
        "a payment with this event_id was booked before for another account, pack or currency, or for something else"
    )]
    PaymentConflict,
    #[error("the payment was taken back before, by another event")]
    AlreadyReversed,
    #[error("a trial grant is given with a new account only")]
    TrialOver,
    #[error("{0} is not an amount that can be booked")]
    Amount(Xeconds),
    #[error("the job has ended: only one under way can be changed")]
    JobEnded,
    #[error("there is nothing to undo: the job was not cancelled, or the time to undo it is over")]
    NothingToUndo,
    #[error("only a job that failed can be tried again")]
    NotFailed,
    #[error("the clip of the job is not kept any more: it has to be uploaded and submitted anew")]
    SourceGone,
    #[error("the queue is full: try again later")]
    QueueFull,
    #[error("the store is unavailable")]
    Unavailable,
    #[error("the farm is shutting down")]
    Closing,
}

impl From<StoreError> for FarmError {
    /// The chain goes to the log here, where the store's failure is handled; callers only learn that it failed.
    fn from(error: StoreError) -> FarmError {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        FarmError::Unavailable
    }
}

impl From<LedgerError> for FarmError {
    fn from(error: LedgerError) -> FarmError {
        match error {
            LedgerError::InsufficientXeconds { needed, available } => {
                FarmError::InsufficientXeconds { needed, available }
            }
            LedgerError::Amount(amount) => FarmError::Amount(amount),
            LedgerError::TrialOver => FarmError::TrialOver,
            LedgerError::AlreadyReversed(_) => FarmError::AlreadyReversed,
            // A job ends once, so its charge cannot come to be refunded again: refuse rather than pay twice.
            LedgerError::AlreadyRefunded(charge) => {
                tracing::error!(%charge, "a charge was to be refunded a second time");
                FarmError::Unavailable
            }
        }
    }
}
