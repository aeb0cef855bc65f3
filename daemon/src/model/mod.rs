//! The nouns of the farm and their states. No I/O, no clock: every moment is an argument.

pub mod account;
pub mod agent;
pub mod answer;
pub mod controls;
pub mod event;
pub mod file;
pub mod job;
pub mod ledger;
pub mod operator;
pub mod origin;
pub mod project;
pub mod webhook;

pub use account::{Account, ApiKey, KeyHash, KeyKind, KeyLabel, Tier, Weight};
pub use agent::{Agent, Invite, InviteState, SecretHash, Standing};
pub use answer::FirstAnswer;
pub use controls::{Controls, Duty, Queue};
pub use event::{About, Event, Part, StoryLine, What};
pub use file::{FileKind, FileState, MediaFile, ObjectKey, ObjectKeyError};
pub use job::{
    Abandoned, FailedAttempt, IllegalStep, Job, JobEnd, JobPlace, JobState, Kept, Master, Priority, Segment,
    SegmentEvent, SegmentState, Spot,
};
pub use ledger::{Credit, Currency, EntryKind, LedgerEntry, Purchase, Reversal};
pub use operator::Operator;
pub use origin::Origin;
pub use project::{Project, ProjectState, ShareToken};
pub use webhook::{EndNews, News, ProgressNews, Webhook, WebhookAttempt, WebhookEvents, WebhookRules, WebhookStatus};
