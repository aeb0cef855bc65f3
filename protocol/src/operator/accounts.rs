//! Bodies about accounts: added, listed, granted, their ledgers and keys.

use crate::{AccountId, KeyId, Xeconds};
use serde::{Deserialize, Serialize};

/// `POST /operator/users`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    pub email: String,
    /// An operator's grant booked with the account; 0 for none.
    #[serde(default)]
    pub xeconds: Xeconds,
    /// With the trial grant, as a user who signs in for the first time gets it.
    #[serde(default)]
    pub trial: bool,
}

/// Answer of `POST /operator/users`: the key is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedUser {
    pub account: AccountId,
    pub email: String,
    pub api_key: String,
    pub balance: Xeconds,
}

/// `POST /operator/users/{account}/grants`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub xeconds: Xeconds,
    pub reason: String,
    #[serde(default)]
    pub kind: CreditKind,
}

/// What a grant counts as: paid credit makes the account a paying one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreditKind {
    Trial,
    #[default]
    Paid,
}

/// `POST /operator/users/{account}/adjustments`: a correction, up or down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    pub xeconds: Xeconds,
    pub reason: String,
}

/// One row of `GET /operator/users/{account}/ledger`, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    pub sequence: u64,
    pub at: String,
    pub kind: String,
    pub change: Xeconds,
    /// After this entry.
    pub balance: Xeconds,
    /// The reason, the job, or what was bought.
    pub note: String,
}

/// Answer of `POST /operator/users/{account}/key`: the key is shown this once, the earlier one is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    pub account: AccountId,
    pub api_key: String,
}

/// Answer of `DELETE /operator/users/{account}/key` and of `DELETE /operator/users/{account}/keys/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedKey {
    pub account: AccountId,
    /// False when there was none, or it had been revoked before.
    pub revoked: bool,
}

/// `POST /operator/users/{account}/keys`: one more key of the Apiframe surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddKey {
    pub name: String,
}

/// Answer of `POST /operator/users/{account}/keys`: the key is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedKey {
    pub account: AccountId,
    pub key: KeyId,
    pub name: String,
    pub api_key: String,
}

/// One row of `GET /operator/users/{account}/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// `rfx` or `afk`.
    pub kind: String,
    /// Of an `afk` key.
    pub key: Option<KeyId>,
    pub name: String,
    /// How the key's text begins.
    pub prefix: String,
    pub created_at: String,
    /// To the minute, should the daemon have been killed.
    pub last_used_at: Option<String>,
    pub revoked_at: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub account: AccountId,
    pub balance: Xeconds,
}

/// One row of `GET /operator/users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    pub account: AccountId,
    pub email: String,
    pub tier: String,
    pub balance: Xeconds,
    /// What its jobs cost, less what was given back.
    #[serde(default)]
    pub spent: Xeconds,
    /// Its keys that work, of both surfaces.
    #[serde(default)]
    pub keys: u32,
    pub has_key: bool,
    #[serde(default)]
    pub jobs_open: u64,
    pub created_at: String,
}
