//! Accounts as the operator handles them: added, listed, granted, adjusted, their ledgers read.

use super::{
    account_id,
    asked::{Asked, Limit},
    reason,
};
use crate::{
    farm::{Farm, FarmError, NewAccount},
    http::{HttpState, auth, body::Strict, error::Failure},
    model::{Account, ApiKey, Credit, EntryKind, LedgerEntry, Reversal},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use tweenfarm_protocol::{
    AccountId, Xeconds,
    operator::{AddUser, AddedUser, Adjust, CreditKind, Grant, Granted, LedgerRow, Page, UserRow},
};

const EMAIL_BYTES_MAX: usize = 254;
/// Accounts looked at for one page, at most: what a filter of many costs is bounded, and the next page goes on.
const LOOKED_AT_MAX: usize = 5000;

pub async fn add(
    State(state): State<HttpState>,
    Strict(body): Strict<AddUser>,
) -> Result<(StatusCode, Json<AddedUser>), Failure> {
    let email = body.email.trim().to_owned();
    let plausible = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !plausible || email.len() > EMAIL_BYTES_MAX || email.chars().any(|letter| letter.is_control() || letter == ' ') {
        return Err(Failure::invalid("email must be an e-mail address such as ann@example.org"));
    }
    if body.xeconds < Xeconds::ZERO {
        return Err(Failure::invalid("xeconds must be 0 or more"));
    }
    let (api_key, hash) = auth::new_key();
    let reason = "granted with the account".to_owned();
    let new = NewAccount { email, key: hash, trial: body.trial, grant: body.xeconds, reason };
    let (account, balance) = state.farm.add_account(new).await?;
    let added = AddedUser { account: account.id, email: account.email, api_key, balance };
    Ok((StatusCode::CREATED, Json(added)))
}

pub async fn grant(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<Grant>,
) -> Result<Json<Granted>, Failure> {
    let (account, reason) = (account_id(&account)?, reason(&body.reason)?);
    if body.xeconds <= Xeconds::ZERO {
        return Err(Failure::invalid("xeconds must be above 0: take some back with an adjustment"));
    }
    let credit = match body.kind {
        CreditKind::Trial => Credit::Trial,
        CreditKind::Paid => Credit::Paid,
    };
    let balance = state.farm.grant(account, body.xeconds, reason, credit).await?;
    Ok(Json(Granted { account, balance }))
}

pub async fn adjust(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Strict(body): Strict<Adjust>,
) -> Result<Json<Granted>, Failure> {
    let (account, reason) = (account_id(&account)?, reason(&body.reason)?);
    let balance = state.farm.adjust(account, body.xeconds, reason).await?;
    Ok(Json(Granted { account, balance }))
}

/// In the query of a ledger; `after` is the sequence of the last entry that was shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerPlace {
    #[serde(default)]
    limit: Limit,
    after: Option<u64>,
}

/// Newest first.
pub async fn ledger(
    State(state): State<HttpState>,
    Path(account): Path<String>,
    Asked(place): Asked<LedgerPlace>,
) -> Result<Json<Page<LedgerRow>>, Failure> {
    let account = account_id(&account)?;
    state.farm.account(account)?.ok_or(FarmError::NotFound { what: "account" })?;
    let entries = state.farm.entries_before(account, place.after, place.limit.0)?;
    let next = entries.last().filter(|last| entries.len() == place.limit.0 && last.sequence > 0);
    let next = next.map(|last| last.sequence.to_string());
    Ok(Json(Page { rows: entries.into_iter().map(row_of_entry).collect(), next }))
}

fn row_of_entry(entry: LedgerEntry) -> LedgerRow {
    let (kind, note) = match entry.kind {
        EntryKind::TrialGrant => ("trial grant", String::new()),
        EntryKind::Purchase(bought) => {
            let (whole, hundredths) = (bought.price_hundredths / 100, bought.price_hundredths % 100);
            let price = format!("{whole}.{hundredths:02} {}", bought.currency.code());
            ("purchase", format!("{} for {price}, event {}", bought.pack, bought.event))
        }
        EntryKind::OperatorGrant { reason, credit: Credit::Trial } => ("grant (trial)", reason),
        EntryKind::OperatorGrant { reason, credit: Credit::Paid } => ("grant (paid)", reason),
        EntryKind::Adjustment { reason } => ("adjustment", reason),
        EntryKind::Charge { job } => ("charge", format!("job {job}")),
        EntryKind::Refund { job, .. } => ("refund", format!("job {job}")),
        EntryKind::Reversal(Reversal { due, event, reason, .. }) => {
            let missing = due.0.saturating_add(entry.change.0);
            let used = if missing > 0 { format!(", {missing} of {due} had been used") } else { String::new() };
            ("reversal", format!("{reason}, event {event}{used}"))
        }
    };
    LedgerRow {
        sequence: entry.sequence,
        at: entry.at.to_iso_seconds(),
        kind: kind.to_owned(),
        change: entry.change,
        balance: entry.balance_after,
        note,
    }
}

/// In the query of the list; `q` is part of an address or of an id.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsersAsked {
    #[serde(default)]
    limit: Limit,
    after: Option<AccountId>,
    q: Option<String>,
}

/// In the order of their making.
pub async fn list(
    State(state): State<HttpState>,
    Asked(asked): Asked<UsersAsked>,
) -> Result<Json<Page<UserRow>>, Failure> {
    let (limit, wanted) = (asked.limit.0, asked.q.map(|text| text.to_lowercase()));
    let fits = |account: &Account| {
        wanted.as_ref().is_none_or(|text| account.email.contains(text) || account.id.to_string().contains(text))
    };
    let (mut rows, mut after, mut looked_at) = (Vec::new(), asked.after, 0);
    while looked_at < LOOKED_AT_MAX {
        let accounts = state.farm.accounts_after(after, limit)?;
        let all = accounts.len() < limit;
        for account in accounts {
            (after, looked_at) = (Some(account.id), looked_at + 1);
            if fits(&account) {
                rows.push(row_of_account(&state.farm, account)?);
            }
            if rows.len() == limit {
                return Ok(Json(Page { rows, next: after.map(|id| id.to_string()) }));
            }
        }
        if all {
            return Ok(Json(Page { rows, next: None }));
        }
    }
    Ok(Json(Page { rows, next: after.map(|id| id.to_string()) }))
}

fn row_of_account(farm: &Farm, account: Account) -> Result<UserRow, FarmError> {
    let has_key = farm.active_key(account.id)?.is_some();
    let named = farm.named_keys(account.id)?.iter().filter(|key| ApiKey::is_active(key)).count();
    Ok(UserRow {
        account: account.id,
        balance: farm.balance(account.id)?,
        spent: farm.spent(account.id)?,
        keys: u32::try_from(named).unwrap_or(u32::MAX).saturating_add(u32::from(has_key)),
        has_key,
        jobs_open: farm.jobs_open_of(account.id),
        email: account.email,
        tier: account.tier.as_str().to_owned(),
        created_at: account.created_at.to_iso_seconds(),
    })
}
