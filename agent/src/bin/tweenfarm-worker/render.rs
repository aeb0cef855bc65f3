//! One segment: look into the clip, choose the encoder, run the pipeline, tell the facts.

use crate::{
    failure,
    gpu::{Gpu, Profile},
    pipeline::{self, Run, encoder},
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tweenfarm_media::{Clip, ProbeLimits, probe_clip};
use tweenfarm_protocol::{
    SlotRange,
    task::{Failure, OutputPlan, Progress, RenderFacts},
};

/// What every render of this worker shares.
pub struct Renderer {
    pub gpu: Gpu,
    /// Encoders that work here, best first.
    pub encoders: Vec<String>,
    /// Where it is told what took how long, if that is wanted.
    profile: Option<Profile>,
    /// The clip that was looked into last: segments of one job come one after the other.
    looked: Mutex<Option<Looked>>,
}

struct Looked {
    source: PathBuf,
    size_bytes: u64,
    modified: SystemTime,
    clip: Arc<Clip>,
}

/// Looks into the source once more: what the daemon saw is not passed on, and the file may have changed on the way.
pub fn look(source: &Path) -> Result<Clip, Failure> {
    fs::File::open(source).map_err(|cause| {
        failure::resource(format!("The clip cannot be read from the worker's disk ({cause}): fetch it again."))
    })?;
    probe_clip(source, &ProbeLimits::default()).map_err(|error| failure::of_probe(&error))
}

/// Sixteen hexadecimal digits that tell settings apart.
fn settings_hash(plan: &OutputPlan) -> String {
    hex::encode(&Sha256::digest(plan.settings())[..8])
}

impl Renderer {
    pub fn new(gpu: Gpu, encoders: Vec<String>, profile: Option<Profile>) -> Renderer {
        Renderer { gpu, encoders, profile, looked: Mutex::new(None) }
    }

    /// `look`, once per file: to read all packets of a large one takes seconds.
    fn look_once(&self, source: &Path) -> Result<Arc<Clip>, Failure> {
        let stamp = fs::metadata(source).and_then(|found| Ok((found.len(), found.modified()?)));
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(last), Ok((size_bytes, modified))) = (&*looked, &stamp)
            && (last.source.as_path(), last.size_bytes, last.modified) == (source, *size_bytes, *modified)
        {
            return Ok(Arc::clone(&last.clip));
        }
        let clip = Arc::new(look(source)?);
        *looked = stamp.ok().map(|(size_bytes, modified)| Looked {
            source: source.to_owned(),
            size_bytes,
            modified,
            clip: Arc::clone(&clip),
        });
        Ok(clip)
    }

    /// Renders `slots` of `source` to a video-only MP4 at `output`; on failure nothing is left there.
    pub fn render(
        &self,
        source: &Path,
        plan: &OutputPlan,
        slots: SlotRange,
        output: &Path,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<RenderFacts, Failure> {
        let rendered = self.attempt(source, plan, slots, output, on_progress);
        if rendered.is_err() {
            // It may not have come to be.
            let _ = fs::remove_file(output);
        }
        rendered
    }

    fn attempt(
        &self,
        source: &Path,
        plan: &OutputPlan,
        slots: SlotRange,
        output: &Path,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<RenderFacts, Failure> {
        let started = Instant::now();
        if slots.is_empty() || slots.end > plan.slot_count || !plan.target_rate.is_positive() {
            return Err(failure::internal(format!("the slots {slots} are not among 0..{}", plan.slot_count)));
        }
        on_progress(Progress { frames_done: 0, frames_total: slots.len() });
        let clip = self.look_once(source)?;
        let counted = clip.facts.video.slot_count(plan.target_rate);
        if counted != plan.slot_count {
            // The plan is what was promised and charged; it holds. To differ is worth knowing.
            tracing::warn!(counted, planned = plan.slot_count, "the plan counts other slots than the clip has here");
        }
        let encoder = encoder::choose(&self.encoders, plan.encoder, plan.format, plan.encode)?;
        let run = Run {
            source,
            clip: &clip,
            target_rate: plan.target_rate,
            slots,
            dedupe: plan.engine.dedupe,
            nearest: plan.engine.nearest,
            encoder,
            encode: plan.encode,
            format: plan.format,
            mark: false,
            output,
        };
        let engine = || self.gpu.engine(plan.engine, self.profile.as_ref());
        let ran = pipeline::run(&run, &engine, on_progress)?;
        on_progress(Progress { frames_done: slots.len(), frames_total: slots.len() });
        let size = run.output_size();
        Ok(RenderFacts {
            frames: slots.len(),
            frames_made: ran.frames_made,
            width_px: size.width_px,
            height_px: size.height_px,
            elapsed_ms: milliseconds(started.elapsed()),
            start_ms: ran.first_shown.map_or(0, |at| milliseconds(at.saturating_duration_since(started))),
            decode_ms: ran.decode_ms,
            interpolate_ms: ran.interpolate_ms,
            encode_ms: ran.encode_ms,
            device: self.gpu.facts().name.clone(),
            engine: Gpu::engine_name().to_owned(),
            settings_hash: settings_hash(plan),
            encoder: encoder.to_owned(),
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
