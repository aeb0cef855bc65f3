//! Finished work on disk, delivered until the daemon has it: survives restarts of the agent and of the daemon.
//!
//! Decides nothing about work; keeps an outcome and its file until they are reported, or of no use any more.

mod delivery;

use crate::{
    lease::{KeptLease, Leases},
    link::{Link, LinkError},
    state_folder::{sync_folder_of, write_durably},
    transfer::Transfer,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use delivery::Delivery;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use tweenfarm_protocol::{
    JobId, LeaseId,
    service::{Receipt, Refusal},
    task::{Deliver, Failure, FailureClass, Outcome},
};

/// Undelivered outcomes at which no new task is taken: a store that is slower than the GPUs fills no disk.
const ENTRIES_MAX: usize = 16;

/// Uploads at a time: two keep the network busy while one of them waits for the store's fsync.
const UPLOADS_AT_A_TIME: usize = 2;

/// Definite refusals (an address that is not accepted, bytes that are not there) before the work counts as failed.
const REFUSALS_MAX: u32 = 5;

/// Failed uploads, tried only while the daemon is connected, before the work counts as failed. At the longest wait of
/// 30 s this is 20 minutes: the lease is renewed meanwhile, and a job must not wait for one agent's network for ever.
const TRIES_MAX: u32 = 40;

/// On disk; old variants stay readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "version")]
enum Record {
    #[serde(rename = "1")]
    V1(Entry),
}

/// One outcome that the daemon does not know yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub lease: LeaseId,
    pub job: JobId,
    /// The part of the job it is of, for the log; an earlier release did not say.
    #[serde(default)]
    pub piece: String,
    pub outcome: Outcome,
    /// Where the file goes; none for a failure, which has no file.
    pub deliver: Option<Deliver>,
}

/// How long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub min: Duration,
    pub max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { min: Duration::from_millis(500), max: Duration::from_secs(30) }
    }
}

/// Cheap to clone; all clones are one outbox.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    link: Link,
    transfer: Transfer,
    patience: Patience,
    uploads: Semaphore,
    deliveries: TaskTracker,
    stop: CancellationToken,
}

/// What one try came to.
enum Step {
    /// Reported, or of no use any more.
    Settled,
    /// Something that passes: try the same again later.
    Passing(String),
    /// A definite no: again a few times, then the work has failed.
    Refused(String),
    /// No further try can help.
    Hopeless(String),
}

impl Outbox {
    /// Opens the folder, sweeps files without a record, and starts to deliver what an earlier run left.
    pub fn open(
        folder: &Path,
        link: Link,
        leases: &Leases,
        transfer: Transfer,
        patience: Patience,
    ) -> io::Result<Outbox> {
        let entries = read_and_sweep(folder)?;
        let outbox = Outbox {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                link,
                transfer,
                patience,
                uploads: Semaphore::new(UPLOADS_AT_A_TIME),
                deliveries: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        };
        for entry in entries {
            let lease = leases.keep(entry.lease, entry.job, &entry.piece, None);
            lease.span().in_scope(|| tracing::info!("delivering what an earlier run finished"));
            outbox.start_delivery(entry, lease);
        }
        Ok(outbox)
    }

    /// Takes an outcome over, with its file (which must lie on the same disk). Returns once it would survive a power
    /// cut; from then on it is delivered in the background.
    pub async fn put(&self, entry: Entry, file: Option<PathBuf>, lease: KeptLease) -> io::Result<()> {
        let inner = self.inner.clone();
        let stored = entry.clone();
        tokio::task::spawn_blocking(move || inner.store(&stored, file.as_deref()))
            .await
            .map_err(io::Error::other)??;
        self.start_delivery(entry, lease);
        Ok(())
    }

    /// Whether another task's result may come.
    pub fn has_room(&self) -> bool {
        self.inner.deliveries.len() < ENTRIES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.inner.deliveries.is_empty()
    }

    /// Takes nothing more, and waits until all is delivered.
    pub async fn delivered(&self) {
        self.inner.deliveries.close();
        self.inner.deliveries.wait().await;
    }

    /// Ends deliveries; what is left stays on disk for the next run.
    pub async fn close(&self) {
        self.inner.deliveries.close();
        let left = self.inner.deliveries.len();
        if left > 0 {
            tracing::info!(left, "results stay in the outbox for the next start");
        }
        self.inner.stop.cancel();
        self.inner.deliveries.wait().await;
    }

    fn start_delivery(&self, entry: Entry, lease: KeptLease) {
        let inner = self.inner.clone();
        let span = lease.span();
        self.inner.deliveries.spawn(inner.deliver(entry, lease).instrument(span));
    }
}

impl Inner {
    fn record_path(&self, lease: LeaseId) -> PathBuf {
        self.folder.join(format!("{lease}.json"))
    }

    fn file_path(&self, lease: LeaseId) -> PathBuf {
        self.folder.join(format!("{lease}.media"))
    }

    /// The record is what counts: it comes after its file and goes before it.
    fn store(&self, entry: &Entry, file: Option<&Path>) -> io::Result<()> {
        if let Some(file) = file {
            fs::File::open(file)?.sync_all()?;
            let kept = self.file_path(entry.lease);
            fs::rename(file, &kept)?;
            sync_folder_of(&kept)?;
        }
        let record = serde_json::to_vec(&Record::V1(entry.clone()))?;
        write_durably(&self.record_path(entry.lease), &record)
    }

    fn remove(&self, lease: LeaseId) {
        for path in [self.record_path(lease), self.file_path(lease)] {
            let removed = fs::remove_file(&path);
            if let Err(cause) = removed.and_then(|()| sync_folder_of(&path))
                && cause.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%lease, %cause, "cannot remove a delivered result from the outbox");
            }
        }
    }

    async fn deliver(self: Arc<Self>, mut entry: Entry, lease: KeptLease) {
        let mut delivery = Delivery::of(&entry);
        let (mut refusals, mut tries) = (0, 0);
        let mut waits = self.waits();
        loop {
            let step = tokio::select! {
                () = self.stop.cancelled() => return,
                () = lease.lost() => {
                    tracing::info!("the lease of a finished result is over, deleting it");
                    Step::Settled
                }
                step = self.attempt(&entry, &mut delivery) => step,
            };
            match step {
                Step::Settled => {
                    let removed = tokio::task::spawn_blocking(move || self.remove(entry.lease));
                    return removed.await.expect("removing files does not panic");
                }
                Step::Passing(why) => {
                    tries += 1;
                    tracing::warn!(why, tries, "a result is not delivered yet, trying on");
                    if tries >= TRIES_MAX && !delivery.is_done {
                        self.give_up(&mut entry, &mut delivery, FailureClass::Resource, why).await;
                    }
                }
                Step::Refused(why) => {
                    refusals += 1;
                    tracing::warn!(why, refusals, "a result was refused, trying on");
                    if refusals >= REFUSALS_MAX {
                        self.give_up(&mut entry, &mut delivery, FailureClass::Resource, why).await;
                    }
                }
                Step::Hopeless(why) => self.give_up(&mut entry, &mut delivery, FailureClass::Internal, why).await,
            }
            let wait = waits.next().unwrap_or(self.patience.max);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return,
                () = lease.lost() => {}
            }
        }
    }

    /// One way through: upload what is not there yet, then report.
    async fn attempt(&self, entry: &Entry, delivery: &mut Delivery) -> Step {
        // Disk stores are served by the daemon itself: while it is away an upload could only fail.
        if self.link.connected().await.is_err() {
            return Step::Passing("the agent is stopping".to_owned());
        }
        if let Some(deliver) = entry.deliver.as_ref().filter(|_| !delivery.is_done) {
            // The semaphore is never closed; without a permit the upload merely has company.
            let _permit = self.uploads.acquire().await;
            let path = self.file_path(entry.lease);
            if let Err(step) = delivery.go_on(&self.link, &self.transfer, entry, deliver, &path).await {
                return step;
            }
        }
        match self.link.report(entry.lease, entry.outcome.clone()).await {
            Ok(Receipt::Accepted) => {
                tracing::info!("reported");
                Step::Settled
            }
            Ok(Receipt::Stale) => {
                tracing::info!("the report came too late, deleting its result");
                Step::Settled
            }
            Err(LinkError::Refused(refusal @ Refusal::NotDelivered)) if entry.deliver.is_some() => {
                *delivery = Delivery::default();
                Step::Refused(refusal.to_string())
            }
            Err(cause) => Step::Passing(cause.to_string()),
        }
    }

    /// Turns the outcome into a failure without a file, so that the task is tried elsewhere.
    async fn give_up(self: &Arc<Self>, entry: &mut Entry, delivery: &mut Delivery, class: FailureClass, why: String) {
        if entry.deliver.is_none() {
            return;
        }
        tracing::error!(why, "giving up on delivering a result");
        let message = format!("the finished frames could not be uploaded: {why}");
        entry.outcome = Outcome::Failed(Failure::new(class, message));
        entry.deliver = None;
        delivery.is_done = true;
        let (inner, noted) = (self.clone(), entry.clone());
        let stored = tokio::task::spawn_blocking(move || inner.store(&noted, None)).await;
        if let Err(cause) = stored.expect("writing a record does not panic") {
            // Then a restart tries to deliver again, which is harmless.
            tracing::warn!(%cause, "cannot note the failed delivery in the outbox");
        }
    }

    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.patience.min)
            .with_max_delay(self.patience.max)
            .without_max_times()
            .with_jitter()
            .build()
    }
}

/// Reads the records; removes files whose record was never finished, or already removed.
fn read_and_sweep(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut others = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(Record::V1(entry)) => entries.push(entry),
                Err(cause) => {
                    // Kept for a person to look at, under a name that no run reads again.
                    tracing::error!(file = %path.display(), %cause, "a record of the outbox cannot be read, set aside");
                    fs::rename(&path, path.with_extension("unreadable"))?;
                }
            }
        } else if path.extension().is_none_or(|extension| extension != "unreadable") {
            others.push(path);
        }
    }
    let wanted = |path: &Path| {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        path.extension().is_some_and(|extension| extension == "media")
            && entries.iter().any(|entry: &Entry| entry.lease.to_string() == stem)
    };
    for path in others.iter().filter(|path| !wanted(path)) {
        tracing::debug!(file = %path.display(), "sweeping a leftover of the outbox");
        fs::remove_file(path)?;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
