//! The engine as callers see it: frames go in, the last two are the pair, frames between them come out, in order.
//!
//! Work is handed over without waiting for it: several pairs and outputs are on their way through the device while the
//! host reads the next frame in and the last one out. Keeps the order of things; what is done is `plan`'s, how `gpu`'s.

use crate::gpu::{At, Device, Flight, Lead, Machine, Memory, OUTPUTS, Recorded, SOURCES};
use crate::pass::{Side, Slot};
use crate::pass_times::{Often, PassTimes};
use crate::plan::{Plan, Step, frame_steps, mix_steps, output_steps, pair_steps};
use crate::verdict::{PairFacts, PairVerdict};
use crate::{Depth, EngineError, FrameSize, Phase, PlanarFrame, Settings};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Interpolates between frames of one size on one device.
pub struct Engine {
    plan: Plan,
    settings: Settings,
    machine: Machine,
    recordings: HashMap<(Work, At), Recording>,
    /// The ring of source frames.
    places: [Place; SOURCES],
    /// The place of the last frame pushed: the second of the pair.
    second: usize,
    pushed: u32,
    /// Made frames that were asked for and not collected yet, in the order in which they were asked for.
    making: VecDeque<Making>,
    next_output: usize,
    /// Everything on its way through the device, in order: a fence is kept until it was signalled.
    flying: VecDeque<Arc<Flight>>,
    /// What timed passes took; `None`: they are not timed.
    times: Option<PassTimes>,
}

/// A source frame, and the pair of which it is the second.
struct Place {
    /// Given out where the pair's verdict says so.
    frame: Arc<PlanarFrame>,
    /// The last work that touches what lies here on the device.
    touched: Option<Arc<Flight>>,
    pair: Pair,
}

enum Pair {
    /// Nobody has asked for anything of it.
    Idle,
    Flying(Arc<Flight>),
    Judged(PairVerdict),
}

/// A frame on its way out.
struct Making {
    at: At,
    phase: Phase,
    state: State,
}

enum State {
    /// `work` makes it; whether that is what it shows depends on the verdict, which may be on its way too.
    Flying {
        work: Work,
        flight: Arc<Flight>,
    },
    /// In its place of the ring.
    Made,
    Repeats(Arc<PlanarFrame>),
}

/// What a recording does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Frame,
    Pair,
    Output,
    Mix,
}

struct Recording {
    recorded: Arc<Recorded>,
    /// The times of its last run were not read yet.
    times_wait: bool,
}

impl Engine {
    /// Frames that can be asked for before the first of them is collected.
    pub const IN_FLIGHT: usize = OUTPUTS;

    /// For frames of 8 bits.
    pub fn new(device: &Device, size: FrameSize, settings: Settings) -> Result<Engine, EngineError> {
        Engine::of_depth(device, size, Depth::Eight, settings)
    }

    pub fn of_depth(device: &Device, size: FrameSize, depth: Depth, settings: Settings) -> Result<Engine, EngineError> {
        let plan = Plan::of_depth(size.check()?, depth, settings);
        let machine = Machine::new(device, &plan)?;
        let place = || Place { frame: Arc::new(PlanarFrame::of_depth(size, depth)), touched: None, pair: Pair::Idle };
        Ok(Engine {
            plan,
            settings,
            machine,
            recordings: HashMap::new(),
            places: std::array::from_fn(|_| place()),
            second: 0,
            pushed: 0,
            making: VecDeque::new(),
            next_output: 0,
            flying: VecDeque::new(),
            times: None,
        })
    }

    /// Takes the next source frame; it and the one before it are now the pair.
    pub fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
        let (size, found) = (self.plan.size, frame.size());
        if found != size {
            return Err(EngineError::FrameSize {
                width_px: size.width_px,
                height_px: size.height_px,
                found_width_px: found.width_px,
                found_height_px: found.height_px,
            });
        }
        if frame.depth() != self.plan.depth() {
            let (bits, found_bits) = (self.plan.depth().bits(), frame.depth().bits());
            return Err(EngineError::FrameDepth { bits, found_bits });
        }
        let place = (self.second + 1) % SOURCES;
        self.clear(place)?;
        let [y, u, v] = frame.planes();
        let plan = &self.plan;
        self.machine.write_frame(place, |luma, planes| match plan.deep {
            None => {
                plan.levels[0].lay_out(y, luma);
                plan.chroma.u.lay_out(u, planes);
                plan.chroma.v.lay_out(v, planes);
            }
            Some(deep) => {
                for (plane, codes) in deep.planes.iter().zip([y, u, v]) {
                    plane.lay_out(codes, planes);
                }
            }
        })?;
        match Arc::get_mut(&mut self.places[place].frame) {
            Some(kept) => kept.as_bytes_mut().copy_from_slice(frame.as_bytes()),
            None => self.places[place].frame = Arc::new(frame.clone()),
        }
        self.fly(Work::Frame, At { second: place, output: 0 })?;
        self.second = place;
        self.pushed = self.pushed.saturating_add(1);
        Ok(())
    }

    /// What kind of pair the last two frames are. Waits for the pair's work.
    pub fn verdict(&mut self) -> Result<PairVerdict, EngineError> {
        self.start_pair()?;
        self.judge(self.second)
    }

    /// Asks for the frame at `phase` between the last two frames pushed: it can be collected after those that were asked
    /// for before. Waits for nothing.
    pub fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
        if self.making.len() == OUTPUTS {
            return Err(self.out_of_turn());
        }
        self.start_pair()?;
        let at = At { second: self.second, output: self.next_output };
        // Where the verdict is known already, nothing is made in vain.
        let known = match &self.places[at.second].pair {
            Pair::Flying(flight) if flight.is_over() => Some(self.judge(at.second)?),
            Pair::Judged(verdict) => Some(*verdict),
            _ => None,
        };
        let state = match known {
            Some(verdict) if verdict.repeats() => State::Repeats(self.nearer(at, phase)),
            _ => {
                self.machine.set_moment(at.output, phase.q14())?;
                let mixes = known.is_some_and(|verdict| verdict.mixes());
                let work = if mixes { Work::Mix } else { Work::Output };
                State::Flying { work, flight: self.fly(work, at)? }
            }
        };
        self.next_output = (self.next_output + 1) % OUTPUTS;
        self.making.push_back(Making { at, phase, state });
        Ok(())
    }

    /// Frames asked for and not collected yet; at most [`Engine::IN_FLIGHT`].
    pub fn in_flight(&self) -> usize {
        self.making.len()
    }

    /// Whether the next frame to collect is ready.
    pub fn is_ready(&self) -> bool {
        self.making.front().is_some_and(|making| match &making.state {
            State::Flying { flight, .. } => flight.is_over(),
            State::Made | State::Repeats(_) => true,
        })
    }

    /// Waits for the frame that was asked for first and brings it to `out`.
    pub fn collect(&mut self, out: &mut PlanarFrame) -> Result<(), EngineError> {
        let mut making = self.making.pop_front().ok_or_else(|| self.out_of_turn())?;
        if (out.size(), out.depth()) != (self.plan.size, self.plan.depth()) {
            *out = PlanarFrame::of_depth(self.plan.size, self.plan.depth());
        }
        self.land(&mut making)?;
        if let State::Repeats(frame) = &making.state {
            out.as_bytes_mut().copy_from_slice(frame.as_bytes());
            return Ok(());
        }
        let plan = &self.plan;
        self.machine.read_made(making.at.output, |made| {
            let stride = 4 * plan.made.chroma_stride_words as usize;
            let [y, u, v] = out.planes_mut();
            let width = plan.depth().code_bytes() * plan.size.width_px as usize;
            take_in(made, 0, 2 * stride, y, width);
            take_in(made, 4 * plan.made.u_word as usize, stride, u, width / 2);
            take_in(made, 4 * plan.made.v_word as usize, stride, v, width / 2);
        })
    }

    /// Makes the frame at `phase` between the last two frames pushed, into `out`, and waits for it. Nothing else may be
    /// on its way.
    pub fn between(&mut self, phase: Phase, out: &mut PlanarFrame) -> Result<(), EngineError> {
        if !self.making.is_empty() {
            return Err(self.out_of_turn());
        }
        self.submit(phase)?;
        self.collect(out)
    }

    /// Forgets the frames pushed so far and those asked for: the next clip starts.
    pub fn reset(&mut self) {
        self.settle();
        self.making.clear();
        self.pushed = 0;
    }

    /// What the engine does for a picture of its size.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn memory(&self) -> Memory {
        self.machine.memory()
    }

    /// From now on every pass is timed by the device's own clock. False where the device has none.
    pub fn time_passes(&mut self) -> bool {
        self.recordings.clear();
        self.times = self.machine.has_clock().then(PassTimes::default);
        self.times.is_some()
    }

    /// What timed passes took until now, all that was submitted included.
    pub fn pass_times(&mut self) -> Result<PassTimes, EngineError> {
        for flight in &self.flying {
            flight.wait()?;
        }
        let waiting: Vec<(Work, At)> = self.recordings.keys().copied().collect();
        for key in waiting {
            self.read_times(key)?;
        }
        Ok(self.times.clone().unwrap_or_default())
    }

    /// The work of the last frame, its pair and one output, step by step, whatever the pair's verdict; each step's time
    /// by `clock`. Nothing else may be on its way.
    pub fn run_stepwise(
        &mut self,
        phase: Phase,
        clock: &mut dyn FnMut() -> Duration,
    ) -> Result<PassTimes, EngineError> {
        self.verdict()?;
        if !self.making.is_empty() {
            return Err(self.out_of_turn());
        }
        let at = At { second: self.second, output: 0 };
        self.machine.set_moment(at.output, phase.q14())?;
        let mut times = PassTimes::default();
        for work in [Work::Frame, Work::Pair, Work::Output] {
            let steps = self.steps(work);
            times.add(work.often(), &steps, &self.machine.run_stepwise(&steps, at, clock)?);
        }
        Ok(times)
    }

    /// The words of a buffer after the last work, for comparing with the twins.
    pub fn inspect(&self, slot: Slot) -> Result<Vec<u32>, EngineError> {
        let output = (self.next_output + OUTPUTS - 1) % OUTPUTS;
        self.machine.inspect(slot, At { second: self.second, output })
    }

    /// Makes a place free for another frame.
    fn clear(&mut self, place: usize) -> Result<(), EngineError> {
        // Frames that were asked for long ago still need the pairs on both sides of it.
        let mut making = std::mem::take(&mut self.making);
        let landed = making
            .iter_mut()
            .filter(|making| making.at.second == place || making.at.first() == place)
            .try_for_each(|making| self.land(making));
        self.making = making;
        landed?;
        if let Some(flight) = self.places[place].touched.take() {
            flight.wait()?;
        }
        self.places[place].pair = Pair::Idle;
        Ok(())
    }

    /// Waits until the device does nothing for this engine.
    fn settle(&self) {
        for flight in &self.flying {
            // A lost device does nothing any more; whoever asks it for something next is told.
            let _ = flight.wait();
        }
    }

    fn start_pair(&mut self) -> Result<(), EngineError> {
        if self.pushed < 2 {
            return Err(EngineError::Order { pushed: self.pushed });
        }
        if matches!(self.places[self.second].pair, Pair::Idle) {
            let flight = self.fly(Work::Pair, At { second: self.second, output: 0 })?;
            self.places[self.second].pair = Pair::Flying(flight);
        }
        Ok(())
    }

    /// Waits for an output and for its pair's verdict, and settles what the output shows.
    fn land(&mut self, making: &mut Making) -> Result<(), EngineError> {
        let State::Flying { work, flight } = &making.state else { return Ok(()) };
        let work = *work;
        flight.wait()?;
        let verdict = self.judge(making.at.second)?;
        if verdict.repeats() {
            making.state = State::Repeats(self.nearer(making.at, making.phase));
            return Ok(());
        }
        if verdict.mixes() && work != Work::Mix {
            // Made along a motion that is none; that is known only now. Fast fades are rare.
            self.fly(Work::Mix, making.at)?.wait()?;
        }
        making.state = State::Made;
        Ok(())
    }

    fn nearer(&self, at: At, phase: Phase) -> Arc<PlanarFrame> {
        let side = if phase.nearer_second() { Side::Second } else { Side::First };
        self.places[at.of(side)].frame.clone()
    }

    fn judge(&mut self, second: usize) -> Result<PairVerdict, EngineError> {
        match &self.places[second].pair {
            Pair::Judged(verdict) => return Ok(*verdict),
            Pair::Flying(flight) => flight.wait()?,
            Pair::Idle => return Err(EngineError::Order { pushed: self.pushed }),
        }
        let nodes = 2 * self.plan.nodes(self.plan.finest).count();
        let overview = self.plan.levels[self.plan.overview];
        let facts = PairFacts::from_words(
            &self.machine.read_facts(second)?,
            nodes,
            overview.width_px * overview.height_px,
            2 * self.plan.cell_grid().count(),
        );
        let verdict = PairVerdict::of(facts, self.settings);
        self.places[second].pair = Pair::Judged(verdict);
        Ok(verdict)
    }

    fn out_of_turn(&self) -> EngineError {
        EngineError::OutOfTurn { in_flight: self.making.len(), room: OUTPUTS }
    }

    fn steps(&self, work: Work) -> Vec<Step> {
        match work {
            Work::Frame => frame_steps(&self.plan, Side::Second),
            Work::Pair => pair_steps(&self.plan),
            Work::Output => output_steps(&self.plan),
            Work::Mix => mix_steps(&self.plan),
        }
    }

    /// Hands work over, recorded on its first use.
    fn fly(&mut self, work: Work, at: At) -> Result<Arc<Flight>, EngineError> {
        let key = (work, at);
        if self.recordings.contains_key(&key) {
            self.read_times(key)?;
        } else {
            let timed = self.times.is_some();
            let recorded = Arc::new(self.machine.record(&self.steps(work), at, work.lead(), timed)?);
            self.recordings.insert(key, Recording { recorded, times_wait: false });
        }
        let recording = self.recordings.get_mut(&key).expect("what is submitted was recorded");
        let flight = Arc::new(self.machine.submit(&recording.recorded)?);
        recording.times_wait = true;
        while self.flying.front().is_some_and(|flight| flight.is_over()) {
            self.flying.pop_front();
        }
        self.flying.push_back(flight.clone());
        self.places[at.second].touched = Some(flight.clone());
        if work != Work::Frame {
            self.places[at.first()].touched = Some(flight.clone());
        }
        Ok(flight)
    }

    /// Adds the times of a recording's last run, which is over.
    fn read_times(&mut self, key: (Work, At)) -> Result<(), EngineError> {
        let (Some(recording), true) = (self.recordings.get_mut(&key), self.times.is_some()) else { return Ok(()) };
        if !std::mem::replace(&mut recording.times_wait, false) {
            return Ok(());
        }
        let step_times = self.machine.step_times(&recording.recorded)?;
        let steps = self.steps(key.0);
        if let Some(times) = &mut self.times {
            times.add(key.0.often(), &steps, &step_times);
        }
        Ok(())
    }
}

impl Drop for Engine {
    /// Buffers outlive what the device does with them.
    fn drop(&mut self) {
        self.settle();
    }
}

impl Work {
    fn lead(self) -> Lead {
        match self {
            // A place was cleared before it is filled again.
            Work::Frame => Lead::Nothing,
            Work::Pair => Lead::Everything,
            Work::Output | Work::Mix => Lead::Shaders,
        }
    }

    fn often(self) -> Often {
        match self {
            Work::Frame => Often::Frame,
            Work::Pair => Often::Pair,
            Work::Output | Work::Mix => Often::Output,
        }
    }
}

/// Copies a plane of a made frame into a tight one; `width` in bytes.
fn take_in(made: &[u8], start: usize, stride: usize, codes: &mut [u8], width: usize) {
    for (row, codes) in made[start..].chunks_exact(stride).zip(codes.chunks_exact_mut(width)) {
        codes.copy_from_slice(&row[..width]);
    }
}
