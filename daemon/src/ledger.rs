//! The ledger's rules: which entries may be booked. The only place where a balance is computed; reads no store.

use crate::model::{EntryKind, LedgerEntry, Purchase, Reversal};
use std::collections::{HashMap, HashSet};
use tweenfarm_protocol::{AccountId, EntryId, JobId, Timestamp, Xeconds};

/// Why an entry may not be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("need {needed} xeconds, have {available}")]
    InsufficientXeconds { needed: Xeconds, available: Xeconds },
    #[error("{0} is not an amount that can be booked")]
    Amount(Xeconds),
    #[error("a trial grant opens a ledger: this account has entries already")]
    TrialOver,
    #[error("the charge {0} has been refunded already")]
    AlreadyRefunded(EntryId),
    #[error("the purchase {0} has been taken back already")]
    AlreadyReversed(EntryId),
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
    if kind == EntryKind::TrialGrant && last.is_some() {
        return Err(LedgerError::TrialOver);
    }
    let sign_fits = match kind {
        EntryKind::TrialGrant | EntryKind::Purchase(_) | EntryKind::OperatorGrant { .. } | EntryKind::Refund { .. } => {
            change > Xeconds::ZERO
        }
        EntryKind::Adjustment { .. } => change != Xeconds::ZERO,
        EntryKind::Charge { .. } => change < Xeconds::ZERO,
        // Nothing is left to be taken: the entry still says that the money went back.
        EntryKind::Reversal(_) => change <= Xeconds::ZERO,
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

/// A purchase whose money went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversalDue {
    pub account: AccountId,
    pub purchase: EntryId,
    /// What the purchase gave.
    pub given: Xeconds,
    pub event: String,
    pub reason: String,
    /// The entry that took this purchase back before, if there is one.
    pub reversed_by: Option<EntryId>,
}

/// Takes a purchase back, as far as something is left: no balance falls below 0, and what is missing is not taken
/// from later credit. A second time is refused.
pub fn reverse(
    last: Option<&LedgerEntry>,
    id: EntryId,
    due: ReversalDue,
    at: Timestamp,
) -> Result<LedgerEntry, LedgerError> {
    let ReversalDue { account, purchase, given, event, reason, reversed_by } = due;
    if reversed_by.is_some() {
        return Err(LedgerError::AlreadyReversed(purchase));
    }
    let change = given.min(balance(last)).checked_neg().ok_or(LedgerError::Amount(given))?;
    let kind = EntryKind::Reversal(Reversal { purchase, due: given, event, reason });
    book(last, Booking { id, account, kind, change, at })
}

/// The purchases that were not taken back.
fn kept_purchases(entries: &[LedgerEntry]) -> impl Iterator<Item = &Purchase> {
    let reversed: HashSet<EntryId> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Reversal(reversal) => Some(reversal.purchase),
            _ => None,
        })
        .collect();
    entries.iter().filter_map(move |entry| match &entry.kind {
        EntryKind::Purchase(purchase) if !reversed.contains(&entry.id) => Some(purchase),
        _ => None,
    })
}

/// What an account has spent on packs, in cents of a dollar; each pack counts at its dollar price of then.
pub fn spent_usd_cents(entries: &[LedgerEntry]) -> i64 {
    kept_purchases(entries).map(|purchase| purchase.price_usd_cents).fold(0, i64::saturating_add)
}

/// What an account's jobs cost, less what was given back for those that failed.
pub fn spent(entries: &[LedgerEntry]) -> Xeconds {
    let of_jobs =
        entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Charge { .. } | EntryKind::Refund { .. }));
    Xeconds(of_jobs.map(|entry| entry.change.0).fold(0, i64::saturating_sub))
}

/// Whether the account ever had paid credit that was not taken back whole, used up or not.
pub fn has_paid_credit(entries: &[LedgerEntry]) -> bool {
    let granted =
        |entry: &LedgerEntry| matches!(entry.kind, EntryKind::OperatorGrant { .. }) && entry.kind.is_paid_credit();
    entries.iter().any(granted) || kept_purchases(entries).next().is_some()
}

/// Whether an account's entries, in sequence, tell one consistent story: no gap, every running balance the sum of
/// the changes so far and never below 0, a trial grant at the start or never, every payment event
/// booked once, every refund of a charge of this ledger, once and in full, every reversal of a purchase of it, once and as
/// far as something was left.
pub fn consistent(entries: &[LedgerEntry]) -> bool {
    let mut sum = Xeconds::ZERO;
    let mut open_charges = HashMap::new();
    let mut open_purchases = HashMap::new();
    let mut payments = HashSet::new();
    for (expected, entry) in (0_u64..).zip(entries) {
        let before = sum;
        let Some(after) = sum.checked_add(entry.change) else { return false };
        sum = after;
        if entry.sequence != expected || entry.balance_after != sum || sum < Xeconds::ZERO {
            return false;
        }
        match &entry.kind {
            EntryKind::OperatorGrant { .. } | EntryKind::Adjustment { .. } => {}
            EntryKind::TrialGrant => {
                if entry.sequence > 0 {
                    return false;
                }
            }
            EntryKind::Purchase(purchase) => {
                if !payments.insert(&purchase.event) {
                    return false;
                }
                open_purchases.insert(entry.id, entry.change);
            }
            EntryKind::Reversal(Reversal { purchase, due, event, .. }) => {
                let taken = (*due).min(before).checked_neg();
                let whole = open_purchases.remove(purchase) == Some(*due) && Some(entry.change) == taken;
                if !payments.insert(event) || !whole {
                    return false;
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Credit, Currency};
    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    const ACCOUNT: AccountId = AccountId(Uuid::nil());
    const AT: Timestamp = Timestamp(5);

    fn granted(amount: i64) -> LedgerEntry {
        let kind = EntryKind::OperatorGrant { reason: "test".into(), credit: Credit::Paid };
        let booking = Booking { id: EntryId(Uuid::nil()), account: ACCOUNT, kind, change: Xeconds(amount), at: AT };
        book(None, booking).expect("a grant can be booked")
    }

    #[test]
    fn a_charge_is_taken_from_what_is_there_and_never_more() {
        let check = |balance: i64, price: i64, expected: Result<i64, LedgerError>| {
            let last = granted(balance);
            let ids = (EntryId(Uuid::from_u128(1)), ACCOUNT, JobId(Uuid::from_u128(2)));
            let booked = charge(Some(&last), ids, Xeconds(price), AT).map(|entry| entry.balance_after.0);
            assert_eq!(booked, expected, "{price} of {balance}");
        };
        let refused = |needed, available| {
            Err(LedgerError::InsufficientXeconds { needed: Xeconds(needed), available: Xeconds(available) })
        };
        check(10, 1, Ok(9));
        check(10, 10, Ok(0));
        check(10, 11, refused(11, 10));
        check(10, i64::MAX, refused(i64::MAX, 10));
        check(10, 0, Err(LedgerError::Amount(Xeconds(0))));
        check(10, -3, Err(LedgerError::Amount(Xeconds(-3))));
        check(10, i64::MIN, Err(LedgerError::Amount(Xeconds(i64::MIN))));
    }

    #[test]
    fn a_purchase_is_taken_back_as_far_as_something_is_left() {
        let check = |balance: i64, given: i64, expected: i64| {
            let last = (balance > 0).then(|| granted(balance));
            let due = ReversalDue {
                account: ACCOUNT,
                purchase: EntryId(Uuid::from_u128(1)),
                given: Xeconds(given),
                event: "re".into(),
                reason: "r".into(),
                reversed_by: None,
            };
            let entry = reverse(last.as_ref(), EntryId(Uuid::from_u128(2)), due.clone(), AT).unwrap();
            assert_eq!((entry.change.0, entry.balance_after.0), (expected, balance + expected), "{given} of {balance}");
            let again = ReversalDue { reversed_by: Some(entry.id), ..due };
            let refused = reverse(Some(&entry), EntryId(Uuid::from_u128(3)), again, AT);
            assert_eq!(refused, Err(LedgerError::AlreadyReversed(EntryId(Uuid::from_u128(1)))));
        };
        check(1000, 600, -600);
        check(600, 600, -600);
        check(10, 600, -10);
        check(0, 600, 0);
    }

    #[test]
    fn an_amount_past_the_largest_balance_is_refused() {
        let last = granted(i64::MAX);
        let kind = EntryKind::Adjustment { reason: "test".into() };
        let booking = Booking { id: EntryId(Uuid::nil()), account: ACCOUNT, kind, change: Xeconds(1), at: AT };
        assert_eq!(book(Some(&last), booking), Err(LedgerError::Amount(Xeconds(1))));
    }

    #[test]
    fn every_kind_has_its_sign_and_an_adjustment_has_both() {
        let check = |kind: EntryKind, change: i64, accepted: bool| {
            let last = (kind != EntryKind::TrialGrant).then(|| granted(10));
            let shown = format!("{kind:?} {change}");
            let booking = Booking { id: EntryId(Uuid::nil()), account: ACCOUNT, kind, change: Xeconds(change), at: AT };
            assert_eq!(book(last.as_ref(), booking).is_ok(), accepted, "{shown}");
        };
        let grant = |credit| EntryKind::OperatorGrant { reason: "x".into(), credit };
        for (kind, down) in [
            (EntryKind::TrialGrant, false),
            (purchase("e"), false),
            (grant(Credit::Trial), false),
            (grant(Credit::Paid), false),
            (EntryKind::Adjustment { reason: "x".into() }, true),
        ] {
            check(kind.clone(), 5, true);
            check(kind.clone(), 0, false);
            check(kind.clone(), -5, down);
            check(kind, -11, false);
        }
    }

    #[test]
    fn a_trial_opens_a_ledger_or_is_refused() {
        let booking = Booking {
            id: EntryId(Uuid::nil()),
            account: ACCOUNT,
            kind: EntryKind::TrialGrant,
            change: Xeconds(1),
            at: AT,
        };
        assert_eq!(book(Some(&granted(1)), booking), Err(LedgerError::TrialOver));
    }

    #[test]
    fn only_purchases_and_paid_grants_are_paid_credit() {
        let check = |kind: EntryKind, expected: bool| assert_eq!(kind.is_paid_credit(), expected, "{kind:?}");
        check(EntryKind::TrialGrant, false);
        check(purchase("e"), true);
        check(EntryKind::OperatorGrant { reason: String::new(), credit: Credit::Trial }, false);
        check(EntryKind::OperatorGrant { reason: String::new(), credit: Credit::Paid }, true);
        check(EntryKind::Adjustment { reason: String::new() }, false);
    }

    fn purchase(event: &str) -> EntryKind {
        EntryKind::Purchase(Purchase {
            pack: "starter".into(),
            currency: Currency::Inr,
            price_hundredths: 39_900,
            price_usd_cents: 500,
            event: event.into(),
        })
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Grant(i64, Credit),
        Trial(i64),
        /// Reported under one of a few event ids, so that the same one comes again.
        Purchase(i64, u8),
        Adjust(i64),
        Charge(i64),
        /// Of the purchase at this position among those made, if there are any: done before or not.
        Reverse(usize),
        /// Of the charge at this position among those made, if there are any: done before or not.
        Refund(usize),
    }

    fn any_operation() -> impl Strategy<Value = Operation> {
        let amount = || prop_oneof![8 => -20_i64..60, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
        prop_oneof![
            (amount(), prop_oneof![Just(Credit::Trial), Just(Credit::Paid)])
                .prop_map(|(amount, credit)| Operation::Grant(amount, credit)),
            (amount(), 0_u8..8).prop_map(|(amount, event)| Operation::Purchase(amount, event)),
            amount().prop_map(Operation::Adjust),
            amount().prop_map(Operation::Trial),
            amount().prop_map(Operation::Charge),
            (0_usize..50).prop_map(Operation::Refund),
            (0_usize..50).prop_map(Operation::Reverse),
        ]
    }

    /// Books what the rules allow, as the farm does.
    fn replay(operations: &[Operation]) -> Vec<LedgerEntry> {
        let mut entries: Vec<LedgerEntry> = Vec::new();
        for (number, operation) in (1_u128..).zip(operations) {
            let id = EntryId(Uuid::from_u128(number));
            let last = entries.last();
            let plain =
                |kind, change| book(last, Booking { id, account: ACCOUNT, kind, change: Xeconds(change), at: AT });
            let booked = match operation {
                Operation::Grant(amount, credit) => {
                    plain(EntryKind::OperatorGrant { reason: String::new(), credit: *credit }, *amount)
                }
                Operation::Purchase(amount, event) => {
                    let event = event.to_string();
                    let paid =
                        |entry: &LedgerEntry| matches!(&entry.kind, EntryKind::Purchase(of) if of.event == event);
                    if entries.iter().any(paid) {
                        continue;
                    }
                    plain(purchase(&event), *amount)
                }
                Operation::Adjust(amount) => plain(EntryKind::Adjustment { reason: String::new() }, *amount),
                Operation::Trial(amount) => plain(EntryKind::TrialGrant, *amount),
                Operation::Charge(price) => {
                    charge(last, (id, ACCOUNT, JobId(Uuid::from_u128(number))), Xeconds(*price), AT)
                }
                Operation::Reverse(position) => {
                    let purchases: Vec<_> =
                        entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Purchase(_))).collect();
                    let Some(purchase) = purchases.get(position % purchases.len().max(1)) else { continue };
                    let takes = |entry: &&LedgerEntry| matches!(&entry.kind, EntryKind::Reversal(of) if of.purchase == purchase.id);
                    let due = ReversalDue {
                        account: ACCOUNT,
                        purchase: purchase.id,
                        given: purchase.change,
                        event: format!("back {number}"),
                        reason: String::new(),
                        reversed_by: entries.iter().find(takes).map(|entry| entry.id),
                    };
                    reverse(last, id, due, AT)
                }
                Operation::Refund(position) => {
                    let charges: Vec<_> =
                        entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Charge { .. })).collect();
                    let Some(charge) = charges.get(position % charges.len().max(1)) else { continue };
                    let EntryKind::Charge { job } = charge.kind else { continue };
                    let refunds = |entry: &&LedgerEntry| matches!(entry.kind, EntryKind::Refund { charge: of, .. } if of == charge.id);
                    let refunded_by = entries.iter().find(refunds).map(|entry| entry.id);
                    let charged = Xeconds(-charge.change.0);
                    refund(last, id, RefundDue { charge: charge.id, account: ACCOUNT, job, charged, refunded_by }, AT)
                }
            };
            entries.extend(booked.ok());
        }
        entries
    }

    fn sum_of(entries: &[LedgerEntry], counts: impl Fn(&EntryKind) -> bool) -> i128 {
        entries.iter().filter(|entry| counts(&entry.kind)).map(|entry| i128::from(entry.change.0)).sum()
    }

    proptest! {
        #[test]
        fn xeconds_are_conserved_and_never_overdrawn(operations in vec(any_operation(), 1..200)) {
            let entries = replay(&operations);
            let granted = sum_of(&entries, |kind| {
                matches!(kind, EntryKind::TrialGrant | EntryKind::Purchase(_) | EntryKind::OperatorGrant { .. })
            });
            let adjusted = sum_of(&entries, |kind| matches!(kind, EntryKind::Adjustment { .. }));
            let charged = -sum_of(&entries, |kind| matches!(kind, EntryKind::Charge { .. }));
            let refunded = sum_of(&entries, |kind| matches!(kind, EntryKind::Refund { .. }));
            let reversed = -sum_of(&entries, |kind| matches!(kind, EntryKind::Reversal(_)));
            prop_assert_eq!(granted + adjusted + refunded - reversed, i128::from(balance(entries.last()).0) + charged);
            prop_assert!(entries.iter().all(|entry| entry.balance_after >= Xeconds::ZERO));
            prop_assert!(consistent(&entries));
            let count = |counts: fn(&EntryKind) -> bool| entries.iter().filter(|entry| counts(&entry.kind)).count();
            let reversals = count(|kind| matches!(kind, EntryKind::Reversal(_)));
            let packs = count(|kind| matches!(kind, EntryKind::Purchase(_))) - reversals;
            prop_assert_eq!(spent_usd_cents(&entries), 500 * i64::try_from(packs).unwrap());
        }

        #[test]
        fn a_charge_is_refunded_and_a_purchase_taken_back_once_however_often_it_is_asked(operations in vec(any_operation(), 1..200)) {
            let mut refunded: Vec<EntryId> = replay(&operations).into_iter().filter_map(|entry| match entry.kind {
                EntryKind::Refund { charge, .. } => Some(charge),
                EntryKind::Reversal(Reversal { purchase, .. }) => Some(purchase),
                _ => None,
            }).collect();
            let count = refunded.len();
            refunded.sort_unstable();
            refunded.dedup();
            prop_assert_eq!(refunded.len(), count);
        }

        /// Whatever single number of a ledger is altered, the audit sees it.
        #[test]
        fn an_altered_ledger_is_noticed(operations in vec(any_operation(), 1..60), at in 0_usize..60, by in 1_i64..5, field in 0..3) {
            let mut entries = replay(&operations);
            let count = entries.len();
            prop_assume!(count > 0);
            let entry = &mut entries[at % count];
            match field {
                0 => entry.change = Xeconds(entry.change.0.wrapping_add(by)),
                1 => entry.balance_after = Xeconds(entry.balance_after.0.wrapping_add(by)),
                _ => entry.sequence += by.unsigned_abs(),
            }
            prop_assert!(!consistent(&entries));
        }
    }
}
