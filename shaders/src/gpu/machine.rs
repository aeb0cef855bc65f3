//! One engine's share of a device: its buffers, and its steps as recordings that are submitted and awaited.

use super::buffers::{At, Buffers, Memory, Towards, host_buffer};
use super::device::{Device, Shared};
use super::failure::Failure;
use super::recorder::{Lead, Recorded, Recorder};
use crate::EngineError;
use crate::pass::Slot;
use crate::plan::{Plan, Step};
use std::sync::Arc;
use std::time::Duration;
use vulkano::query::{QueryPool, QueryPoolCreateInfo, QueryResultFlags, QueryType};
use vulkano::sync::fence::Fence;

pub(crate) struct Machine {
    shared: Arc<Shared>,
    buffers: Buffers,
}

/// Work on its way through the device.
pub(crate) struct Flight {
    fence: Fence,
    shared: Arc<Shared>,
    /// Kept while the device may be reading it.
    _recorded: Arc<Recorded>,
}

impl Flight {
    /// Waits until this work and all that was submitted before it have run.
    pub fn wait(&self) -> Result<(), EngineError> {
        self.shared.post.wait(&self.fence).map_err(|error| error.while_doing("waiting for its work"))
    }

    /// Whether it has run already.
    pub fn is_over(&self) -> bool {
        self.fence.is_signaled().unwrap_or(false)
    }
}

impl Machine {
    pub fn new(device: &Device, plan: &Plan) -> Result<Machine, EngineError> {
        let shared = device.shared.clone();
        let buffers = Buffers::new(&shared, plan)?;
        Ok(Machine { shared, buffers })
    }

    /// Lets the host write a place's planes as laid out on the device: luma level 0 and chroma, or nothing and all planes
    /// of a frame of 10 bits.
    pub fn write_frame(&self, place: usize, write: impl FnOnce(&mut [u8], &mut [u8])) -> Result<(), EngineError> {
        let doing = "writing a frame for upload";
        let mut bytes = self.buffers.sources[place].staging.write().map_err(|error| driver(doing, &error))?;
        let (luma, planes) = bytes.split_at_mut(self.buffers.luma_bytes.end as usize);
        write(luma, planes);
        Ok(())
    }

    /// Sets the time that the next work for this output place is for.
    pub fn set_moment(&self, output: usize, time_q14: i32) -> Result<(), EngineError> {
        let moment = self.buffers.outputs[output].moment.write();
        moment.map_err(|error| driver("setting the time of an output", &error))?[0] = time_q14 as u32;
        Ok(())
    }

    /// The facts that a pair's work has brought.
    pub fn read_facts(&self, second: usize) -> Result<Vec<u32>, EngineError> {
        let bytes = self.buffers.sources[second].facts.read();
        Ok(words(&bytes.map_err(|error| driver("reading the facts of a pair", &error))?))
    }

    /// The made frame that an output's work has brought.
    pub fn read_made<T>(&self, output: usize, read: impl FnOnce(&[u8]) -> T) -> Result<T, EngineError> {
        let bytes = self.buffers.outputs[output].taken.read();
        Ok(read(&bytes.map_err(|error| driver("reading a made frame", &error))?))
    }

    /// Any buffer's words, for tests: waits for a copy of its own.
    pub fn inspect(&self, slot: Slot, at: At) -> Result<Vec<u32>, EngineError> {
        let doing = "copying a buffer for a look";
        let from = self.buffers.of(slot, at).clone().into_bytes();
        let to = host_buffer(&self.shared, from.size(), Towards::Host)?;
        let recorded = Recorder::new(&self.shared, &self.buffers, at, None)?.record_copy(from, to.clone())?;
        self.submit(&Arc::new(recorded))?.wait()?;
        let bytes = to.read().map_err(|error| driver(doing, &error))?;
        Ok(words(&bytes))
    }

    /// Records steps for places of the rings; `timed` with the device's clock between them, where it has one.
    pub fn record(&self, steps: &[Step], at: At, lead: Lead, timed: bool) -> Result<Recorded, EngineError> {
        let clock = if timed && self.shared.tick_ns.is_some() {
            let query_count = steps.len() as u32 + 1;
            let info = QueryPoolCreateInfo { query_count, ..QueryPoolCreateInfo::query_type(QueryType::Timestamp) };
            let pool = QueryPool::new(self.shared.device.clone(), info);
            Some(pool.map_err(|error| error.while_doing("making the device's clock"))?)
        } else {
            None
        };
        Recorder::new(&self.shared, &self.buffers, at, clock)?.record(steps, lead)
    }

    /// Hands recorded work to the device.
    pub fn submit(&self, recorded: &Arc<Recorded>) -> Result<Flight, EngineError> {
        let doing = "handing it work";
        let fence = Fence::from_pool(self.shared.device.clone()).map_err(|error| error.while_doing(doing))?;
        self.shared.post.submit(&recorded.commands, &fence).map_err(|error| error.while_doing(doing))?;
        Ok(Flight { fence, shared: self.shared.clone(), _recorded: recorded.clone() })
    }

    /// Time of each step of a recording that has run, by the device's clock; nothing where it was not timed.
    pub fn step_times(&self, recorded: &Recorded) -> Result<Vec<Duration>, EngineError> {
        let (Some(clock), Some(tick_ns)) = (&recorded.clock, self.shared.tick_ns) else { return Ok(Vec::new()) };
        let mut ticks = vec![0_u64; clock.query_count() as usize];
        clock
            .get_results(0..clock.query_count(), &mut ticks, QueryResultFlags::empty())
            .map_err(|error| error.while_doing("reading its clock"))?;
        let apart = |pair: &[u64]| Duration::from_nanos((pair[1].saturating_sub(pair[0]) as f64 * tick_ns) as u64);
        Ok(ticks.windows(2).map(apart).collect())
    }

    /// Runs steps one by one and times each by `clock`: every step waits for the one before.
    pub fn run_stepwise(
        &self,
        steps: &[Step],
        at: At,
        clock: &mut dyn FnMut() -> Duration,
    ) -> Result<Vec<Duration>, EngineError> {
        let mut times = Vec::new();
        for step in steps {
            let step = match step {
                // Whatever the pair's facts say.
                Step::RunGated(dispatch, _) => &Step::Run(dispatch.clone()),
                other => other,
            };
            let recorded = Arc::new(self.record(std::slice::from_ref(step), at, Lead::Everything, false)?);
            let start = clock();
            self.submit(&recorded)?.wait()?;
            times.push(clock().saturating_sub(start));
        }
        Ok(times)
    }

    /// Whether the device has a clock that passes can be timed with.
    pub fn has_clock(&self) -> bool {
        self.shared.tick_ns.is_some()
    }

    pub fn memory(&self) -> Memory {
        self.buffers.memory()
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn driver(doing: &'static str, error: &dyn std::error::Error) -> EngineError {
    EngineError::Driver { doing, reason: error.to_string() }
}
