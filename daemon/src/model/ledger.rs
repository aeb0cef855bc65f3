//! Ledger entries: the only way xeconds change.

use tweenfarm_protocol::{AccountId, EntryId, JobId, Timestamp, Xeconds};

/// One immutable change of an account's xeconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub id: EntryId,
    pub account: AccountId,
    /// Position in the account's ledger, from 0 without gaps.
    pub sequence: u64,
    pub kind: EntryKind,
    /// Signed: a charge is negative.
    pub change: Xeconds,
    pub balance_after: Xeconds,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Given once with a new account.
    TrialGrant,
    /// Given by the operator; counts as paid credit.
    OperatorGrant { reason: String },
    /// A job accepted.
    Charge { job: JobId },
    /// A job failed; at most one per charge.
    Refund { charge: EntryId, job: JobId },
}
