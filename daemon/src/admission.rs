//! Whether an invitation lets a machine in. A rule: facts in, decision out.

use crate::model::{Invite, InviteState, SecretHash};
use subtle::ConstantTimeEq;
use tweenfarm_protocol::{
    AgentId, Timestamp,
    join::{Fingerprint, JoinRefusal},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A new agent; the invitation is used up by it.
    New,
    /// The same machine again, which never got the answer to its first call: it is the agent it was made then.
    Again(AgentId),
}

/// `invite` is the last one for the name that was given. Whoever does not know its secret learns nothing of it, not
/// even by how long the answer takes.
pub fn admit(
    invite: Option<&Invite>,
    secret: SecretHash,
    key: Fingerprint,
    now: Timestamp,
) -> Result<Admission, JoinRefusal> {
    let invite = invite.filter(|invite| bool::from(invite.secret.0.ct_eq(&secret.0))).ok_or(JoinRefusal::Unknown)?;
    match invite.state {
        _ if invite.expires_at <= now => Err(JoinRefusal::Expired),
        InviteState::Open => Ok(Admission::New),
        InviteState::Used { by, key: first, .. } if first == key => Ok(Admission::Again(by)),
        InviteState::Used { .. } => Err(JoinRefusal::Used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const SECRET: SecretHash = SecretHash([1; 32]);
    const KEY: Fingerprint = Fingerprint([2; 32]);
    const AGENT: AgentId = AgentId(Uuid::from_u128(3));

    fn invite(state: InviteState) -> Invite {
        let (made_at, expires_at) = (Timestamp(0), Timestamp(100));
        Invite { name: "gpu-1".into(), secret: SECRET, made_at, expires_at, state }
    }

    #[test]
    fn an_invitation_lets_one_machine_in_until_it_is_over() {
        let check = |state, secret, key, now, expected| {
            assert_eq!(admit(Some(&invite(state)), secret, key, Timestamp(now)), expected, "{state:?} at {now}");
        };
        let used = InviteState::Used { by: AGENT, key: KEY, at: Timestamp(50) };
        check(InviteState::Open, SECRET, KEY, 0, Ok(Admission::New));
        check(InviteState::Open, SECRET, KEY, 99, Ok(Admission::New));
        check(InviteState::Open, SECRET, KEY, 100, Err(JoinRefusal::Expired));
        check(InviteState::Open, SecretHash([0; 32]), KEY, 0, Err(JoinRefusal::Unknown));
        check(used, SECRET, KEY, 60, Ok(Admission::Again(AGENT)));
        check(used, SECRET, Fingerprint([9; 32]), 60, Err(JoinRefusal::Used));
        check(used, SECRET, KEY, 100, Err(JoinRefusal::Expired));
        check(used, SecretHash([0; 32]), KEY, 60, Err(JoinRefusal::Unknown));
        assert_eq!(admit(None, SECRET, KEY, Timestamp(0)), Err(JoinRefusal::Unknown));
    }
}
