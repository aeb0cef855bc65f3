//! The agent at work: one loop per worker takes a task, fetches, renders and hands the result to the outbox.
//!
//! Holds the order of start and of shutdown; each step's rules live in the modules it uses.

use crate::{
    cache::Cache,
    config::Config,
    identity::{self, IdentityError},
    lease::Leases,
    link::{Dial, Link},
    outbox::{Outbox, Patience},
    slot::Slot,
    state_folder::{StateFolder, StateFolderError},
    transfer::{Transfer, TransferError},
    worker::{
        child::{ReadyFacts, Worker, WorkerSettings},
        devices::{self, NoDevice},
        program::{Program, ProgramError},
    },
};
use std::{io, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tweenfarm_protocol::{
    AgentId,
    service::{Hello, PROTOCOL_VERSIONS, WorkerFacts},
};

/// Workers give their leases back within this, or leave it to the leases' deadlines.
const SLOTS_GRACE: Duration = Duration::from_secs(8);
/// Deliveries under way get this long at shutdown; the rest is on disk.
const OUTBOX_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    State(#[from] StateFolderError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    NoDevice(#[from] NoDevice),
    #[error("no worker could be started, the last because {0}: look with `tweenfarm-agent doctor`")]
    NoWorker(String),
    #[error("open the cache or the outbox in the state folder")]
    Folder(#[source] io::Error),
    #[error("prepare HTTP")]
    Http(#[source] TransferError),
    #[error("some workers did not stop in time: their leases run out by themselves")]
    Late,
}

/// Runs until `stop`.
pub async fn run(config: &Config, program: Program, dial: impl Dial, stop: CancellationToken) -> Result<(), RunError> {
    let state = StateFolder::open(&config.state)?;
    let agent = identity::agent_id(&state.agent_id_file())?;
    let transfer = Transfer::new().map_err(RunError::Http)?;
    let cache = Cache::open(&state.cache(), config.cache_bytes_max, config.disk_reserve_bytes, transfer.clone())
        .map_err(RunError::Folder)?;

    let starting = start_workers(config, &program, &state);
    let workers = tokio::select! {
        workers = starting => workers?,
        () = stop.cancelled() => return Ok(()),
    };
    let facts = workers.iter().map(|(index, _, ready)| worker_facts(*index, ready)).collect();
    tracing::info!(%agent, name = config.name, workers = workers.len(), "agent started");

    let link = Link::start(dial, hello(agent, config, facts), stop.clone());
    let leases = Leases::new(link.clone());
    let outbox = Outbox::open(&state.outbox(), link.clone(), &leases, transfer, Patience::default())
        .map_err(RunError::Folder)?;

    let slots = TaskTracker::new();
    for (index, worker, _) in workers {
        let slot = Slot {
            index,
            agent,
            worker,
            link: link.clone(),
            leases: leases.clone(),
            cache: cache.clone(),
            outbox: outbox.clone(),
            scratch: state.scratch(),
            disk_reserve_bytes: config.disk_reserve_bytes,
            stop: stop.clone(),
        };
        slots.spawn(slot.run());
    }
    let returning = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(give_back_forgotten(link.clone(), leases)));

    stop.cancelled().await;
    // Order: no new task, leases in hand given back and workers ended; then the outbox; the connection last.
    slots.close();
    let in_time = tokio::time::timeout(SLOTS_GRACE, slots.wait()).await.is_ok();
    outbox.close(OUTBOX_GRACE).await;
    drop(returning);
    tracing::info!("agent stopped");
    if in_time { Ok(()) } else { Err(RunError::Late) }
}

/// One worker per chosen device. One that does not start is left out; none at all is an error.
async fn start_workers(
    config: &Config,
    program: &Program,
    state: &StateFolder,
) -> Result<Vec<(u32, Worker, ReadyFacts)>, RunError> {
    let chosen = devices::choose(&program.devices().await?, &config.devices)?;
    let starts = (0_u32..).zip(&chosen).map(|(index, device)| {
        let mut worker = Worker::new(WorkerSettings {
            program: program.clone(),
            device: Some(device.uuid.clone()),
            shader_cache: Some(state.shader_cache()),
            stall: config.stall,
            label: format!("{index} on {}", device.name),
        });
        async move {
            let ready = worker.ready().await;
            (index, device, worker, ready)
        }
    });
    let mut workers = Vec::new();
    let mut last_reason = String::new();
    for (index, device, worker, ready) in futures::future::join_all(starts).await {
        match ready {
            Ok(ready) => workers.push((index, worker, ready)),
            Err(failure) => {
                tracing::error!(device = device.name, uuid = device.uuid, %failure, "a device gets no worker");
                last_reason = failure.message;
            }
        }
    }
    if workers.is_empty() { Err(RunError::NoWorker(last_reason)) } else { Ok(workers) }
}

fn hello(agent: AgentId, config: &Config, workers: Vec<WorkerFacts>) -> Hello {
    Hello {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        agent,
        name: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers,
    }
}

fn worker_facts(worker: u32, ready: &ReadyFacts) -> WorkerFacts {
    WorkerFacts {
        worker,
        device_uuid: ready.device_uuid.clone(),
        device_name: ready.device_name.clone(),
        engine: ready.engine.clone(),
        encoders: ready.encoders.clone(),
    }
}

/// After each hello: leases that the daemon counts as ours, but that a crash or a lost answer took from us.
pub async fn give_back_forgotten(link: Link, leases: Leases) {
    let mut session = 0;
    while let Ok((number, welcome)) = link.welcome_after(session).await {
        session = number;
        for lease in leases.abandoned(&welcome.leases) {
            match link.give_back(lease).await {
                Ok(_) => tracing::info!(%lease, "gave a lease back that nobody here works on"),
                Err(cause) => tracing::warn!(%lease, %cause, "cannot give a lease back, it runs out by itself"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
