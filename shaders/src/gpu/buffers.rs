//! The buffers of one engine: a ring of places for source frames, a ring of places for made ones, and the work between.

use super::device::Shared;
use super::failure::Failure;
use crate::EngineError;
use crate::pass::{Side, Slot};
use crate::plan::{Plan, slot_words};
use std::collections::HashMap;
use std::ops::Range;
use vulkano::buffer::{Buffer, BufferCreateInfo, BufferUsage, Subbuffer};
use vulkano::format::Format;
use vulkano::memory::allocator::{AllocationCreateInfo, MemoryTypeFilter};

pub(super) type Words = Subbuffer<[u32]>;
pub(super) type Bytes = Subbuffer<[u8]>;

/// Source frames on the device: those of the pair at work, the next one on its way there, and one for a pair whose
/// outputs are still being collected.
pub(crate) const SOURCES: usize = 4;
/// Made frames on their way: one being collected, one being made, one waiting so that the device never does.
pub(crate) const OUTPUTS: usize = 3;

/// Where a recording's buffers lie in the rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct At {
    /// The place of the pair's second frame; the first is in the place before it.
    pub second: usize,
    pub output: usize,
}

impl At {
    pub fn first(self) -> usize {
        (self.second + SOURCES - 1) % SOURCES
    }

    pub fn of(self, side: Side) -> usize {
        match side {
            Side::First => self.first(),
            Side::Second => self.second,
        }
    }
}

/// A source frame's place: what the host writes, what the device works on, and the facts of the pair it ends.
pub(super) struct Source {
    pub staging: Bytes,
    pub luma: Words,
    pub quads: Words,
    /// Chroma, or all planes of a frame of 10 bits.
    pub planes: Words,
    pub facts: Bytes,
}

impl Source {
    /// On the device.
    fn size(&self) -> u64 {
        self.luma.size() + self.quads.size() + self.planes.size()
    }
}

/// A made frame's place: its time, where it is made, where the host reads it.
pub(super) struct Output {
    pub moment: Words,
    pub made: Words,
    pub taken: Bytes,
}

/// Device memory of an engine, and what it uses of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Everything but the rings of frames.
    pub work_bytes: u64,
    /// Source frames with their pyramids, and made frames.
    pub ring_bytes: u64,
    /// What frames go through on their way between host and device.
    pub host_bytes: u64,
}

pub(super) struct Buffers {
    pub sources: [Source; SOURCES],
    pub outputs: [Output; OUTPUTS],
    work: HashMap<Slot, Words>,
    /// Where the full-size luma plane lies in `staging`, if it is of 8 bits, and where the other planes do.
    pub luma_bytes: Range<u64>,
    pub plane_bytes: Range<u64>,
}

impl Buffers {
    pub fn new(shared: &Shared, plan: &Plan) -> Result<Buffers, EngineError> {
        let local = |slot| device_buffer(shared, slot_words(plan, slot));
        let (luma_words, planes) = match plan.deep {
            None => (plan.levels[0].words(), Slot::Chroma(Side::First)),
            Some(_) => (0, Slot::Deep(Side::First)),
        };
        let luma_bytes = 0..4 * u64::from(luma_words);
        let plane_bytes = luma_bytes.end..luma_bytes.end + 4 * u64::from(slot_words(plan, planes));
        let fact_bytes = 4 * u64::from(slot_words(plan, Slot::Facts));
        let source = || -> Result<Source, EngineError> {
            Ok(Source {
                staging: host_buffer(shared, plane_bytes.end, Towards::Device)?,
                luma: local(Slot::Luma(Side::First))?,
                quads: local(Slot::Quads(Side::First))?,
                planes: local(planes)?,
                facts: host_buffer(shared, fact_bytes, Towards::Host)?,
            })
        };
        let output = || -> Result<Output, EngineError> {
            Ok(Output {
                moment: host_buffer(shared, 4, Towards::Shaders)?.reinterpret(),
                made: local(Slot::Made)?,
                taken: host_buffer(shared, 4 * u64::from(plan.made.words), Towards::Host)?,
            })
        };
        let mut slots = vec![Slot::Facts, Slot::Groups, Slot::Projected, Slot::Means, Slot::Errors, Slot::Choices];
        slots.extend([Slot::Standing, Slot::Overlays]);
        for side in Side::BOTH {
            slots.extend([Slot::Nodes(side, 0), Slot::Nodes(side, 1)]);
            slots.extend([Slot::Flow(side), Slot::Priorities(side), Slot::Arrived(side)]);
        }
        let mut work = HashMap::new();
        for slot in slots {
            work.insert(slot, local(slot)?);
        }
        Ok(Buffers {
            sources: [source()?, source()?, source()?, source()?],
            outputs: [output()?, output()?, output()?],
            work,
            luma_bytes,
            plane_bytes,
        })
    }

    pub fn of(&self, slot: Slot, at: At) -> &Words {
        match slot {
            Slot::Luma(side) => &self.sources[at.of(side)].luma,
            Slot::Quads(side) => &self.sources[at.of(side)].quads,
            Slot::Chroma(side) | Slot::Deep(side) => &self.sources[at.of(side)].planes,
            Slot::Made => &self.outputs[at.output].made,
            Slot::Moment => &self.outputs[at.output].moment,
            other => &self.work[&other],
        }
    }

    /// Where the host finds a buffer that was brought there.
    pub fn taken(&self, slot: Slot, at: At) -> &Bytes {
        if slot == Slot::Facts { &self.sources[at.second].facts } else { &self.outputs[at.output].taken }
    }

    pub fn memory(&self) -> Memory {
        let sources: u64 = self.sources.iter().map(Source::size).sum();
        let outputs: u64 = self.outputs.iter().map(|output| output.made.size()).sum();
        let staging: u64 = self.sources.iter().map(|source| source.staging.size() + source.facts.size()).sum();
        let taken: u64 = self.outputs.iter().map(|output| output.taken.size() + output.moment.size()).sum();
        Memory {
            work_bytes: self.work.values().map(Subbuffer::size).sum(),
            ring_bytes: sources + outputs,
            host_bytes: staging + taken,
        }
    }
}

/// What one read of a texel buffer brings: a tile of a plane, four deep codes, or one entry of a list.
pub(super) fn texel_format(slot: Slot) -> Format {
    match slot {
        Slot::Luma(_) | Slot::Chroma(_) | Slot::Projected => Format::R32G32B32A32_UINT,
        Slot::Deep(_) | Slot::Nodes(..) | Slot::Flow(_) | Slot::Means | Slot::Choices => Format::R32G32_UINT,
        Slot::Priorities(_)
        | Slot::Arrived(_)
        | Slot::Errors
        | Slot::Quads(_)
        | Slot::Facts
        | Slot::Standing
        | Slot::Overlays
        | Slot::Made
        | Slot::Moment
        | Slot::Groups => Format::R32_UINT,
    }
}

fn device_buffer(shared: &Shared, words: u32) -> Result<Words, EngineError> {
    let usage = BufferUsage::STORAGE_BUFFER
        | BufferUsage::UNIFORM_TEXEL_BUFFER
        | BufferUsage::INDIRECT_BUFFER
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
pub(super) enum Towards {
    /// Copied from.
    Device,
    /// Read by shaders as it is: a word or two.
    Shaders,
    /// Copied to.
    Host,
}

pub(super) fn host_buffer(shared: &Shared, bytes: u64, towards: Towards) -> Result<Bytes, EngineError> {
    let (usage, access) = match towards {
        Towards::Device => (BufferUsage::TRANSFER_SRC, MemoryTypeFilter::HOST_SEQUENTIAL_WRITE),
        Towards::Shaders => (BufferUsage::UNIFORM_BUFFER, MemoryTypeFilter::HOST_SEQUENTIAL_WRITE),
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
