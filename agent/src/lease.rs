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
use tweenfarm_protocol::{LeaseId, service::Renewal, task::Progress};

/// All leases this agent works on or has results of; cheap to clone.
#[derive(Clone)]
pub struct Leases {
    link: Link,
    in_hand: Arc<Mutex<HashSet<LeaseId>>>,
}

/// A lease that is being renewed. Dropping it stops the renewals and takes it out of hand.
pub struct KeptLease {
    id: LeaseId,
    progress: watch::Sender<Progress>,
    lost: CancellationToken,
    leases: Leases,
    _renewing: AbortOnDropHandle<()>,
}

impl Leases {
    pub fn new(link: Link) -> Leases {
        Leases { link, in_hand: Arc::default() }
    }

    /// Takes a lease in hand and renews it from now on.
    pub fn keep(&self, id: LeaseId) -> KeptLease {
        self.in_hand().insert(id);
        let (progress, seen) = watch::channel(Progress::default());
        let lost = CancellationToken::new();
        let renewing = tokio::spawn(keep_renewing(self.link.clone(), id, seen, lost.clone()));
        let renewing = AbortOnDropHandle::new(renewing);
        KeptLease { id, progress, lost, leases: self.clone(), _renewing: renewing }
    }

    /// Those of `held` (the daemon's view) that nobody here works on: they are to be given back.
    pub fn abandoned(&self, held: &[LeaseId]) -> Vec<LeaseId> {
        let in_hand = self.in_hand();
        held.iter().filter(|lease| !in_hand.contains(lease)).copied().collect()
    }

    fn in_hand(&self) -> MutexGuard<'_, HashSet<LeaseId>> {
        self.in_hand.lock().expect("no holder of the leases in hand panics")
    }
}

impl KeptLease {
    pub fn id(&self) -> LeaseId {
        self.id
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
                tracing::info!(%lease, "the lease is over");
                lost.cancel();
                return;
            }
            Err(cause) => tracing::debug!(%lease, %cause, "a renewal failed, trying on"),
        }
    }
}
