//! Who is at the other end of a connection, settled before its first call; and whom it may speak for.

use crate::model::Agent;
use tweenfarm_protocol::{
    AgentId,
    service::{Hello, Refusal},
};

#[derive(Clone)]
pub(super) enum Caller {
    /// It opened the daemon's own socket: the operator's user, who may call its agent what it likes.
    Local,
    /// It showed the certificate of a member.
    Joined(Box<Agent>),
}

impl Caller {
    pub(super) fn member(&self) -> Option<AgentId> {
        match self {
            Caller::Local => None,
            Caller::Joined(agent) => Some(agent.id),
        }
    }

    /// A member is who its certificate says, under the name it was invited by.
    pub(super) fn introduced(&self, hello: Hello) -> Result<Hello, Refusal> {
        match self {
            Caller::Local => Ok(hello),
            Caller::Joined(agent) if agent.id == hello.agent => Ok(Hello { name: agent.name.clone(), ..hello }),
            Caller::Joined(agent) => Err(Refusal::NotYourself { yours: agent.id, said: hello.agent }),
        }
    }
}
