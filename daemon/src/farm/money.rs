//! Commands on xeconds that come from outside: grants, adjustments, payments. Charges and refunds go with jobs.

use super::{
    accounts::in_one_form,
    error::FarmError,
    request::{Bought, MoneyBack, Payer, Payment, Reversed},
    transaction::Transaction,
};
use crate::model::{Account, Credit, Currency, EntryKind, LedgerEntry, Purchase, Reversal};
use tweenfarm_protocol::{AccountId, Xeconds};

pub(super) fn grant(
    tx: &mut Transaction,
    id: AccountId,
    amount: Xeconds,
    reason: String,
    credit: Credit,
) -> Result<Xeconds, FarmError> {
    let account = tx.account(id)?;
    Ok(tx.book(account, EntryKind::OperatorGrant { reason, credit }, amount)?.balance_after)
}

pub(super) fn adjust(
    tx: &mut Transaction,
    id: AccountId,
    change: Xeconds,
    reason: String,
) -> Result<Xeconds, FarmError> {
    let account = tx.account(id)?;
    Ok(tx.book(account, EntryKind::Adjustment { reason }, change)?.balance_after)
}

/// Books a payment once, however often its event is reported.
pub(super) fn buy(tx: &mut Transaction, payment: Payment) -> Result<Bought, FarmError> {
    if let Some(entry) = tx.payment(&payment.event)? {
        return replay(tx, &payment, entry);
    }
    let account = payer(tx, &payment.payer)?;
    let purchase = Purchase {
        pack: payment.pack.id.to_owned(),
        currency: payment.currency,
        price_hundredths: payment.pack.price_hundredths(payment.currency),
        price_usd_cents: payment.pack.price_hundredths(Currency::Usd),
        event: payment.event,
    };
    let entry = tx.book(account, EntryKind::Purchase(purchase), payment.pack.xeconds)?;
    Ok(bought(entry, false))
}

fn payer(tx: &Transaction, payer: &Payer) -> Result<Account, FarmError> {
    let id = match payer {
        Payer::Account(id) => *id,
        Payer::Email(email) => {
            let found = tx.account_with_email(&in_one_form(email))?;
            found.ok_or(FarmError::NotFound { what: "account" })?
        }
    };
    tx.account(id)
}

/// The same event again is answered as at first; one that says something else is refused.
fn replay(tx: &Transaction, payment: &Payment, entry: LedgerEntry) -> Result<Bought, FarmError> {
    let same = matches!(&entry.kind, EntryKind::Purchase(purchase)
        if purchase.pack == payment.pack.id && purchase.currency == payment.currency)
        && payer(tx, &payment.payer)?.id == entry.account;
    if same { Ok(bought(entry, true)) } else { Err(FarmError::PaymentConflict) }
}

/// Takes a purchase back once, however often the event is reported.
pub(super) fn reverse(tx: &mut Transaction, back: MoneyBack) -> Result<Reversed, FarmError> {
    let purchase = tx.payment(&back.payment)?.filter(|entry| matches!(entry.kind, EntryKind::Purchase(_)));
    let purchase = purchase.ok_or(FarmError::NotFound { what: "payment" })?;
    match tx.payment(&back.event)? {
        None => {
            let entry = tx.reverse(&purchase, back)?;
            Ok(reversed(&entry, purchase.change, false))
        }
        // The same event again is answered as at first; one that says something else is refused.
        Some(entry) => match &entry.kind {
            EntryKind::Reversal(Reversal { purchase: of, .. }) if *of == purchase.id => {
                Ok(reversed(&entry, purchase.change, true))
            }
            _ => Err(FarmError::PaymentConflict),
        },
    }
}

fn reversed(entry: &LedgerEntry, given: Xeconds, replayed: bool) -> Reversed {
    let taken = Xeconds(entry.change.0.saturating_neg());
    let missing = Xeconds(given.0.saturating_sub(taken.0));
    Reversed { account: entry.account, taken, missing, balance_after: entry.balance_after, replayed }
}

fn bought(entry: LedgerEntry, replayed: bool) -> Bought {
    Bought { account: entry.account, xeconds: entry.change, balance_after: entry.balance_after, replayed }
}
