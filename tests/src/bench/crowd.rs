//! A crowd of agents that wait for work at one daemon, and a long history: what is held in memory, how soon work is
//! handed out, what a restart and a list cost. The agents are clients in this process that speak the real service and
//! fail every task at once; the daemon is the real one.

use super::http::{Load, one_after_another, small_upload};
use crate::{
    client::Client,
    farm::{Farm, Settings},
};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tarpc::{client, context};
use tokio::{net::UnixStream, sync::mpsc, task::JoinSet, time::sleep};
use tweenfarm_protocol::{
    AgentId, codec,
    service::{FarmClient, Hello, NEXT_TASK_WAIT_MS_MAX, PROTOCOL_VERSIONS, WorkerFacts},
    task::{Failure, FailureClass, Outcome},
};

const REQUESTS_PER_SECOND: u64 = 1_000_000;
/// Connections being made at a time.
const DIALS: usize = 64;
const SUBMITTERS: usize = 64;
const LIMIT: Duration = Duration::from_secs(1800);

#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub agents: usize,
    /// Jobs that are submitted one after the other, to see when an agent has them.
    pub watched: usize,
    pub history: usize,
    pub listings: usize,
}

impl Amount {
    pub const SHORT: Amount = Amount { agents: 2_000, watched: 100, history: 5_000, listings: 50 };
    pub const FULL: Amount = Amount { history: 100_000, watched: 400, listings: 200, ..Amount::SHORT };
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    pub agents: usize,
    pub memory_before_mb: f64,
    pub memory_with_agents_mb: f64,
    /// From sending a submit to its task at an agent: its answer may come later than that.
    pub handed_out: Load,
    pub history: usize,
    /// Jobs taken in, handed out and ended for good, per second.
    pub ended_per_second: f64,
    pub memory_with_history_mb: f64,
    /// From `kill -9` and a start to the first answer.
    pub restart_s: f64,
    /// An account's first page of its jobs.
    pub listing: Load,
}

pub fn measure(amount: Amount, said: impl Fn(&str)) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings {
            requests_per_second: Some(REQUESTS_PER_SECOND),
            queue_jobs_max: Some(1_000_000),
            log_level: "error".to_owned(),
            ..Settings::default()
        };
        let mut farm = Farm::start(settings).await?;
        let client = farm.client("crowd@bench.example", i64::from(u32::MAX)).await?;
        let key = small_upload(&farm, &client).await?;
        let memory_before_mb = memory_mb(farm.daemon_id())?;
        said(&format!("{} agents dial in", amount.agents));
        let (handed, mut tasks) = mpsc::channel(1024);
        let mut crowd = dial(amount.agents, farm.agents_socket(), handed).await?;
        let memory_with_agents_mb = memory_mb(farm.daemon_id())?;
        said("jobs one after the other");
        let mut waits = Vec::with_capacity(amount.watched);
        for _ in 0..amount.watched {
            let sent = Instant::now();
            client.submit(&key, 60).await?;
            let at: Instant = tasks.recv().await.context("an agent has the task")?;
            // What one agent calls wrong is looked at by another, once.
            tasks.recv().await.context("another agent looks, too")?;
            waits.push(at.saturating_duration_since(sent));
        }
        said(&format!("{} jobs at once", amount.history));
        tokio::spawn(async move { while tasks.recv().await.is_some() {} });
        let started = Instant::now();
        stream::iter(0..amount.history)
            .map(|_| client.submit(&key, 60))
            .buffer_unordered(SUBMITTERS)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let operator = farm.operator()?;
        while operator.status().await?.jobs_open > 0 {
            ensure!(started.elapsed() < LIMIT, "the jobs did not end in time");
            sleep(Duration::from_millis(100)).await;
        }
        let ended_per_second = amount.history as f64 / started.elapsed().as_secs_f64();
        crowd.shutdown().await;
        let memory_with_history_mb = memory_mb(farm.daemon_id())?;
        said("a restart, and lists");
        farm.kill_daemon()?;
        let started = Instant::now();
        farm.restart_daemon().await?;
        let restart_s = started.elapsed().as_secs_f64();
        let listing = listings(&client, amount.listings).await?;
        Ok(Report {
            agents: amount.agents,
            memory_before_mb,
            memory_with_agents_mb,
            handed_out: one_after_another(&waits)?,
            history: amount.watched + amount.history,
            ended_per_second,
            memory_with_history_mb,
            restart_s,
            listing,
        })
    })
}

async fn listings(client: &Client, count: usize) -> Result<Load> {
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        client.jobs().await?;
        taken.push(started.elapsed());
    }
    one_after_another(&taken)
}

/// Agents that have said hello and wait for work; each tells when it has a task.
async fn dial(agents: usize, socket: PathBuf, handed: mpsc::Sender<Instant>) -> Result<JoinSet<()>> {
    let clients: Vec<(AgentId, FarmClient)> = stream::iter(0..agents)
        .map(|number| introduced(number, socket.clone()))
        .buffer_unordered(DIALS)
        .try_collect()
        .await?;
    let mut crowd = JoinSet::new();
    for (agent, client) in clients {
        crowd.spawn(wait_for_work(agent, client, handed.clone()));
    }
    // Time for every long poll to have reached the daemon.
    sleep(Duration::from_secs(2)).await;
    Ok(crowd)
}

async fn introduced(number: usize, socket: PathBuf) -> Result<(AgentId, FarmClient)> {
    let stream = UnixStream::connect(socket).await.context("dial the daemon")?;
    let client = FarmClient::new(client::Config::default(), codec::transport(stream)).spawn();
    let agent = AgentId(uuid::Uuid::from_u128(0xC0_0000 + number as u128));
    let worker = WorkerFacts {
        worker: 0,
        device_uuid: "00".repeat(16),
        device_name: "none".to_owned(),
        engine: "none".to_owned(),
        encoders: vec!["x264enc".to_owned()],
        inventory: Default::default(),
    };
    let hello = Hello {
        protocol: (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end()),
        agent,
        name: format!("crowd-{number}"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        workers: vec![worker],
        free_disk_bytes: 1 << 40,
    };
    client.hello(within(60), hello).await?.context("the daemon welcomes an agent")?;
    Ok((agent, client))
}

async fn wait_for_work(agent: AgentId, client: FarmClient, handed: mpsc::Sender<Instant>) {
    loop {
        match client.next_task(within(60), agent, 0, NEXT_TASK_WAIT_MS_MAX).await {
            Ok(Ok(Some(task))) => {
                // Whoever listens is gone when the bench ends.
                let _ = handed.send(Instant::now()).await;
                let failure = Failure {
                    class: FailureClass::Input,
                    message: "The bench renders nothing.".to_owned(),
                    log: Vec::new(),
                };
                let _ = client.report(within(60), task.lease, Outcome::Failed(failure)).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn within(seconds: u64) -> context::Context {
    let mut context = context::current();
    context.deadline = Instant::now() + Duration::from_secs(seconds);
    context
}

/// Resident memory of a process, in megabytes.
fn memory_mb(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("find its resident memory")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}
