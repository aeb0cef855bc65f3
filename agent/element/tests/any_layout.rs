//! The element on pictures however they lie in memory and whenever they stand: strides of any length, gaps between planes,
//! planes in any order, memory for more than is shown, odd sizes, 8 and 10 bits, random exact times.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{VideoFormat, VideoFrameFlags, VideoFrameRef, VideoInfo, VideoMeta, prelude::*};
use proptest::prelude::*;
use std::{collections::VecDeque, sync::Arc};
use tweenfarm_element::{
    TweenInterpolate,
    element::Settings,
    interpolator::Interpolator,
    record::Record,
    retime::{FrameTimes, Retimer, Shot},
};
use tweenfarm_media::{Stamps, Timeline};
use tweenfarm_protocol::{Rational, SlotRange};
use tweenfarm_shaders::{Depth, EngineError, FrameSize, Phase, PlanarFrame};

/// Beyond what any frame of these takes: a pipeline hangs.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// How a clip's pictures lie and when they stand.
#[derive(Clone, Debug)]
struct Clip {
    width: usize,
    height: usize,
    depth: Depth,
    /// Pixels that there is memory for and that are not shown, as of a decoder that works in blocks.
    hidden: [usize; 2],
    /// Bytes between rows of each plane.
    between_rows: [usize; 3],
    /// Bytes before each plane.
    before: [usize; 3],
    /// Which plane lies first.
    first_plane: usize,
    /// Distances of the frames, in 1/90000 s.
    distances: Vec<i64>,
    rate: Rational,
    first_slot: u64,
}

fn any_clip() -> impl Strategy<Value = Clip> {
    let hidden = prop_oneof![Just([0, 0]), (0..8_usize, 0..4_usize).prop_map(|(width, height)| [width, height])];
    let picture = (16..=51_usize, 16..=37_usize, prop_oneof![Just(Depth::Eight), Just(Depth::Ten)]);
    let memory = (hidden, prop::array::uniform3(0..41_usize), prop::array::uniform3(0..41_usize), 0..3_usize);
    let times =
        (prop::collection::vec(900..9000_i64, 1..5), 10..=240_i64, prop_oneof![Just(1000), Just(1001)], 0..6_u64);
    (picture, memory, times).prop_map(|(picture, memory, times)| Clip {
        width: picture.0,
        height: picture.1,
        depth: picture.2,
        hidden: memory.0,
        between_rows: memory.1,
        before: memory.2,
        first_plane: memory.3,
        distances: times.0,
        rate: Rational::new(1000 * times.1, times.2).expect("a rate has a denominator"),
        first_slot: times.3,
    })
}

/// One side of a plane of a picture with this side.
fn side(plane: usize, side: usize) -> usize {
    if plane == 0 { side } else { side.div_ceil(2) }
}

impl Clip {
    fn format(&self) -> VideoFormat {
        if self.depth == Depth::Eight { VideoFormat::I420 } else { VideoFormat::I42010le }
    }

    fn bytes(&self) -> usize {
        self.depth.code_bytes()
    }

    fn timeline(&self) -> Timeline {
        let after = |at: &mut i64, distance: &i64| {
            *at += distance;
            Some(Some(*at))
        };
        let ticks: Vec<_> = std::iter::once(Some(0)).chain(self.distances.iter().scan(0, after)).collect();
        let stamps = Stamps { ticks: &ticks, time_base: Rational::new(1, 90_000).ok(), ..Stamps::default() };
        Timeline::from_stamps(&stamps).expect("ascending times are a timeline")
    }

    /// Every slot up to the last frame, from the first that is asked for on.
    fn slots(&self) -> SlotRange {
        let last_ticks = self.distances.iter().sum::<i64>();
        let last = u64::try_from(last_ticks * self.rate.num() / (90_000 * self.rate.den())).expect("times ascend");
        SlotRange::new(self.first_slot.min(last), last + 1)
    }

    /// The code at a place; neighbours in place, plane and frame have nothing in common.
    fn code(&self, frame: usize, plane: usize, x: usize, y: usize) -> [u8; 2] {
        let hash = (x + 64 * y + 4096 * plane + 16_384 * frame + 1).wrapping_mul(0x9E37_79B1) >> 13;
        let code = if self.depth == Depth::Eight { hash & 0xFF } else { hash & 0x3FF };
        (code as u16).to_le_bytes()
    }

    /// The picture as the engine gets it: tight, and even by its own edge.
    fn tight(&self, frame: usize) -> PlanarFrame {
        let even = |side: usize| (side + side % 2) as u32;
        let size = FrameSize { width_px: even(self.width), height_px: even(self.height) };
        let mut planar = PlanarFrame::of_depth(size, self.depth);
        for (plane, codes) in planar.planes_mut().into_iter().enumerate() {
            let width = side(plane, size.width_px as usize);
            let last = [self.width, self.height].map(|whole| side(plane, whole) - 1);
            for (at, code) in codes.chunks_exact_mut(self.bytes()).enumerate() {
                let found = self.code(frame, plane, (at % width).min(last[0]), (at / width).min(last[1]));
                code.copy_from_slice(&found[..code.len()]);
            }
        }
        planar
    }

    /// The picture as it lies in memory, strewn over bytes that mean nothing; where its planes begin, and their strides.
    fn strewn(&self, frame: usize) -> (Vec<u8>, [usize; 3], [i32; 3]) {
        let whole = [self.width + self.hidden[0], self.height + self.hidden[1]];
        let (mut offsets, mut strides, mut end) = ([0; 3], [0; 3], 0);
        for plane in (0..3).map(|turn| (turn + self.first_plane) % 3) {
            offsets[plane] = end + self.before[plane];
            let stride = side(plane, whole[0]) * self.bytes() + self.between_rows[plane];
            strides[plane] = stride as i32;
            end = offsets[plane] + stride * side(plane, whole[1]);
        }
        let mut memory: Vec<u8> = (0..end).map(|at| (at.wrapping_mul(0x85EB_CA6B) >> 9) as u8).collect();
        for plane in 0..3 {
            for y in 0..side(plane, self.height) {
                for x in 0..side(plane, self.width) {
                    let at = offsets[plane] + y * strides[plane] as usize + x * self.bytes();
                    memory[at..at + self.bytes()].copy_from_slice(&self.code(frame, plane, x, y)[..self.bytes()]);
                }
            }
        }
        (memory, offsets, strides)
    }

    fn buffer(&self, frame: usize, at_ns: i64) -> gst::Buffer {
        let (memory, offsets, strides) = self.strewn(frame);
        let mut buffer = gst::Buffer::from_mut_slice(memory);
        let place = buffer.get_mut().expect("a new buffer has one owner");
        place.set_pts(gst::ClockTime::from_nseconds(u64::try_from(at_ns).expect("times ascend from 0")));
        let [width, height] = [self.width + self.hidden[0], self.height + self.hidden[1]].map(|side| side as u32);
        VideoMeta::add_full(place, VideoFrameFlags::empty(), self.format(), width, height, &offsets, &strides)
            .expect("the planes lie in the buffer");
        buffer
    }
}

/// In the engine's place: what it makes depends on every byte of both frames and on the phase.
#[derive(Default)]
struct Mix {
    pushed: VecDeque<PlanarFrame>,
    asked: VecDeque<PlanarFrame>,
}

fn mixed(first: &PlanarFrame, second: &PlanarFrame, phase_q16: u32) -> PlanarFrame {
    let mut made = first.clone();
    for (byte, other) in made.as_bytes_mut().iter_mut().zip(second.as_bytes()) {
        *byte = ((u32::from(*byte) * (65_536 - phase_q16) + u32::from(*other) * phase_q16) >> 16) as u8;
    }
    made
}

impl Interpolator for Mix {
    fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
        self.pushed.push_back(frame.clone());
        if self.pushed.len() > 2 {
            self.pushed.pop_front();
        }
        Ok(())
    }

    fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
        self.asked.push_back(mixed(&self.pushed[0], &self.pushed[1], phase.q16()));
        Ok(())
    }

    fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError> {
        *made = self.asked.pop_front().expect("a frame was asked for");
        Ok(())
    }

    fn room(&self) -> usize {
        3
    }

    fn is_ready(&self) -> bool {
        false
    }

    fn reset(&mut self) {
        *self = Mix::default();
    }
}

/// What comes out: the time in nanoseconds and the tight planes of every slot.
fn shown(clip: &Clip, buffers: &[gst::Buffer]) -> Vec<(u64, [Vec<u8>; 3])> {
    let interpolate = TweenInterpolate::new(Settings {
        timeline: Arc::new(clip.timeline()),
        kept: None,
        first_frame: 0,
        slots: clip.slots(),
        target_rate: clip.rate,
        nearest: false,
        engine: Box::new(|_, _| Ok(Box::new(Mix::default()))),
        record: Arc::new(Record::default()),
    });
    let info = VideoInfo::builder(clip.format(), clip.width as u32, clip.height as u32)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .expect("a small picture is a format");
    let source = AppSrc::builder().format(gst::Format::Time).caps(&info.to_caps().unwrap()).build();
    let sink = AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    let chain: [&gst::Element; 3] = [source.upcast_ref(), interpolate.upcast_ref(), sink.upcast_ref()];
    pipeline.add_many(chain).and_then(|()| gst::Element::link_many(chain)).expect("the elements fit");
    pipeline.set_state(gst::State::Playing).expect("the pipeline starts");
    for buffer in buffers {
        // All slots may be shown before the last frame comes.
        let _ = source.push_buffer(buffer.clone());
    }
    let _ = source.end_of_stream();
    let mut shown = Vec::new();
    while let Some(sample) = sink.try_pull_sample(PATIENCE) {
        let info = VideoInfo::from_caps(sample.caps().expect("a picture has caps")).unwrap();
        let buffer = sample.buffer().expect("a sample has a picture");
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
        let planes = [0, 1, 2].map(|plane| {
            let (width, stride) = (frame.comp_width(plane) as usize, frame.plane_stride()[plane as usize] as usize);
            let rows = frame.plane_data(plane).unwrap().chunks(stride).take(frame.comp_height(plane) as usize);
            rows.flat_map(|row| row[..width * clip.bytes()].to_vec()).collect()
        });
        shown.push((buffer.pts().expect("a slot has a time").nseconds(), planes));
    }
    let ended = sink.is_eos();
    pipeline.set_state(gst::State::Null).expect("the pipeline ends");
    assert!(ended, "the pipeline hangs or failed after {} slots", shown.len());
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slots_are_the_same_however_the_pictures_lie_in_memory(clip in any_clip()) {
        gst::init().unwrap();
        let timeline = clip.timeline();
        let frames: Vec<PlanarFrame> = (0..=clip.distances.len()).map(|frame| clip.tight(frame)).collect();
        let at = |frame: usize| timeline.nanoseconds(frame as u64).expect("the frame is in the timeline");
        let buffers: Vec<_> = (0..frames.len()).map(|frame| clip.buffer(frame, at(frame))).collect();
        let shown = shown(&clip, &buffers);

        let slots = clip.slots();
        prop_assert_eq!(shown.len() as u64, slots.len());
        let retimer = Retimer::new(FrameTimes::of(&timeline), clip.rate, slots);
        for ((slot, shot), (time_ns, planes)) in retimer.plan().zip(&shown) {
            let exact = 1e9 * (slot - slots.first) as f64 / clip.rate.as_f64();
            prop_assert!((*time_ns as f64 - exact).abs() < 1.0, "slot {} stands at {}", slot, time_ns);
            let expected = match shot {
                Shot::Source { frame } => frames[frame as usize].clone(),
                Shot::Between { first, second, phase_q16 } => {
                    mixed(&frames[first as usize], &frames[second as usize], phase_q16)
                }
            };
            for (plane, (found, expected)) in planes.iter().zip(expected.planes()).enumerate() {
                prop_assert!(found == expected, "slot {}, plane {}, {:?}", slot, plane, shot);
            }
        }
        for (frame, buffer) in buffers.iter().enumerate() {
            prop_assert!(*buffer.map_readable().unwrap() == clip.strewn(frame).0, "source frame {} was written to", frame);
        }
    }
}
