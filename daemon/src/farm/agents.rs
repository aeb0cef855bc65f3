//! Commands on agents of other machines: invited, joined, revoked, their devices proven.

use super::{board::Held, error::FarmError, handle::FarmRules, leases, transaction::Transaction};
use crate::{
    admission::{Admission, admit},
    model::{About, Agent, Event, Invite, InviteState, SecretHash, Standing, What},
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};
use tweenfarm_protocol::{
    AgentId, LeaseId, Timestamp,
    join::{Fingerprint, JoinRefusal},
};

/// The earlier invitation for this name, if any, opens nothing any more.
pub(super) fn invite(
    tx: &mut Transaction,
    name: String,
    secret: SecretHash,
    valid_for: Duration,
) -> Result<Invite, FarmError> {
    let (made_at, expires_at) = (tx.now, tx.now.plus(valid_for));
    let invite = Invite { name, secret, made_at, expires_at, state: InviteState::Open };
    let text = format!("{} is invited, until {}", invite.name, invite.expires_at.to_iso_seconds());
    tx.tell(Event::new(tx.now, What::AgentInvited, About::default(), text));
    tx.put_invite(invite.clone());
    Ok(invite)
}

/// A refusal is an answer and no failure of the farm.
pub(super) fn join(
    tx: &mut Transaction,
    name: &str,
    secret: SecretHash,
    key: Fingerprint,
) -> Result<Result<Agent, JoinRefusal>, FarmError> {
    let invite = tx.invite(name)?;
    let admission = match admit(invite.as_ref(), secret, key, tx.now) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match (admission, invite) {
        (Admission::Again(agent), _) => {
            let agent = tx.agent(agent)?.filter(Agent::is_member);
            Ok(agent.ok_or(JoinRefusal::Used))
        }
        (Admission::New, Some(invite)) => {
            if tx.member_called(name)?.is_some() {
                return Ok(Err(JoinRefusal::NameTaken(name.to_owned())));
            }
            // Each machine makes a key of its own: one that was seen before was copied from somewhere.
            if tx.agent_with_key(key)?.is_some() {
                return Ok(Err(JoinRefusal::Request("its key belongs to another agent".to_owned())));
            }
            let agent = Agent {
                id: AgentId(tx.fresh_id()),
                name: name.to_owned(),
                key,
                joined_at: tx.now,
                standing: Standing::Member,
                proven: BTreeMap::new(),
            };
            tx.tell(event(&agent, What::AgentJoined, "joined", tx.now));
            tx.put_agent(agent.clone());
            tx.put_invite(Invite { state: InviteState::Used { by: agent.id, key, at: tx.now }, ..invite });
            Ok(Ok(agent))
        }
        (Admission::New, None) => Ok(Err(JoinRefusal::Unknown)),
    }
}

/// Its leases go to others at once and without blame. Twice is harmless.
pub(super) fn revoke(
    tx: &mut Transaction,
    rules: &FarmRules,
    id: AgentId,
    held: Vec<(LeaseId, Held)>,
) -> Result<Agent, FarmError> {
    let mut agent = tx.agent(id)?.ok_or(FarmError::NotFound { what: "agent" })?;
    if agent.is_member() {
        agent.standing = Standing::Revoked { at: tx.now };
        tx.tell(event(&agent, What::AgentRevoked, "is revoked: its leases go to others", tx.now));
        tx.put_agent(agent.clone());
    }
    for (lease, held) in held {
        leases::give_back(tx, rules, Some((held.job, held.spot)), lease)?;
    }
    Ok(agent)
}

fn event(agent: &Agent, what: What, predicate: &str, now: Timestamp) -> Event {
    let about = About { agent: Some(agent.id), ..About::default() };
    Event::new(now, what, about, format!("{} {predicate}", agent.name))
}

/// A device rendered the probe rightly: it gets real work from now on.
pub(super) fn prove(tx: &mut Transaction, id: AgentId, device: String) -> Result<Agent, FarmError> {
    let mut agent = tx.agent(id)?.ok_or(FarmError::NotFound { what: "agent" })?;
    if let Entry::Vacant(unproven) = agent.proven.entry(device) {
        unproven.insert(tx.now);
        tx.tell(event(&agent, What::AgentProven, "rendered the probe rightly: it gets work", tx.now));
        tx.put_agent(agent.clone());
    }
    Ok(agent)
}
