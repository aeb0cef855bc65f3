//! One worker's loop: lease, fetch, order, and put the outcome into the outbox.

use crate::{
    availability::Gate,
    cache::{Cache, Pinned},
    halt::Halt,
    lease::{KeptLease, Leases},
    link::{Link, LinkError},
    outbox::{Entry, Outbox},
    state_folder::free_bytes,
    transfer::measured,
    worker::{
        child::Worker,
        messages::{Order, SegmentFile},
    },
};
use backon::{BackoffBuilder, ExponentialBuilder};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tweenfarm_protocol::{
    AgentId, LeaseId,
    service::{NEXT_TASK_WAIT_MS_MAX, Refusal},
    task::{Deliver, Delivered, Failure, FailureClass, Fetch, Outcome, Progress, RenderFacts, Task, Work},
};

/// How often a slot that may take no task looks again.
const PAUSE: Duration = Duration::from_secs(2);
const GIVE_BACK: Duration = Duration::from_secs(4);

/// A worker that cannot start is tried again this often, at most: a driver update may mend it.
const RESTART_MAX: Duration = Duration::from_secs(60);

pub struct Slot {
    pub index: u32,
    pub agent: AgentId,
    pub worker: Worker,
    /// Pixels of output per second of its last render, told with the next hello.
    pub speed: Arc<AtomicU64>,
    pub link: Link,
    pub leases: Leases,
    pub cache: Cache,
    pub outbox: Outbox,
    /// On the same disk as the outbox.
    pub scratch: PathBuf,
    pub disk_reserve_bytes: u64,
    /// Whether it may work now.
    pub gate: Gate,
    pub halt: Halt,
}

/// How a task left the slot.
enum End {
    Outcome(Outcome),
    Lost,
    Stopped,
    /// The agent sleeps, or somebody else needs the machine.
    Yielded,
}

impl Slot {
    pub async fn run(mut self) {
        let drain = self.halt.drain.clone();
        let mut told = None;
        while !drain.is_cancelled() {
            if !self.gate.is_open() {
                // Nothing of ours runs while the machine is somebody else's.
                self.worker.kill().await;
                tokio::select! {
                    () = self.gate.opened() => {}
                    () = drain.cancelled() => break,
                }
            }
            let reason = self.reason_to_pause();
            if reason != told {
                if let Some(reason) = &reason {
                    tracing::warn!(worker = self.index, reason, "taking no new task");
                }
                told.clone_from(&reason);
            }
            if reason.is_some() {
                pause(PAUSE, &drain).await;
                continue;
            }
            if !self.worker_is_ready().await {
                continue;
            }
            let wait = Duration::from_millis(NEXT_TASK_WAIT_MS_MAX);
            let link = self.link.clone();
            let asked = link.next_task(self.index, wait, self.agent);
            tokio::pin!(asked);
            let answer = tokio::select! {
                answer = &mut asked => answer,
                () = drain.cancelled() => break,
                () = self.gate.closed() => {
                    self.worker.kill().await;
                    // A task may be on its way already: taken and given back it costs its job nothing, unheard of an attempt.
                    tokio::select! {
                        answer = &mut asked => answer,
                        () = drain.cancelled() => break,
                    }
                }
            };
            match answer {
                Ok(Some(task)) => {
                    let piece = piece_of(&task.work);
                    let lease = self.leases.keep(task.lease, task.job, &piece, Some(self.index));
                    let span = lease.span();
                    self.work(task, piece, lease).instrument(span).await;
                }
                Ok(None) => {}
                Err(LinkError::Stopped) => break,
                // The link says hello again by itself.
                Err(LinkError::Refused(Refusal::UnknownAgent(_)) | LinkError::Lost(_)) => {
                    pause(Duration::from_millis(200), &drain).await;
                }
                Err(cause) => {
                    tracing::warn!(worker = self.index, %cause, "no task for now");
                    pause(PAUSE, &drain).await;
                }
            }
        }
        self.worker.kill().await;
    }

    fn reason_to_pause(&self) -> Option<String> {
        if !self.outbox.has_room() {
            return Some("too many finished results wait for delivery".to_owned());
        }
        match free_bytes(&self.scratch) {
            Ok(free) if free < self.disk_reserve_bytes => Some(format!(
                "the state folder's disk is below its reserve of {} bytes: free some space (key 'disk_reserve_bytes')",
                self.disk_reserve_bytes
            )),
            Ok(_) => None,
            Err(cause) => Some(format!("the state folder cannot be looked at: {cause}")),
        }
    }

    /// Starts the worker before a task is taken: a broken device must not hold leases.
    async fn worker_is_ready(&mut self) -> bool {
        let mut waits =
            ExponentialBuilder::default().with_max_delay(RESTART_MAX).without_max_times().with_jitter().build();
        loop {
            let ready = tokio::select! {
                ready = self.worker.ready() => ready,
                () = self.halt.drain.cancelled() => return false,
            };
            match ready {
                Ok(_) => return true,
                Err(failure) => tracing::error!(worker = self.index, %failure, "the worker does not start, trying on"),
            }
            if !pause(waits.next().unwrap_or(RESTART_MAX), &self.halt.drain).await {
                return false;
            }
        }
    }

    async fn work(&mut self, task: Task, piece: String, lease: KeptLease) {
        tracing::info!("task taken");
        let output = self.scratch.join(output_name(task.lease, deliver_of(&task.work)));
        let (stop, gate) = (self.halt.stop.clone(), self.gate.clone());
        let end = tokio::select! {
            outcome = self.outcome(&task, &lease, &output) => End::Outcome(outcome),
            () = lease.lost() => End::Lost,
            () = stop.cancelled() => End::Stopped,
            () = gate.closed() => End::Yielded,
        };
        match end {
            End::Outcome(outcome) => self.hand_over((task, piece), outcome, &output, lease).await,
            End::Lost => self.worker.interrupt().await,
            End::Stopped | End::Yielded => {
                self.worker.kill().await;
                self.give_back(&lease).await;
            }
        }
        // Moved away by a success; else the next start sweeps what cannot be removed now.
        let _ = tokio::fs::remove_file(&output).await;
    }

    async fn hand_over(&self, (task, piece): (Task, String), outcome: Outcome, output: &Path, lease: KeptLease) {
        let (deliver, file) = match &outcome {
            Outcome::Done(Delivered { size_bytes, facts, .. }) => {
                let RenderFacts { frames, frames_made, elapsed_ms, device, .. } = facts;
                tracing::info!(frames, frames_made, size_bytes, elapsed_ms, device, "task done");
                (Some(deliver_of(&task.work).clone()), Some(output.to_owned()))
            }
            Outcome::Failed(failure) => {
                tracing::warn!(class = ?failure.class, %failure, "task failed");
                (None, None)
            }
        };
        let entry = Entry { lease: task.lease, job: task.job, piece, outcome, deliver };
        if let Err(cause) = self.outbox.put(entry, file, lease).await {
            // The lease runs out, or is given back after the next hello: the task is done again.
            tracing::error!(%cause, "a finished result could not be kept");
        }
    }

    async fn give_back(&self, lease: &KeptLease) {
        match tokio::time::timeout(GIVE_BACK, self.link.give_back(lease.id())).await {
            Ok(Ok(_)) => tracing::info!("lease given back"),
            Ok(Err(cause)) => tracing::warn!(%cause, "cannot give a lease back, it runs out"),
            Err(_) => tracing::warn!("the daemon does not answer, the lease runs out"),
        }
    }

    async fn outcome(&mut self, task: &Task, lease: &KeptLease, output: &Path) -> Outcome {
        match self.produce(task, lease, output).await {
            Ok(delivered) => Outcome::Done(delivered),
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn produce(&mut self, task: &Task, lease: &KeptLease, output: &Path) -> Result<Delivered, Failure> {
        // The files stay in the cache for as long as they are in use here.
        let (order, _in_use) = self.prepare(&task.work, output).await?;
        let facts = self.worker.perform(&order, |progress| lease.set_progress(progress)).await?;
        check_frames(&task.work, &facts)?;
        if matches!(task.work, Work::Render(_))
            && let Some(speed) = facts.pixels_per_second()
        {
            self.speed.store(speed, Ordering::Relaxed);
        }
        let (size_bytes, sha256) = measured(output.to_owned()).await.map_err(|cause| {
            Failure::new(FailureClass::Worker, format!("the worker said done, but its output cannot be read: {cause}"))
        })?;
        // What is kept is told as complete, whatever the worker's last progress was.
        lease.set_progress(Progress { frames_done: facts.frames, frames_total: facts.frames });
        Ok(Delivered { size_bytes, sha256, facts })
    }

    async fn prepare(&self, work: &Work, output: &Path) -> Result<(Order, Vec<Pinned>), Failure> {
        let output = output.to_owned();
        match work {
            Work::Render(work) => {
                let source = self.fetch(&work.source).await?;
                let order = Order::Render {
                    source: source.path().to_owned(),
                    plan: work.plan.clone(),
                    slots: work.slots,
                    output,
                };
                Ok((order, vec![source]))
            }
            Work::Join(work) => {
                let source = self.fetch(&work.source).await?;
                let mut segments = Vec::with_capacity(work.segments.len());
                let mut in_use = Vec::with_capacity(work.segments.len() + 1);
                for segment in &work.segments {
                    let file = self.fetch(&segment.fetch).await?;
                    segments.push(SegmentFile { slots: segment.slots, path: file.path().to_owned() });
                    in_use.push(file);
                }
                let order = Order::Join { source: source.path().to_owned(), plan: work.plan.clone(), segments, output };
                in_use.push(source);
                Ok((order, in_use))
            }
            Work::Mark(work) => {
                let source = self.fetch(&work.source).await?;
                let order = Order::Mark { source: source.path().to_owned(), plan: work.plan.clone(), output };
                Ok((order, vec![source]))
            }
        }
    }

    async fn fetch(&self, fetch: &Fetch) -> Result<Pinned, Failure> {
        self.cache.get(fetch).await.map_err(|cause| {
            tracing::warn!(error = &cause as &dyn std::error::Error, "a source could not be fetched");
            cause.into_failure()
        })
    }
}

/// A result with the wrong number of frames is never delivered.
fn check_frames(work: &Work, facts: &RenderFacts) -> Result<(), Failure> {
    let expected = match work {
        Work::Render(work) => work.slots.len(),
        Work::Join(work) => work.plan.slot_count,
        Work::Mark(work) => work.plan.slot_count,
    };
    if facts.frames == expected {
        return Ok(());
    }
    let message = format!("the worker made {} frames where {expected} were ordered", facts.frames);
    Err(Failure::new(FailureClass::Internal, message))
}

fn deliver_of(work: &Work) -> &Deliver {
    match work {
        Work::Render(work) => &work.deliver,
        Work::Join(work) => &work.deliver,
        Work::Mark(work) => &work.deliver,
    }
}

/// The part of the job, as the daemon calls it.
fn piece_of(work: &Work) -> String {
    match work {
        Work::Render(work) => format!("segment {}", work.slots),
        Work::Join(_) => "join".to_owned(),
        Work::Mark(_) => "mark".to_owned(),
    }
}

/// The worker takes the container from the extension; the daemon says it by the content type it signed for.
fn output_name(lease: LeaseId, deliver: &Deliver) -> String {
    let extension = match deliver.content_type.as_str() {
        "video/x-matroska" => "mkv",
        "video/quicktime" => "mov",
        _ => "mp4",
    };
    format!("{lease}.{extension}")
}

/// Waits; false when it was cut short by the stop.
async fn pause(span: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(span) => true,
        () = stop.cancelled() => false,
    }
}
