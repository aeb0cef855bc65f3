//! Ids: one type per thing, so that a job's id never stands where a file's should.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id as 16 big-endian bytes: version 7 ids sort by their time.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

id! {
    /// Who pays: a user, its keys, one balance.
    AccountId,
    /// One API key of an account, of those that are many.
    KeyId,
    /// Groups files and jobs of an account.
    ProjectId,
    /// One media object, input or output.
    FileId,
    /// One clip to one target rate.
    JobId,
    /// One immutable change of xeconds.
    EntryId,
    /// A worker's right to one task until a deadline; it fences every report.
    LeaseId,
    /// The process on a GPU machine.
    AgentId,
}
