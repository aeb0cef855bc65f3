//! The GStreamer pipeline of one segment: file → decoder → 4:2:0 → `tweeninterpolate` → size and bits → encoder →
//! video-only MP4. Pictures are scaled before the engine where they become smaller, after it where they become larger:
//! it works on the fewest pixels.
//!
//! The only folder that names GStreamer. Nothing here decides what a slot shows.

mod decode;
pub mod encoder;
mod imprint;
mod jump;
mod messages;
mod scan;
pub mod sessions;

use crate::failure;
use gstreamer as gst;
use gstreamer::prelude::*;
use jump::{Gate, Jump, Unproven};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tweenfarm_element::{
    TweenInterpolate, TweenShape, element,
    interpolator::MakeInterpolator,
    record::Record,
    retime::{FrameTimes, Retimer},
    shape::Shape,
};
use tweenfarm_media::Clip;
use tweenfarm_protocol::{
    Rational, SlotRange,
    output::{OutputFormat, PictureSize},
    task::{EncodeSettings, Failure, Progress},
};
use tweenfarm_shaders::FrameSize;

/// Between two stages at most this many bytes of pictures: five of 4K. Bounded by bytes alone, since an encoder that
/// looks ahead starves behind a bound in time.
const QUEUE_BYTES: u32 = 64 << 20;
/// Progress is told about this often, and the bus is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Ticks per second of the MP4 track, at least: finer than any player shows, coarse enough for 32 bits of time.
const TIMESCALE_MIN: i64 = 10_000;

/// What one run shall do.
pub struct Run<'a> {
    pub source: &'a Path,
    pub clip: &'a Clip,
    pub target_rate: Rational,
    pub slots: SlotRange,
    /// Drawings shown two or three times are moved in between.
    pub dedupe: bool,
    /// Slots show the source frames nearest to them, and no frame is made.
    pub nearest: bool,
    pub encoder: &'a str,
    pub encode: EncodeSettings,
    pub format: OutputFormat,
    /// Every frame gets the visible mark before it is encoded.
    pub mark: bool,
    pub output: &'a Path,
}

impl Run<'_> {
    /// The source's size as shown, rounded up to even.
    fn source_size(&self) -> FrameSize {
        let even = |side: u32| side.saturating_add(side & 1);
        let video = &self.clip.facts.video;
        FrameSize { width_px: even(video.width_px), height_px: even(video.height_px) }
    }

    /// The size to make pictures smaller to, before the engine sees them.
    fn smaller(&self) -> Option<PictureSize> {
        let FrameSize { width_px, height_px } = self.source_size();
        self.format.size.filter(|size| size.pixels() < u64::from(width_px) * u64::from(height_px))
    }

    /// The size the engine works at.
    fn engine_size(&self) -> FrameSize {
        let of = |size: PictureSize| FrameSize { width_px: size.width_px(), height_px: size.height_px() };
        self.smaller().map_or(self.source_size(), of)
    }

    /// The size of the output.
    pub fn output_size(&self) -> FrameSize {
        let of = |size: PictureSize| FrameSize { width_px: size.width_px(), height_px: size.height_px() };
        self.format.size.map_or(self.source_size(), of)
    }
}

/// What a finished run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    pub frames_made: u64,
    /// When the first frame came out of the engine.
    pub first_shown: Option<Instant>,
    pub decode_ms: u64,
    pub interpolate_ms: u64,
    pub encode_ms: u64,
    /// Whether decoding began at an entry in the middle of the clip.
    pub jumped: bool,
}

/// Loads GStreamer; once per process, before anything else here.
pub fn init() -> Result<(), Failure> {
    gst::init().map_err(|cause| failure::worker(format!("GStreamer does not start: {cause}.")))
}

/// The version of GStreamer in use.
pub fn version() -> String {
    gst::version_string().to_string()
}

/// True when the element `name` is installed.
pub fn has_element(name: &str) -> bool {
    gst::ElementFactory::find(name).is_some()
}

/// The track's ticks per second: the smallest multiple of the rate's numerator that is fine enough, so that a frame
/// lasts a whole number of ticks.
pub fn timescale(rate: Rational) -> i64 {
    rate.num() * (TIMESCALE_MIN + rate.num() - 1).div_euclid(rate.num()).max(1)
}

/// Renders the segment. Blocks until the file is written; `on_progress` is called a few times per second. Decoding
/// begins at the last entry before the segment where that is proven to change nothing, else at the start.
pub fn run(
    run: &Run<'_>,
    engine: &dyn Fn() -> MakeInterpolator,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Ran, Failure> {
    // Before the encoder refuses it in its own words.
    run.engine_size().check().map_err(|error| failure::of_engine(&error))?;
    let kept = match run.dedupe {
        true => Some(scan::kept(run, &mut |frames_done| on_progress(scanned(run, frames_done)))?),
        false => None,
    };
    if let Some(jump) = Jump::to(run.clip, first_frame(run, kept.as_deref())) {
        match attempt(run, kept.clone(), Some(jump), engine(), on_progress)? {
            Ok(ran) => return Ok(ran),
            Err(Unproven(why)) => tracing::info!(why, "decoding begins at the start of the clip"),
        }
    }
    match attempt(run, kept, None, engine(), on_progress)? {
        Ok(ran) => Ok(ran),
        Err(Unproven(why)) => Err(failure::internal(format!("a run from the start was not believed: {why}"))),
    }
}

/// The first frame of the timeline that the segment needs.
fn first_frame(run: &Run<'_>, kept: Option<&[u64]>) -> u64 {
    let timeline = &run.clip.timeline;
    let times = kept.map_or_else(|| FrameTimes::of(timeline), |kept| FrameTimes::of_frames(timeline, kept));
    let number = Retimer::new(times, run.target_rate, run.slots).first_frame();
    kept.map_or(number, |kept| usize::try_from(number).ok().and_then(|number| kept.get(number)).copied().unwrap_or(0))
}

/// One run of a pipeline. A failure before the jump was believed is no answer: it may come of the jump.
fn attempt(
    run: &Run<'_>,
    kept: Option<Vec<u64>>,
    jump: Option<Jump>,
    engine: MakeInterpolator,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Result<Ran, Unproven>, Failure> {
    let record = Arc::new(Record::default());
    let pipeline = gst::Pipeline::new();
    let bus = pipeline.bus().ok_or_else(|| failure::internal("the pipeline has no bus"))?;
    let gate = jump.map(|jump| Gate::new(jump, run.clip, run.source.to_owned(), bus.clone()));
    let first_frame = jump.map_or(0, |jump| jump.first_frame());
    build(&pipeline, run, (kept, first_frame), engine, &record, gate.as_ref())?;
    let outcome = play(run, &pipeline, &bus, &record, gate.as_deref(), on_progress);
    let believed = gate.map_or(Ok(()), |gate| gate.end());
    // Ends every thread of the pipeline; what was recorded until then is complete.
    let _ = pipeline.set_state(gst::State::Null);
    if let Err(unproven) = believed {
        return Ok(Err(unproven));
    }
    outcome?;
    verify(run, &record)?;
    Ok(Ok(Ran {
        frames_made: record.frames_made.get(),
        first_shown: record.first_shown(),
        decode_ms: record.decode.busy_ms(),
        interpolate_ms: record.interpolate.busy_ms(),
        encode_ms: record.encode.busy_ms(),
        jumped: jump.is_some(),
    }))
}

fn build(
    pipeline: &gst::Pipeline,
    run: &Run<'_>,
    (kept, first_frame): (Option<Vec<u64>>, u64),
    engine: MakeInterpolator,
    record: &Arc<Record>,
    gate: Option<&Arc<Gate>>,
) -> Result<(), Failure> {
    let timeline = Arc::new(run.clip.timeline.clone());
    let Run { slots, target_rate, nearest, .. } = *run;
    let settings = element::Settings {
        timeline,
        kept,
        first_frame,
        slots,
        target_rate,
        nearest,
        engine,
        record: Arc::clone(record),
    };
    let interpolate: gst::Element = TweenInterpolate::new(settings).upcast();
    let encoder = encoder::element(run.encoder, run.encode, run.target_rate)?;
    if run.clip.full_range {
        encoder::tag_full_range(&encoder);
    }
    let muxer = element("mp4mux")?;
    let timescale = u32::try_from(timescale(run.target_rate)).map_err(|_| no_such_rate(run.target_rate))?;
    i32::try_from(run.target_rate.num().max(run.target_rate.den())).map_err(|_| no_such_rate(run.target_rate))?;
    muxer.set_property("trak-timescale", timescale);
    muxer.set_property("movie-timescale", timescale);
    let sink = element("filesink")?;
    sink.set_property("location", run.output);
    let (before, after) = (queue()?, queue()?);
    let smaller: gst::Element = TweenShape::new(Shape { size: run.smaller(), depth: None }).upcast();
    let shape = Shape { size: run.format.size, depth: Some(run.format.depth) };
    let shaped: gst::Element = TweenShape::new(shape).upcast();
    // Cards want their own order of planes; where planes are as they are wanted this passes them on.
    let convert = element("videoconvert")?;
    let parser = element(encoder::parser(run.encoder))?;
    let chain = [&smaller, &before, &interpolate, &shaped, &after, &convert, &encoder, &parser, &muxer, &sink];
    pipeline.add_many(chain).and_then(|()| gst::Element::link_many(chain)).map_err(|cause| not_built(&cause))?;
    decode::add(pipeline, run.source, run.clip, &smaller, record, gate)?;
    if run.mark {
        imprint::add(&after, record)?;
    }
    watch_encoder(&encoder, record)
}

fn no_such_rate(rate: Rational) -> Failure {
    failure::input(format!("The rate {rate} cannot be written to a file: choose one with smaller numbers."))
}

fn queue() -> Result<gst::Element, Failure> {
    let queue = element("queue")?;
    queue.set_property("max-size-buffers", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    queue.set_property("max-size-bytes", QUEUE_BYTES);
    Ok(queue)
}

fn element(name: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(name).build().map_err(|_| {
        failure::worker(format!("GStreamer's element {name} is not installed: run the doctor to see what is missing."))
    })
}

fn not_built(cause: &gst::glib::BoolError) -> Failure {
    failure::internal(format!("the pipeline could not be built: {cause}"))
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, Failure> {
    element.static_pad(name).ok_or_else(|| failure::internal(format!("{} has no pad {name}", element.name())))
}

/// Counts what leaves the encoder and how long it is busy: from a frame handed in to the next one given out, and at the
/// end from one given out to the next.
fn watch_encoder(encoder: &gst::Element, record: &Arc<Record>) -> Result<(), Failure> {
    let handed = Arc::clone(record);
    let probe = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad(encoder, "sink")?.add_probe(probe, move |_, info| {
        let ends = |event: &gst::Event| event.type_() == gst::EventType::Eos;
        if info.buffer().is_some() || info.event().is_some_and(ends) {
            handed.encode.start();
        }
        gst::PadProbeReturn::Ok
    });
    let given = Arc::clone(record);
    pad(encoder, "src")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        given.encode.lap();
        given.frames_encoded.add(1);
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn play(
    run: &Run<'_>,
    pipeline: &gst::Pipeline,
    bus: &gst::Bus,
    record: &Record,
    gate: Option<&Gate>,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    // A refusal to start is told on the bus with its reason.
    let started = pipeline.set_state(gst::State::Playing).is_ok();
    let tick = gst::ClockTime::try_from(TICK).unwrap_or(gst::ClockTime::MSECOND);
    let mut told = Instant::now();
    loop {
        let awaited = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Application];
        let message = bus.timed_pop_filtered(tick, &awaited);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => return record.failure().map_or(Ok(()), Err),
            Some(gst::MessageView::Error(error)) => {
                tracing::warn!(error = %error.error(), debug = ?error.debug(), "the pipeline stops");
                return Err(record.failure().unwrap_or_else(|| messages::failure(error, &run.clip.facts.video.codec)));
            }
            // The gate says on its own why it is not believed.
            Some(gst::MessageView::Application(_)) if gate.is_some_and(|gate| gate.go_on().is_err()) => return Ok(()),
            _ if !started => return Err(failure::internal("the pipeline does not start")),
            _ => {}
        }
        if told.elapsed() >= TICK {
            told = Instant::now();
            on_progress(progress(run, gate.is_none(), record));
        }
    }
}

/// Work done, as frames of the segment. To pass a source frame that only earlier segments show is a little work, to
/// make a frame and to encode it are most of it; the sum is told on the scale of the segment's slots.
fn progress(run: &Run<'_>, from_start: bool, record: &Record) -> Progress {
    const MAKE: u128 = 4;
    let slots = u128::from(run.slots.len());
    let before = run.slots.first as f64 * run.target_rate.den() as f64 / run.target_rate.num() as f64;
    let frames_before = (before * run.clip.facts.video.average_rate.as_f64()).max(0.0) as u128;
    let to_pass = if from_start { frames_before } else { 0 };
    let passed = u128::from(record.frames_passed.get()).min(to_pass);
    let shown = u128::from(record.slots_shown()) + u128::from(record.frames_encoded.get());
    let (done, total) = (passed + MAKE * shown, to_pass + 2 * MAKE * slots);
    let frames_done = (done * slots).checked_div(total).unwrap_or(0).min(slots);
    let first = u128::from(scanned(run, run.clip.timeline.frame_count()).frames_done);
    let frames_done = first + frames_done * (slots - first) / slots.max(1);
    Progress { frames_done: u64::try_from(frames_done).unwrap_or(0), frames_total: run.slots.len() }
}

/// The first look at the whole clip, where there is one: a tenth of the work.
fn scanned(run: &Run<'_>, frames: u64) -> Progress {
    const PART: u128 = 10;
    let slots = run.slots.len();
    let of_slots = u128::from(slots) * u128::from(frames) / (PART * u128::from(run.clip.timeline.frame_count().max(1)));
    let frames_done = if run.dedupe { u64::try_from(of_slots).unwrap_or(slots).min(slots) } else { 0 };
    Progress { frames_done, frames_total: slots }
}

/// The file is only as good as its counts: a decoder may end early without an error.
fn verify(run: &Run<'_>, record: &Record) -> Result<(), Failure> {
    let frames = run.clip.timeline.frame_count();
    // A decoder that repeats a picture where nothing moved may give it its old time: it was there all the same.
    let lost = record.frames_lost.get().saturating_sub(record.frames_unplaced.get());
    // A stream cut from a broadcast may begin or end with two pictures that refer to what is not there.
    let tolerated = 2 + frames / 100;
    let is_nothing_shown = record.slots_shown() == 0;
    if lost > tolerated || is_nothing_shown {
        let lost = if is_nothing_shown { frames } else { lost };
        return Err(failure::input(format!(
            "The clip could not be decoded: {lost} of its {frames} frames are missing or damaged. Check that it plays to the end, or export it again."
        )));
    }
    let encoded = record.frames_encoded.get();
    if encoded != run.slots.len() {
        let slots = run.slots;
        return Err(failure::internal(format!("the encoder gave {encoded} frames for the slots {slots}")));
    }
    if lost > 0 {
        tracing::warn!(lost, frames, "frames of the clip were lost and bridged");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
