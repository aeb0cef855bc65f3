//! The marked copy: every frame of a joined file with the visible mark, encoded by the job's own kind of encoder, then
//! joined to the file's sound and metadata and proven like any join.

use crate::{
    failure, join,
    pipeline::{self, Run, encoder},
    render,
};
use std::{fs, path::Path, time::Instant};
use tweenfarm_agent::worker::messages::SegmentFile;
use tweenfarm_element::interpolator::Interpolator;
use tweenfarm_protocol::{
    SlotRange,
    task::{Failure, FailureClass, OutputPlan, Progress, RenderFacts},
};
use tweenfarm_shaders::{EngineError, Phase, PlanarFrame};

/// Of ten parts of the work, encoding is nine; the join and its proof are the last.
const PARTS: u64 = 10;
const ENCODING: u64 = 9;

/// Marks `source`, a joined file of this plan, to `output`; on failure nothing is left there.
pub fn mark(
    encoders: &[String],
    source: &Path,
    plan: &OutputPlan,
    output: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<RenderFacts, Failure> {
    let pictures = output.with_extension("pictures.mp4");
    let marked = attempt(encoders, source, plan, &pictures, output, on_progress);
    // Neither may have come to be; the join removes its own output.
    let _ = fs::remove_file(pictures);
    marked.map_err(not_the_clips_fault)
}

fn attempt(
    encoders: &[String],
    source: &Path,
    plan: &OutputPlan,
    pictures: &Path,
    output: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<RenderFacts, Failure> {
    let started = Instant::now();
    let frames_total = plan.slot_count;
    on_progress(Progress { frames_done: 0, frames_total });
    let clip = render::look(source)?;
    let frames = clip.timeline.frame_count();
    if frames != plan.slot_count {
        return Err(failure::internal(format!("the joined file has {frames} of {} frames", plan.slot_count)));
    }
    let slots = SlotRange::new(0, plan.slot_count);
    let encoder = encoder::choose(encoders, plan.encoder, plan.format, plan.encode)?;
    let run = Run {
        source,
        clip: &clip,
        target_rate: plan.target_rate,
        slots,
        dedupe: false,
        nearest: false,
        encoder,
        encode: plan.encode,
        format: plan.format,
        mark: true,
        output: pictures,
    };
    // Every slot falls on a frame of the joined file, so that nothing is left to be made.
    let ran = pipeline::run(&run, &|| Box::new(|_, _| Ok(Box::new(SameFrames))), &mut |progress| {
        on_progress(Progress { frames_done: progress.frames_done * ENCODING / PARTS, frames_total });
    })?;
    let segments = [SegmentFile { slots, path: pictures.to_owned() }];
    let joined = join::join(source, plan, &segments, output, &mut |progress| {
        let encoded = frames_total * ENCODING / PARTS;
        let frames_done = encoded + progress.frames_done * (frames_total - encoded) / frames_total.max(1);
        on_progress(Progress { frames_done, frames_total });
    })?;
    Ok(RenderFacts {
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        decode_ms: ran.decode_ms,
        encode_ms: ran.encode_ms,
        encoder: encoder.to_owned(),
        ..joined
    })
}

/// In the engine's place: refuses to make a frame, since a marked copy with other frames than the clean file's would
/// be a broken promise.
struct SameFrames;

impl Interpolator for SameFrames {
    fn push(&mut self, _: &PlanarFrame) -> Result<(), EngineError> {
        Ok(())
    }

    fn submit(&mut self, _: Phase) -> Result<(), EngineError> {
        Err(EngineError::Order { pushed: 0 })
    }

    fn collect(&mut self, _: &mut PlanarFrame) -> Result<(), EngineError> {
        Err(EngineError::OutOfTurn { in_flight: 0, room: 1 })
    }

    fn room(&self) -> usize {
        1
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn reset(&mut self) {}
}

/// The file was made and proven by us: that it cannot be read is no fault of the clip, and another worker may do it.
fn not_the_clips_fault(failure: Failure) -> Failure {
    match failure.class {
        FailureClass::Input => Failure { class: FailureClass::Internal, ..failure },
        FailureClass::Resource | FailureClass::Worker | FailureClass::Internal => failure,
    }
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
