//! Bodies about operators: who may use the API over the network, and as what.

use crate::join::{Fingerprint, is_agent_name, is_host_and_port};
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

/// How every operator's token begins.
pub const TOKEN_PREFIX: &str = "tfo_";

/// `tweenfarm-operator1/NAME/HOST:PORT/AUTHORITY/TOKEN`: all that one needs to operate a farm from elsewhere. A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Pass {
    pub name: String,
    pub address: String,
    /// Of the certificate by which the daemon is recognised.
    pub authority: Fingerprint,
    pub token: String,
}

/// The token stays out of logs.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pass({} at {})", self.name, self.address)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a whole pass: it is the line that `tweenfarm operators add NAME` printed, from tweenfarm-operator1/ to its end"
)]
pub struct NotAPass;

const FIRST_WORD: &str = "tweenfarm-operator1";

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pass { name, address, authority, token } = self;
        write!(f, "{FIRST_WORD}/{name}/{address}/{authority}/{token}")
    }
}

/// Of a text only its first line counts: what `tweenfarm operators add` prints can be kept as it is.
impl FromStr for Pass {
    type Err = NotAPass;

    fn from_str(text: &str) -> Result<Pass, NotAPass> {
        let line = text.trim().lines().next().unwrap_or_default();
        let parts: Vec<&str> = line.trim_end().split('/').collect();
        let [FIRST_WORD, name, address, authority, token] = parts[..] else { return Err(NotAPass) };
        let sendable = token.starts_with(TOKEN_PREFIX) && token.bytes().all(|byte| byte.is_ascii_graphic());
        let good = is_agent_name(name) && is_host_and_port(address) && sendable;
        let authority = authority.parse().map_err(|_| NotAPass)?;
        let (name, address, token) = (name.to_owned(), address.to_owned(), token.to_owned());
        good.then_some(Pass { name, address, authority, token }).ok_or(NotAPass)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_reads_back_as_it_was_printed_and_is_not_shown_whole_to_a_log() {
        let token = format!("{TOKEN_PREFIX}secret");
        let authority = Fingerprint([7; 32]);
        let pass = Pass { name: "ann".into(), address: "farm.example.org:8091".into(), authority, token };
        assert_eq!(pass.to_string().parse::<Pass>(), Ok(pass.clone()));
        assert!(!format!("{pass:?}").contains("secret"));
        let whole = pass.to_string();
        for broken in [&whole[1..], &whole[..40], &whole.replace(TOKEN_PREFIX, "rfx_"), &whole.replace(":8091", "")] {
            assert_eq!(broken.parse::<Pass>(), Err(NotAPass), "{broken}");
        }
    }
}
