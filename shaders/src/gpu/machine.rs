//! The buffers of one engine, and its steps as recorded, submitted and awaited commands.

use super::device::{Device, Shared};
use super::failure::Failure;
use crate::EngineError;
use crate::pass::{Dispatch, Side, Slot};
use crate::plan::{Plan, Step, slot_words};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vulkano::buffer::view::{BufferView, BufferViewCreateInfo};
use vulkano::buffer::{Buffer, BufferCreateInfo, BufferUsage, Subbuffer};
use vulkano::command_buffer::{
    AutoCommandBufferBuilder, CommandBufferSubmitInfo, CommandBufferUsage, CopyBufferInfo, PrimaryAutoCommandBuffer,
    SubmitInfo,
};
use vulkano::descriptor_set::layout::DescriptorType;
use vulkano::descriptor_set::{DescriptorSet, WriteDescriptorSet};
use vulkano::format::Format;
use vulkano::memory::allocator::{AllocationCreateInfo, MemoryTypeFilter};
use vulkano::pipeline::{Pipeline, PipelineBindPoint};
use vulkano::sync::fence::Fence;

type Words = Subbuffer<[u32]>;
type Bytes = Subbuffer<[u8]>;

/// A frame's place: what the host writes, what the device works on.
struct FramePlace {
    staging: Bytes,
    luma: Words,
    chroma: Words,
}

/// How long one step took from its submission to its end.
#[derive(Debug, Clone, Copy)]
pub struct StepTime {
    pub name: &'static str,
    pub time: Duration,
}

/// One engine's share of a device. Two places hold the frames of the pair; which of them is the first alternates.
pub(crate) struct Machine {
    shared: Arc<Shared>,
    frames: [FramePlace; 2],
    work: HashMap<Slot, Words>,
    facts: Bytes,
    made: Bytes,
    luma_bytes: Range<u64>,
    chroma_bytes: Range<u64>,
}

/// Recorded commands that may be submitted again and again.
pub(crate) type Recorded = Arc<PrimaryAutoCommandBuffer>;

impl Machine {
    pub fn new(device: &Device, plan: &Plan) -> Result<Machine, EngineError> {
        let shared = device.shared.clone();
        let local = |slot| device_buffer(&shared, slot_words(plan, slot));
        let luma_bytes = 0..4 * u64::from(plan.levels[0].words());
        let chroma_bytes = luma_bytes.end..luma_bytes.end + 4 * u64::from(plan.chroma.words());
        let place = || -> Result<FramePlace, EngineError> {
            Ok(FramePlace {
                staging: host_buffer(&shared, chroma_bytes.end, Towards::Device)?,
                luma: local(Slot::Luma(Side::First))?,
                chroma: local(Slot::Chroma(Side::First))?,
            })
        };
        let frames = [place()?, place()?];
        let mut slots = vec![Slot::Facts, Slot::Projected, Slot::Means, Slot::Errors, Slot::Choices, Slot::Made];
        for side in Side::BOTH {
            slots.extend([Slot::Nodes(side, 0), Slot::Nodes(side, 1)]);
            slots.extend([Slot::Flow(side), Slot::Priorities(side), Slot::Arrived(side)]);
        }
        let mut work = HashMap::new();
        for slot in slots {
            work.insert(slot, local(slot)?);
        }
        let facts = host_buffer(&shared, 4 * u64::from(slot_words(plan, Slot::Facts)), Towards::Host)?;
        let made = host_buffer(&shared, 4 * u64::from(plan.made.words), Towards::Host)?;
        Ok(Machine { shared, frames, work, facts, made, luma_bytes, chroma_bytes })
    }

    /// Lets the host write a place's planes: luma level 0 and chroma, each as laid out on the device.
    pub fn write_frame(&self, place: usize, write: impl FnOnce(&mut [u8], &mut [u8])) -> Result<(), EngineError> {
        let doing = "writing a frame for upload";
        let mut bytes = self.frames[place].staging.write().map_err(|error| driver(doing, &error))?;
        let (luma, chroma) = bytes.split_at_mut(self.luma_bytes.end as usize);
        write(luma, chroma);
        Ok(())
    }

    /// What the last `Download(Slot::Facts)` brought.
    pub fn read_facts(&self) -> Result<Vec<u32>, EngineError> {
        let bytes = self.facts.read().map_err(|error| driver("reading the facts of a pair", &error))?;
        Ok(words(&bytes))
    }

    /// What the last `Download(Slot::Made)` brought.
    pub fn read_made<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Result<T, EngineError> {
        let bytes = self.made.read().map_err(|error| driver("reading a made frame", &error))?;
        Ok(read(&bytes))
    }

    /// Any buffer's words, for tests: waits for a copy of its own.
    pub fn inspect(&self, slot: Slot, first_place: usize) -> Result<Vec<u32>, EngineError> {
        let doing = "copying a buffer for a look";
        let from = self.buffer(slot, first_place);
        let to = host_buffer(&self.shared, from.size(), Towards::Host)?;
        let mut builder = self.builder()?;
        builder
            .copy_buffer(CopyBufferInfo::buffers(from.clone().into_bytes(), to.clone()))
            .map_err(|error| error.while_doing(doing))?;
        self.run(&builder.build().map_err(|error| error.while_doing(doing))?)?;
        let bytes = to.read().map_err(|error| driver(doing, &error))?;
        Ok(words(&bytes))
    }

    /// Records steps; `first_place` is where the pair's first frame lies.
    pub fn record(&self, steps: &[Step], first_place: usize) -> Result<Recorded, EngineError> {
        let mut builder = self.builder()?;
        for step in steps {
            self.append(&mut builder, step, first_place)?;
        }
        builder.build().map_err(|error| error.while_doing("recording commands"))
    }

    /// Submits and waits until everything has run.
    pub fn run(&self, recorded: &Recorded) -> Result<(), EngineError> {
        let doing = "running a submission";
        let fence = Fence::from_pool(self.shared.device.clone()).map_err(|error| error.while_doing(doing))?;
        let fence = Arc::new(fence);
        submit(&self.shared, recorded, &fence)?;
        fence.wait(None).map_err(|error| error.while_doing(doing))
    }

    /// Runs steps one by one and times each. Slower than [`Machine::run`]: every step waits for the one before.
    pub fn run_timed(&self, steps: &[Step], first_place: usize) -> Result<Vec<StepTime>, EngineError> {
        let mut times = Vec::new();
        for step in steps {
            let recorded = self.record(std::slice::from_ref(step), first_place)?;
            let start = Instant::now();
            self.run(&recorded)?;
            let name = match step {
                Step::Upload(_) => "upload",
                Step::Fill(..) => "fill",
                Step::Run(dispatch) => dispatch.shader.name(),
                Step::Download(_) => "download",
            };
            times.push(StepTime { name, time: start.elapsed() });
        }
        Ok(times)
    }

    /// Bytes of device buffers, and of those the frames' share.
    pub fn memory_bytes(&self) -> [u64; 2] {
        let frames: u64 = self.frames.iter().map(|place| place.luma.size() + place.chroma.size()).sum();
        [frames + self.work.values().map(Subbuffer::size).sum::<u64>(), frames]
    }

    fn builder(&self) -> Result<AutoCommandBufferBuilder<PrimaryAutoCommandBuffer>, EngineError> {
        AutoCommandBufferBuilder::primary(
            self.shared.commands.clone(),
            self.shared.queue.queue_family_index(),
            CommandBufferUsage::MultipleSubmit,
        )
        .map_err(|error| error.while_doing("recording commands"))
    }

    fn append(
        &self,
        builder: &mut AutoCommandBufferBuilder<PrimaryAutoCommandBuffer>,
        step: &Step,
        first_place: usize,
    ) -> Result<(), EngineError> {
        let doing = "recording commands";
        match step {
            Step::Upload(side) => {
                let place = &self.frames[place_of(*side, first_place)];
                let luma = place.luma.clone().into_bytes().slice(self.luma_bytes.clone());
                for (from, to) in
                    [(self.luma_bytes.clone(), luma), (self.chroma_bytes.clone(), place.chroma.clone().into_bytes())]
                {
                    let from = place.staging.clone().slice(from);
                    builder.copy_buffer(CopyBufferInfo::buffers(from, to)).map_err(|error| error.while_doing(doing))?;
                }
            }
            Step::Fill(slot, word) => {
                let buffer = self.buffer(*slot, first_place).clone();
                builder.fill_buffer(buffer, *word).map_err(|error| error.while_doing(doing))?;
            }
            Step::Run(dispatch) => self.append_dispatch(builder, dispatch, first_place)?,
            Step::Download(slot) => {
                let to = if *slot == Slot::Facts { &self.facts } else { &self.made };
                let from = self.buffer(*slot, first_place).clone().into_bytes();
                builder
                    .copy_buffer(CopyBufferInfo::buffers(from, to.clone()))
                    .map_err(|error| error.while_doing(doing))?;
            }
        }
        Ok(())
    }

    #[allow(unsafe_code)] // vulkano cannot know what a shader reads and writes inside its buffers.
    fn append_dispatch(
        &self,
        builder: &mut AutoCommandBufferBuilder<PrimaryAutoCommandBuffer>,
        dispatch: &Dispatch,
        first_place: usize,
    ) -> Result<(), EngineError> {
        let doing = "recording commands";
        let pipeline = self.shared.pipelines.of(dispatch.shader);
        let layout = pipeline.layout();
        let set_layout = layout.set_layouts()[0].clone();
        let mut writes = Vec::new();
        for (binding, slot) in (0..).zip(&dispatch.buffers) {
            let buffer = self.buffer(*slot, first_place).clone();
            let kind = set_layout.bindings().get(&binding).map(|binding| binding.descriptor_type);
            writes.push(if kind == Some(DescriptorType::UniformTexelBuffer) {
                let info = BufferViewCreateInfo { format: texel_format(*slot), ..BufferViewCreateInfo::default() };
                let view = BufferView::new(buffer, info).map_err(|error| error.while_doing(doing))?;
                WriteDescriptorSet::buffer_view(binding, view)
            } else {
                WriteDescriptorSet::buffer(binding, buffer)
            });
        }
        let set = DescriptorSet::new(self.shared.descriptors.clone(), set_layout, writes, [])
            .map_err(|error| error.while_doing(doing))?;
        builder
            .bind_pipeline_compute(pipeline.clone())
            .and_then(|builder| builder.bind_descriptor_sets(PipelineBindPoint::Compute, layout.clone(), 0, set))
            .and_then(|builder| builder.push_constants(layout.clone(), 0, dispatch.push))
            // SAFETY: sizes and push constants come from the plan, whose layouts the buffers were made for; the shaders
            // clamp or check every index against them.
            .and_then(|builder| unsafe { builder.dispatch(dispatch.groups) })
            .map_err(|error| error.while_doing(doing))?;
        Ok(())
    }

    fn buffer(&self, slot: Slot, first_place: usize) -> &Words {
        match slot {
            Slot::Luma(side) => &self.frames[place_of(side, first_place)].luma,
            Slot::Chroma(side) => &self.frames[place_of(side, first_place)].chroma,
            other => &self.work[&other],
        }
    }
}

/// What one read of a texel buffer brings: a tile of a plane, or one entry of a list.
fn texel_format(slot: Slot) -> Format {
    match slot {
        Slot::Luma(_) | Slot::Chroma(_) | Slot::Projected => Format::R32G32B32A32_UINT,
        Slot::Nodes(..) | Slot::Flow(_) | Slot::Means | Slot::Choices => Format::R32G32_UINT,
        Slot::Priorities(_) | Slot::Arrived(_) | Slot::Errors | Slot::Facts | Slot::Made => Format::R32_UINT,
    }
}

fn place_of(side: Side, first_place: usize) -> usize {
    match side {
        Side::First => first_place,
        Side::Second => 1 - first_place,
    }
}

#[allow(unsafe_code)] // Vulkan's rules on what may be in flight together.
fn submit(shared: &Shared, recorded: &Recorded, fence: &Arc<Fence>) -> Result<(), EngineError> {
    let info =
        SubmitInfo { command_buffers: vec![CommandBufferSubmitInfo::new(recorded.clone())], ..SubmitInfo::default() };
    // SAFETY: the caller waits for the fence before anything else is submitted, written or read by the host, so no two
    // submissions of an engine overlap; buffers of different engines are different.
    shared
        .queue
        .with(|mut queue| unsafe { queue.submit(&[info], Some(fence)) })
        .map_err(|error| error.while_doing("submitting commands"))
}

fn device_buffer(shared: &Shared, words: u32) -> Result<Words, EngineError> {
    let usage = BufferUsage::STORAGE_BUFFER
        | BufferUsage::UNIFORM_TEXEL_BUFFER
        | BufferUsage::TRANSFER_SRC
        | BufferUsage::TRANSFER_DST;
    Buffer::new_slice(
        shared.memory.clone(),
        BufferCreateInfo { usage, ..BufferCreateInfo::default() },
        AllocationCreateInfo { memory_type_filter: MemoryTypeFilter::PREFER_DEVICE, ..AllocationCreateInfo::default() },
        u64::from(words),
    )
    .map_err(|error| error.while_doing("making room for an engine"))
}

/// Which way a buffer that the host sees is used.
enum Towards {
    Device,
    Host,
}

fn host_buffer(shared: &Shared, bytes: u64, towards: Towards) -> Result<Bytes, EngineError> {
    let (usage, access) = match towards {
        Towards::Device => (BufferUsage::TRANSFER_SRC, MemoryTypeFilter::HOST_SEQUENTIAL_WRITE),
        Towards::Host => (BufferUsage::TRANSFER_DST, MemoryTypeFilter::HOST_RANDOM_ACCESS),
    };
    Buffer::new_slice(
        shared.memory.clone(),
        BufferCreateInfo { usage, ..BufferCreateInfo::default() },
        AllocationCreateInfo {
            memory_type_filter: MemoryTypeFilter::PREFER_HOST | access,
            ..AllocationCreateInfo::default()
        },
        bytes,
    )
    .map_err(|error| error.while_doing("making room for an engine"))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn driver(doing: &'static str, error: &dyn std::error::Error) -> EngineError {
    EngineError::Driver { doing, reason: error.to_string() }
}
