//! Records of accounts, keys, ledger entries, projects, first answers and what jobs were asked for.

use super::{RecordError, Stored};
use crate::model::{
    Account, ApiKey, Credit, Currency, EntryKind, FirstAnswer, KeyHash, KeyKind, KeyLabel, LedgerEntry, Origin,
    Project, ProjectState, Purchase, Reversal, ShareToken, Tier, Weight,
};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{AccountId, EntryId, JobId, KeyId, ProjectId, Timestamp, Xeconds};

#[derive(Serialize, Deserialize)]
pub enum AccountRecord {
    V1 { id: AccountId, email: String, tier: TierV1, created_at: Timestamp },
    V2 { id: AccountId, email: String, email_as_of: Timestamp, tier: TierV1, created_at: Timestamp },
    V3 { id: AccountId, email: String, email_as_of: Timestamp, tier: TierV1, weight: u32, created_at: Timestamp },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum TierV1 {
    Free,
    Paid,
}

impl From<Tier> for TierV1 {
    fn from(tier: Tier) -> TierV1 {
        match tier {
            Tier::Free => TierV1::Free,
            Tier::Paid => TierV1::Paid,
        }
    }
}

impl From<TierV1> for Tier {
    fn from(tier: TierV1) -> Tier {
        match tier {
            TierV1::Free => Tier::Free,
            TierV1::Paid => Tier::Paid,
        }
    }
}

impl Stored for Account {
    type Record = AccountRecord;

    fn to_record(&self) -> AccountRecord {
        let Account { id, email, email_as_of, tier, weight, created_at } = self.clone();
        AccountRecord::V3 { id, email, email_as_of, tier: tier.into(), weight: weight.get(), created_at }
    }

    fn from_record(record: AccountRecord) -> Result<Account, RecordError> {
        let (id, email, email_as_of, tier, weight, created_at) = match record {
            AccountRecord::V1 { id, email, tier, created_at } => (id, email, created_at, tier, 1, created_at),
            AccountRecord::V2 { id, email, email_as_of, tier, created_at } => {
                (id, email, email_as_of, tier, 1, created_at)
            }
            AccountRecord::V3 { id, email, email_as_of, tier, weight, created_at } => {
                (id, email, email_as_of, tier, weight, created_at)
            }
        };
        let weight = Weight::new(weight).ok_or_else(|| format!("an account of weight {weight}"))?;
        Ok(Account { id, email, email_as_of, tier: tier.into(), weight, created_at })
    }
}

#[derive(Serialize, Deserialize)]
pub enum KeyRecord {
    V1 { hash: [u8; 32], account: AccountId, kind: KeyKindV1, created_at: Timestamp, revoked_at: Option<Timestamp> },
    V2 { hash: [u8; 32], account: AccountId, kind: KeyKindV2, created_at: Timestamp, revoked_at: Option<Timestamp> },
}

#[derive(Serialize, Deserialize)]
pub enum KeyKindV1 {
    Rfx,
}

#[derive(Serialize, Deserialize)]
pub enum KeyKindV2 {
    Rfx,
    Afk { id: KeyId, name: String, prefix: String },
}

impl Stored for ApiKey {
    type Record = KeyRecord;

    fn to_record(&self) -> KeyRecord {
        let ApiKey { hash, account, kind, created_at, revoked_at } = self.clone();
        let kind = match kind {
            KeyKind::Rfx => KeyKindV2::Rfx,
            KeyKind::Afk(KeyLabel { id, name, prefix }) => KeyKindV2::Afk { id, name, prefix },
        };
        KeyRecord::V2 { hash: hash.0, account, kind, created_at, revoked_at }
    }

    fn from_record(record: KeyRecord) -> Result<ApiKey, RecordError> {
        let (hash, account, kind, created_at, revoked_at) = match record {
            KeyRecord::V1 { hash, account, kind: KeyKindV1::Rfx, created_at, revoked_at } => {
                (hash, account, KeyKindV2::Rfx, created_at, revoked_at)
            }
            KeyRecord::V2 { hash, account, kind, created_at, revoked_at } => {
                (hash, account, kind, created_at, revoked_at)
            }
        };
        let kind = match kind {
            KeyKindV2::Rfx => KeyKind::Rfx,
            KeyKindV2::Afk { id, name, prefix } => KeyKind::Afk(KeyLabel { id, name, prefix }),
        };
        Ok(ApiKey { hash: KeyHash(hash), account, kind, created_at, revoked_at })
    }
}

#[derive(Serialize, Deserialize)]
pub enum EntryRecord {
    V1 {
        id: EntryId,
        account: AccountId,
        sequence: u64,
        kind: EntryKindV1,
        change: Xeconds,
        balance_after: Xeconds,
        at: Timestamp,
    },
    V2 {
        id: EntryId,
        account: AccountId,
        sequence: u64,
        kind: EntryKindV2,
        change: Xeconds,
        balance_after: Xeconds,
        at: Timestamp,
    },
}

/// Before there were purchases; every operator's grant counted as paid, and one below 0 was a correction.
#[derive(Serialize, Deserialize)]
pub enum EntryKindV1 {
    TrialGrant,
    OperatorGrant { reason: String },
    Charge { job: JobId },
    Refund { charge: EntryId, job: JobId },
}

#[derive(Serialize, Deserialize)]
pub enum EntryKindV2 {
    TrialGrant,
    Purchase { pack: String, currency: CurrencyV2, price_hundredths: i64, price_usd_cents: i64, event: String },
    OperatorGrant { reason: String, credit: CreditV2 },
    Adjustment { reason: String },
    Charge { job: JobId },
    Refund { charge: EntryId, job: JobId },
    Reversal { purchase: EntryId, due: Xeconds, event: String, reason: String },
}

#[derive(Serialize, Deserialize)]
pub enum CurrencyV2 {
    Usd,
    Inr,
}

#[derive(Serialize, Deserialize)]
pub enum CreditV2 {
    Trial,
    Paid,
}

impl EntryKindV1 {
    fn upgraded(self, change: Xeconds) -> EntryKind {
        match self {
            EntryKindV1::TrialGrant => EntryKind::TrialGrant,
            EntryKindV1::OperatorGrant { reason } if change < Xeconds::ZERO => EntryKind::Adjustment { reason },
            EntryKindV1::OperatorGrant { reason } => EntryKind::OperatorGrant { reason, credit: Credit::Paid },
            EntryKindV1::Charge { job } => EntryKind::Charge { job },
            EntryKindV1::Refund { charge, job } => EntryKind::Refund { charge, job },
        }
    }
}

impl From<EntryKind> for EntryKindV2 {
    fn from(kind: EntryKind) -> EntryKindV2 {
        match kind {
            EntryKind::TrialGrant => EntryKindV2::TrialGrant,
            EntryKind::Purchase(Purchase { pack, currency, price_hundredths, price_usd_cents, event }) => {
                let currency = match currency {
                    Currency::Usd => CurrencyV2::Usd,
                    Currency::Inr => CurrencyV2::Inr,
                };
                EntryKindV2::Purchase { pack, currency, price_hundredths, price_usd_cents, event }
            }
            EntryKind::OperatorGrant { reason, credit } => {
                let credit = match credit {
                    Credit::Trial => CreditV2::Trial,
                    Credit::Paid => CreditV2::Paid,
                };
                EntryKindV2::OperatorGrant { reason, credit }
            }
            EntryKind::Adjustment { reason } => EntryKindV2::Adjustment { reason },
            EntryKind::Charge { job } => EntryKindV2::Charge { job },
            EntryKind::Refund { charge, job } => EntryKindV2::Refund { charge, job },
            EntryKind::Reversal(Reversal { purchase, due, event, reason }) => {
                EntryKindV2::Reversal { purchase, due, event, reason }
            }
        }
    }
}

impl From<EntryKindV2> for EntryKind {
    fn from(kind: EntryKindV2) -> EntryKind {
        match kind {
            EntryKindV2::TrialGrant => EntryKind::TrialGrant,
            EntryKindV2::Purchase { pack, currency, price_hundredths, price_usd_cents, event } => {
                let currency = match currency {
                    CurrencyV2::Usd => Currency::Usd,
                    CurrencyV2::Inr => Currency::Inr,
                };
                EntryKind::Purchase(Purchase { pack, currency, price_hundredths, price_usd_cents, event })
            }
            EntryKindV2::OperatorGrant { reason, credit } => {
                let credit = match credit {
                    CreditV2::Trial => Credit::Trial,
                    CreditV2::Paid => Credit::Paid,
                };
                EntryKind::OperatorGrant { reason, credit }
            }
            EntryKindV2::Adjustment { reason } => EntryKind::Adjustment { reason },
            EntryKindV2::Charge { job } => EntryKind::Charge { job },
            EntryKindV2::Refund { charge, job } => EntryKind::Refund { charge, job },
            EntryKindV2::Reversal { purchase, due, event, reason } => {
                EntryKind::Reversal(Reversal { purchase, due, event, reason })
            }
        }
    }
}

impl Stored for LedgerEntry {
    type Record = EntryRecord;

    fn to_record(&self) -> EntryRecord {
        let LedgerEntry { id, account, sequence, kind, change, balance_after, at } = self.clone();
        EntryRecord::V2 { id, account, sequence, kind: kind.into(), change, balance_after, at }
    }

    fn from_record(record: EntryRecord) -> Result<LedgerEntry, RecordError> {
        Ok(match record {
            EntryRecord::V1 { id, account, sequence, kind, change, balance_after, at } => {
                LedgerEntry { id, account, sequence, kind: kind.upgraded(change), change, balance_after, at }
            }
            EntryRecord::V2 { id, account, sequence, kind, change, balance_after, at } => {
                LedgerEntry { id, account, sequence, kind: kind.into(), change, balance_after, at }
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
pub enum ProjectRecord {
    V1 { id: ProjectId, account: AccountId, name: String, created_at: Timestamp },
    V2 { id: ProjectId, account: AccountId, name: String, created_at: Timestamp, state: ProjectStateV2 },
    V3 { id: ProjectId, account: AccountId, name: String, listed: bool, created_at: Timestamp, state: ProjectStateV2 },
}

#[derive(Serialize, Deserialize)]
pub enum ProjectStateV2 {
    Kept { share: Option<[u8; 20]> },
    Deleted { at: Timestamp },
}

impl Stored for Project {
    type Record = ProjectRecord;

    fn to_record(&self) -> ProjectRecord {
        let Project { id, account, name, listed, created_at, state } = self.clone();
        let state = match state {
            ProjectState::Kept { share } => ProjectStateV2::Kept { share: share.map(|token| token.0) },
            ProjectState::Deleted { at } => ProjectStateV2::Deleted { at },
        };
        ProjectRecord::V3 { id, account, name, listed, created_at, state }
    }

    fn from_record(record: ProjectRecord) -> Result<Project, RecordError> {
        let (id, account, name, listed, created_at, state) = match record {
            ProjectRecord::V1 { id, account, name, created_at } => {
                (id, account, name, true, created_at, ProjectStateV2::Kept { share: None })
            }
            ProjectRecord::V2 { id, account, name, created_at, state } => (id, account, name, true, created_at, state),
            ProjectRecord::V3 { id, account, name, listed, created_at, state } => {
                (id, account, name, listed, created_at, state)
            }
        };
        let state = match state {
            ProjectStateV2::Kept { share } => ProjectState::Kept { share: share.map(ShareToken) },
            ProjectStateV2::Deleted { at } => ProjectState::Deleted { at },
        };
        Ok(Project { id, account, name, listed, created_at, state })
    }
}

#[derive(Serialize, Deserialize)]
pub enum AnswerRecord {
    V1 {
        account: AccountId,
        route: String,
        key: String,
        request: [u8; 32],
        job: JobId,
        balance_after: Xeconds,
        at: Timestamp,
    },
}

impl Stored for FirstAnswer {
    type Record = AnswerRecord;

    fn to_record(&self) -> AnswerRecord {
        let FirstAnswer { account, route, key, request, job, balance_after, at } = self.clone();
        AnswerRecord::V1 { account, route, key, request, job, balance_after, at }
    }

    fn from_record(record: AnswerRecord) -> Result<FirstAnswer, RecordError> {
        let AnswerRecord::V1 { account, route, key, request, job, balance_after, at } = record;
        Ok(FirstAnswer { account, route, key, request, job, balance_after, at })
    }
}

#[derive(Serialize, Deserialize)]
pub enum OriginRecord {
    V1 { job: JobId, model: String, params: String },
}

impl Stored for Origin {
    type Record = OriginRecord;

    fn to_record(&self) -> OriginRecord {
        let Origin { job, model, params } = self.clone();
        OriginRecord::V1 { job, model, params }
    }

    fn from_record(record: OriginRecord) -> Result<Origin, RecordError> {
        let OriginRecord::V1 { job, model, params } = record;
        Ok(Origin { job, model, params })
    }
}
