//! What a stranger can ask: to join, once per connection. Everything about the answer is short: the message, the time,
//! and what a refusal tells.

use super::{
    authority::{Authority, Request},
    invitation,
};
use crate::farm::Farm;
use futures::StreamExt;
use std::sync::Arc;
use tarpc::{
    context::Context,
    server::{BaseChannel, Channel},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tweenfarm_protocol::{
    codec,
    join::{JoinRefusal, JoinRequest, Joined, Joining},
    service::PROTOCOL_VERSIONS,
};

/// Answers the one call of a connection and leaves the closing to the other side. The caller sets the time limit.
pub async fn welcome_stranger(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    farm: Farm,
    authority: Arc<Authority>,
) {
    let channel = BaseChannel::with_defaults(codec::limited(stream, codec::JOINING_BYTES_MAX));
    let requests = channel.execute(Stranger { farm, authority }.serve());
    tokio::pin!(requests);
    if let Some(answer) = requests.next().await {
        // The answer is sent while the requests are read on; a second one is never answered.
        tokio::join!(answer, async { while requests.next().await.is_some() {} });
    }
}

#[derive(Clone)]
struct Stranger {
    farm: Farm,
    authority: Arc<Authority>,
}

impl Joining for Stranger {
    async fn join(self, _: Context, asked: JoinRequest) -> Result<Joined, JoinRefusal> {
        let joined = self.admit(&asked).await;
        match &joined {
            Ok(joined) => tracing::info!(agent = %joined.agent, name = asked.name, "an agent joined"),
            // The name is what a stranger typed: debug-printed, so that it cannot forge a line of the log.
            Err(refusal) => tracing::warn!(name = ?asked.name, %refusal, "a machine did not join"),
        }
        joined
    }
}

impl Stranger {
    async fn admit(&self, asked: &JoinRequest) -> Result<Joined, JoinRefusal> {
        let (agent_lowest, agent_highest) = asked.protocol;
        let (daemon_lowest, daemon_highest) = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        if agent_highest.min(daemon_highest) < agent_lowest.max(daemon_lowest) {
            return Err(JoinRefusal::Protocol { daemon_lowest, daemon_highest, agent_lowest, agent_highest });
        }
        let request =
            Request::read(&asked.certificate_request).map_err(|cause| JoinRefusal::Request(cause.to_string()))?;
        let secret = invitation::hash(&asked.secret);
        let joined = self.farm.join(asked.name.clone(), secret, request.key()).await;
        let agent = joined.map_err(|_| JoinRefusal::Unavailable)??;
        let certificate = self.authority.for_agent(request, &agent, self.farm.now()).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a certificate could not be made");
            JoinRefusal::Unavailable
        })?;
        Ok(Joined { agent: agent.id, certificate })
    }
}
