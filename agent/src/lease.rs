//! One lease in hand: renewed until it is dropped, and said to be lost when the daemon says so.
//!
//! An unreachable daemon is no reason to stop: the work goes on and the renewals are tried on.

use crate::link::Link;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, Span};
use tweenfarm_protocol::{AgentId, JobId, LeaseId, service::Renewal, task::Progress};

/// All leases this agent works on or has results of; cheap to clone.
#[derive(Clone)]
pub struct Leases {
    link: Link,
    agent: AgentId,
    in_hand: Arc<Mutex<HashSet<LeaseId>>>,
}

/// A lease that is being renewed. Dropping it stops the renewals and takes it out of hand.
pub struct KeptLease {
    id: LeaseId,
    progress: watch::Sender<Progress>,
    lost: CancellationToken,
    leases: Leases,
    span: Span,
    _renewing: AbortOnDropHandle<()>,
}

impl Leases {
    pub fn new(link: Link, agent: AgentId) -> Leases {
        Leases { link, agent, in_hand: Arc::default() }
    }

    /// Takes a lease in hand and renews it from now on. `piece` is the part of the job it is of, in the daemon's words;
    /// `worker` has it, or a delivery of an earlier run.
    pub fn keep(&self, id: LeaseId, job: JobId, piece: &str, worker: Option<u32>) -> KeptLease {
        self.in_hand().insert(id);
        let (progress, seen) = watch::channel(Progress::default());
        let lost = CancellationToken::new();
        // At any level of the log: a warning needs the ids most.
        let span = tracing::error_span!("task", agent = %self.agent, worker, %job, segment = %piece, lease = %id);
        let renewing = keep_renewing(self.link.clone(), id, seen, lost.clone()).instrument(span.clone());
        let renewing = AbortOnDropHandle::new(tokio::spawn(renewing));
        KeptLease { id, progress, lost, leases: self.clone(), span, _renewing: renewing }
    }

    /// Those of `held` (the daemon's view) that nobody here works on: they are to be given back.
    pub fn abandoned(&self, held: &[LeaseId]) -> Vec<LeaseId> {
        let in_hand = self.in_hand();
        held.iter().filter(|lease| !in_hand.contains(lease)).copied().collect()
    }

    /// How many are in hand: under way here, or as results on their way to the daemon.
    pub fn count(&self) -> usize {
        self.in_hand().len()
    }

    fn in_hand(&self) -> MutexGuard<'_, HashSet<LeaseId>> {
        self.in_hand.lock().expect("no holder of the leases in hand panics")
    }
}

impl KeptLease {
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// In it every line of the log has the ids of agent, job, segment and lease.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// What the next renewal tells.
    pub fn set_progress(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    /// Ends when the daemon says that the lease is over.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }
}

impl Drop for KeptLease {
    fn drop(&mut self) {
        self.leases.in_hand().remove(&self.id);
    }
}

async fn keep_renewing(link: Link, lease: LeaseId, progress: watch::Receiver<Progress>, lost: CancellationToken) {
    loop {
        let Ok(every) = link.renew_every().await else { return };
        tokio::time::sleep(every).await;
        let latest = *progress.borrow();
        match link.renew(lease, latest).await {
            Ok(Renewal::Kept) => {}
            Ok(Renewal::Lost) => {
                tracing::info!("the lease is over");
                lost.cancel();
                return;
            }
            Err(cause) => tracing::debug!(%cause, "a renewal failed, trying on"),
        }
    }
}
