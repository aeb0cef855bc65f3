//! Joining: the line an operator hands over, and the one call a machine makes with it before it has an identity.
//!
//! The line is a secret until it is used. What it says of the daemon (the hash of its authority) is what the machine
//! trusts; where it says the daemon is, is only where to look.

use crate::AgentId;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// The one name in a daemon's certificate. Its authority is the farm's own and vouches for one daemon, wherever that is.
pub const DAEMON_NAME: &str = "tweenfarmd";
/// What a connection is for is agreed on in the TLS handshake: the service of agents, which takes a certificate,
pub const ALPN_AGENTS: &[u8] = b"tweenfarm-agents/1";
/// or joining, which asks for none and serves nothing else.
pub const ALPN_JOINING: &[u8] = b"tweenfarm-joining/1";
/// Under this name a daemon tells the local network where it is.
pub const DISCOVERY_NAME: &str = "_tweenfarm._tcp.local.";
/// Names of agents are typed, logged and shown in tables.
pub const AGENT_NAME_BYTES_MAX: usize = 63;

/// SHA-256 of something public that is recognised by it: the certificate of a farm's authority, an agent's public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = NotAnInvitation;
    fn from_str(text: &str) -> Result<Fingerprint, NotAnInvitation> {
        bytes(text).map(Fingerprint)
    }
}

/// What opens an invitation, once. It goes over the wire to the daemon whose authority was compared, and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InviteSecret(pub [u8; 32]);

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}

impl From<InviteSecret> for String {
    fn from(secret: InviteSecret) -> String {
        BASE64.encode(secret.0)
    }
}

impl TryFrom<String> for InviteSecret {
    type Error = NotAnInvitation;
    fn try_from(text: String) -> Result<InviteSecret, NotAnInvitation> {
        bytes(&text).map(InviteSecret)
    }
}

/// `tweenfarm1/NAME/HOST:PORT/AUTHORITY/SECRET`; nothing in it means anything to a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What the agent will be called; the secret opens no other name.
    pub name: String,
    /// Where the daemon is; without one it is looked for in the local network.
    pub address: Option<String>,
    /// Of the authority's certificate.
    pub authority: Fingerprint,
    pub secret: InviteSecret,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a whole invitation: paste the line of `tweenfarm invite NAME` as it was printed, from tweenfarm1/ to its end"
)]
pub struct NotAnInvitation;

const FIRST_WORD: &str = "tweenfarm1";

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invitation { name, address, authority, secret } = self;
        let (address, secret) = (address.as_deref().unwrap_or_default(), BASE64.encode(secret.0));
        write!(f, "{FIRST_WORD}/{name}/{address}/{authority}/{secret}")
    }
}

impl FromStr for Invitation {
    type Err = NotAnInvitation;

    fn from_str(text: &str) -> Result<Invitation, NotAnInvitation> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        let [FIRST_WORD, name, address, authority, secret] = parts[..] else { return Err(NotAnInvitation) };
        if !is_agent_name(name) || !(address.is_empty() || is_host_and_port(address)) {
            return Err(NotAnInvitation);
        }
        Ok(Invitation {
            name: name.to_owned(),
            address: Some(address.to_owned()).filter(|address| !address.is_empty()),
            authority: authority.parse()?,
            secret: InviteSecret(bytes(secret)?),
        })
    }
}

fn bytes(text: &str) -> Result<[u8; 32], NotAnInvitation> {
    BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(NotAnInvitation)
}

/// 1 to 63 of a-z, A-Z, 0-9, dot, dash and underscore, the first one a letter or a digit.
pub fn is_agent_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    first && text.len() <= AGENT_NAME_BYTES_MAX && text.bytes().all(plain)
}

/// `gpu.example.org:8090`, `192.0.2.7:8090`, `[2001:db8::7]:8090`; port 0 is no port.
pub fn is_host_and_port(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let in_brackets = |byte: u8| byte.is_ascii_hexdigit() || b":.%".contains(&byte);
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_is_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => !host.is_empty() && host.bytes().all(in_brackets),
            None => !host.is_empty() && host.bytes().all(plain),
        };
        host_is_good && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

/// The only service a connection without a certificate meets.
#[tarpc::service]
pub trait Joining {
    async fn join(request: JoinRequest) -> Result<Joined, JoinRefusal>;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Lowest and highest protocol version the agent speaks.
    pub protocol: (u32, u32),
    pub name: String,
    pub secret: InviteSecret,
    /// PKCS #10, PEM: proves that the agent has the key. Only the public key of it is used.
    pub certificate_request: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub agent: AgentId,
    pub certificate: Certificate,
}

/// What an agent shows of itself from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// X.509, PEM.
    pub pem: String,
    /// From now on, as the daemon's and the agent's clock may differ.
    pub expires_in_seconds: u64,
}

impl Certificate {
    /// A third of its life is used before it is renewed: the other two are for daemons and networks that are away.
    pub fn renew_in(&self) -> Duration {
        Duration::from_secs(self.expires_in_seconds / 3)
    }
}

/// Why a machine did not join. Whoever does not know the secret learns nothing of what was invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JoinRefusal {
    #[error("no such invitation: it may be mistyped, or a later one for the same name has replaced it")]
    Unknown,
    #[error("the invitation is over: ask for a new one with `tweenfarm invite`")]
    Expired,
    #[error(
        "the invitation was used already: if it was not you, revoke that agent; ask for a new one with `tweenfarm invite`"
    )]
    Used,
    #[error("an agent called '{0}' is in the farm: revoke it first, or invite this one under another name")]
    NameTaken(String),
    #[error("the certificate request cannot be used: {0}")]
    Request(String),
    #[error(
        "the daemon speaks protocol {daemon_lowest} to {daemon_highest}, this agent {agent_lowest} to {agent_highest}: bring both to the same release"
    )]
    Protocol { daemon_lowest: u32, daemon_highest: u32, agent_lowest: u32, agent_highest: u32 },
    #[error("the daemon is shutting down or its store is unavailable: try again in a few seconds")]
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(address: Option<&str>) -> Invitation {
        Invitation {
            name: "gpu-1".into(),
            address: address.map(str::to_owned),
            authority: Fingerprint([7; 32]),
            secret: InviteSecret([9; 32]),
        }
    }

    #[test]
    fn an_invitation_is_read_as_it_was_printed_and_no_other_way() {
        for address in [None, Some("192.0.2.7:8090"), Some("[2001:db8::7]:8090"), Some("farm.example.org:1")] {
            let invitation = invitation(address);
            let line = invitation.to_string();
            assert_eq!(format!(" {line}\n").parse(), Ok(invitation), "{line}");
            for length in 0..line.len() {
                assert_eq!(line[..length].parse::<Invitation>(), Err(NotAnInvitation), "{}", &line[..length]);
            }
            assert_eq!(format!("{line}/x").parse::<Invitation>(), Err(NotAnInvitation));
            assert_eq!(line.replace("gpu-1", "gpu 1").parse::<Invitation>(), Err(NotAnInvitation));
        }
    }

    #[test]
    fn a_secret_is_not_in_what_is_logged() {
        let (invitation, secret) = (invitation(None), BASE64.encode([9; 32]));
        let shown = format!("{invitation:?}");
        assert!(!shown.contains(&secret) && !shown.contains("9, 9"), "{shown}");
    }

    #[test]
    fn hosts_and_ports_are_told_from_other_texts() {
        for good in ["a:1", "192.0.2.7:8090", "[::1]:8090", "gpu_1.lan:65535"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in ["", ":1", "a", "a:", "a:0", "a:65536", "::1:8090", "[]:1", "http://a:1", "a b:1", "a/b:1"] {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }
}
