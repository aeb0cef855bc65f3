//! Commands on accounts, their keys and their xeconds.

use super::{error::FarmError, transaction::Transaction};
use crate::{
    model::{Account, ApiKey, EntryKind, KeyHash, KeyKind, Tier},
    store::Write,
};
use tweenfarm_protocol::{AccountId, Xeconds};

pub(super) fn add(
    tx: &mut Transaction,
    email: &str,
    key: KeyHash,
    grant: Xeconds,
    reason: String,
) -> Result<(Account, Xeconds), FarmError> {
    let email = email.trim().to_lowercase();
    if tx.account_with_email(&email)?.is_some() {
        return Err(FarmError::EmailTaken);
    }
    let tier = if grant > Xeconds::ZERO { Tier::Paid } else { Tier::Free };
    let account = Account { id: AccountId(tx.fresh_id()), email, tier, created_at: tx.now };
    tx.put(Write::PutAccount(account.clone()));
    put_key(tx, account.id, key);
    let balance = match grant {
        Xeconds::ZERO => Xeconds::ZERO,
        // A new account has nothing that could be taken back.
        Xeconds(..0) => return Err(FarmError::Amount(grant)),
        positive => tx.grant(account.id, EntryKind::OperatorGrant { reason }, positive)?,
    };
    Ok((account, balance))
}

pub(super) fn grant(
    tx: &mut Transaction,
    id: AccountId,
    amount: Xeconds,
    reason: String,
) -> Result<Xeconds, FarmError> {
    let mut account = tx.account(id)?;
    if amount > Xeconds::ZERO && account.tier == Tier::Free {
        account.tier = Tier::Paid;
        tx.put(Write::PutAccount(account));
    }
    tx.grant(id, EntryKind::OperatorGrant { reason }, amount)
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

fn put_key(tx: &mut Transaction, account: AccountId, hash: KeyHash) {
    let key = ApiKey { hash, account, kind: KeyKind::Rfx, created_at: tx.now, revoked_at: None };
    tx.put(Write::PutKey(key));
}
