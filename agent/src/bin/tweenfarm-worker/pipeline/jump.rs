//! Beginning to decode in the middle of a clip, where that is proven to give the pictures that decoding all of it gives.
//!
//! The pad where pictures leave the decoder is a gate. The first picture of the clip tells its origin on the decoder's
//! clock and is held there while the file is sought in; what follows passes from the first frame that the segment needs.
//! Proven is that the first packet after the jump is, byte for byte, the entry that the probe saw in the file, that it
//! refers to nothing before it, and that the first picture stands at the entry's time, undamaged. Where anything is not
//! so the run ends `Unproven`, and another one begins at the start.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};
use tweenfarm_media::{Clip, Entry, Timeline};

/// What a container may put before the bytes of a packet: Matroska's head of a block.
const HEAD_BYTES_MAX: usize = 64;

/// From which entry to which frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    entry: Entry,
    /// The first frame that is needed.
    first_frame: u64,
}

impl Jump {
    /// To the last entry that does not stand after `first_frame`; none where nothing is passed over, or where pictures
    /// depend on those before them after all: a deinterlacer looks back.
    pub fn to(clip: &Clip, first_frame: u64) -> Option<Jump> {
        let before = clip.entries.partition_point(|entry| entry.frame <= first_frame);
        let entry = *clip.entries.get(before.checked_sub(1)?)?;
        (entry.frame > 0 && !clip.facts.video.interlaced).then_some(Jump { entry, first_frame })
    }

    pub fn first_frame(&self) -> u64 {
        self.first_frame
    }
}

/// Why a jump is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven(pub &'static str);

pub struct Gate {
    jump: Jump,
    timeline: Timeline,
    codec: String,
    source: PathBuf,
    /// Whoever plays the pipeline is woken there.
    bus: gst::Bus,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    /// The clip's first picture is awaited.
    Opening,
    /// It came, and waits in its thread for the jump.
    Held {
        origin_ns: i64,
        pad: gst::Pad,
    },
    /// The decoder is being flushed; what it still gives is from before.
    Jumping {
        origin_ns: i64,
    },
    /// Pictures from the entry on.
    Landed {
        origin_ns: i64,
        is_entry_proven: bool,
        last: Option<u64>,
    },
    Open,
    Closed(Unproven),
}

impl Gate {
    pub fn new(jump: Jump, clip: &Clip, source: PathBuf, bus: gst::Bus) -> Arc<Gate> {
        Arc::new(Gate {
            jump,
            timeline: clip.timeline.clone(),
            codec: clip.facts.video.codec.clone(),
            source,
            bus,
            state: Mutex::new(State::Opening),
            changed: Condvar::new(),
        })
    }

    /// Watches the pad that pictures leave the decoder by.
    pub fn guard(self: &Arc<Self>, decoded: &gst::Pad) {
        let gate = Arc::clone(self);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        decoded.add_probe(kinds, move |pad, info| match &info.data {
            Some(gst::PadProbeData::Buffer(picture)) => gate.picture(pad, picture),
            Some(gst::PadProbeData::Event(event)) => gate.event(event),
            _ => gst::PadProbeReturn::Ok,
        });
    }

    /// Watches the pad that packets of the video leave the demuxer by.
    pub fn watch_packets(self: &Arc<Self>, demuxed: &gst::Pad) {
        let gate = Arc::clone(self);
        let is_next = Mutex::new(false);
        demuxed.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH, move |_, info| {
            let mut is_next = is_next.lock().unwrap_or_else(PoisonError::into_inner);
            match &info.data {
                Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::FlushStop => *is_next = true,
                Some(gst::PadProbeData::Buffer(packet)) if std::mem::take(&mut *is_next) => gate.first_packet(packet),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Goes on where the gate has asked for it, from another thread than the pipeline's.
    pub fn go_on(&self) -> Result<(), Unproven> {
        let mut state = self.state();
        match &*state {
            State::Held { origin_ns, pad } => {
                let (origin_ns, pad) = (*origin_ns, pad.clone());
                *state = State::Jumping { origin_ns };
                drop(state);
                self.changed.notify_all();
                if !pad.send_event(self.seek(origin_ns)) {
                    self.close("the file cannot be sought in");
                }
                Ok(())
            }
            State::Closed(why) => Err(why.clone()),
            State::Opening | State::Jumping { .. } | State::Landed { .. } | State::Open => Ok(()),
        }
    }

    /// Nothing waits here any more. Whether the jump was proven.
    pub fn end(&self) -> Result<(), Unproven> {
        self.close("the decoder gave no picture to begin with");
        match &*self.state() {
            State::Closed(why) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Half a frame late, so that no rounding finds the entry before.
    fn seek(&self, origin_ns: i64) -> gst::Event {
        let at = |frame| self.timeline.nanoseconds(frame).unwrap_or(0);
        let (own, next) = (at(self.jump.entry.frame), at(self.jump.entry.frame + 1));
        let position = u64::try_from(origin_ns + own + (next - own).max(0) / 2).unwrap_or(0);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
        let position = gst::ClockTime::from_nseconds(position);
        gst::event::Seek::new(1.0, flags, gst::SeekType::Set, position, gst::SeekType::None, gst::ClockTime::NONE)
    }

    fn picture(&self, pad: &gst::Pad, picture: &gst::Buffer) -> gst::PadProbeReturn {
        let mut state = self.state();
        match &mut *state {
            State::Open => gst::PadProbeReturn::Ok,
            State::Opening => {
                let Some(time_ns) = shown_at_ns(pad, picture) else { return gst::PadProbeReturn::Drop };
                *state = State::Held { origin_ns: time_ns, pad: pad.clone() };
                self.wake();
                // Else the decoder ran through the clip meanwhile.
                let held = |state: &mut State| matches!(state, State::Held { .. });
                drop(self.changed.wait_while(state, held).unwrap_or_else(PoisonError::into_inner));
                gst::PadProbeReturn::Drop
            }
            State::Landed { origin_ns, is_entry_proven, last } => {
                // Pictures that are shown before the entry, and refer to what is not there.
                let Some(time_ns) = shown_at_ns(pad, picture) else { return gst::PadProbeReturn::Drop };
                let Some(frame) = self.timeline.frame_at(time_ns - *origin_ns) else {
                    return self.closed(state, "a picture stands at no frame's time");
                };
                if !*is_entry_proven {
                    return self.closed(state, "it is not known which packet came first");
                }
                if last.is_none() && frame != self.jump.entry.frame {
                    return self.closed(state, "the first picture is another one");
                }
                if last.is_some_and(|last| frame <= last) || frame > self.jump.first_frame {
                    return self.closed(state, "a picture is missing or comes twice");
                }
                if picture.flags().contains(gst::BufferFlags::CORRUPTED) {
                    return self.closed(state, "a picture is damaged");
                }
                *last = Some(frame);
                if frame < self.jump.first_frame {
                    return gst::PadProbeReturn::Drop;
                }
                *state = State::Open;
                gst::PadProbeReturn::Ok
            }
            State::Held { .. } | State::Jumping { .. } | State::Closed(_) => gst::PadProbeReturn::Drop,
        }
    }

    /// What comes after the gate has seen no picture: it need not know of a flush. Events are `Handled` rather than
    /// dropped, which the bindings do not let a probe do.
    fn event(&self, event: &gst::Event) -> gst::PadProbeReturn {
        let mut state = self.state();
        let flushes = [gst::EventType::FlushStart, gst::EventType::FlushStop].contains(&event.type_());
        if matches!(*state, State::Open) || !flushes && event.type_() != gst::EventType::Eos {
            return gst::PadProbeReturn::Ok;
        }
        match (event.type_(), &*state) {
            (gst::EventType::FlushStop, State::Jumping { origin_ns }) => {
                *state = State::Landed { origin_ns: *origin_ns, is_entry_proven: false, last: None };
            }
            (gst::EventType::FlushStart, _) | (_, State::Jumping { .. }) => {}
            _ => drop(self.closed(state, "the clip ended too early")),
        }
        gst::PadProbeReturn::Handled
    }

    fn first_packet(&self, packet: &gst::Buffer) {
        let proven = packet.map_readable().is_ok_and(|bytes| {
            bytes.len() as u64 == self.jump.entry.size_bytes
                && begins_anew(&self.codec, &bytes)
                && self.is_in_the_file(&bytes)
        });
        let mut state = self.state();
        match &mut *state {
            State::Landed { is_entry_proven, .. } if proven => *is_entry_proven = true,
            _ => drop(self.closed(state, "the first packet is no entry, or another one than the probe saw")),
        }
    }

    /// Whether the packet is what lies in the file where the probe saw the entry.
    fn is_in_the_file(&self, packet: &[u8]) -> bool {
        let mut there = vec![0; packet.len() + HEAD_BYTES_MAX];
        let Ok(file) = File::open(&self.source) else { return false };
        let mut read = 0;
        while let Ok(more @ 1..) = file.read_at(&mut there[read..], self.jump.entry.position + read as u64) {
            read += more;
        }
        there[..read].windows(packet.len().max(1)).take(HEAD_BYTES_MAX).any(|window| window == packet)
    }

    fn close(&self, why: &'static str) {
        let _ = self.closed(self.state(), why);
    }

    /// An open gate stays open: what comes then is the run's own.
    fn closed(&self, mut state: MutexGuard<'_, State>, why: &'static str) -> gst::PadProbeReturn {
        if !matches!(*state, State::Open | State::Closed(_)) {
            *state = State::Closed(Unproven(why));
            self.wake();
            self.changed.notify_all();
        }
        gst::PadProbeReturn::Drop
    }

    fn wake(&self) {
        // Nobody listens when the pipeline is being stopped.
        let _ = self.bus.post(gst::message::Application::new(gst::Structure::new_empty("gate")));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On the clip's own clock, which a jump does not move. None for what is not to be shown.
fn shown_at_ns(pad: &gst::Pad, picture: &gst::Buffer) -> Option<i64> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    i64::try_from(segment.to_stream_time(picture.pts()?)?.nseconds()).ok()
}

/// Whether a packet refers to nothing before it, and nothing that is shown after it does. A container's word is taken
/// for codecs of which it means that; of H.264 and HEVC it is looked up, because "key" is also said of pictures that a
/// decoder only recovers at.
fn begins_anew(codec: &str, packet: &[u8]) -> bool {
    match codec {
        "h264" => first_slice(packet, |head| head & 0x1f, 1..=5).is_some_and(|kind| kind == 5),
        "hevc" => first_slice(packet, |head| head >> 1 & 0x3f, 0..=31).is_some_and(|kind| (16..=21).contains(&kind)),
        "vp8" => packet.first().is_some_and(|head| head & 1 == 0),
        "vp9" | "av1" | "prores" | "dnxhd" | "mjpeg" | "ffv1" => true,
        _ => false,
    }
}

/// The kind of the first unit that is part of a picture, where units have their length in four bytes before them.
fn first_slice(mut packet: &[u8], kind: impl Fn(u8) -> u8, slices: std::ops::RangeInclusive<u8>) -> Option<u8> {
    loop {
        let (length, rest) = packet.split_first_chunk::<4>()?;
        let found = kind(*rest.first()?);
        if slices.contains(&found) {
            return Some(found);
        }
        packet = rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..)?;
    }
}

#[cfg(test)]
#[path = "jump_tests.rs"]
mod tests;
