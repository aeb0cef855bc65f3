//! Records of operators.

use super::{RecordError, Stored};
use crate::model::{Operator, SecretHash};
use serde::{Deserialize, Serialize};
use tweenfarm_protocol::{Timestamp, operator::Role};

#[derive(Serialize, Deserialize)]
pub enum OperatorRecord {
    V1 { name: String, role: RoleV1, token: [u8; 32], created_at: Timestamp, revoked_at: Option<Timestamp> },
}

#[derive(Serialize, Deserialize)]
pub enum RoleV1 {
    Viewer,
    Operator,
    Admin,
}

impl Stored for Operator {
    type Record = OperatorRecord;

    fn to_record(&self) -> OperatorRecord {
        let Operator { name, role, token, created_at, revoked_at } = self.clone();
        let role = match role {
            Role::Viewer => RoleV1::Viewer,
            Role::Operator => RoleV1::Operator,
            Role::Admin => RoleV1::Admin,
        };
        OperatorRecord::V1 { name, role, token: token.0, created_at, revoked_at }
    }

    fn from_record(record: OperatorRecord) -> Result<Operator, RecordError> {
        let OperatorRecord::V1 { name, role, token, created_at, revoked_at } = record;
        let role = match role {
            RoleV1::Viewer => Role::Viewer,
            RoleV1::Operator => Role::Operator,
            RoleV1::Admin => Role::Admin,
        };
        Ok(Operator { name, role, token: SecretHash(token), created_at, revoked_at })
    }
}
