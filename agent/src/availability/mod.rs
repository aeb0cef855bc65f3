//! Whether this agent takes work now: by its hours, and by whether somebody else needs the machine.
//!
//! Looks again and again, tells the slots, and tells the daemon. A slot that may not work gives its lease back, which
//! costs the job no attempt, and keeps no process running.

pub mod hours;
mod load;

use crate::{
    config::Config,
    device_readings,
    link::{Link, LinkError},
    state_folder::free_bytes,
};
use hours::MinuteOfWeek;
use jiff::{Timestamp as Moment, Zoned, tz::TimeZone};
use load::Ticks;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, sync::watch};
use tweenfarm_protocol::{
    AgentId, Timestamp,
    service::{Availability, CONDITION_SINCE, Condition, READINGS_SINCE, WorkerFacts},
};

/// How often it is looked whether the machine is in use.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A command that says whether the machine is in use, and does not answer for this long, says that it is not.
const COMMAND: Duration = Duration::from_secs(4);
/// Who has been disturbed once is left alone for this long after the machine seems free again.
const QUIET: Duration = Duration::from_secs(60);
/// How often the daemon is told, if nothing has changed; as old as this an operator sees how warm a device is.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// To whom and what the machine is yielded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Yielding {
    /// Others use more than this part of all processors.
    pub load_percent_max: Option<u32>,
    /// It is there.
    pub file: Option<PathBuf>,
    /// A shell's command that succeeds.
    pub command: Option<String>,
}

/// Says whether work may be done; cheap to clone.
#[derive(Clone)]
pub struct Gate(watch::Receiver<Availability>);

impl Gate {
    pub fn is_open(&self) -> bool {
        *self.0.borrow() == Availability::Ready
    }

    pub fn now(&self) -> Availability {
        self.0.borrow().clone()
    }

    /// Ends when no more work may be done.
    pub async fn closed(&self) {
        let mut seen = self.0.clone();
        if seen.wait_for(|now| *now != Availability::Ready).await.is_err() {
            // Nobody looks any more: the agent is ending, and says so elsewhere.
            std::future::pending::<()>().await;
        }
    }

    /// Ends when work may be done again.
    pub async fn opened(&self) {
        let mut seen = self.0.clone();
        if seen.wait_for(|now| *now == Availability::Ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Always open.
    #[cfg(test)]
    pub fn open() -> Gate {
        let (_, gate) = watch::channel(Availability::Ready);
        Gate(gate)
    }
}

/// Looks for as long as it is polled; `sleeps` is told by the hours, the rest by looking around.
pub struct Lookout {
    /// As the configuration says now.
    config: watch::Receiver<Config>,
    ticks: Option<Ticks>,
    /// When that was seen last, and why.
    in_use: Option<(Moment, String)>,
    told: watch::Sender<Availability>,
}

impl Lookout {
    pub fn new(config: watch::Receiver<Config>) -> (Lookout, Gate) {
        let (told, gate) = watch::channel(Availability::Ready);
        (Lookout { config, ticks: None, in_use: None, told }, Gate(gate))
    }

    /// Looks on until it is dropped.
    pub async fn run(mut self) {
        loop {
            let now = self.look(&Zoned::now()).await;
            let changed = self.told.send_if_modified(|told| {
                let changed = *told != now;
                told.clone_from(&now);
                changed
            });
            if changed {
                match &now {
                    Availability::Ready => tracing::info!("the agent takes work"),
                    Availability::Asleep { until } => {
                        tracing::info!(until = until.to_iso_seconds(), "the agent sleeps by its hours");
                    }
                    Availability::InUse { reason } => {
                        tracing::info!(reason, "the machine is in use, work is given back")
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Ok(()) = self.config.changed() => {}
            }
        }
    }

    async fn look(&mut self, now: &Zoned) -> Availability {
        let asleep_for = self.config.borrow().hours.asleep_for(minute_of_week(now));
        if let Some(minutes) = asleep_for {
            return Availability::Asleep { until: later(now, minutes) };
        }
        if let Some(reason) = self.who_needs_it().await {
            self.in_use = Some((now.timestamp(), reason));
        }
        match &self.in_use {
            // A clock that was put back has gone on, too.
            Some((seen, reason)) if now.timestamp().duration_since(*seen).unsigned_abs() < QUIET => {
                Availability::InUse { reason: reason.clone() }
            }
            _ => {
                self.in_use = None;
                Availability::Ready
            }
        }
    }

    async fn who_needs_it(&mut self) -> Option<String> {
        let Yielding { load_percent_max, file, command } = self.config.borrow().yielding.clone();
        if let Some(file) = &file
            && file.exists()
        {
            return Some(format!("the file {} is there", name_of(file)));
        }
        if let Some(command) = command
            && succeeds(&command).await
        {
            return Some("the command that is asked says so".to_owned());
        }
        let most = load_percent_max?;
        let now = match load::look() {
            Ok(now) => now,
            Err(cause) => {
                tracing::debug!(%cause, "the load of the machine cannot be looked at");
                return None;
            }
        };
        let before = self.ticks.replace(now)?;
        let percent = load::others_percent(before, now);
        (percent > most).then(|| format!("others use {percent} % of its processors, more than {most} %"))
    }
}

/// The folder is nobody's business but this machine's.
fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

async fn succeeds(command: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(COMMAND, shell.status()).await {
        Ok(Ok(status)) => status.success(),
        Ok(Err(cause)) => {
            tracing::debug!(%cause, "the command that says whether the machine is in use could not be run");
            false
        }
        Err(_) => false,
    }
}

fn minute_of_week(now: &Zoned) -> MinuteOfWeek {
    let day = u32::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0);
    day * 24 * 60 + u32::try_from(now.hour()).unwrap_or(0) * 60 + u32::try_from(now.minute()).unwrap_or(0)
}

/// The beginning of the minute that many local minutes later; clocks that are put forward or back in between move with it.
fn later(now: &Zoned, minutes: u32) -> Timestamp {
    let local = now.datetime().with().second(0).subsec_nanosecond(0).build().unwrap_or_else(|_| now.datetime());
    let local = local.saturating_add(jiff::SignedDuration::from_mins(i64::from(minutes)));
    let moment = TimeZone::to_zoned(now.time_zone(), local).map_or_else(|_| Moment::now(), |zoned| zoned.timestamp());
    Timestamp(moment.as_microsecond())
}

/// Tells the daemon how this agent is: after each hello, at every change, and now and then. Until it is dropped, or the
/// link has stopped.
pub async fn keep_telling(link: Link, agent: AgentId, gate: Gate, workers: Vec<WorkerFacts>, room: impl Fn() -> u64) {
    let mut seen = gate.0;
    let mut session = 0;
    loop {
        let Ok((number, welcome)) = link.welcome_after(session).await else { return };
        if welcome.protocol < CONDITION_SINCE {
            session = number;
            continue;
        }
        loop {
            let availability = seen.borrow_and_update().clone();
            let devices =
                if welcome.protocol < READINGS_SINCE { vec![] } else { device_readings::look(&workers).await };
            let condition = Condition { availability, room_bytes: room(), devices };
            match link.condition(agent, condition).await {
                Ok(()) => {}
                Err(LinkError::Stopped) => return,
                Err(cause) => {
                    tracing::debug!(%cause, "the daemon could not be told how this agent is");
                    break;
                }
            }
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return },
                next = link.welcome_after(number) => if next.is_err() { return } else { break },
                () = tokio::time::sleep(TELL_EVERY) => {}
            }
        }
        // A daemon that was not to be told is told after the next hello.
        session = number;
    }
}

/// Bytes that a task may use: what is free above the reserve, and what the cache could let go.
pub fn room_bytes(folder: &Path, reserve_bytes: u64, cache_bytes: u64) -> u64 {
    free_bytes(folder).unwrap_or_default().saturating_sub(reserve_bytes).saturating_add(cache_bytes)
}

#[cfg(test)]
mod tests;
