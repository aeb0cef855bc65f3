//! `tweenfarm-agent render`: one file without a server, through the same worker and the same orders as leased work.

use super::doctor::human_bytes;
use crate::{
    config::DeviceChoice,
    state_folder::sync_folder_of,
    worker::{
        child::{Worker, WorkerSettings},
        devices::{self, NoDevice},
        encoders,
        messages::{Order, SegmentFile},
        program::{Program, ProgramError},
    },
};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;
use std::{
    fmt, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tweenfarm_media::{ProbeError, ProbeLimits, SourceFacts, probe};
use tweenfarm_protocol::{
    Rational, SlotRange,
    output::{Codec, OutputFormat},
    task::{EncodeSettings, EncoderClass, EngineSettings, Failure, OutputPlan, Progress, RenderFacts},
};

/// What a person asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub input: PathBuf,
    pub output: PathBuf,
    pub rate: Rational,
    pub encode: EncodeSettings,
    /// None takes the best that works.
    pub encoder: Option<EncoderClass>,
    pub engine: EngineSettings,
    pub format: OutputFormat,
    pub device: DeviceChoice,
    /// Time the start and the engine's passes.
    pub profile: bool,
    /// No progress bar even at a terminal.
    pub quiet: bool,
    pub stall: Duration,
}

/// The result as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub input: PathBuf,
    pub output: PathBuf,
    /// Exact fractions such as `24000/1001`.
    pub source_rate: String,
    pub output_rate: String,
    pub source_frames: u64,
    pub frames: u64,
    /// Frames that the engine made; the rest are source frames.
    pub frames_made: u64,
    pub duration_seconds: f64,
    pub width_px: u32,
    pub height_px: u32,
    pub size_bytes: u64,
    pub device: String,
    pub engine: String,
    /// What was asked for, such as `quality=balanced scene-cuts=on dedupe=off codec=h264 depth=8`.
    pub settings: String,
    /// Equal engines and hashes make equal frames.
    pub settings_hash: String,
    pub encoder: String,
    /// Output frames per second of the render's wall time.
    pub render_fps: f64,
    pub elapsed_ms: u64,
    pub decode_ms: u64,
    pub interpolate_ms: u64,
    pub encode_ms: u64,
    pub join_ms: u64,
    /// What the start and each pass of the engine took, as tables; only where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("{0} does not exist or cannot be read")]
    NoInput(PathBuf, #[source] io::Error),
    #[error("{output} is the source itself: choose another name for the result")]
    OverwritesInput { output: PathBuf },
    #[error("{0} has no folder that can be written")]
    NoOutputFolder(PathBuf, #[source] io::Error),
    #[error("{path} cannot be converted")]
    Probe {
        path: PathBuf,
        #[source]
        source: ProbeError,
    },
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    NoDevice(#[from] NoDevice),
    #[error(
        "no encoder on this machine makes {codec} of {bits} bits: choose another --codec or --depth; `tweenfarm-agent doctor` shows what there is"
    )]
    NoEncoder { codec: Codec, bits: u8 },
    #[error(transparent)]
    Worker(#[from] Failure),
    #[error("the result has {found} frames where {expected} were planned: nothing was kept")]
    WrongCount { expected: u64, found: u64 },
    #[error("put the result at {0}")]
    Place(PathBuf, #[source] io::Error),
}

/// Renders, proves and places the result; creates nothing when it fails or is dropped.
pub async fn render(request: &Request, program: &Program) -> Result<Summary, RenderError> {
    refuse_the_input_as_output(&request.input, &request.output)?;
    let source = look_into(&request.input).await?;
    let slot_count = source.video.slot_count(request.rate);

    let present = program.devices().await?;
    let device = devices::choose(&present, &request.device)?.swap_remove(0);
    let work_folder = work_folder_beside(&request.output)?;
    let profile = request.profile.then(|| work_folder.path().join("passes.txt"));
    let mut worker = Worker::new(WorkerSettings {
        program: program.clone(),
        device: Some(device.uuid),
        profile: profile.clone(),
        shader_cache: shader_cache(),
        stall: request.stall,
        label: device.name,
    });
    let working = worker.ready().await?.encoders;
    let (target_rate, encode, engine, format) = (request.rate, request.encode, request.engine, request.format);
    let encoder = request.encoder.or_else(|| encoders::best(&working, format, encode));
    let encoder = encoder.ok_or(RenderError::NoEncoder { codec: format.codec, bits: format.depth.bits() })?;
    let plan = OutputPlan { target_rate, slot_count, encode, encoder, engine, format };

    let segment = SegmentFile { slots: SlotRange::new(0, slot_count), path: work_folder.path().join("segment.mp4") };
    let input = absolute(&request.input).map_err(|cause| RenderError::NoInput(request.input.clone(), cause))?;
    let bar = Bar::new(slot_count, request.quiet);

    let order =
        Order::Render { source: input.clone(), plan: plan.clone(), slots: segment.slots, output: segment.path.clone() };
    bar.phase("rendering");
    let rendered = worker.perform(&order, |progress| bar.show(progress)).await?;
    count(&rendered, slot_count)?;

    let joined_path = work_folder.path().join(joined_name(&request.output));
    let order = Order::Join { source: input, plan, segments: vec![segment], output: joined_path.clone() };
    bar.phase("joining");
    let joined = worker.perform(&order, |progress| bar.show(progress)).await?;
    count(&joined, slot_count)?;
    drop(bar);
    worker.kill().await;

    // What is told about the result is what the finished file says of itself.
    let result = look_into(&joined_path).await?;
    if result.video.frame_count != slot_count {
        return Err(RenderError::WrongCount { expected: slot_count, found: result.video.frame_count });
    }
    place(&joined_path, &request.output).map_err(|cause| RenderError::Place(request.output.clone(), cause))?;
    let passes = profile.and_then(|file| std::fs::read_to_string(file).ok());
    Ok(Summary { passes, ..summary(request, &source, &result, &rendered, &joined) })
}

/// A person's own file may be hours long: its packets are listed in a minute or two. The farm's limits are narrower.
const PROBE: ProbeLimits =
    ProbeLimits { wall: Duration::from_secs(600), cpu_seconds: 600, memory_bytes: 4 * 1024 * 1024 * 1024 };

async fn look_into(path: &Path) -> Result<SourceFacts, RenderError> {
    let owned = path.to_owned();
    let looked = tokio::task::spawn_blocking(move || probe(&owned, &PROBE)).await;
    looked.expect("the probe does not panic").map_err(|source| RenderError::Probe { path: path.to_owned(), source })
}

/// The same file under another name (a link) counts too.
fn refuse_the_input_as_output(input: &Path, output: &Path) -> Result<(), RenderError> {
    let from = std::fs::metadata(input).map_err(|cause| RenderError::NoInput(input.to_owned(), cause))?;
    match std::fs::metadata(output) {
        Ok(to) if (from.dev(), from.ino()) == (to.dev(), to.ino()) => {
            Err(RenderError::OverwritesInput { output: output.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A hidden folder for what is not finished, on the output's own disk, so that placing the result is one rename.
/// It goes with its handle, whatever happens.
fn work_folder_beside(output: &Path) -> Result<tempfile::TempDir, RenderError> {
    let no_folder = |cause| RenderError::NoOutputFolder(output.to_owned(), cause);
    let name = output.file_name().ok_or_else(|| no_folder(io::ErrorKind::InvalidInput.into()))?;
    let folder = absolute(output).map_err(no_folder)?;
    let folder = folder.parent().ok_or_else(|| no_folder(io::ErrorKind::InvalidInput.into()))?;
    tempfile::Builder::new()
        .prefix(&format!(".{}.", name.to_string_lossy()))
        .suffix(".partial")
        .tempdir_in(folder)
        .map_err(no_folder)
}

/// The worker's own folder may be another one.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Keeps the extension: it says the container.
fn joined_name(output: &Path) -> String {
    let extension = output.extension().map(|extension| extension.to_string_lossy().into_owned());
    format!("joined.{}", extension.as_deref().unwrap_or("mp4"))
}

/// Compiled shaders are kept for the next run where the desktop keeps such things; without a home there is no cache.
fn shader_cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let folder = cache.join("tweenfarm").join("shaders");
    (folder.is_absolute() && std::fs::create_dir_all(&folder).is_ok()).then_some(folder)
}

fn count(facts: &RenderFacts, expected: u64) -> Result<(), RenderError> {
    if facts.frames == expected { Ok(()) } else { Err(RenderError::WrongCount { expected, found: facts.frames }) }
}

/// On disk first, then under its name: nobody sees half a file.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::File::open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

fn summary(
    request: &Request,
    source: &SourceFacts,
    result: &SourceFacts,
    rendered: &RenderFacts,
    joined: &RenderFacts,
) -> Summary {
    Summary {
        input: request.input.clone(),
        output: request.output.clone(),
        source_rate: source.video.average_rate.to_string(),
        output_rate: result.video.average_rate.to_string(),
        source_frames: source.video.frame_count,
        frames: result.video.frame_count,
        frames_made: rendered.frames_made,
        duration_seconds: result.video.duration.as_f64(),
        width_px: result.video.width_px,
        height_px: result.video.height_px,
        size_bytes: result.size_bytes,
        device: rendered.device.clone(),
        engine: rendered.engine.clone(),
        settings: format!("{} {}", request.engine, request.format),
        settings_hash: rendered.settings_hash.clone(),
        encoder: rendered.encoder.clone(),
        render_fps: rendered.frames as f64 * 1000.0 / rendered.elapsed_ms.max(1) as f64,
        elapsed_ms: rendered.elapsed_ms,
        decode_ms: rendered.decode_ms,
        interpolate_ms: rendered.interpolate_ms,
        encode_ms: rendered.encode_ms,
        join_ms: joined.elapsed_ms,
        passes: None,
    }
}

impl Summary {
    /// A short table for people.
    pub fn table(&self) -> String {
        let shown = |rate: &str| match rate.parse::<Rational>() {
            Ok(rate) if rate.den() != 1 => format!("{:.3} ({rate})", rate.as_f64()),
            _ => rate.to_owned(),
        };
        let rows = [
            ("source rate", format!("{} fps", shown(&self.source_rate))),
            ("output rate", format!("{} fps", shown(&self.output_rate))),
            ("frames", format!("{} → {} ({} made)", self.source_frames, self.frames, self.frames_made)),
            ("duration", format!("{:.3} s", self.duration_seconds)),
            ("picture", format!("{}×{}", self.width_px, self.height_px)),
            ("size", human_bytes(self.size_bytes)),
            ("device", self.device.clone()),
            ("engine", format!("{} ({})", self.engine, self.settings)),
            ("encoder", self.encoder.clone()),
            ("speed", format!("{:.2} frames per second", self.render_fps)),
            (
                "busy",
                format!(
                    "decode {} ms, interpolate {} ms, encode {} ms of {} ms",
                    self.decode_ms, self.interpolate_ms, self.encode_ms, self.elapsed_ms
                ),
            ),
            ("output", self.output.display().to_string()),
        ];
        rows.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
    }
}

/// The progress bar: on standard error, and only for a person who watches.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new(frames: u64, quiet: bool) -> Bar {
        // The stderr target of indicatif draws nothing when it is no terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(frames), target);
        let style = ProgressStyle::with_template("{msg:10} [{bar:32}] {pos}/{len} frames  {speed}  {remaining}");
        let style = style
            .expect("the template is well formed")
            .progress_chars("=> ")
            .with_key("speed", |state: &ProgressState, text: &mut dyn fmt::Write| {
                // A terminal that cannot be written to is no reason to stop.
                let _ = write!(text, "{:.1}/s", state.per_sec());
            })
            .with_key("remaining", |state: &ProgressState, text: &mut dyn fmt::Write| {
                // Before the first frame nothing is known.
                let _ = match state.pos() {
                    0 => write!(text, "…"),
                    _ => write!(text, "{:#} left", HumanDuration(state.eta())),
                };
            });
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(500));
        Bar { bar }
    }

    fn phase(&self, name: &'static str) {
        self.bar.set_position(0);
        self.bar.reset_eta();
        self.bar.set_message(name);
    }

    fn show(&self, progress: Progress) {
        self.bar.set_position(progress.frames_done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests;
