//! Records of agents that joined, and of invitations.

use super::{RecordError, Stored};
use crate::model::{Agent, Invite, InviteState, SecretHash, Standing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tweenfarm_protocol::{AgentId, Timestamp, join::Fingerprint};

#[derive(Serialize, Deserialize)]
pub enum AgentRecord {
    V1 {
        id: AgentId,
        name: String,
        key: [u8; 32],
        joined_at: Timestamp,
        standing: StandingV1,
        proven: BTreeMap<String, Timestamp>,
    },
}

#[derive(Serialize, Deserialize)]
pub enum StandingV1 {
    Member,
    Revoked { at: Timestamp },
}

impl Stored for Agent {
    type Record = AgentRecord;

    fn to_record(&self) -> AgentRecord {
        let Agent { id, name, key, joined_at, standing, proven } = self.clone();
        let standing = match standing {
            Standing::Member => StandingV1::Member,
            Standing::Revoked { at } => StandingV1::Revoked { at },
        };
        AgentRecord::V1 { id, name, key: key.0, joined_at, standing, proven }
    }

    fn from_record(record: AgentRecord) -> Result<Agent, RecordError> {
        let AgentRecord::V1 { id, name, key, joined_at, standing, proven } = record;
        let standing = match standing {
            StandingV1::Member => Standing::Member,
            StandingV1::Revoked { at } => Standing::Revoked { at },
        };
        Ok(Agent { id, name, key: Fingerprint(key), joined_at, standing, proven })
    }
}

#[derive(Serialize, Deserialize)]
pub enum InviteRecord {
    V1 { name: String, secret: [u8; 32], made_at: Timestamp, expires_at: Timestamp, state: InviteStateV1 },
}

#[derive(Serialize, Deserialize)]
pub enum InviteStateV1 {
    Open,
    Used { by: AgentId, key: [u8; 32], at: Timestamp },
}

impl Stored for Invite {
    type Record = InviteRecord;

    fn to_record(&self) -> InviteRecord {
        let Invite { name, secret, made_at, expires_at, state } = self.clone();
        let state = match state {
            InviteState::Open => InviteStateV1::Open,
            InviteState::Used { by, key, at } => InviteStateV1::Used { by, key: key.0, at },
        };
        InviteRecord::V1 { name, secret: secret.0, made_at, expires_at, state }
    }

    fn from_record(record: InviteRecord) -> Result<Invite, RecordError> {
        let InviteRecord::V1 { name, secret, made_at, expires_at, state } = record;
        let state = match state {
            InviteStateV1::Open => InviteState::Open,
            InviteStateV1::Used { by, key, at } => InviteState::Used { by, key: Fingerprint(key), at },
        };
        Ok(Invite { name, secret: SecretHash(secret), made_at, expires_at, state })
    }
}
