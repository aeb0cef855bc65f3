//! One worker process: started, ordered, watched and replaced. A crash, a hang or a killed driver costs one order.
//!
//! Frames are the only sign of life: a worker that talks but makes none is hung.

use super::{
    last_words::LastWords,
    messages::{Event, Order},
    program::Program,
};
use futures::StreamExt;
use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    time::Instant,
};
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    task::AbortOnDropHandle,
};
use tweenfarm_protocol::{
    service::Inventory,
    task::{Failure, FailureClass, Progress, RenderFacts},
};

/// Longer than any event; a worker that writes more without a line break has lost its mind.
const LINE_BYTES_MAX: usize = 1024 * 1024;
const LOG_LINE_BYTES_MAX: u64 = 8 * 1024;
/// Loading drivers and compiling shaders in software takes a while on a small machine.
const START: Duration = Duration::from_secs(120);

/// What to start and how to watch it.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub program: Program,
    /// Vulkan device UUID; none leaves the choice to the worker.
    pub device: Option<String>,
    /// Where the worker puts a table of what each pass took in a render.
    pub profile: Option<PathBuf>,
    pub shader_cache: Option<PathBuf>,
    /// No new frame for this long: hung.
    pub stall: Duration,
    /// Name for the log.
    pub label: String,
}

/// What a worker says of itself when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyFacts {
    pub device_uuid: String,
    pub device_name: String,
    pub engine: String,
    pub encoders: Vec<String>,
    pub inventory: Inventory,
}

/// One GPU slot: a worker process, or the means to start one.
pub struct Worker {
    settings: WorkerSettings,
    process: Option<Process>,
}

struct Process {
    child: Child,
    group: Option<rustix::process::Pid>,
    orders: ChildStdin,
    events: FramedRead<ChildStdout, LinesCodec>,
    log: AbortOnDropHandle<()>,
    said: LastWords,
    ready: ReadyFacts,
    /// In the middle of an order, perhaps one that nobody waits for any more.
    busy: bool,
}

impl Worker {
    pub fn new(settings: WorkerSettings) -> Worker {
        Worker { settings, process: None }
    }

    /// Starts the process if none is running; tells what it can do.
    pub async fn ready(&mut self) -> Result<ReadyFacts, Failure> {
        if let Some(process) = &mut self.process {
            // It may have died between two orders, or be busy with one that was dropped.
            if !process.busy && matches!(process.child.try_wait(), Ok(None)) {
                return Ok(process.ready.clone());
            }
            self.kill().await;
        }
        let process = Process::start(&self.settings).await?;
        tracing::info!(worker = self.settings.label, device = process.ready.device_name, "worker ready");
        Ok(self.process.insert(process).ready.clone())
    }

    /// Has one order done. Dropping the future leaves the worker in the middle of it, until `interrupt` or the next
    /// order replaces it.
    pub async fn perform(
        &mut self,
        order: &Order,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<RenderFacts, Failure> {
        self.ready().await?;
        let stall = self.settings.stall;
        let process = self.process.as_mut().expect("a ready worker has a process");
        let ended = match process.perform(order, stall, &mut on_progress).await {
            Ok(answer) => return answer.map_err(|failure| Failure { log: process.said.told(), ..failure }),
            Err(ended) => ended,
        };
        Err(self.bury(ended).await)
    }

    /// Ends an order that nobody waits for any more; an idle worker stays.
    pub async fn interrupt(&mut self) {
        if self.process.as_ref().is_some_and(|process| process.busy) {
            self.kill().await;
        }
    }

    /// Ends the process and everything it started.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_group();
            // Without the wait the next worker would meet the old one still holding the GPU's memory.
            let _ = process.child.wait().await;
        }
    }

    /// Ends what is left of a failed process and says what happened.
    async fn bury(&mut self, ended: Ended) -> Failure {
        let mut process = self.process.take().expect("an order failed in a process");
        let failure = process.bury(ended, &self.settings).await;
        tracing::error!(worker = self.settings.label, failure = failure.message, "worker lost");
        failure
    }
}

/// How an order ended without an answer.
enum Ended {
    /// The worker closed its output: it is dead or dying.
    Silent,
    /// No new frame in time.
    Stalled { frames_done: u64 },
    /// It speaks another language.
    Garbled(String),
}

impl Process {
    async fn start(settings: &WorkerSettings) -> Result<Process, Failure> {
        let mut command = settings.program.command();
        command.arg("serve");
        if let Some(device) = &settings.device {
            command.args(["--device", device]);
        }
        if let Some(path) = &settings.shader_cache {
            command.arg("--shader-cache").arg(path);
        }
        if let Some(file) = &settings.profile {
            command.arg("--profile").arg(file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |cause: io::Error| {
            Failure::new(FailureClass::Worker, format!("the worker program could not be started: {cause}"))
        };
        let mut child = command.spawn().map_err(failed)?;
        let missing = || failed(io::Error::other("its pipes are missing"));
        let (orders, events, log) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(orders), Some(events), Some(log)) => (orders, events, log),
            _ => return Err(missing()),
        };
        let said = LastWords::default();
        let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
        let mut process = Process {
            child,
            group,
            orders,
            events: FramedRead::new(events, LinesCodec::new_with_max_length(LINE_BYTES_MAX)),
            log: AbortOnDropHandle::new(tokio::spawn(keep_log(log, settings.label.clone(), said.clone()))),
            said,
            ready: ReadyFacts {
                device_uuid: String::new(),
                device_name: String::new(),
                engine: String::new(),
                encoders: Vec::new(),
                inventory: Inventory::default(),
            },
            busy: false,
        };
        let greeting = tokio::time::timeout(START, process.next_event()).await;
        let ended = match greeting {
            Ok(Ok(Event::Ready { device_uuid, device_name, engine, encoders, inventory })) => {
                process.ready = ReadyFacts { device_uuid, device_name, engine, encoders, inventory };
                return Ok(process);
            }
            Ok(Ok(Event::Failed(failure))) => return Err(failure),
            Ok(Ok(Event::Progress(_) | Event::Done { .. })) => Ended::Garbled("a result before any order".to_owned()),
            Ok(Err(ended)) => ended,
            Err(_) => Ended::Stalled { frames_done: 0 },
        };
        let failure = process.bury(ended, settings).await;
        Err(failure)
    }

    /// `Ok` is the worker's answer; `Err` means that there will be none.
    async fn perform(
        &mut self,
        order: &Order,
        stall: Duration,
        on_progress: &mut impl FnMut(Progress),
    ) -> Result<Result<RenderFacts, Failure>, Ended> {
        self.busy = true;
        self.said.clear();
        let mut line = serde_json::to_vec(order).expect("an order has nothing that JSON cannot say");
        line.push(b'\n');
        // A worker that died meanwhile cannot be written to; its end is told by the events.
        let written = async {
            self.orders.write_all(&line).await?;
            self.orders.flush().await
        };
        if let Ok(Err(_)) | Err(_) = tokio::time::timeout(stall, written).await {
            return Err(Ended::Silent);
        }
        let answer = self.answer(stall, on_progress).await?;
        self.busy = false;
        Ok(answer)
    }

    async fn answer(
        &mut self,
        stall: Duration,
        on_progress: &mut impl FnMut(Progress),
    ) -> Result<Result<RenderFacts, Failure>, Ended> {
        let mut frames_done = 0;
        let mut deadline = Instant::now() + stall;
        loop {
            let event = match tokio::time::timeout_at(deadline, self.next_event()).await {
                Ok(event) => event?,
                Err(_) => return Err(Ended::Stalled { frames_done }),
            };
            match event {
                Event::Progress(progress) => {
                    if progress.frames_done > frames_done {
                        frames_done = progress.frames_done;
                        deadline = Instant::now() + stall;
                    }
                    on_progress(progress);
                }
                Event::Done { facts } => return Ok(Ok(facts)),
                Event::Failed(failure) => return Ok(Err(failure)),
                Event::Ready { .. } => return Err(Ended::Garbled("a second greeting".to_owned())),
            }
        }
    }

    /// The next event. Drivers and plugins print to standard output at times: what is no JSON object is passed over.
    async fn next_event(&mut self) -> Result<Event, Ended> {
        loop {
            let line = match self.events.next().await {
                Some(Ok(line)) => line,
                Some(Err(cause)) => return Err(Ended::Garbled(cause.to_string())),
                None => return Err(Ended::Silent),
            };
            if !line.starts_with('{') {
                tracing::warn!(line, "a line on the worker's standard output is no event, passing over it");
                continue;
            }
            return serde_json::from_str(&line).map_err(|cause| Ended::Garbled(cause.to_string()));
        }
    }

    /// Kills the whole group: a worker's ffmpeg goes with it.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take()
            // Once it was waited for, its number may belong to someone else.
            && self.child.id().is_some()
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    async fn bury(&mut self, ended: Ended, settings: &WorkerSettings) -> Failure {
        // A dying process gets a moment to end by itself, so that its own signal is what is told, not our kill.
        let grace = if matches!(ended, Ended::Silent) { Duration::from_secs(5) } else { Duration::ZERO };
        let own_end = tokio::time::timeout(grace, self.child.wait()).await;
        self.kill_group();
        let _ = self.child.wait().await;
        // The log ends with the process; a grandchild that kept the pipe open does not hold us up.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.log).await;
        for line in self.said.all() {
            tracing::warn!(worker = settings.label, line, "last words");
        }
        let message = match (ended, own_end) {
            (Ended::Silent, Ok(Ok(status))) => format!("the worker process {}", how_it_died(status)),
            (Ended::Silent, _) => "the worker process closed its output and was killed".to_owned(),
            (Ended::Stalled { frames_done }, _) => format!(
                "the worker made no new frame for {} s (after {frames_done}) and was killed",
                settings.stall.as_secs_f64()
            ),
            (Ended::Garbled(detail), _) => {
                format!(
                    "the worker answered with something that is no event ({detail}): agent and worker must be of the same release"
                )
            }
        };
        Failure { log: self.said.told(), ..Failure::new(FailureClass::Worker, message) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// `was killed by signal 9 (SIGKILL; …)`, `ended with exit code 3`.
fn how_it_died(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = match signal {
                4 => "SIGILL: an instruction this processor does not know",
                6 => "SIGABRT: it gave up by itself",
                7 => "SIGBUS: bad memory access",
                8 => "SIGFPE: bad arithmetic",
                9 => "SIGKILL: killed from outside, perhaps for want of memory",
                11 => "SIGSEGV: bad memory access",
                15 => "SIGTERM: asked to end",
                _ => "no more is known",
            };
            format!("was killed by signal {signal} ({name})")
        }
        (None, Some(code)) => format!("ended with exit code {code} in the middle of its work"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Passes a worker's log on, line by line, and keeps the last ones.
async fn keep_log(log: ChildStderr, label: String, said: LastWords) {
    let mut reader = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A log without line breaks is cut into pieces rather than gathered in memory.
        match (&mut reader).take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::debug!(worker = label, text, "worker says");
        said.push(text);
    }
}

#[cfg(test)]
mod tests;
