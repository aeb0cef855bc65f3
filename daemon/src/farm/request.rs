//! What callers ask of the farm, and what it answers to a submission.

use crate::{
    model::{Currency, Job, KeyHash, ObjectKey, WebhookEvents},
    pricing::CreditPack,
};
use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{AccountId, ProjectId, Timestamp, Xeconds, output::OutputFormat};

/// An account to be made by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    pub email: String,
    pub key: KeyHash,
    /// With the trial grant.
    pub trial: bool,
    /// An operator's grant that counts as paid; 0 for none.
    pub grant: Xeconds,
    pub reason: String,
}

/// One more `afk` key of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub hash: KeyHash,
    pub name: String,
    pub prefix: String,
}

/// A user whose sign-in token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub account: AccountId,
    /// Empty for users without one.
    pub email: String,
    /// When the token was issued.
    pub issued_at: Timestamp,
}

/// A payment for a pack, as a provider's event reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub event: String,
    pub payer: Payer,
    pub pack: CreditPack,
    pub currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payer {
    Account(AccountId),
    Email(String),
}

/// The money of a payment went back to who paid, as a provider's event reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyBack {
    pub event: String,
    /// The event of the payment.
    pub payment: String,
    pub reason: String,
}

/// What a payment came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bought {
    pub account: AccountId,
    pub xeconds: Xeconds,
    pub balance_after: Xeconds,
    /// The event had been booked before: this is the first answer again.
    pub replayed: bool,
}

/// What taking a purchase back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversed {
    pub account: AccountId,
    /// At most what the purchase gave.
    pub taken: Xeconds,
    /// Of what the purchase gave, what had been used: it stays used.
    pub missing: Xeconds,
    pub balance_after: Xeconds,
    pub replayed: bool,
}

/// Where an upload belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// A new project named after the file.
    NewProject,
    Project(ProjectId),
    /// The account's default project, for a short time.
    Temporary,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewUpload {
    pub account: AccountId,
    pub home: Home,
    pub filename: String,
    pub content_type: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    pub account: AccountId,
    pub input_key: ObjectKey,
    /// Checked against the key's own project.
    pub project: Option<ProjectId>,
    pub target_fps: u32,
    /// Size, codec and bits of the output; the default is what nobody asks for by name.
    pub format: OutputFormat,
    /// Asked for; a trial is marked without.
    pub watermark: bool,
    /// To a rate that is not above the source's, frames are dropped and none is made.
    pub drops_frames: bool,
    pub source: SourceFacts,
    pub price: Xeconds,
    pub idempotency: Option<Idempotency>,
    pub webhook: Option<NewWebhook>,
    pub asked: Option<Asked>,
}

/// How a surface asked for a job, to be told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub model: String,
    /// JSON text.
    pub params: String,
}

/// What the client of a job asks to be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    /// Checked, as far as its text tells.
    pub url: String,
    pub events: WebhookEvents,
    /// The key that the job comes with, or the one that stands for a token's user.
    pub signed_with: Option<KeyHash>,
}

/// An `Idempotency-Key` as a client sent it, scoped by account and route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub route: &'static str,
    pub key: String,
    /// SHA-256 of the request in canonical form.
    pub request: [u8; 32],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    pub job: Job,
    pub balance_after: Xeconds,
    /// The idempotency key had been used: this is the first answer again, nothing was charged.
    pub replayed: bool,
}
