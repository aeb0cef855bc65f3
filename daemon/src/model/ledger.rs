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
    /// A pack bought; a payment provider's event makes at most one.
    Purchase(Purchase),
    /// Given by the operator.
    OperatorGrant { reason: String, credit: Credit },
    /// A correction by the operator, up or down; says nothing about the tier.
    Adjustment { reason: String },
    /// A job accepted.
    Charge { job: JobId },
    /// A job failed; at most one per charge.
    Refund { charge: EntryId, job: JobId },
    /// The money of a purchase went back to who paid; at most one per purchase.
    Reversal(Reversal),
}

/// What a grant counts as: only paid credit makes an account a paying one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    Trial,
    Paid,
}

/// What was bought, as it was priced then: a later change of prices does not rewrite it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Id of the pack.
    pub pack: String,
    pub currency: Currency,
    /// In hundredths of the currency: cents, paise.
    pub price_hundredths: i64,
    /// The pack's price in cents of a dollar, whatever it was paid in.
    pub price_usd_cents: i64,
    /// The payment provider's id of the event that reported the payment.
    pub event: String,
}

/// A purchase taken back. What of it was used already stays used: the entry takes what is there, down to 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub purchase: EntryId,
    /// All that the purchase gave; the entry's change is less when less was left.
    pub due: Xeconds,
    /// The payment provider's id of the event that reported it.
    pub event: String,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Currency {
    Usd,
    Inr,
}

impl Currency {
    pub const ALL: [Currency; 2] = [Currency::Usd, Currency::Inr];

    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Currency::Usd => "USD",
            Currency::Inr => "INR",
        }
    }
}

impl EntryKind {
    /// Whether the entry makes its account a paying one.
    pub fn is_paid_credit(&self) -> bool {
        match self {
            EntryKind::Purchase(_) | EntryKind::OperatorGrant { credit: Credit::Paid, .. } => true,
            EntryKind::TrialGrant
            | EntryKind::OperatorGrant { credit: Credit::Trial, .. }
            | EntryKind::Adjustment { .. }
            | EntryKind::Charge { .. }
            | EntryKind::Refund { .. }
            | EntryKind::Reversal(_) => false,
        }
    }
}
