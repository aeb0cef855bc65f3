//! Projects: they group files and jobs of an account, and may be shown to whoever has their share token.

use std::{fmt, str::FromStr};
use tweenfarm_protocol::{AccountId, ProjectId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub id: ProjectId,
    pub account: AccountId,
    pub name: String,
    /// False for the one that an account's jobs without a project are in: it is shown in no list.
    pub listed: bool,
    pub created_at: Timestamp,
    pub state: ProjectState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectState {
    /// Shown to whoever has the token, if there is one.
    Kept { share: Option<ShareToken> },
    /// Its files are gone; its jobs stay, because the ledger speaks of them.
    Deleted { at: Timestamp },
}

impl Project {
    pub fn is_deleted(&self) -> bool {
        matches!(self.state, ProjectState::Deleted { .. })
    }

    pub fn share(&self) -> Option<ShareToken> {
        match &self.state {
            ProjectState::Kept { share } => *share,
            ProjectState::Deleted { .. } => None,
        }
    }
}

/// What opens a shared project: 160 random bits, as 40 hexadecimal digits. Kept as it is, because sharing again
/// answers with the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareToken(pub [u8; 20]);

impl fmt::Display for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The token opens the project: it stays out of logs.
impl fmt::Debug for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareToken({}…)", hex::encode(&self.0[..2]))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share token has 40 hexadecimal digits")]
pub struct ShareTokenError;

impl FromStr for ShareToken {
    type Err = ShareTokenError;

    fn from_str(text: &str) -> Result<ShareToken, ShareTokenError> {
        // One token has one spelling.
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).ok().filter(|()| lower).ok_or(ShareTokenError)?;
        Ok(ShareToken(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_token_has_one_spelling_and_is_not_shown_whole_to_a_log() {
        let token = ShareToken([0xAB; 20]);
        assert_eq!(token.to_string().parse(), Ok(token));
        for text in [token.to_string().to_uppercase(), "ab".repeat(19), "ab".repeat(21), "zz".repeat(20)] {
            assert_eq!(text.parse::<ShareToken>(), Err(ShareTokenError), "{text}");
        }
        assert!(!format!("{token:?}").contains(&token.to_string()));
    }
}
