//! The daemon under load, as real processes: durable submits beside the floor of one fsync on the same disk, polls, and a
//! thousand clients that poll while a worker renders.

use super::poller::{self, Poll, Seen};
use crate::{
    client::Client,
    clips::{self, Recipe},
    farm::{Farm, Settings},
    process::cpu_of,
    score::percentile,
};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::{Instant as TokioInstant, sleep};
use tokio_util::sync::CancellationToken;

/// A submit's records fit; what a disk syncs at least is a block.
const FLOOR_BYTES: usize = 4096;
const FLOOR_BLOCKS: u64 = 256;
/// No limit that a bench could reach.
const REQUESTS_PER_SECOND: u64 = 1_000_000;
const POLL_EVERY: Duration = Duration::from_secs(3);
const RENDER_LIMIT: Duration = Duration::from_secs(900);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub submits_alone: usize,
    pub submits_at_once: usize,
    /// Clients that submit at the same time.
    pub submitters: usize,
    pub polls: usize,
    pub pollers: usize,
    /// To what the shipped clip is brought beside the pollers, and how often without and with them.
    pub render_fps: u32,
    pub rounds: usize,
}

impl Amount {
    pub const SHORT: Amount = Amount {
        submits_alone: 200,
        submits_at_once: 1000,
        submitters: 32,
        polls: 1000,
        pollers: 1000,
        render_fps: 120,
        rounds: 2,
    };
    pub const FULL: Amount =
        Amount { submits_alone: 500, submits_at_once: 4000, polls: 4000, render_fps: 240, rounds: 4, ..Amount::SHORT };
}

/// The same request again and again.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time of the daemon for each: what the rate would be limited by on a machine that does nothing else.
    pub daemon_cpu_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Writing a block into a file and syncing it, in turn with the submits of one client.
    pub fsync: Load,
    pub submit: Load,
    /// With so many clients at once.
    pub submitters: usize,
    pub submit_at_once: Load,
    pub poll: Load,
    pub beside: BesideRender,
}

/// A render with nobody polling, and beside the pollers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct BesideRender {
    pub pollers: usize,
    pub frames_per_second_alone: f64,
    pub frames_per_second_polled: f64,
    pub polls: usize,
    pub refused: usize,
    pub poll_p50_ms: f64,
    pub poll_p99_ms: f64,
    /// Shares of one processor core while being polled.
    pub daemon_percent: f64,
    pub clients_percent: f64,
}

pub fn measure(amount: Amount, said: impl Fn(&str)) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings { requests_per_second: Some(REQUESTS_PER_SECOND), ..Settings::default() };
        let farm = Farm::start(settings).await?;
        said("submits");
        let client = farm.client("submits@bench.example", i64::from(u32::MAX)).await?;
        let key = small_upload(&farm, &client).await?;
        let daemon = farm.daemon_id();
        // In turn, so that what else the disk does meets both.
        let (mut alone, mut fsyncs, mut floor) = (Vec::new(), Vec::new(), Floor::new(farm.folder())?);
        let (mut job, before) = (String::new(), cpu_of(daemon)?);
        for _ in 0..amount.submits_alone {
            fsyncs.push(floor.write()?);
            let started = Instant::now();
            job = client.submit(&key, 60).await?.job_id;
            alone.push(started.elapsed());
        }
        let submit = one_after_another(&alone)?.with_cpu(cpu_of(daemon)? - before, alone.len());
        let (started, before) = (Instant::now(), cpu_of(daemon)?);
        let at_once: Vec<Duration> = stream::iter(0..amount.submits_at_once)
            .map(|_| async {
                let started = Instant::now();
                client.submit(&key, 60).await.map(|_| started.elapsed())
            })
            .buffer_unordered(amount.submitters)
            .try_collect()
            .await?;
        let per_second = at_once.len() as f64 / started.elapsed().as_secs_f64();
        let submit_at_once = Load { per_second, ..one_after_another(&at_once)? };
        let submit_at_once = submit_at_once.with_cpu(cpu_of(daemon)? - before, at_once.len());
        said("polls");
        let (mut polls, before) = (Vec::new(), cpu_of(daemon)?);
        for _ in 0..amount.polls {
            let started = Instant::now();
            client.job(&job).await?;
            polls.push(started.elapsed());
        }
        let poll = one_after_another(&polls)?.with_cpu(cpu_of(daemon)? - before, polls.len());
        drop(farm);
        Ok(Report {
            fsync: one_after_another(&fsyncs)?,
            submit,
            submitters: amount.submitters,
            submit_at_once,
            poll,
            beside: beside_render(amount, said).await?,
        })
    })
}

pub(super) async fn small_upload(farm: &Farm, client: &Client) -> Result<String> {
    let clip = farm.folder().join("clip.mp4");
    clips::make(&clip, Recipe { seconds: 1.0, ..Recipe::default() })?;
    let upload = client.upload(&clip).await?;
    // Looked into once, so that submits meet at the ledger and not at the probe.
    client.probe(&upload.key).await?;
    Ok(upload.key)
}

/// What a confirmed change cannot do without: a block written into a file that is there already, and the file synced.
struct Floor {
    file: File,
    block: u64,
}

impl Floor {
    fn new(folder: &Path) -> Result<Floor> {
        let file = File::create(folder.join("floor"))?;
        file.write_all_at(&vec![0; FLOOR_BYTES * FLOOR_BLOCKS as usize], 0)?;
        file.sync_all()?;
        Ok(Floor { file, block: 0 })
    }

    fn write(&mut self) -> Result<Duration> {
        self.block = (self.block + 1) % FLOOR_BLOCKS;
        let started = Instant::now();
        self.file.write_all_at(&[0x5a; FLOOR_BYTES], self.block * FLOOR_BYTES as u64)?;
        self.file.sync_data()?;
        Ok(started.elapsed())
    }
}

/// Percentiles, and the rate of one client that waits for each.
pub(super) fn one_after_another(measured: &[Duration]) -> Result<Load> {
    let at = |percent| {
        let milliseconds = measured.iter().map(|duration| 1e3 * duration.as_secs_f64());
        percentile(milliseconds, percent).context("nothing was measured")
    };
    let total: Duration = measured.iter().sum();
    let per_second = measured.len() as f64 / total.as_secs_f64().max(1e-9);
    Ok(Load { per_second, p50_ms: at(50.0)?, p99_ms: at(99.0)?, daemon_cpu_ms: None })
}

impl Load {
    fn with_cpu(self, spent: Duration, count: usize) -> Load {
        Load { daemon_cpu_ms: Some(1e3 * spent.as_secs_f64() / count as f64), ..self }
    }
}

/// Renders the shipped clip without and with the pollers, in turn; with the limits a farm has by default.
async fn beside_render(amount: Amount, said: impl Fn(&str)) -> Result<BesideRender> {
    said("renders, polled and not");
    let mut farm = Farm::with_agent(Settings::default()).await?;
    let client = farm.client("render@bench.example", i64::from(u32::MAX)).await?;
    let upload = client.upload(&clips::shipped()).await?;
    client.probe(&upload.key).await?;
    let mut sum = BesideRender { pollers: amount.pollers, ..BesideRender::default() };
    // The first render compiles shaders; it is not counted.
    render(&mut farm, &client, &upload.key, 60, 0).await?;
    let mut latencies = Vec::new();
    for round in 0..amount.rounds {
        // One after the other, then the other way round: what the machine does meanwhile seldom follows that.
        let order = if round % 2 == 0 { [0, amount.pollers] } else { [amount.pollers, 0] };
        let first = render(&mut farm, &client, &upload.key, amount.render_fps, order[0]).await?;
        let second = render(&mut farm, &client, &upload.key, amount.render_fps, order[1]).await?;
        let (alone, polled) = if order[0] == 0 { (first, second) } else { (second, first) };
        let share = 1.0 / amount.rounds as f64;
        sum.frames_per_second_alone += share * alone.frames_per_second;
        sum.frames_per_second_polled += share * polled.frames_per_second;
        sum.daemon_percent += share * polled.daemon_percent;
        sum.clients_percent += share * polled.own_percent;
        sum.refused += polled.refused;
        latencies.extend(polled.latencies);
    }
    let seen = one_after_another(&latencies)?;
    Ok(BesideRender { polls: latencies.len(), poll_p50_ms: seen.p50_ms, poll_p99_ms: seen.p99_ms, ..sum })
}

struct Rendered {
    frames_per_second: f64,
    latencies: Vec<Duration>,
    refused: usize,
    daemon_percent: f64,
    own_percent: f64,
}

async fn render(farm: &mut Farm, client: &Client, key: &str, fps: u32, pollers: usize) -> Result<Rendered> {
    let (daemon, own) = (farm.daemon_id(), std::process::id());
    let before = (cpu_of(daemon)?, cpu_of(own)?, Instant::now());
    let job = client.submit(key, fps).await?.job_id;
    let poll = Poll {
        address: farm.base().trim_start_matches("http://").trim_end_matches('/').to_owned(),
        path: format!("/jobs/{job}"),
        key: client.key().to_owned(),
        every: POLL_EVERY,
    };
    let (stop, start) = (CancellationToken::new(), TokioInstant::now());
    // Clients start spread over the time between two polls, as they would be after a while.
    let begins = |number: usize| start + POLL_EVERY.mul_f64(number as f64 / pollers.max(1) as f64);
    let tasks: Vec<_> =
        (0..pollers).map(|number| tokio::spawn(poller::run(poll.clone(), begins(number), stop.clone()))).collect();
    let done = loop {
        let seen = client.job(&job).await?;
        if seen.is_over() {
            break seen;
        }
        ensure!(before.2.elapsed() < RENDER_LIMIT, "the render took too long: {seen:?}");
        sleep(Duration::from_millis(100)).await;
    };
    let wall = before.2.elapsed().as_secs_f64();
    ensure!(done.live_status == "done", "the render failed: {done:?}");
    let percent = |spent: Duration| 100.0 * spent.as_secs_f64() / wall;
    let (daemon_percent, own_percent) = (percent(cpu_of(daemon)? - before.0), percent(cpu_of(own)? - before.1));
    stop.cancel();
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await?;
        all.latencies.extend(seen.latencies);
        all.refused += seen.refused;
    }
    Ok(Rendered {
        frames_per_second: done.input_duration_sec * f64::from(fps) / wall,
        latencies: all.latencies,
        refused: all.refused,
        daemon_percent,
        own_percent,
    })
}
