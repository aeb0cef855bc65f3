//! `tweenfarm-bench`: quality and speed against what people use today, measured in one run and printed as Markdown.

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use tweenfarm_tests::{
    bench::{Method, Programs, quality, report, speed},
    programs,
    score::{ClipSet, manifest::factor, read::VideoFile},
};

/// Picture heights at which speed is measured.
const HEIGHTS_PX: [usize; 2] = [480, 720];
/// `--quick` leaves out clips with more pixels than this: 720×480.
const QUICK_PIXELS_MAX: usize = 720 * 480;

/// Drops frames of real clips, lets each method make them again and scores the result; then times them.
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
    /// What is compared; blend is the measure of `worse than blend`.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "dup,blend,minterpolate,ours")]
    methods: Vec<Method>,
    /// Adds minterpolate with its slowest search.
    #[arg(long)]
    best: bool,
    /// Small clips at 2x, speed at 480p.
    #[arg(long)]
    quick: bool,
    /// Leaves a part out.
    #[arg(long, value_enum)]
    skip: Option<Part>,
    /// Prints one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Quality,
    Speed,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut methods = options.methods.clone();
    methods.extend(options.best.then_some(Method::MinterpolateBest));
    methods.sort_unstable();
    methods.dedup();
    let programs = Programs { agent: agent(&methods)? };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("media");
    let set = chosen(&options, ClipSet::read(options.clips.as_deref().unwrap_or(&shipped))?)?;
    let factors = options.tasks.iter().map(|task| factor(task)).collect::<Result<Vec<_>>>()?;
    let scratch = tempfile::tempdir().context("make a scratch folder")?;

    let mut qualities = Vec::new();
    if options.skip != Some(Part::Quality) {
        for clip in &set.clips {
            for &factor in factors.iter().filter(|factor| clip.factors.contains(factor)) {
                if options.quick && factor != 2 {
                    continue;
                }
                qualities.extend(quality::measure(clip, factor, &methods, &programs, scratch.path(), say_quality)?);
            }
        }
    }
    let mut speeds = Vec::new();
    if options.skip != Some(Part::Speed) {
        let timed: Vec<Method> = methods.iter().copied().filter(|method| *method != Method::Dup).collect();
        for height in HEIGHTS_PX.into_iter().take(if options.quick { 1 } else { HEIGHTS_PX.len() }) {
            speeds.extend(speed::measure(&set.clips, height, &timed, &programs, scratch.path(), say_speed)?);
        }
    }
    if options.json {
        let document = serde_json::json!({ "set": set.name, "quality": qualities, "speed": speeds });
        println!("{document:#}");
    } else {
        println!("## Bench on the {} clips\n", set.name);
        print!("{}", report::quality_tables(&qualities));
        if !speeds.is_empty() {
            print!("{}", report::speed_tables(&speeds));
        }
    }
    Ok(())
}

fn agent(methods: &[Method]) -> Result<PathBuf> {
    if methods.contains(&Method::Ours) { programs::find("tweenfarm-agent") } else { Ok(PathBuf::new()) }
}

fn chosen(options: &Options, mut set: ClipSet) -> Result<ClipSet> {
    let known: Vec<String> = set.clips.iter().map(|clip| clip.name.clone()).collect();
    for name in &options.only {
        ensure!(known.contains(name), "there is no clip '{name}'; there are {}", known.join(", "));
    }
    set.clips.retain(|clip| options.only.is_empty() || options.only.contains(&clip.name));
    if options.quick {
        let mut small = Vec::new();
        for clip in set.clips {
            let file = VideoFile::probe(&clip.path)?;
            if file.width_px * file.height_px <= QUICK_PIXELS_MAX {
                small.push(clip);
            }
        }
        set.clips = small;
    }
    ensure!(!set.clips.is_empty(), "no clip is left to measure with");
    Ok(set)
}

fn say_quality(row: &quality::Row) {
    let (clip, factor, method) = (&row.clip, row.factor, row.method.name());
    let number =
        |value: Option<f64>, decimals: usize| value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"));
    let (psnr, ssim) = (number(row.score.psnr, 2), number(row.score.ssim, 4));
    let failure = row.score.failure.as_ref().map_or(String::new(), |failure| format!("  FAILED: {failure}"));
    eprintln!("{clip} {factor}x {method}: {psnr} dB, SSIM {ssim}{failure}");
}

fn say_speed(row: &speed::Row) {
    let (height, method, speed) = (row.height_px, row.method.name(), row.made_per_cpu_second());
    eprintln!("{height}p {method}: {speed:.1} frames made per CPU second");
}
