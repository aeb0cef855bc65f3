//! Bodies about operators: who may use the API over the network, and as what.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What somebody may do; each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs the farm: jobs, queue, agents in it, sweeps.
    Operator,
    /// Money, keys, who is in the farm, and other operators. Whoever opens the local socket is one.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator or admin")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Role, NoRole> {
        Role::ALL.into_iter().find(|role| role.name() == text).ok_or(NoRole)
    }
}

/// `GET /operator/me`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// `local` for whoever opened the socket.
    pub name: String,
    pub role: Role,
}

/// `POST /operator/operators`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddOperator {
    pub name: String,
    pub role: Role,
}

/// Answer of `POST /operator/operators`: shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedOperator {
    pub name: String,
    pub role: Role,
    /// For `Authorization: Bearer …`.
    pub token: String,
    /// For `tweenfarm --token-file`: where the daemon is, how it is recognised, and the token. None while the daemon
    /// listens on its socket only.
    pub line: Option<String>,
}

/// One row of `GET /operator/operators`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRow {
    pub name: String,
    pub role: Role,
    pub created_at: String,
    /// Since the daemon started.
    pub last_seen_at: Option<String>,
    pub revoked_at: Option<String>,
}

/// Answer of `DELETE /operator/operators/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedOperator {
    pub name: String,
    /// False when there was none, or it had been revoked before.
    pub revoked: bool,
}
