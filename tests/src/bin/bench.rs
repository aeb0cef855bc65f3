//! `tweenfarm-bench`: quality and speed against what people use today, and the daemon under load, measured in one run and
//! printed as Markdown.

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use tweenfarm_tests::{
    bench::{
        Method, Programs, crowd,
        engine::{self, Case},
        http::{self, Amount},
        passes,
        peers::Python,
        quality::{self, Kept},
        report, shared, speed,
    },
    programs,
    score::{ClipSet, manifest::factor},
};

/// Picture heights at which whole programs are timed.
const HEIGHTS_PX: [usize; 2] = [480, 720];
/// What the engine alone is timed at: a taste, or with `--full` everything there is a target for.
const SHORT_CASES: [Case; 1] = [Case { height_px: 720, factor: 2, given: 8, rounds: 2 }];
const FULL_CASES: [Case; 4] = [
    Case { height_px: 720, factor: 2, given: 16, rounds: 2 },
    Case { height_px: 720, factor: 4, given: 8, rounds: 2 },
    Case { height_px: 1080, factor: 2, given: 10, rounds: 2 },
    Case { height_px: 1080, factor: 4, given: 5, rounds: 2 },
];
/// Picture heights at which the engine's memory and passes are told; the first one without `--full`.
const PASS_HEIGHTS_PX: [usize; 2] = [1080, 2160];
/// Without `--full`: the methods that everybody has and that take seconds.
const SHORT_METHODS: [Method; 4] = [Method::Blend, Method::Minterpolate, Method::MinterpolateBest, Method::Ours];

/// Drops frames of real clips, lets each method make them again and scores the result; times them; loads the daemon.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Folder with clips.json and its clips; the project's own clip when not given.
    #[arg(long, value_name = "DIR")]
    clips: Option<PathBuf>,
    /// Only these clips, by name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these tasks.
    #[arg(long, value_delimiter = ',', default_value = "2x,4x")]
    tasks: Vec<String>,
    /// What is compared; blend is the measure of `worse than blend`. Default: blend, minterpolate, its best settings and
    /// ours, with --full all that can run here.
    #[arg(long, value_enum, value_delimiter = ',')]
    methods: Vec<Method>,
    /// Everything: all methods, every case of speed, more rounds.
    #[arg(long)]
    full: bool,
    /// Only these parts. Default: all.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// The interpreter for MVTools and DIS. Default: what `make peers` has set up, else python3.
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Keeps the quality of every clip and method in this file and does not measure it again; ours always is.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Prints one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Frames dropped, made again and scored.
    Quality,
    /// The interpolators alone.
    Engine,
    /// The engine's memory, and where its time goes.
    Passes,
    /// Whole programs, decoding and encoding included.
    Speed,
    /// Submits and polls of a real daemon, and a render beside a thousand clients.
    Http,
    /// One job on two agents and on one.
    Farm,
    /// Two thousand agents at one daemon, and a long history.
    Crowd,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let wants = |part: Part| options.parts.is_empty() || options.parts.contains(&part);
    let programs = Programs {
        agent: programs::find("tweenfarm-agent").or_else(|error| match options.methods.contains(&Method::Ours) {
            false if !options.methods.is_empty() => Ok(PathBuf::new()),
            _ => Err(error),
        })?,
        python: Python::choose(options.python.clone()),
    };
    let methods = chosen_methods(&options, &programs, wants(Part::Quality) || wants(Part::Engine))?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("media");
    let set = chosen_clips(&options, ClipSet::read(options.clips.as_deref().unwrap_or(&shipped))?)?;
    let factors = options.tasks.iter().map(|task| factor(task)).collect::<Result<Vec<_>>>()?;
    let scratch = tempfile::tempdir().context("make a scratch folder")?;

    let mut qualities = Vec::new();
    if wants(Part::Quality) {
        let mut kept = Kept::open(options.keep.clone(), &[Method::Ours])?;
        for clip in &set.clips {
            for &factor in factors.iter().filter(|factor| clip.factors.contains(factor)) {
                let measured =
                    quality::measure(clip, factor, &methods, &programs, scratch.path(), &mut kept, say_quality)?;
                qualities.extend(measured);
            }
        }
    }
    let mut engines = Vec::new();
    if wants(Part::Engine) {
        let untimed = [Method::Dup, Method::Blend, Method::DenseSearch];
        let timed: Vec<Method> = methods.iter().copied().filter(|method| !untimed.contains(method)).collect();
        for &case in if options.full { &FULL_CASES[..] } else { &SHORT_CASES[..] } {
            engines.extend(engine::measure(&set.clips, case, &timed, &programs, scratch.path(), say_engine)?);
        }
    }
    let mut tables = Vec::new();
    if wants(Part::Passes) {
        for height in PASS_HEIGHTS_PX.into_iter().take(if options.full { PASS_HEIGHTS_PX.len() } else { 1 }) {
            tables.push(passes::measure(&set.clips, height, &programs, scratch.path())?);
        }
    }
    let mut speeds = Vec::new();
    if wants(Part::Speed) {
        let timed: Vec<Method> =
            methods.iter().copied().filter(|method| *method != Method::Dup && method.peer().is_none()).collect();
        for height in HEIGHTS_PX.into_iter().take(if options.full { HEIGHTS_PX.len() } else { 1 }) {
            speeds.extend(speed::measure(&set.clips, height, &timed, &programs, scratch.path(), say_speed)?);
        }
    }
    let mut loaded = None;
    if wants(Part::Http) {
        as_many_files_as_allowed()?;
        let amount = if options.full { Amount::FULL } else { Amount::SHORT };
        loaded = Some(http::measure(amount, |step| eprintln!("daemon: {step}"))?);
    }
    let mut shares = None;
    if wants(Part::Farm) {
        let rounds = if options.full { 3 } else { 1 };
        shares = Some(shared::measure(rounds, |step| eprintln!("farm: {step}"))?);
    }
    let mut crowded = None;
    if wants(Part::Crowd) {
        as_many_files_as_allowed()?;
        let amount = if options.full { crowd::Amount::FULL } else { crowd::Amount::SHORT };
        crowded = Some(crowd::measure(amount, |step| eprintln!("crowd: {step}"))?);
    }
    if options.json {
        let document = serde_json::json!({
            "set": set.name, "quality": qualities, "engine": engines, "passes": tables, "speed": speeds, "http": loaded,
            "farm": shares, "crowd": crowded
        });
        println!("{document:#}");
        return Ok(());
    }
    println!("## Bench on the {} clips\n", set.name);
    print!("{}", report::quality_tables(&qualities));
    if !engines.is_empty() {
        print!("{}", report::engine_table(&engines));
    }
    for table in &tables {
        println!("### What the engine takes of the device\n\n```\n{}\n```\n", table.trim_end());
    }
    if !speeds.is_empty() {
        println!("{}", report::speed_tables(&speeds));
    }
    if let Some(loaded) = loaded {
        print!("{}", report::http_table(&loaded));
    }
    if let Some(shares) = shares {
        print!("{}", report::shared_text(&shares));
    }
    if let Some(crowded) = crowded {
        print!("{}", report::crowd_table(&crowded));
    }
    Ok(())
}

/// Methods that were asked for must run here; of all with `--full`, those that can't are left out and said so. Nobody
/// is told when no part needs them.
fn chosen_methods(options: &Options, programs: &Programs, wanted: bool) -> Result<Vec<Method>> {
    let mut methods = match (options.methods.as_slice(), options.full) {
        ([], true) => Method::value_variants().to_vec(),
        ([], false) => SHORT_METHODS.to_vec(),
        (named, _) => named.to_vec(),
    };
    methods.sort_unstable();
    methods.dedup();
    let mut able = Vec::new();
    for method in methods {
        let lack = method.peer().filter(|_| wanted).and_then(|peer| programs.python.lacks(peer));
        if let Some(lack) = lack {
            let (name, remedy) = (method.name(), "`make peers` sets it up, --python names another interpreter");
            ensure!(options.methods.is_empty(), "{name} cannot run here: {lack}; {remedy}");
            eprintln!("not measured: {name}: {lack}; {remedy}");
            continue;
        }
        able.push(method);
    }
    Ok(able)
}

fn chosen_clips(options: &Options, mut set: ClipSet) -> Result<ClipSet> {
    let known: Vec<String> = set.clips.iter().map(|clip| clip.name.clone()).collect();
    for name in &options.only {
        ensure!(known.contains(name), "there is no clip '{name}'; there are {}", known.join(", "));
    }
    set.clips.retain(|clip| options.only.is_empty() || options.only.contains(&clip.name));
    ensure!(!set.clips.is_empty(), "no clip is left to measure with");
    Ok(set)
}

/// A thousand clients are a thousand connections here and in the daemon, which inherits the limit.
fn as_many_files_as_allowed() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raise the limit of open files")
}

fn say_quality(row: &quality::Row) {
    let (clip, factor, method) = (&row.clip, row.factor, row.method.name());
    let number =
        |value: Option<f64>, decimals: usize| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
    let (psnr, ssim) = (number(row.score.psnr, 2), number(row.score.ssim, 4));
    let failure = row.score.failure.as_ref().map_or(String::new(), |failure| format!("  FAILED: {failure}"));
    eprintln!("{clip} {factor}x {method}: {psnr} dB, SSIM {ssim}{failure}");
}

fn say_engine(row: &engine::Row) {
    let (Case { height_px, factor, .. }, method) = (row.case, row.method.name());
    eprintln!("{height_px}p {factor}x {method} alone: {:.1} ms of processor time a frame", row.cpu_ms_per_frame());
}

fn say_speed(row: &speed::Row) {
    let (height, method, speed) = (row.height_px, row.method.name(), row.made_per_cpu_second());
    eprintln!("{height}p {method}: {speed:.1} frames made per CPU second");
}
