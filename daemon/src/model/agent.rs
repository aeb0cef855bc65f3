//! Agents that joined over the network, and the invitations they joined by. An agent on the daemon's own machine that
//! dials in by its socket is in no record: whoever opens the socket runs as the daemon's user already.

use std::collections::BTreeMap;
use tweenfarm_protocol::{AgentId, Timestamp, join::Fingerprint};

/// A machine that joined; it stays on record after it was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    /// As it was invited; no two members have the same.
    pub name: String,
    /// Of its public key. The key is who it is: certificates come and go.
    pub key: Fingerprint,
    pub joined_at: Timestamp,
    pub standing: Standing,
    /// Devices, by Vulkan UUID, that rendered the probe rightly, and when. Every other device is on probation.
    pub proven: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    Revoked { at: Timestamp },
}

impl Agent {
    pub fn is_member(&self) -> bool {
        matches!(self.standing, Standing::Member)
    }
}

/// SHA-256 of an invitation's secret. The secret itself is in the line that was printed, and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretHash({}…)", hex::encode(&self.0[..4]))
    }
}

/// The last invitation for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    pub name: String,
    pub secret: SecretHash,
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
    pub state: InviteState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteState {
    Open,
    Used { by: AgentId, key: Fingerprint, at: Timestamp },
}
