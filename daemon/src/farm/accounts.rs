//! Commands on accounts and their keys.

use super::{
    error::FarmError,
    request::{NewAccount, NewKey, SignedIn},
    transaction::Transaction,
};
use crate::{
    model::{Account, ApiKey, Credit, EntryKind, KeyHash, KeyKind, KeyLabel, Tier, Weight},
    pricing,
    store::Write,
};
use tweenfarm_protocol::{AccountId, KeyId, Timestamp, Xeconds};

/// Account, key and opening entries: one transaction.
pub(super) fn add(tx: &mut Transaction, new: NewAccount) -> Result<(Account, Xeconds), FarmError> {
    let email = in_one_form(&new.email);
    if tx.account_with_email(&email)?.is_some() {
        return Err(FarmError::EmailTaken);
    }
    let id = AccountId(tx.fresh_id());
    let mut balance = Xeconds::ZERO;
    open(tx, id, email, tx.now);
    put_key(tx, id, new.key);
    if new.trial {
        balance = tx.book(tx.account(id)?, EntryKind::TrialGrant, pricing::TRIAL_XECONDS)?.balance_after;
    }
    match new.grant {
        Xeconds::ZERO => {}
        // A new account has nothing that could be taken back.
        Xeconds(..0) => return Err(FarmError::Amount(new.grant)),
        positive => {
            let kind = EntryKind::OperatorGrant { reason: new.reason, credit: Credit::Paid };
            balance = tx.book(tx.account(id)?, kind, positive)?.balance_after;
        }
    }
    Ok((tx.account(id)?, balance))
}

/// The account of a user who has proven who they are; made at first sight, with the trial grant. Later it follows the
/// address that their newest token names.
pub(super) fn sign_in(tx: &mut Transaction, user: SignedIn) -> Result<Account, FarmError> {
    let email = in_one_form(&user.email);
    match tx.account(user.account) {
        Err(FarmError::NotFound { .. }) => {}
        Ok(known) => {
            let reached = tx.account_with_email(&known.email)?;
            if !tells_news(&known, reached, &email, user.issued_at) {
                return Ok(known);
            }
            let account = Account { email, email_as_of: user.issued_at, ..known };
            tx.put(Write::PutAccount(account.clone()));
            return Ok(account);
        }
        Err(failed) => return Err(failed),
    }
    // An address that another account had first stays with that one: only the id says who somebody is.
    let account = open(tx, user.account, email, user.issued_at);
    tx.book(account, EntryKind::TrialGrant, pricing::TRIAL_XECONDS)?;
    tx.account(user.account)
}

/// Whether a token changes where its account is reached; `reached` is whom the account's address leads to. A token from
/// before the last change says nothing new, nor does one without an address. The same address is news when it leads to
/// nobody: another account had it first, and has given it up since.
pub(super) fn tells_news(known: &Account, reached: Option<AccountId>, email: &str, issued_at: Timestamp) -> bool {
    let other = email != known.email && issued_at > known.email_as_of;
    let free = email == known.email && reached.is_none();
    !email.is_empty() && (other || free)
}

fn open(tx: &mut Transaction, id: AccountId, email: String, email_as_of: Timestamp) -> Account {
    let account = Account { id, email, email_as_of, tier: Tier::Free, weight: Weight::default(), created_at: tx.now };
    tx.put(Write::PutAccount(account.clone()));
    tx.made.accounts += 1;
    account
}

/// How addresses are compared and stored.
pub(super) fn in_one_form(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Revokes the active key, if any, and makes `new` the active one.
pub(super) fn rotate_key(tx: &mut Transaction, id: AccountId, new: KeyHash) -> Result<(), FarmError> {
    revoke_key(tx, id)?;
    put_key(tx, id, new);
    Ok(())
}

/// False when there was no active key.
pub(super) fn revoke_key(tx: &mut Transaction, id: AccountId) -> Result<bool, FarmError> {
    tx.account(id)?;
    let Some(mut active) = tx.active_key(id)? else { return Ok(false) };
    active.revoked_at = Some(tx.now);
    tx.put(Write::PutKey(active));
    Ok(true)
}

/// One more key beside those the account has.
pub(super) fn add_named_key(tx: &mut Transaction, id: AccountId, new: NewKey) -> Result<ApiKey, FarmError> {
    let account = tx.account(id)?.id;
    let label = KeyLabel { id: KeyId(tx.fresh_id()), name: new.name, prefix: new.prefix };
    let key = ApiKey { hash: new.hash, account, kind: KeyKind::Afk(label), created_at: tx.now, revoked_at: None };
    tx.put(Write::PutKey(key.clone()));
    Ok(key)
}

/// False when it was revoked before.
pub(super) fn revoke_named_key(tx: &mut Transaction, id: AccountId, key: KeyId) -> Result<bool, FarmError> {
    let account = tx.account(id)?.id;
    let named = tx.named_keys(account)?.into_iter().find(|one| one.label().is_some_and(|label| label.id == key));
    let mut named = named.ok_or(FarmError::NotFound { what: "key of this account" })?;
    if !named.is_active() {
        return Ok(false);
    }
    named.revoked_at = Some(tx.now);
    tx.put(Write::PutKey(named));
    Ok(true)
}

fn put_key(tx: &mut Transaction, account: AccountId, hash: KeyHash) {
    let key = ApiKey { hash, account, kind: KeyKind::Rfx, created_at: tx.now, revoked_at: None };
    tx.put(Write::PutKey(key));
}
