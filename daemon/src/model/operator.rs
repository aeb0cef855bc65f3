//! Operators that come over the network: a name, a role, and the hash of the token that proves it.

use super::SecretHash;
use tweenfarm_protocol::{Timestamp, operator::Role};

/// The newest of its name; it stays on record after it was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub name: String,
    pub role: Role,
    pub token: SecretHash,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl Operator {
    pub fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }
}
