//! Accounts and their keys.

use tweenfarm_protocol::{AccountId, KeyId, Timestamp};

/// Who pays: a user with keys, one balance and a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub email: String,
    /// When somebody who knew last said that this is the address: an older saying does not change it.
    pub email_as_of: Timestamp,
    pub tier: Tier,
    /// Of the farm's work that is to be had, its share beside the others': twice the weight, twice the work.
    pub weight: Weight,
    pub created_at: Timestamp,
}

/// 1 to 1000; 1 unless the operator says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    pub const RANGE: std::ops::RangeInclusive<u32> = 1..=1000;

    /// None outside the range.
    pub fn new(weight: u32) -> Option<Weight> {
        Weight::RANGE.contains(&weight).then_some(Weight(weight))
    }

    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Weight(1)
    }
}

/// Decides retention and watermark: `Paid` once the account has ever had non-trial credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Free,
    Paid,
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Free => "free",
            Tier::Paid => "paid",
        }
    }
}

/// SHA-256 of the whole key text. The key itself is shown once and never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyHash({}…)", hex::encode(&self.0[..4]))
    }
}

/// Which surface a key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `rfx_live_…`, Bearer at the root; one active per account.
    Rfx,
    /// `afk_…`, X-API-Key under `/v2`; as many as are wanted.
    Afk(KeyLabel),
}

/// What tells an account's many keys apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLabel {
    pub id: KeyId,
    /// As whoever made it calls it.
    pub name: String,
    /// How its text begins: enough to recognise it by, far too little to use it.
    pub prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub hash: KeyHash,
    pub account: AccountId,
    pub kind: KeyKind,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    pub fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// The label of one of many.
    pub fn label(&self) -> Option<&KeyLabel> {
        match &self.kind {
            KeyKind::Rfx => None,
            KeyKind::Afk(label) => Some(label),
        }
    }
}
