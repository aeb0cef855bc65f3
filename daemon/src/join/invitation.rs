//! Making an invitation: a fresh secret for the line, its hash for the farm.

use crate::{
    farm::{Farm, FarmError},
    model::SecretHash,
};
use sha2::{Digest, Sha256};
use std::{ops::RangeInclusive, time::Duration};
use tweenfarm_protocol::{
    Timestamp,
    join::{Fingerprint, Invitation, InviteSecret},
};

/// Shorter ones are over before they are pasted, longer ones lie around.
pub const VALID_FOR: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(7 * 24 * 3600);

/// What an invitation says of this daemon.
#[derive(Clone, Debug)]
pub struct Inviter {
    address: Option<String>,
    authority: Fingerprint,
}

impl Inviter {
    pub fn new(address: Option<String>, authority: Fingerprint) -> Inviter {
        Inviter { address, authority }
    }

    /// The line is the only place its secret is in. Answers when it is over, too.
    pub async fn invite(
        &self,
        farm: &Farm,
        name: String,
        valid_for: Duration,
    ) -> Result<(Invitation, Timestamp), FarmError> {
        let secret = InviteSecret(rand::random());
        let invite = farm.invite(name, hash(&secret), valid_for).await?;
        let Inviter { address, authority } = self.clone();
        Ok((Invitation { name: invite.name, address, authority, secret }, invite.expires_at))
    }
}

/// 256 random bits need no slow hash: nobody guesses them.
pub fn hash(secret: &InviteSecret) -> SecretHash {
    SecretHash(Sha256::digest(secret.0).into())
}
