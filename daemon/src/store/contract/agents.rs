//! What every store keeps of agents that joined and of their invitations.

use super::{super::samples::*, both};
use crate::{model::*, store::Write};
use tweenfarm_protocol::{Timestamp, join::Fingerprint};

#[test]
fn an_agent_is_found_by_its_id_and_by_its_key_and_stays_on_record() {
    both(|store| {
        assert_eq!(store.agents().unwrap(), []);
        let (first, second) = (agent(1, "gpu-1", Standing::Member), agent(2, "gpu-2", Standing::Member));
        store.commit(&[Write::PutAgent(second.clone()), Write::PutAgent(first.clone())]).unwrap();
        assert_eq!(store.agents().unwrap(), [first.clone(), second.clone()]);
        assert_eq!(store.agent(first.id).unwrap(), Some(first.clone()));
        assert_eq!(store.agent_with_key(second.key).unwrap(), Some(second));
        assert_eq!(store.agent_with_key(Fingerprint([9; 32])).unwrap(), None);
        let revoked = agent(1, "gpu-1", Standing::Revoked { at: Timestamp(9) });
        store.commit(&[Write::PutAgent(revoked.clone())]).unwrap();
        assert_eq!(store.agent_with_key(first.key).unwrap(), Some(revoked));
    });
}

#[test]
fn the_last_invitation_for_a_name_is_the_one_there_is() {
    both(|store| {
        assert_eq!(store.invite("gpu-1").unwrap(), None);
        let (open, used) = (invite("gpu-1", InviteState::Open), invite("gpu-1", used()));
        store.commit(&[Write::PutInvite(open.clone())]).unwrap();
        assert_eq!(store.invite("gpu-1").unwrap(), Some(open));
        store.commit(&[Write::PutInvite(used.clone())]).unwrap();
        assert_eq!(store.invite("gpu-1").unwrap(), Some(used));
        assert_eq!(store.invite("gpu").unwrap(), None);
    });
}

#[test]
fn an_operator_is_the_last_one_of_its_name() {
    both(|store| {
        let writes = [operator("bob", None), operator("ann", None), operator("ann", Some(9))].map(Write::PutOperator);
        store.commit(&writes).unwrap();
        assert_eq!(store.operators().unwrap(), [operator("ann", Some(9)), operator("bob", None)]);
    });
}
