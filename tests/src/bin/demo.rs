//! `tweenfarm-demo`: one clip through a whole farm on this machine, with nothing set up before and nothing left but the
//! result.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tweenfarm_protocol::Rational;
use tweenfarm_tests::{
    client::{Client, ClientError, Job},
    clips,
    farm::{Farm, Settings},
    inspect::{Inspected, broken_promises, inspect},
};

/// Enough for the longest clip at the highest rate: 120 s at 4 xeconds.
const GRANT_XECONDS: i64 = 1_000;
/// The service is on this machine: asking often costs nothing and makes a smooth bar.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// Steps of the progress where there is no terminal.
const LOG_EVERY_PERCENT: u64 = 20;

/// Starts a daemon and an agent in a scratch folder, converts a clip through the ReframeFX API and proves the result.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The clip to convert; the one shipped with the project when not given.
    #[arg(long)]
    clip: Option<PathBuf>,
    /// Frames per second of the result: a whole number from 24 to 240, above the clip's own rate.
    #[arg(long, default_value_t = 60)]
    fps: u32,
    /// Where the result goes; a new folder for temporary files when not given. An existing file is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Shows the logs of daemon and agent at the end.
    #[arg(long)]
    logs: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    // Dropping the demo ends its programs and removes its scratch folder, on Ctrl-C too.
    let ended = tokio::select! {
        ended = demo(&options) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped")),
    };
    match ended {
        Ok(table) => {
            println!("\n{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\ntweenfarm-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(options: &Options) -> Result<String> {
    let clip = options.clip.clone().unwrap_or_else(clips::shipped);
    let size = fs::metadata(&clip).with_context(|| format!("the clip {} can't be read", clip.display()))?;
    ensure!(size.is_file(), "{} is not a file", clip.display());

    say("start tweenfarmd and tweenfarm-agent in a scratch folder");
    let mut farm = Farm::with_agent(Settings { lease_seconds: 60, ..Settings::default() }).await?;
    let converted = convert(&mut farm, options, &clip).await;
    if options.logs {
        eprintln!("{}", farm.logs());
    }
    converted
}

async fn convert(farm: &mut Farm, options: &Options, clip: &Path) -> Result<String> {
    say(&format!("the API is at {}; new account with a key", farm.base()));
    let client = farm.client("demo@example.org", GRANT_XECONDS).await?;

    let started = Instant::now();
    let upload = client.upload(clip).await.map_err(plain)?;
    say(&format!("uploaded {} in {:.1} s", bytes(fs::metadata(clip)?.len()), started.elapsed().as_secs_f64()));

    let estimates = client.estimate_video(&upload.key, &[options.fps]).await.map_err(plain)?;
    let found = &estimates.metadata;
    let Some(estimate) = estimates.estimates.first() else {
        bail!("the clip already has {} fps: choose a higher FPS, such as FPS=120", found.fps);
    };
    say(&format!(
        "{}x{} {}, {} fps, {:.3} s: to {} fps costs {} xeconds",
        found.width, found.height, found.codec, found.fps, found.duration_sec, options.fps, estimate.charged_xeconds
    ));

    let submitted = client.submit(&upload.key, options.fps).await.map_err(plain)?;
    say(&format!(
        "job {} accepted: charged {}, balance {}",
        submitted.job_id, submitted.xeconds_charged, submitted.balance_after
    ));
    let started = Instant::now();
    let job = watch(&client, &submitted.job_id).await?;
    let elapsed = started.elapsed();
    if job.live_status == "failed" {
        let refunded = job.xeconds_refunded;
        let reason = job.error.unwrap_or_else(|| "no reason given".to_owned());
        bail!("the job failed, {refunded} xeconds are refunded: {reason}");
    }

    let path = match &options.out {
        Some(path) => path.clone(),
        None => result_folder()?.join(format!("{}-{}fps.mp4", stem(clip), options.fps)),
    };
    let url = job.output_url.context("the job is done and has no output_url")?;
    client.download(&url, &path).await.map_err(plain)?;
    say("downloaded; counting frames with ffprobe");

    let (source, result) = (inspect(clip)?, inspect(&path)?);
    let broken = broken_promises(&source, &result, Rational::whole(options.fps.into()));
    ensure!(broken.is_empty(), "{} is not what was promised: {}", path.display(), broken.join("; "));
    let (device, engine) = worker(farm).await?;
    Ok(table(&source, &result, &device, &engine, elapsed, &path))
}

async fn watch(client: &Client, id: &str) -> Result<Job> {
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("   {bar:40} {percent:>3} %  {elapsed}  {msg}");
    bar.set_style(style.context("the bar's template is wrong")?.progress_chars("█▌ "));
    let mut said = 0;
    loop {
        let job = client.job(id).await.map_err(plain)?;
        let percent = job.progress.unwrap_or(0.0).clamp(0.0, 100.0) as u64;
        bar.set_position(percent);
        // A bar shows only on a terminal; a log gets a line now and then.
        if bar.is_hidden() && percent >= said + LOG_EVERY_PERCENT {
            said = percent;
            say(&format!("{percent} % {}", job.live_status));
        }
        bar.set_message(job.live_status.clone());
        if job.is_over() {
            bar.finish();
            return Ok(job);
        }
        sleep(POLL_EVERY).await;
    }
}

/// A refusal in the service's own words.
fn plain(error: ClientError) -> anyhow::Error {
    match error.refusal() {
        Some((status, detail)) => anyhow::anyhow!("the service says {status}: {detail}"),
        None => error.into(),
    }
}

async fn worker(farm: &Farm) -> Result<(String, String)> {
    let agents = farm.operator()?.agents().await?;
    let worker = agents.into_iter().flat_map(|agent| agent.workers).next();
    let worker = worker.context("the agent has no worker")?;
    Ok((worker.device_name, worker.engine))
}

/// Only the result outlives the demo.
fn result_folder() -> Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix("tweenfarm-demo-").tempdir()?.keep())
}

fn stem(clip: &Path) -> String {
    clip.file_stem().map_or_else(|| "clip".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn say(text: &str) {
    eprintln!("== {text}");
}

fn table(source: &Inspected, result: &Inspected, device: &str, engine: &str, elapsed: Duration, path: &Path) -> String {
    let (from, to) = (&source.video, &result.video);
    let sound = |file: &Inspected| match &file.audio {
        Some(audio) => format!("{} {:.3} s", audio.codec, audio.duration),
        None => "none".to_owned(),
    };
    let speed = to.frames as f64 / elapsed.as_secs_f64().max(1e-3);
    let rows = [
        ("", "source".to_owned(), "result".to_owned()),
        ("rate", rate(from.average_rate), rate(to.rate)),
        ("frames", from.frames.to_string(), to.frames.to_string()),
        ("duration", format!("{:.3} s", from.duration), format!("{:.3} s", to.duration)),
        ("picture", format!("{}x{}", from.width_px, from.height_px), format!("{}x{}", to.width_px, to.height_px)),
        ("sound", sound(source), sound(result)),
        ("size", bytes(source.size_bytes), bytes(result.size_bytes)),
    ];
    let mut text = String::new();
    for (name, source, result) in rows {
        text.push_str(&format!("{name:<10}{source:<24}{result}\n"));
    }
    text.push_str(&format!("{:<10}{device}\n{:<10}{engine}\n", "device", "engine"));
    text.push_str(&format!(
        "{:<10}{speed:.1} frames per second, {:.1} s from submit to done\n",
        "speed",
        elapsed.as_secs_f64()
    ));
    text.push_str(&format!("{:<10}{}\n", "result", path.display()));
    text
}

fn rate(rate: Rational) -> String {
    if rate.den() == 1 { format!("{rate} fps") } else { format!("{:.3} fps ({rate})", rate.as_f64()) }
}

fn bytes(size_bytes: u64) -> String {
    match size_bytes {
        0..1_000_000 => format!("{:.0} kB", size_bytes as f64 / 1e3),
        _ => format!("{:.2} MB", size_bytes as f64 / 1e6),
    }
}
