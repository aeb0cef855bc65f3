//! The element's inside. Settings come once, state lives between caps and end of stream.

use super::{
    Settings,
    properties::{Properties, rational},
    shown_at_ns,
    turns::{Turn, Turns},
};
use crate::{
    failure,
    interpolator::{MakeInterpolator, Pairs},
    picture::{Picture, SlotBuffers, Spare, engine_depth},
    record::Record,
    retime::{Feed, FrameTimes, Placer, Retimer, Shown, StreamTimes},
};
use gstreamer as gst;
use gstreamer::{glib, prelude::*, subclass::prelude::*};
use gstreamer_base as gst_base;
use gstreamer_base::prelude::BaseTransformExtManual;
use gstreamer_base::subclass::{base_transform::GenerateOutputSuccess, prelude::*};
use gstreamer_video::{VideoCapsBuilder, VideoFormat, VideoInfo};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tweenfarm_protocol::{Rational, task::Failure};
use tweenfarm_shaders::{Depth, FrameSize, Phase, PlanarFrame};

static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("tweeninterpolate", gst::DebugColorFlags::empty(), Some("frames in, slots out"))
});

pub struct TweenInterpolate {
    work: Mutex<Option<Work>>,
    /// What a stream is worked on by; a clip has `Settings`.
    properties: Mutex<Properties>,
    /// Kept apart from the work: caps are asked for from other threads while a frame is being made.
    target_rate: Mutex<Option<gst::Fraction>>,
}

impl Default for TweenInterpolate {
    fn default() -> Self {
        let properties = Properties::default();
        let target_rate = Some(properties.target_fps);
        TweenInterpolate {
            work: Mutex::default(),
            properties: Mutex::new(properties),
            target_rate: Mutex::new(target_rate),
        }
    }
}

struct Work {
    target_rate: Rational,
    nearest: bool,
    first_slot: u64,
    engine: Engine,
    record: Arc<Record>,
    places: Places,
    feed: Feed<Picture>,
    spare: Spare,
    segment: gst::FormattedSegment<gst::ClockTime>,
    formats: Option<Formats>,
    made: Option<PlanarFrame>,
    turns: Turns<gst::Buffer, Failure>,
    ended: bool,
}

/// Which frame a picture is.
enum Places {
    Clip {
        placer: Placer,
        /// Frames that the feed counts, where it does not count all.
        kept: Option<Vec<u64>>,
        frame_count: u64,
    },
    Stream {
        times: StreamTimes,
        /// Running time of the first frame.
        origin_ns: Option<i64>,
    },
}

/// The engine is made when the picture's size and bits are known.
enum Engine {
    Awaiting(Option<MakeInterpolator>),
    /// It could not be made: asked again, the answer is the same.
    Failed(Failure),
    Ready(Pairs),
}

#[derive(Clone)]
struct Formats {
    input: VideoInfo,
    shown: Arc<SlotBuffers>,
    size: FrameSize,
    depth: Depth,
}

impl TweenInterpolate {
    pub fn set_settings(&self, settings: Settings) {
        let Settings { timeline, kept, first_frame, slots, target_rate, nearest, engine, record } = settings;
        let times = match &kept {
            Some(kept) => FrameTimes::of_frames(&timeline, kept),
            None => FrameTimes::of(&timeline),
        };
        let frame_count = times.frame_count();
        let first_number =
            kept.as_ref().map_or(first_frame, |kept| kept.partition_point(|at| *at < first_frame) as u64);
        let fraction = |value: i64| i32::try_from(value).ok();
        *lock(&self.target_rate) = match (fraction(target_rate.num()), fraction(target_rate.den())) {
            (Some(num), Some(den)) => Some(gst::Fraction::new(num, den)),
            _ => None,
        };
        *lock(&self.work) = Some(Work {
            first_slot: slots.first,
            places: Places::Clip { placer: Placer::new(timeline, first_frame), kept, frame_count },
            feed: Feed::beginning_at(first_number, Retimer::new(times, target_rate, slots).nearest(nearest)),
            engine: Engine::Awaiting(Some(engine)),
            segment: gst::FormattedSegment::new(),
            formats: None,
            made: None,
            spare: Spare::default(),
            turns: Turns::default(),
            ended: false,
            target_rate,
            nearest,
            record,
        });
    }

    /// Begins with a stream, unless a clip or a stream was begun with.
    fn begin_stream(&self, input: &VideoInfo) {
        let mut work = lock(&self.work);
        let properties = lock(&self.properties);
        if let (None, Some(target_rate)) = (work.as_ref(), properties.target_rate()) {
            let times = StreamTimes::new(rational(input.fps()));
            let nearest = properties.nearest;
            *work = Some(Work {
                first_slot: 0,
                feed: Feed::new(Retimer::stream(times.tick(), target_rate, times.distance()).nearest(nearest)),
                places: Places::Stream { times, origin_ns: None },
                engine: Engine::Awaiting(Some(properties.engine())),
                segment: gst::FormattedSegment::new(),
                formats: None,
                made: None,
                spare: Spare::default(),
                turns: Turns::default(),
                ended: false,
                target_rate,
                nearest,
                record: Arc::default(),
            });
        }
    }

    /// Two frames of the source; of the target where the source does not tell its rate.
    fn latency(&self) -> gst::ClockTime {
        let source = lock(&self.work).as_ref().and_then(|work| rational(work.formats.as_ref()?.input.fps()));
        let rate = source.or_else(|| lock(&self.target_rate).and_then(rational));
        rate.map_or(gst::ClockTime::ZERO, |rate| slot_time(2, rate))
    }

    fn has_clip(&self) -> bool {
        lock(&self.work).as_ref().is_some_and(|work| matches!(work.places, Places::Clip { .. }))
    }

    /// Runs `step` on the work; a failure is recorded for the worker and told to the pipeline.
    fn with_work<T>(&self, step: impl FnOnce(&mut Work) -> Result<T, Failure>) -> Result<T, gst::FlowError> {
        let mut guard = lock(&self.work);
        let Some(work) = guard.as_mut() else { return Err(gst::FlowError::NotNegotiated) };
        let record = Arc::clone(&work.record);
        let done = step(work);
        drop(guard);
        done.map_err(|failure| {
            // Recorded first: the reader of the bus asks for it as soon as it hears of any error.
            record.fail(failure.clone());
            gst::element_imp_error!(self, gst::StreamError::Failed, ("{}", failure.message));
            gst::FlowError::Error
        })
    }

    /// Pushes every slot that the frames at hand decide, and waits for the engine to make it.
    fn push_what_is_due(&self) -> Result<(), gst::FlowError> {
        while let Some(buffer) = self.with_work(|work| work.next_buffer(true))? {
            self.obj().src_pad().push(buffer)?;
        }
        Ok(())
    }

    /// Pushes what is still due after the last frame.
    fn drain(&self) -> Result<(), gst::FlowError> {
        self.with_work(|work| {
            match &work.places {
                Places::Clip { frame_count, .. } => work.feed.finish(*frame_count),
                Places::Stream { times, .. } => work.feed.finish_stream(times.distance().unwrap_or(0)),
            }
            Ok(())
        })?;
        self.push_what_is_due()?;
        self.with_work(|work| {
            work.record.frames_lost.add(work.feed.frames_lost());
            Ok(())
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work {
    fn set_formats(&mut self, input: VideoInfo, output: VideoInfo) -> Result<(), Failure> {
        let size = FrameSize { width_px: output.width(), height_px: output.height() };
        let depth =
            engine_depth(&input).ok_or_else(|| failure::internal("a picture is neither 8 nor 10 bits of 4:2:0"))?;
        if let Some(formats) = &self.formats
            && (formats.size, formats.depth) != (size, depth)
        {
            return Err(failure::input(
                "The clip changes its picture size or its bits on the way: convert it to one format first.",
            ));
        }
        size.check().map_err(|error| failure::of_engine(&error))?;
        if input.is_interlaced() && matches!(self.places, Places::Stream { .. }) {
            return Err(failure::input("The stream is interlaced: put the element deinterlace before this one."));
        }
        if let Engine::Awaiting(make) = &mut self.engine {
            let make = make.take().expect("an engine is made once");
            self.engine = match make(size, depth) {
                Ok(engine) => Engine::Ready(Pairs::new(engine)),
                Err(error) => Engine::Failed(failure::of_engine(&error)),
            };
            self.made = Some(PlanarFrame::of_depth(size, depth));
        }
        if let Engine::Failed(failure) = &self.engine {
            return Err(failure.clone());
        }
        let shown = Arc::new(SlotBuffers::new(output).map_err(|_| no_memory())?);
        self.formats = Some(Formats { input, shown, size, depth });
        Ok(())
    }

    fn accept(&mut self, buffer: gst::Buffer) -> Result<(), Failure> {
        let Some(formats) = self.formats.clone() else {
            return Err(failure::internal("a frame came before its format"));
        };
        let Ok(time_ns) = shown_at_ns(&buffer, &self.segment) else { return Ok(()) };
        let placed = match &mut self.places {
            Places::Clip { placer, kept, .. } => placer.place(time_ns).map(|frame| match kept {
                None => Some(frame),
                Some(kept) => kept.binary_search(&frame).ok().map(|number| number as u64),
            }),
            Places::Stream { times, origin_ns } => {
                let since_first_ns = time_ns.map(|time_ns| time_ns - *origin_ns.get_or_insert(time_ns));
                times.next(since_first_ns).map(|ticks| Some(self.feed.hear(ticks)))
            }
        };
        let Some(counted) = placed else {
            self.record.frames_unplaced.add(1);
            gst::debug!(CATEGORY, "no place for a frame at {time_ns:?} ns");
            return Ok(());
        };
        if let Some(number) = counted {
            self.feed
                .offer(number, Picture::new(buffer, formats.input, formats.size, formats.depth, self.spare.clone()));
        }
        if self.record.slots_shown() == 0 {
            self.record.frames_passed.add(1);
        }
        Ok(())
    }

    /// The next slot's buffer, if one is due and can be shown. Waits for the engine where it has as much to do as it
    /// takes, and with `to_the_end` whenever it has anything to do.
    fn next_buffer(&mut self, to_the_end: bool) -> Result<Option<gst::Buffer>, Failure> {
        let record = Arc::clone(&self.record);
        record.interpolate.measure(|| {
            self.ask()?;
            self.show_next(to_the_end)
        })
    }

    /// Asks the engine for the frames of due slots, as many as it takes. A frame of the source that stands long makes
    /// many slots: they wait in the feed, not here.
    fn ask(&mut self) -> Result<(), Failure> {
        let Some(formats) = &self.formats else { return Ok(()) };
        let Engine::Ready(engine) = &mut self.engine else { return Ok(()) };
        while !self.turns.is_full(engine.room())
            && let Some(due) = self.feed.take()
        {
            let turn = match due.shown {
                Shown::Source(seen) => seen
                    .picture
                    .planar()
                    .and_then(|planar| formats.shown.holding(planar))
                    .map_or_else(|_| Turn::Failed(unreadable()), Turn::Ready),
                Shown::Between { first, second, phase_q16 } => {
                    let phase =
                        Phase::from_q16(phase_q16).ok_or_else(|| failure::internal("a phase is out of range"))?;
                    match (first.picture.planar(), second.picture.planar()) {
                        (Ok(one), Ok(other)) => match engine.submit((first.frame, one), (second.frame, other), phase) {
                            Ok(()) => Turn::Making,
                            Err(error) => Turn::Failed(failure::of_engine(&error)),
                        },
                        _ => Turn::Failed(unreadable()),
                    }
                }
            };
            self.turns.add(due.slot, turn);
        }
        Ok(())
    }

    fn show_next(&mut self, to_the_end: bool) -> Result<Option<gst::Buffer>, Failure> {
        let (Some(formats), Engine::Ready(engine), Some(made)) = (&self.formats, &mut self.engine, &mut self.made)
        else {
            return Ok(None);
        };
        let wait = to_the_end || self.feed.is_done() || self.turns.is_full(engine.room());
        let Some((slot, turn)) = self.turns.next(|| wait || engine.is_ready()) else { return Ok(None) };
        let mut buffer = match turn {
            Turn::Ready(buffer) => buffer,
            Turn::Making => {
                engine.collect(made).map_err(|error| failure::of_engine(&error))?;
                self.record.frames_made.add(1);
                formats.shown.holding(made).map_err(|_| no_memory())?
            }
            Turn::Failed(failure) => return Err(failure),
        };
        let index = slot - self.first_slot;
        // A segment begins at 0; a stream goes on where it was, in step with its sound.
        let origin = match self.places {
            Places::Stream { origin_ns: Some(origin_ns), .. } => u64::try_from(origin_ns).unwrap_or(0),
            _ => 0,
        };
        let start = slot_time(index, self.target_rate);
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(start + gst::ClockTime::from_nseconds(origin));
            buffer.set_duration(slot_time(index + 1, self.target_rate) - start);
        }
        self.record.show();
        Ok(Some(buffer))
    }
}

fn no_memory() -> Failure {
    failure::resource("There is no memory for a frame to be shown in.")
}

fn unreadable() -> Failure {
    failure::resource("A decoded frame could not be mapped: the machine is short of memory.")
}

impl Work {
    /// A stream was flushed: what follows is another part of it, or another stream of the same format.
    fn begin_again(&mut self) {
        let Places::Stream { times, origin_ns } = &mut self.places else { return };
        let rate = self.formats.as_ref().and_then(|formats| rational(formats.input.fps()));
        *times = StreamTimes::new(rate);
        *origin_ns = None;
        let retimer = Retimer::stream(times.tick(), self.target_rate, times.distance());
        self.feed = Feed::new(retimer.nearest(self.nearest));
        self.ended = false;
        self.turns.clear();
        if let Engine::Ready(pairs) = &mut self.engine {
            pairs.forget();
        }
    }
}

/// Start of a segment's slot `index` in the segment's own time, to the nearest nanosecond.
fn slot_time(index: u64, rate: Rational) -> gst::ClockTime {
    let num = 2_000_000_000 * i128::from(index) * i128::from(rate.den());
    let den = i128::from(rate.num());
    gst::ClockTime::from_nseconds(u64::try_from((num + den) / (2 * den)).unwrap_or(u64::MAX - 1))
}

#[glib::object_subclass]
impl ObjectSubclass for TweenInterpolate {
    const NAME: &'static str = "TweenInterpolate";
    type Type = super::TweenInterpolate;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for TweenInterpolate {
    fn properties() -> &'static [glib::ParamSpec] {
        Properties::specs()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        let mut properties = lock(&self.properties);
        properties.set(spec.name(), value);
        *lock(&self.target_rate) = Some(properties.target_fps);
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        lock(&self.properties).value(spec.name())
    }
}
impl GstObjectImpl for TweenInterpolate {}

impl ElementImpl for TweenInterpolate {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Frame interpolator",
                "Filter/Effect/Video",
                "Shows a clip at an exact rate, making the frames in between",
                "Tweenfarm",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = VideoCapsBuilder::new().format_list([VideoFormat::I420, VideoFormat::I42010le]).build();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for TweenInterpolate {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let mut work = lock(&self.work);
        if work.as_ref().is_some_and(|work| matches!(work.places, Places::Stream { .. })) {
            *work = None;
        }
        Ok(())
    }

    /// Towards the encoder: even size, target rate, whole frames. Towards the decoder: any size and rate.
    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let target_rate = (*lock(&self.target_rate))?;
        let mut other = caps.clone();
        for structure in other.make_mut().iter_mut() {
            structure.remove_fields(["interlace-mode", "field-order"]);
            if direction == gst::PadDirection::Sink {
                for side in ["width", "height"] {
                    if let Ok(pixels) = structure.get::<i32>(side) {
                        structure.set(side, pixels.saturating_add(pixels & 1));
                    }
                }
                structure.set("framerate", target_rate);
            } else {
                structure.remove_fields(["width", "height", "framerate"]);
            }
        }
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
            None => other,
        })
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let read = |caps: &gst::Caps| {
            VideoInfo::from_caps(caps).map_err(|_| gst::loggable_error!(CATEGORY, "not a video format: {caps}"))
        };
        let (input, output) = (read(incaps)?, read(outcaps)?);
        self.begin_stream(&input);
        self.with_work(|work| work.set_formats(input, output))
            .map_err(|_| gst::loggable_error!(CATEGORY, "the format is refused"))?;
        // The latency follows from the source's rate.
        let _ = self.post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        Ok(())
    }

    fn unit_size(&self, caps: &gst::Caps) -> Option<usize> {
        VideoInfo::from_caps(caps).ok().map(|info| info.size())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if matches!(event.type_(), gst::EventType::Caps | gst::EventType::Segment) {
            // What the engine is making belongs to what came before. A failure is recorded and on the bus.
            let waits = lock(&self.work).as_ref().is_some_and(|work| work.turns.len() > 0);
            if waits && self.push_what_is_due().is_err() {
                return false;
            }
        }
        match event.view() {
            gst::EventView::Segment(segment) => {
                if let Some(work) = lock(&self.work).as_mut()
                    && let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>()
                {
                    work.segment = segment.clone();
                }
                // Slots count from 0 whatever the source's clock says.
                let own = gst::FormattedSegment::<gst::ClockTime>::new();
                self.parent_sink_event(gst::event::Segment::builder(&own).build())
            }
            gst::EventView::FlushStop(_) => {
                if let Some(work) = lock(&self.work).as_mut() {
                    work.begin_again();
                }
                self.parent_sink_event(event)
            }
            // A clip is upright already: its tags would turn the picture once more.
            gst::EventView::Tag(_) if self.has_clip() => true,
            // Gaps are the retimer's to fill.
            gst::EventView::Gap(_) => true,
            gst::EventView::Eos(_) => {
                let ended = lock(&self.work).as_mut().is_some_and(|work| std::mem::replace(&mut work.ended, true));
                if ended {
                    return true;
                }
                match self.drain() {
                    Ok(()) | Err(gst::FlowError::Eos | gst::FlowError::Flushing) => self.parent_sink_event(event),
                    // The failure is recorded and on the bus.
                    Err(_) => false,
                }
            }
            _ => self.parent_sink_event(event),
        }
    }

    /// A slot is shown when the frame after it came, and may be in the making until one more came.
    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src
            && let gst::QueryViewMut::Latency(latency) = query.view_mut()
        {
            let mut before = gst::query::Latency::new();
            if !self.obj().sink_pad().peer_query(&mut before) {
                return false;
            }
            let (live, min, max) = before.result();
            let own = self.latency();
            latency.set(live, min + own, max.map(|max| max + own));
            return true;
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn submit_input_buffer(&self, _is_discont: bool, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if lock(&self.work).as_ref().is_some_and(|work| work.ended) {
            return Err(gst::FlowError::Eos);
        }
        self.with_work(|work| work.accept(buffer))?;
        Ok(gst::FlowSuccess::Ok)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if let Some(buffer) = self.with_work(|work| work.next_buffer(false))? {
            return Ok(GenerateOutputSuccess::Buffer(buffer));
        }
        let done = self.with_work(|work| {
            let done = work.feed.is_done() && !work.ended;
            if done {
                work.ended = true;
                work.record.frames_lost.add(work.feed.frames_lost());
            }
            Ok(done)
        })?;
        if done {
            // The segment is complete: what the source still holds belongs to others.
            self.obj().src_pad().push_event(gst::event::Eos::new());
            return Err(gst::FlowError::Eos);
        }
        Ok(GenerateOutputSuccess::NoOutput)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stand_at_the_nearest_nanosecond_however_late() {
        let check = |index, num, den, expected| {
            assert_eq!(slot_time(index, Rational::new(num, den).unwrap()).nseconds(), expected);
        };
        check(0, 60, 1, 0);
        check(1, 60, 1, 16_666_667);
        check(3, 60, 1, 50_000_000);
        check(60_000, 60_000, 1001, 1_001_000_000_000);
        check(1_000_000, 24_000, 1001, 41_708_333_333_333);
    }
}
