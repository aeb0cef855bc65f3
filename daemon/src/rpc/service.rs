//! One agent's conversation: its calls, checked and passed on to the farm.

use super::{RpcSettings, task};
use crate::{
    blobs::Blobs,
    farm::{Farm, FarmError},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tarpc::context::Context;
use tweenfarm_protocol::{
    AgentId, LeaseId, service,
    service::{Hello, NEXT_TASK_WAIT_MS_MAX, PROTOCOL_VERSIONS, Receipt, Refusal, Renewal, Welcome},
    task::{Delivered, Outcome, Progress, Task},
};
use uuid::Uuid;

/// Renewals per lease time: two may be lost before the lease is.
const RENEWALS_PER_LEASE: u32 = 3;
/// A renewal carries the progress, and clients ask for it every 3 to 5 s: older than this it would stand still for them.
const RENEWAL_EVERY_MAX: Duration = Duration::from_secs(2);

/// A long poll ends this long before its caller's deadline, so that the answer still arrives.
const ANSWER_EARLY: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(super) struct Session {
    farm: Farm,
    blobs: Blobs,
    settings: RpcSettings,
    /// Who said hello on this connection.
    agent: Arc<Mutex<Option<AgentId>>>,
}

impl Session {
    pub(super) fn new(farm: Farm, blobs: Blobs, settings: RpcSettings) -> Session {
        Session { farm, blobs, settings, agent: Arc::default() }
    }

    pub(super) fn is_introduced(&self) -> bool {
        self.introduced().is_some()
    }

    /// The connection closed.
    pub(super) fn end(&self) {
        if let Some(agent) = self.agent.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.farm.agent_gone(agent);
            tracing::info!(%agent, "an agent left");
        }
    }

    fn introduced(&self) -> Option<AgentId> {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn require_hello(&self) -> Result<AgentId, Refusal> {
        self.introduced().ok_or(Refusal::UnknownAgent(AgentId(Uuid::nil())))
    }

    /// Whether what a worker says it delivered is what arrived. A lease that is over needs no proof: its report
    /// changes nothing.
    async fn has_arrived(&self, lease: LeaseId, delivered: &Delivered) -> Result<bool, Refusal> {
        let Some(leased) = self.farm.leased(lease).map_err(refuse)? else { return Ok(true) };
        let key = leased.result_key();
        let found = self.blobs.stat(&key).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %key, "a delivered object could not be looked at");
            Refusal::Unavailable
        })?;
        let arrived = found.is_some_and(|found| {
            found.size_bytes == delivered.size_bytes && found.sha256.eq_ignore_ascii_case(&delivered.sha256)
        });
        if !arrived {
            tracing::warn!(%lease, %key, "a report came for an object that is not there or differs");
        }
        Ok(arrived)
    }
}

impl service::Farm for Session {
    async fn hello(self, _: Context, hello: Hello) -> Result<Welcome, Refusal> {
        let (agent_lowest, agent_highest) = hello.protocol;
        let (daemon_lowest, daemon_highest) = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        let protocol = agent_highest.min(daemon_highest);
        if protocol < agent_lowest.max(daemon_lowest) {
            tracing::warn!(agent = %hello.agent, name = hello.name, version = hello.version, "an agent speaks another protocol");
            return Err(Refusal::Protocol { daemon_lowest, daemon_highest, agent_lowest, agent_highest });
        }
        let agent = hello.agent;
        let (name, version, workers) = (hello.name.clone(), hello.version.clone(), hello.workers.len());
        let leases = self.farm.hello(hello).await.map_err(refuse)?;
        let before = self.agent.lock().unwrap_or_else(PoisonError::into_inner).replace(agent);
        // A second hello on one connection replaces the first.
        if let Some(before) = before {
            self.farm.agent_gone(before);
        }
        tracing::info!(%agent, name, version, workers, leases = leases.len(), "an agent said hello");
        let renew_every = (self.farm.rules().lease_for / RENEWALS_PER_LEASE).min(RENEWAL_EVERY_MAX);
        Ok(Welcome {
            protocol,
            daemon_version: env!("CARGO_PKG_VERSION").into(),
            renew_every_ms: u64::try_from(renew_every.as_millis()).unwrap_or(u64::MAX),
            leases,
        })
    }

    async fn next_task(
        self,
        context: Context,
        agent: AgentId,
        worker: u32,
        wait_ms: u64,
    ) -> Result<Option<Task>, Refusal> {
        if self.introduced() != Some(agent) {
            return Err(Refusal::UnknownAgent(agent));
        }
        let until_deadline = context.deadline.saturating_duration_since(Instant::now()).saturating_sub(ANSWER_EARLY);
        let wait = Duration::from_millis(wait_ms.min(NEXT_TASK_WAIT_MS_MAX)).min(until_deadline);
        let leased = self.farm.lease_next(agent, worker, wait).await.map_err(|error| match error {
            FarmError::NotFound { .. } => Refusal::UnknownAgent(agent),
            other => refuse(other),
        })?;
        let Some(leased) = leased else { return Ok(None) };
        let lease = leased.lease;
        match task::make(&self.blobs, self.settings, leased) {
            Ok(task) => Ok(Some(task)),
            Err(failure) => {
                tracing::warn!(%lease, %failure, "a leased piece cannot be made a task of");
                self.farm.report(lease, Outcome::Failed(failure)).await.map_err(refuse)?;
                Ok(None)
            }
        }
    }

    async fn renew(self, _: Context, lease: LeaseId, progress: Progress) -> Result<Renewal, Refusal> {
        self.require_hello()?;
        self.farm.renew(lease, progress).await.map_err(refuse)
    }

    async fn report(self, _: Context, lease: LeaseId, outcome: Outcome) -> Result<Receipt, Refusal> {
        self.require_hello()?;
        if let Outcome::Done(delivered) = &outcome
            && !self.has_arrived(lease, delivered).await?
        {
            return Err(Refusal::NotDelivered);
        }
        self.farm.report(lease, outcome).await.map_err(refuse)
    }

    async fn give_back(self, _: Context, lease: LeaseId) -> Result<Receipt, Refusal> {
        self.require_hello()?;
        self.farm.give_back(lease).await.map_err(refuse)
    }
}

/// What an agent is told of a farm that cannot do its part. Only the last two can come of an agent's calls; whatever
/// else did would be a broken promise of our own, which another try does not make worse.
fn refuse(error: FarmError) -> Refusal {
    match error {
        FarmError::NotFound { .. }
        | FarmError::NotYours { .. }
        | FarmError::InsufficientXeconds { .. }
        | FarmError::NotUploaded
        | FarmError::Replaced
        | FarmError::Pinned
        | FarmError::OtherProject(_)
        | FarmError::EmailTaken
        | FarmError::PaymentConflict
        | FarmError::AlreadyReversed
        | FarmError::TrialOver
        | FarmError::IdempotencyConflict
        | FarmError::Amount(_)
        | FarmError::QueueFull => {
            tracing::error!(%error, "an agent's call met a failure that it cannot cause");
            Refusal::Unavailable
        }
        FarmError::Unavailable | FarmError::Closing => Refusal::Unavailable,
    }
}
