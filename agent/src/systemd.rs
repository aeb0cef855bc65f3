//! What systemd is told of the agent: ready, how it stands, that it lives, that it stops. Nothing where systemd did not
//! start it.

use crate::halt::Halt;
use sd_notify::NotifyState;
use std::{
    io,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio_util::task::TaskTracker;

/// Signs of life in the time that systemd allows for one: a single slow answer of a disk is no death.
const SIGNS_PER_LIMIT: u32 = 3;
/// While the agent drains, systemd is asked for this much more time, again and again; renders take what they take.
const MORE_TIME: Duration = Duration::from_secs(30);

/// Whoever reads its configuration again while it starts is not ready by that.
static READY: AtomicBool = AtomicBool::new(false);
/// What `systemctl status` shows, as it was told last.
static LINE: Mutex<Line> = Mutex::new(Line { sentence: String::new(), remark: None });

struct Line {
    /// How the agent stands.
    sentence: String,
    /// What the last reload has left to be done.
    remark: Option<String>,
}

impl Line {
    fn held() -> MutexGuard<'static, Line> {
        LINE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        self.remark.iter().fold(self.sentence.clone(), |sentence, remark| format!("{sentence}; {remark}"))
    }
}

#[derive(Debug, thiserror::Error)]
enum NoSign {
    #[error("{running} of {workers} workers' loops run: one has ended by a fault of this program")]
    Slots { running: usize, workers: usize },
    #[error("the state folder cannot be written to")]
    Folder(#[source] io::Error),
    #[error("the state folder did not answer within {0:?}")]
    Late(Duration),
}

/// The workers are started.
pub fn ready() {
    READY.store(true, Ordering::Relaxed);
    tell(&[NotifyState::Ready]);
}

/// How the agent stands; told when it is new.
pub fn say(sentence: String) {
    let mut line = Line::held();
    if line.sentence != sentence {
        line.sentence = sentence;
        tell(&[NotifyState::Status(&line.text())]);
    }
}

/// The configuration is read again; `reloaded` says that it is over, and what is left to be done.
pub fn reloading() {
    if !READY.load(Ordering::Relaxed) {
        return;
    }
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload: there is no clock to tell it by"),
    }
}

pub fn reloaded(remark: Option<String>) {
    if !READY.load(Ordering::Relaxed) {
        return;
    }
    let mut line = Line::held();
    line.remark = remark;
    tell(&[NotifyState::Ready, NotifyState::Status(&line.text())]);
}

/// Says that the agent lives for as long as all `workers` loops of `slots` run and the folder `state` takes a write, and
/// that it stops once it is told to. A render that hangs is the business of `stall_seconds`, an unreachable daemon none.
pub async fn watch(slots: TaskTracker, state: PathBuf, halt: Halt) {
    let workers = slots.len();
    if let Some(limit) = sd_notify::watchdog_enabled() {
        let every = limit / SIGNS_PER_LIMIT;
        while let Some(()) = halt.drain.run_until_cancelled(tokio::time::sleep(every)).await {
            match prove(&slots, workers, state.clone(), every).await {
                Ok(()) => tell(&[NotifyState::Watchdog]),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "systemd gets no sign of life"),
            }
        }
    }
    halt.drain.cancelled().await;
    loop {
        let more = u32::try_from(MORE_TIME.as_micros()).unwrap_or(u32::MAX);
        let status = "stopping: what is in hand is finished or handed back";
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status(status),
            NotifyState::ExtendTimeoutUsec(more),
            NotifyState::Watchdog,
        ]);
        tokio::time::sleep(MORE_TIME / 2).await;
    }
}

async fn prove(slots: &TaskTracker, workers: usize, state: PathBuf, limit: Duration) -> Result<(), NoSign> {
    let running = slots.len();
    if running < workers {
        return Err(NoSign::Slots { running, workers });
    }
    let written = tokio::time::timeout(limit, tokio::fs::write(state.join("alive"), b""));
    written.await.map_err(|_| NoSign::Late(limit))?.map_err(NoSign::Folder)
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told how the agent stands ($NOTIFY_SOCKET)");
    }
}
