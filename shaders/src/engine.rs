//! The engine as callers see it: frames go in, the last two are the pair, frames between them come out.
//! Keeps the order of things; what is done is `plan`'s, how it is done `gpu`'s.

use crate::gpu::{Device, Machine, Recorded, StepTime};
use crate::pass::{Side, Slot};
use crate::plan::{Plan, Step, frame_steps, mix_steps, output_steps, pair_steps};
use crate::verdict::{PairFacts, PairVerdict};
use crate::{EngineError, FrameSize, Phase, PlanarFrame, Settings};
use std::collections::HashMap;

/// Recorded outputs kept for reuse: 24 to 240 has ten times, 24 to 60 five. Beyond, all are dropped and made anew.
const RECORDED_MAX: usize = 64;

/// Interpolates between frames of one size on one device.
pub struct Engine {
    plan: Plan,
    settings: Settings,
    machine: Machine,
    recorded: HashMap<(usize, Work), Recorded>,
    /// The source frames themselves, by place: given out where a pair's verdict says so.
    kept: [PlanarFrame; 2],
    /// The place of the pair's first frame; the second is in the other.
    first_place: usize,
    pushed: u32,
    /// Sides whose planes the host has written and the device has not read yet: first, second.
    fresh: [bool; 2],
    verdict: Option<PairVerdict>,
}

/// What a recording does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Pair { fresh: [bool; 2] },
    Output { time_q14: i32 },
    Mix { time_q14: i32 },
}

impl Engine {
    pub fn new(device: &Device, size: FrameSize, settings: Settings) -> Result<Engine, EngineError> {
        let plan = Plan::new(size.check()?, settings);
        let machine = Machine::new(device, &plan)?;
        let kept = [PlanarFrame::new(size), PlanarFrame::new(size)];
        Ok(Engine {
            plan,
            settings,
            machine,
            recorded: HashMap::new(),
            kept,
            first_place: 0,
            pushed: 0,
            fresh: [false; 2],
            verdict: None,
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
        let place = self.first_place;
        let [y, u, v] = frame.planes();
        let plan = &self.plan;
        self.machine.write_frame(place, |luma, chroma| {
            plan.levels[0].lay_out(y, luma);
            plan.chroma.u.lay_out(u, chroma);
            plan.chroma.v.lay_out(v, chroma);
        })?;
        self.kept[place].as_bytes_mut().copy_from_slice(frame.as_bytes());
        // What was the second frame is the first now; if the device has not seen it yet, it still has to.
        self.first_place = 1 - place;
        self.fresh = [self.fresh[1], true];
        self.pushed = self.pushed.saturating_add(1);
        self.verdict = None;
        Ok(())
    }

    /// What kind of pair the last two frames are. The first call for a pair does the pair's work.
    pub fn verdict(&mut self) -> Result<PairVerdict, EngineError> {
        if self.pushed < 2 {
            return Err(EngineError::Order { pushed: self.pushed });
        }
        if let Some(verdict) = self.verdict {
            return Ok(verdict);
        }
        let recorded = self.recording(Work::Pair { fresh: self.fresh })?;
        self.machine.run(&recorded)?;
        self.judge()
    }

    /// Makes the frame at `phase` between the last two frames pushed, into `out`.
    pub fn between(&mut self, phase: Phase, out: &mut PlanarFrame) -> Result<(), EngineError> {
        if out.size() != self.plan.size {
            *out = PlanarFrame::new(self.plan.size);
        }
        let verdict = self.verdict()?;
        if verdict.repeats() {
            let place = if phase.nearer_second() { 1 - self.first_place } else { self.first_place };
            out.as_bytes_mut().copy_from_slice(self.kept[place].as_bytes());
            return Ok(());
        }
        let time_q14 = phase.q14();
        let work = if verdict.mixes() { Work::Mix { time_q14 } } else { Work::Output { time_q14 } };
        let recorded = self.recording(work)?;
        self.machine.run(&recorded)?;
        let plan = &self.plan;
        self.machine.read_made(|made| {
            let stride = 4 * plan.made.chroma_stride_words as usize;
            let [y, u, v] = out.planes_mut();
            let width = plan.size.width_px as usize;
            take_in(made, 0, 2 * stride, y, width);
            take_in(made, 4 * plan.made.u_word as usize, stride, u, width / 2);
            take_in(made, 4 * plan.made.v_word as usize, stride, v, width / 2);
        })
    }

    /// Forgets the frames pushed so far: the next clip starts.
    pub fn reset(&mut self) {
        self.pushed = 0;
        self.fresh = [false; 2];
        self.verdict = None;
    }

    /// What the engine does for a picture of its size.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Device memory in bytes: all of the engine's, and the frames' part of it.
    pub fn memory_bytes(&self) -> [u64; 2] {
        self.machine.memory_bytes()
    }

    /// The pair's work step by step, each step's time from submission to end.
    pub fn profile_pair(&mut self) -> Result<Vec<StepTime>, EngineError> {
        if self.pushed < 2 {
            return Err(EngineError::Order { pushed: self.pushed });
        }
        let times = self.machine.run_timed(&self.steps(Work::Pair { fresh: self.fresh }), self.first_place)?;
        self.judge()?;
        Ok(times)
    }

    /// An output's work step by step, whatever the pair's verdict.
    pub fn profile_output(&mut self, phase: Phase) -> Result<Vec<StepTime>, EngineError> {
        self.verdict()?;
        self.machine.run_timed(&self.steps(Work::Output { time_q14: phase.q14() }), self.first_place)
    }

    /// The words of a buffer after the last work, for comparing with the twins.
    pub fn inspect(&self, slot: Slot) -> Result<Vec<u32>, EngineError> {
        self.machine.inspect(slot, self.first_place)
    }

    fn judge(&mut self) -> Result<PairVerdict, EngineError> {
        self.fresh = [false; 2];
        let nodes = 2 * self.plan.nodes(self.plan.finest).count();
        let overview = self.plan.levels[self.plan.overview];
        let facts = PairFacts::from_words(
            &self.machine.read_facts()?,
            nodes,
            overview.width_px * overview.height_px,
            2 * self.plan.cell_grid().count(),
        );
        let verdict = PairVerdict::of(facts, self.settings);
        self.verdict = Some(verdict);
        Ok(verdict)
    }

    fn steps(&self, work: Work) -> Vec<Step> {
        match work {
            Work::Pair { fresh } => {
                let sides = Side::BOTH.into_iter().zip(fresh).filter(|(_, fresh)| *fresh);
                let frames = sides.flat_map(|(side, _)| frame_steps(&self.plan, side));
                frames.chain(pair_steps(&self.plan)).collect()
            }
            Work::Output { time_q14 } => output_steps(&self.plan, time_q14),
            Work::Mix { time_q14 } => mix_steps(&self.plan, time_q14),
        }
    }

    fn recording(&mut self, work: Work) -> Result<Recorded, EngineError> {
        let key = (self.first_place, work);
        if let Some(recorded) = self.recorded.get(&key) {
            return Ok(recorded.clone());
        }
        if self.recorded.len() >= RECORDED_MAX {
            self.recorded.clear();
        }
        let recorded = self.machine.record(&self.steps(work), self.first_place)?;
        self.recorded.insert(key, recorded.clone());
        Ok(recorded)
    }
}

/// Copies a plane of a made frame into a tight one.
fn take_in(made: &[u8], start: usize, stride: usize, codes: &mut [u8], width: usize) {
    for (row, codes) in made[start..].chunks_exact(stride).zip(codes.chunks_exact_mut(width)) {
        codes.copy_from_slice(&row[..width]);
    }
}
