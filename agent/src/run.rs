//! The agent at work: one loop per worker takes a task, fetches, renders and hands the result to the outbox.
//!
//! Holds the order of start and of shutdown; each step's rules live in the modules it uses.

use crate::{
    availability::{self, Lookout},
    cache::Cache,
    config::Config,
    halt::Halt,
    identity::{self, IdentityError, renewal::keep_renewing},
    lease::Leases,
    link::{Dial, Link},
    outbox::{Outbox, Patience},
    slot::Slot,
    standing::Standing,
    state_folder::{StateFolder, StateFolderError, free_bytes},
    systemd,
    transfer::{Transfer, TransferError},
    worker::{
        child::{ReadyFacts, Worker, WorkerSettings},
        devices::{self, NoDevice},
        program::{Program, ProgramError},
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tweenfarm_protocol::service::{Hello, PROTOCOL_VERSIONS, WorkerFacts};

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

/// Runs until it is told to halt. Of what `settings` says later, only what a running agent can change counts.
pub async fn run(
    settings: watch::Receiver<Config>,
    program: Program,
    dial: impl Dial,
    halt: Halt,
) -> Result<(), RunError> {
    let config = settings.borrow().clone();
    let state = StateFolder::open(&config.state)?;
    let member = dial.member();
    let (agent, name) = match &member {
        Some(member) => (member.get().agent, member.get().name),
        None => (identity::agent_id(&state.agent_id_file())?, config.name.clone()),
    };
    let transfer = Transfer::new().map_err(RunError::Http)?;
    let cache = Cache::open(&state.cache(), config.cache_bytes_max, config.disk_reserve_bytes, transfer.clone())
        .map_err(RunError::Folder)?;

    let starting = start_workers(&config, &program, &state);
    let workers = tokio::select! {
        workers = starting => workers?,
        () = halt.drain.cancelled() => return Ok(()),
    };
    let facts: Vec<_> = workers.iter().map(|(index, _, ready)| worker_facts(*index, ready)).collect();
    tracing::info!(%agent, name, workers = workers.len(), "agent started");

    let disk = state.root().to_owned();
    let speeds: Vec<Arc<AtomicU64>> = workers.iter().map(|_| Arc::default()).collect();
    let (said_speeds, measured) = (speeds.clone(), facts.clone());
    let hello = move || Hello {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        agent,
        name: name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers: at_speed(&facts, &said_speeds),
        free_disk_bytes: free_bytes(&disk).unwrap_or_default(),
    };
    let link = Link::start(dial, hello, halt.stop.clone());
    let renewing = member.map(|member| AbortOnDropHandle::new(tokio::spawn(keep_renewing(link.clone(), member))));
    let leases = Leases::new(link.clone(), agent);
    let outbox = Outbox::open(&state.outbox(), link.clone(), &leases, transfer, Patience::default())
        .map_err(RunError::Folder)?;

    let (lookout, gate) = Lookout::new(settings);
    let looking = AbortOnDropHandle::new(tokio::spawn(lookout.run()));
    let (folder, reserve, cached) = (state.root().to_owned(), config.disk_reserve_bytes, cache.clone());
    let room = move || availability::room_bytes(&folder, reserve, cached.size_bytes());
    let telling = availability::keep_telling(link.clone(), agent, gate.clone(), measured, room);
    let telling = AbortOnDropHandle::new(tokio::spawn(telling));

    let slots = TaskTracker::new();
    for ((index, worker, _), speed) in workers.into_iter().zip(speeds) {
        let slot = Slot {
            index,
            agent,
            worker,
            speed,
            link: link.clone(),
            leases: leases.clone(),
            cache: cache.clone(),
            outbox: outbox.clone(),
            scratch: state.scratch(),
            disk_reserve_bytes: config.disk_reserve_bytes,
            gate: gate.clone(),
            halt: halt.clone(),
        };
        slots.spawn(slot.run());
    }

    systemd::ready();
    let standing = Standing { link: link.clone(), gate, leases: leases.clone(), workers: slots.len() };
    let standing = AbortOnDropHandle::new(tokio::spawn(standing.keep_telling(halt.drain.clone())));
    let watching = systemd::watch(slots.clone(), state.root().to_owned(), halt.clone());
    let watching = AbortOnDropHandle::new(tokio::spawn(watching));
    let returning = AbortOnDropHandle::new(tokio::spawn(give_back_forgotten(link, leases)));

    halt.drain.cancelled().await;
    // Order: no new task; leases in hand finished, or given back, and workers ended; then the outbox; the connection last.
    slots.close();
    let in_time = tokio::select! {
        () = slots.wait() => true,
        () = out_of_patience(&halt, SLOTS_GRACE) => false,
    };
    tokio::select! {
        () = outbox.delivered() => {}
        () = out_of_patience(&halt, OUTBOX_GRACE) => {}
    }
    outbox.close().await;
    halt.stop.cancel();
    drop(watching);
    drop((returning, renewing, looking, telling, standing));
    tracing::info!("agent stopped");
    if in_time { Ok(()) } else { Err(RunError::Late) }
}

/// While draining there is time; after a stop there is `grace`.
async fn out_of_patience(halt: &Halt, grace: Duration) {
    halt.stop.cancelled().await;
    tokio::time::sleep(grace).await;
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
            profile: None,
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

/// The facts with what each worker's last render came to.
fn at_speed(facts: &[WorkerFacts], speeds: &[Arc<AtomicU64>]) -> Vec<WorkerFacts> {
    let mut facts = facts.to_vec();
    for (facts, speed) in facts.iter_mut().zip(speeds) {
        facts.inventory.pixels_per_second = speed.load(Ordering::Relaxed);
    }
    facts
}

fn worker_facts(worker: u32, ready: &ReadyFacts) -> WorkerFacts {
    WorkerFacts {
        worker,
        device_uuid: ready.device_uuid.clone(),
        device_name: ready.device_name.clone(),
        engine: ready.engine.clone(),
        encoders: ready.encoders.clone(),
        inventory: ready.inventory.clone(),
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
