//! One agent's conversation: its calls, checked and passed on to the farm.

use super::{Office, caller::Caller, delivery, task};
use crate::{blobs::BlobFacts, farm::FarmError, join::authority::Request, model::ObjectKey, probation::Due};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tarpc::context::Context;
use tweenfarm_protocol::{
    AgentId, LeaseId,
    join::Certificate,
    service,
    service::{
        Condition, Hello, NEXT_TASK_WAIT_MS_MAX, PROTOCOL_VERSIONS, Placement, Receipt, Refusal, Renewal, Welcome,
        WorkerFacts,
    },
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
    office: Office,
    caller: Caller,
    /// Of the connection: from hello on its lines say which agent it is.
    span: tracing::Span,
    /// Who said hello on this connection, with which workers.
    introduced: Arc<Mutex<Option<Introduced>>>,
}

/// What a worker gets instead of work.
enum Before {
    Probe(Box<Task>),
    Nothing,
}

#[derive(Clone)]
struct Introduced {
    agent: AgentId,
    workers: Arc<Vec<WorkerFacts>>,
}

impl Session {
    pub(super) fn new(office: Office, caller: Caller) -> Session {
        Session { office, caller, span: tracing::Span::current(), introduced: Arc::default() }
    }

    pub(super) fn is_introduced(&self) -> bool {
        self.introduced().is_some()
    }

    /// The connection closed.
    pub(super) fn end(&self) {
        if let Some(Introduced { agent, .. }) = self.introduced.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.office.farm.agent_gone(agent);
            self.office.probation.gone(agent);
            tracing::info!(%agent, "an agent left");
        }
    }

    fn introduced(&self) -> Option<Introduced> {
        self.introduced.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn who(&self) -> Result<AgentId, Refusal> {
        let introduced = self.introduced().ok_or(Refusal::UnknownAgent(AgentId(Uuid::nil())))?;
        Ok(introduced.agent)
    }

    /// Whether a lease is held by somebody else: to this caller it is over.
    fn is_of_another(&self, agent: AgentId, lease: LeaseId) -> bool {
        self.office.farm.holder(lease).is_some_and(|(holder, _)| holder != agent)
    }

    /// What comes before real work: for a device on probation its probe, for one that failed it a pause. None for work.
    async fn before_work(
        &self,
        workers: &[WorkerFacts],
        worker: u32,
        wait: Duration,
    ) -> Result<Option<Before>, Refusal> {
        let Some(member) = self.caller.member() else { return Ok(None) };
        let member = self.office.farm.member(member).map_err(refuse)?;
        let facts = workers.iter().find(|facts| facts.worker == worker);
        let (Some(member), Some(facts)) = (member, facts) else { return Ok(None) };
        let now = self.office.farm.now();
        Ok(match self.office.probation.due(&member, facts, now) {
            Due::Work => None,
            Due::Probe(task) => Some(Before::Probe(task)),
            Due::Wait { until } => {
                tokio::time::sleep(until.since(now).min(wait)).await;
                Some(Before::Nothing)
            }
        })
    }

    /// Whether what a worker says it delivered is what arrived. A lease that is over needs no proof: its report
    /// changes nothing.
    async fn has_arrived(&self, lease: LeaseId, delivered: &Delivered) -> Result<bool, Refusal> {
        let Some(leased) = self.office.farm.leased(lease).map_err(refuse)? else { return Ok(true) };
        let (job, key) = (leased.job.id, leased.result_key());
        let (blobs, output) = (self.office.blobs.clone(), leased.output_key());
        let facts = BlobFacts { size_bytes: delivered.size_bytes, sha256: delivered.sha256.clone() };
        // A copy inside a bucket may take longer than the caller waits: it goes on, and the next report finds it done.
        let settled =
            tokio::spawn(async move { delivery::settle(&blobs, &leased.result_key(), output.as_ref(), &facts).await });
        let arrived = settled.await.map_err(|_| Refusal::Unavailable)?.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %job, %lease, %key, "a delivered object could not be looked at");
            Refusal::Unavailable
        })?;
        if !arrived {
            tracing::warn!(%job, %lease, %key, "a report came for an object that is not there or differs");
        }
        Ok(arrived)
    }

    /// Where the result of a lease of this caller goes; none once the lease is over.
    fn result_key(&self, lease: LeaseId) -> Result<Option<ObjectKey>, Refusal> {
        let agent = self.who()?;
        if let Some(key) = self.office.probation.delivers_to(lease, agent) {
            return Ok(Some(key));
        }
        if self.is_of_another(agent, lease) {
            return Ok(None);
        }
        Ok(self.office.farm.leased(lease).map_err(refuse)?.map(|leased| leased.result_key()))
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
        let hello = self.caller.introduced(hello)?;
        let agent = hello.agent;
        self.span.record("id", tracing::field::display(agent));
        let introduced = Introduced { agent, workers: Arc::new(hello.workers.clone()) };
        let leases = self.office.farm.hello(hello).await.map_err(refuse)?;
        let before = self.introduced.lock().unwrap_or_else(PoisonError::into_inner).replace(introduced);
        // A second hello on one connection replaces the first.
        if let Some(before) = before {
            self.office.farm.agent_gone(before.agent);
        }
        let renew_every = (self.office.farm.rules().lease_for / RENEWALS_PER_LEASE).min(RENEWAL_EVERY_MAX);
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
        let introduced = self.introduced().filter(|introduced| introduced.agent == agent);
        let introduced = introduced.ok_or(Refusal::UnknownAgent(agent))?;
        let until_deadline = context.deadline.saturating_duration_since(Instant::now()).saturating_sub(ANSWER_EARLY);
        let wait = Duration::from_millis(wait_ms.min(NEXT_TASK_WAIT_MS_MAX)).min(until_deadline);
        match self.before_work(&introduced.workers, worker, wait).await? {
            None => {}
            Some(Before::Probe(task)) => return Ok(Some(*task)),
            Some(Before::Nothing) => return Ok(None),
        }
        let leased = self.office.farm.lease_next(agent, worker, wait).await.map_err(|error| match error {
            FarmError::NotFound { .. } => Refusal::UnknownAgent(agent),
            other => refuse(other),
        })?;
        let Some(leased) = leased else { return Ok(None) };
        let (job, lease) = (leased.job.id, leased.lease);
        match task::make(&self.office.blobs, self.office.settings, leased) {
            Ok(task) => Ok(Some(task)),
            Err(failure) => {
                tracing::warn!(%job, %lease, %failure, "a leased piece cannot be made a task of");
                self.office.farm.report(lease, Outcome::Failed(failure)).await.map_err(refuse)?;
                Ok(None)
            }
        }
    }

    async fn renew(self, _: Context, lease: LeaseId, progress: Progress) -> Result<Renewal, Refusal> {
        let agent = self.who()?;
        if let Some(renewal) = self.office.probation.renew(lease, agent) {
            return Ok(renewal);
        }
        if self.is_of_another(agent, lease) {
            return Ok(Renewal::Lost);
        }
        self.office.farm.renew(lease, progress).await.map_err(refuse)
    }

    async fn report(self, _: Context, lease: LeaseId, outcome: Outcome) -> Result<Receipt, Refusal> {
        let agent = self.who()?;
        if let Some(judged) = self.office.probation.report(lease, agent, &outcome).await {
            return judged.map_err(refuse);
        }
        if self.is_of_another(agent, lease) {
            return Ok(Receipt::Stale);
        }
        if let Outcome::Done(delivered) = &outcome
            && !self.has_arrived(lease, delivered).await?
        {
            return Err(Refusal::NotDelivered);
        }
        // A join renders nothing, and names no engine.
        if let (Outcome::Done(Delivered { facts, .. }), Some((agent, worker))) =
            (&outcome, self.office.farm.holder(lease))
            && !facts.engine.is_empty()
            && let Some(speed) = facts.pixels_per_second()
        {
            self.office.farm.measured(agent, worker, speed);
        }
        self.office.farm.report(lease, outcome).await.map_err(refuse)
    }

    async fn give_back(self, _: Context, lease: LeaseId) -> Result<Receipt, Refusal> {
        let agent = self.who()?;
        if let Some(receipt) = self.office.probation.give_back(lease, agent) {
            return Ok(receipt);
        }
        if self.is_of_another(agent, lease) {
            return Ok(Receipt::Stale);
        }
        self.office.farm.give_back(lease).await.map_err(refuse)
    }

    async fn condition(self, _: Context, agent: AgentId, condition: Condition) -> Result<(), Refusal> {
        if self.who()? != agent {
            return Err(Refusal::UnknownAgent(agent));
        }
        tracing::debug!(%agent, ?condition, "an agent says how it is");
        self.office.farm.says(agent, condition);
        Ok(())
    }

    async fn place(self, _: Context, lease: LeaseId, size_bytes: u64, sha256: String) -> Result<Placement, Refusal> {
        let Some(key) = self.result_key(lease)? else { return Ok(Placement::Over) };
        let Office { blobs, settings, .. } = &self.office;
        delivery::place(blobs, &key, BlobFacts { size_bytes, sha256 }, settings.task_urls_for).await
    }

    async fn put_together(self, _: Context, lease: LeaseId, upload: String, etags: Vec<String>) -> Result<(), Refusal> {
        let Some(key) = self.result_key(lease)? else { return Ok(()) };
        delivery::put_together(self.office.blobs.clone(), key, upload, etags).await
    }

    async fn renew_certificate(self, _: Context, request: String) -> Result<Certificate, Refusal> {
        let Caller::Joined(agent) = &self.caller else {
            return Err(Refusal::Request("an agent on the daemon's own machine needs no certificate".to_owned()));
        };
        let request = Request::read(&request).map_err(|cause| Refusal::Request(cause.to_string()))?;
        // The key is who the agent is: with another one it would be another agent, and join anew.
        if request.key() != agent.key {
            return Err(Refusal::Request("it is for another key than this connection's".to_owned()));
        }
        let Office { farm, authority, .. } = &self.office;
        let certificate = authority.for_agent(request, agent, farm.now()).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a certificate could not be made");
            Refusal::Unavailable
        })?;
        tracing::info!(agent = %agent.id, "an agent's certificate was renewed");
        Ok(certificate)
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
        | FarmError::JobEnded
        | FarmError::NothingToUndo
        | FarmError::NotFailed
        | FarmError::SourceGone
        | FarmError::QueueFull => {
            tracing::error!(%error, "an agent's call met a failure that it cannot cause");
            Refusal::Unavailable
        }
        FarmError::Unavailable | FarmError::Closing => Refusal::Unavailable,
    }
}
