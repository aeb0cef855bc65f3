//! One job on two agents against the same job on one, each agent pinned to a core of its own.
//!
//! Beside the time on the clock stands the processor time that all of them spent: on a machine that does other things
//! meanwhile it says what splitting costs.

use crate::{
    client::Client,
    clips,
    farm::{Farm, Settings},
    process::cpu_of,
    program::children,
};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const TARGET_FPS: u32 = 60;
const READY_LIMIT: Duration = Duration::from_secs(180);
const RENDER_LIMIT: Duration = Duration::from_secs(1200);
/// How often the shipped clip is shown in a row: two seconds each.
const REPEATS: u32 = 8;

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Report {
    pub rounds: usize,
    /// Of the output, each time.
    pub frames: u64,
    pub one_s: f64,
    pub two_s: f64,
    /// Of the agents and their workers.
    pub one_cpu_s: f64,
    pub two_cpu_s: f64,
}

impl Report {
    /// How many times as fast two are.
    pub fn ratio(&self) -> f64 {
        self.one_s / self.two_s
    }

    /// Processor time of two for each second of one: 1 where splitting is free.
    pub fn cpu_ratio(&self) -> f64 {
        self.two_cpu_s / self.one_cpu_s
    }
}

pub fn measure(rounds: usize, said: impl Fn(&str)) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        said("two farms, of one agent and of two");
        let mut one = Bed::start(1).await?;
        let mut two = Bed::start(2).await?;
        let mut report = Report { rounds, ..Report::default() };
        for round in 0..rounds {
            said(&format!("round {} of {rounds}", round + 1));
            // One after the other, then the other way round: what the machine does meanwhile seldom follows that.
            let order = if round % 2 == 0 { [1, 2] } else { [2, 1] };
            for agents in order {
                let (bed, wall, cpu) = match agents {
                    1 => (&mut one, &mut report.one_s, &mut report.one_cpu_s),
                    _ => (&mut two, &mut report.two_s, &mut report.two_cpu_s),
                };
                let (spent, burnt, frames) = bed.render().await?;
                (*wall, *cpu, report.frames) = (*wall + spent, *cpu + burnt, frames);
            }
        }
        Ok(report)
    })
}

struct Bed {
    farm: Farm,
    client: Client,
    key: String,
    agents: usize,
}

impl Bed {
    async fn start(agents: usize) -> Result<Bed> {
        let mut farm = Farm::start(Settings { lease_seconds: 60, ..Settings::default() }).await?;
        for core in 0..agents {
            farm.add_agent_on(core)?;
        }
        let (started, operator) = (Instant::now(), farm.operator()?);
        while operator.status().await?.workers_idle as usize != agents {
            ensure!(started.elapsed() < READY_LIMIT, "the agents were not ready in time");
            sleep(Duration::from_millis(100)).await;
        }
        let client = farm.client("shared@bench.example", i64::from(u32::MAX)).await?;
        let clip = farm.folder().join("clip.mp4");
        repeated(&clips::shipped(), &clip)?;
        let key = client.upload(&clip).await?.key;
        client.probe(&key).await?;
        let mut bed = Bed { farm, client, key, agents };
        // Shaders are compiled, every agent has the clip, and how fast each is becomes known.
        bed.render().await?;
        Ok(bed)
    }

    /// Seconds on the clock and of the processor, and frames.
    async fn render(&mut self) -> Result<(f64, f64, u64)> {
        let (started, before) = (Instant::now(), self.cpu()?);
        let job = self.client.submit(&self.key, TARGET_FPS).await?.job_id;
        let done = self.farm.finished(&self.client, &job, RENDER_LIMIT).await?;
        ensure!(done.live_status == "done", "the render failed: {done:?}");
        let frames = (done.input_duration_sec * f64::from(TARGET_FPS)).round() as u64;
        Ok((started.elapsed().as_secs_f64(), (self.cpu()? - before).as_secs_f64(), frames))
    }

    fn cpu(&mut self) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        for agent in 0..self.agents {
            let agent = self.farm.agent(agent).id();
            spent += cpu_of(agent)?;
            for worker in children(agent, "tweenfarm-worker")? {
                spent += cpu_of(worker.as_raw_nonzero().get().unsigned_abs())?;
            }
        }
        Ok(spent)
    }
}

/// The clip several times in a row, its frames as they are.
fn repeated(clip: &Path, to: &Path) -> Result<()> {
    let (times, clip) = ((REPEATS - 1).to_string(), clip.to_string_lossy().into_owned());
    clips::ffmpeg(&["-stream_loop", &times, "-i", &clip, "-map", "0:v:0", "-c", "copy"], to)
}
