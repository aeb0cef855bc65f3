//! The ledger's rules: which entries may be booked. The only place where a balance is computed; reads no store.

use crate::model::{EntryKind, LedgerEntry};
use tweenfarm_protocol::{AccountId, EntryId, JobId, Timestamp, Xeconds};

/// Why an entry may not be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("need {needed} xeconds, have {available}")]
    InsufficientXeconds { needed: Xeconds, available: Xeconds },
    #[error("{0} is not an amount that can be booked")]
    Amount(Xeconds),
    #[error("the charge {0} has been refunded already")]
    AlreadyRefunded(EntryId),
}

/// The balance after the last entry; nothing has been booked yet: 0.
pub fn balance(last: Option<&LedgerEntry>) -> Xeconds {
    last.map_or(Xeconds::ZERO, |entry| entry.balance_after)
}

/// What is to be booked, apart from its consequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    pub id: EntryId,
    pub account: AccountId,
    pub kind: EntryKind,
    pub change: Xeconds,
    pub at: Timestamp,
}

/// The entry that follows `last` in the account's ledger. The balance never falls below 0 and never overflows.
pub fn book(last: Option<&LedgerEntry>, booking: Booking) -> Result<LedgerEntry, LedgerError> {
    let Booking { id, account, kind, change, at } = booking;
    let sign_fits = match kind {
        EntryKind::TrialGrant | EntryKind::Refund { .. } => change > Xeconds::ZERO,
        // An operator may also take back what was granted by mistake.
        EntryKind::OperatorGrant { .. } => change != Xeconds::ZERO,
        EntryKind::Charge { .. } => change < Xeconds::ZERO,
    };
    if !sign_fits {
        return Err(LedgerError::Amount(change));
    }
    let available = balance(last);
    let balance_after = available.checked_add(change).ok_or(LedgerError::Amount(change))?;
    if balance_after < Xeconds::ZERO {
        let needed = change.checked_neg().ok_or(LedgerError::Amount(change))?;
        return Err(LedgerError::InsufficientXeconds { needed, available });
    }
    let sequence = last.map_or(0, |entry| entry.sequence + 1);
    Ok(LedgerEntry { id, account, sequence, kind, change, balance_after, at })
}

/// The charge of a job that costs `price`.
pub fn charge(
    last: Option<&LedgerEntry>,
    (id, account, job): (EntryId, AccountId, JobId),
    price: Xeconds,
    at: Timestamp,
) -> Result<LedgerEntry, LedgerError> {
    let change = price.checked_neg().ok_or(LedgerError::Amount(price))?;
    if price <= Xeconds::ZERO {
        return Err(LedgerError::Amount(price));
    }
    book(last, Booking { id, account, kind: EntryKind::Charge { job }, change, at })
}

/// A charge to give back in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundDue {
    pub charge: EntryId,
    pub account: AccountId,
    pub job: JobId,
    pub charged: Xeconds,
    /// The entry that refunded this charge before, if there is one.
    pub refunded_by: Option<EntryId>,
}

/// Gives a whole charge back; a second time is refused.
pub fn refund(
    last: Option<&LedgerEntry>,
    id: EntryId,
    due: RefundDue,
    at: Timestamp,
) -> Result<LedgerEntry, LedgerError> {
    if due.refunded_by.is_some() {
        return Err(LedgerError::AlreadyRefunded(due.charge));
    }
    let kind = EntryKind::Refund { charge: due.charge, job: due.job };
    book(last, Booking { id, account: due.account, kind, change: due.charged, at })
}

/// Whether an account's entries, in sequence, tell one consistent story: no gap, every running balance the sum of
/// the changes so far and never below 0, every refund of a charge of this ledger, once and in full.
pub fn consistent(entries: &[LedgerEntry]) -> bool {
    let mut sum = Xeconds::ZERO;
    let mut open_charges = std::collections::HashMap::new();
    for (expected, entry) in (0_u64..).zip(entries) {
        let Some(after) = sum.checked_add(entry.change) else { return false };
        sum = after;
        if entry.sequence != expected || entry.balance_after != sum || sum < Xeconds::ZERO {
            return false;
        }
        match &entry.kind {
            EntryKind::TrialGrant | EntryKind::OperatorGrant { .. } => {}
            EntryKind::Charge { .. } => {
                open_charges.insert(entry.id, entry.change);
            }
            EntryKind::Refund { charge, .. } => {
                if open_charges.remove(charge) != entry.change.checked_neg() {
                    return false;
                }
            }
        }
    }
    true
}
