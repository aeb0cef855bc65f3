//! Steps as recorded commands: every step once, a barrier where `plan::waits` asks for one, the device's clock between
//! steps where passes are timed. What is recorded may be submitted again and again, whatever the output's time.

use super::buffers::{At, Buffers, Bytes, texel_format};
use super::device::Shared;
use super::failure::Failure;
use crate::EngineError;
use crate::pass::{Dispatch, Slot};
use crate::plan::{Access, Stage, Stages, Step, Waits};
use std::sync::Arc;
use vulkano::buffer::view::{BufferView, BufferViewCreateInfo};
use vulkano::command_buffer::{
    CommandBuffer, CommandBufferBeginInfo, CommandBufferLevel, CommandBufferUsage, CopyBufferInfo,
    RecordingCommandBuffer,
};
use vulkano::descriptor_set::layout::DescriptorType;
use vulkano::descriptor_set::{DescriptorSet, WriteDescriptorSet};
use vulkano::pipeline::{Pipeline, PipelineBindPoint};
use vulkano::query::QueryPool;
use vulkano::sync::{AccessFlags, DependencyInfo, MemoryBarrier, PipelineStage, PipelineStages};

const DOING: &str = "recording commands";

/// What of the work submitted before has to be over when a recording begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// Nothing: the recording touches what nobody else does.
    Nothing,
    /// Shaders; copies towards the host go on.
    Shaders,
    Everything,
}

/// Recorded commands with all they use except the buffers, which are the engine's.
pub(crate) struct Recorded {
    pub(super) commands: CommandBuffer,
    _sets: Vec<Arc<DescriptorSet>>,
    pub(super) clock: Option<Arc<QueryPool>>,
}

pub(super) struct Recorder<'a> {
    shared: &'a Shared,
    buffers: &'a Buffers,
    at: At,
    commands: RecordingCommandBuffer,
    sets: Vec<Arc<DescriptorSet>>,
    waits: Waits,
    clock: Option<Arc<QueryPool>>,
    ticks: u32,
}

#[allow(unsafe_code)] // vulkano leaves it to the caller that nothing is read before it is written.
impl<'a> Recorder<'a> {
    /// `clock` has a place more than there will be steps.
    pub fn new(
        shared: &'a Shared,
        buffers: &'a Buffers,
        at: At,
        clock: Option<Arc<QueryPool>>,
    ) -> Result<Recorder<'a>, EngineError> {
        let begin =
            CommandBufferBeginInfo { usage: CommandBufferUsage::MultipleSubmit, ..CommandBufferBeginInfo::default() };
        let family = shared.queue_family;
        let commands = RecordingCommandBuffer::new(shared.commands.clone(), family, CommandBufferLevel::Primary, begin)
            .map_err(|error| error.while_doing(DOING))?;
        Ok(Recorder { shared, buffers, at, commands, sets: Vec::new(), waits: Waits::default(), clock, ticks: 0 })
    }

    pub fn record(mut self, steps: &[Step], lead: Lead) -> Result<Recorded, EngineError> {
        if let Some(clock) = &self.clock {
            // SAFETY: the pool belongs to this recording alone, which is submitted anew only when it has run.
            unsafe { self.commands.reset_query_pool(clock, 0..clock.query_count()) }
                .map_err(|error| error.while_doing(DOING))?;
        }
        let copies = PipelineStages::ALL_TRANSFER | PipelineStages::DRAW_INDIRECT;
        match lead {
            Lead::Nothing => {}
            Lead::Shaders => self.wait(PipelineStages::COMPUTE_SHADER)?,
            Lead::Everything => self.wait(PipelineStages::COMPUTE_SHADER | copies)?,
        }
        self.tick()?;
        for step in steps {
            self.append(step)?;
            self.tick()?;
        }
        self.end(steps.iter().any(|step| matches!(step, Step::Download(_))))
    }

    /// One buffer to the host, after everything else.
    pub fn record_copy(mut self, from: Bytes, to: Bytes) -> Result<Recorded, EngineError> {
        self.wait(PipelineStages::COMPUTE_SHADER | PipelineStages::ALL_TRANSFER)?;
        self.copy(CopyBufferInfo::buffers(from, to))?;
        self.end(true)
    }

    fn end(mut self, towards_host: bool) -> Result<Recorded, EngineError> {
        if towards_host {
            self.barrier(
                (PipelineStages::ALL_TRANSFER, AccessFlags::TRANSFER_WRITE),
                (PipelineStages::HOST, AccessFlags::HOST_READ),
            )?;
        }
        // SAFETY: a compute queue's commands outside of any render pass; the recording began without one.
        let commands = unsafe { self.commands.end() }.map_err(|error| error.while_doing(DOING))?;
        Ok(Recorded { commands, _sets: self.sets, clock: self.clock })
    }

    fn tick(&mut self) -> Result<(), EngineError> {
        if let Some(clock) = &self.clock {
            // SAFETY: the pool was made of timestamps, reset above, and has a place for every step.
            unsafe { self.commands.write_timestamp(clock, self.ticks, PipelineStage::BottomOfPipe) }
                .map_err(|error| error.while_doing(DOING))?;
            self.ticks += 1;
        }
        Ok(())
    }

    /// Everything that `stages` did comes before everything that follows.
    fn wait(&mut self, stages: PipelineStages) -> Result<(), EngineError> {
        let mut written = AccessFlags::empty();
        if stages.intersects(PipelineStages::COMPUTE_SHADER) {
            written |= AccessFlags::SHADER_WRITE;
        }
        if stages.intersects(PipelineStages::ALL_TRANSFER) {
            written |= AccessFlags::TRANSFER_WRITE;
        }
        let after = PipelineStages::COMPUTE_SHADER | PipelineStages::ALL_TRANSFER | PipelineStages::DRAW_INDIRECT;
        let touched = AccessFlags::SHADER_READ
            | AccessFlags::SHADER_WRITE
            | AccessFlags::TRANSFER_READ
            | AccessFlags::TRANSFER_WRITE
            | AccessFlags::INDIRECT_COMMAND_READ;
        self.barrier((stages, written), (after, touched))
    }

    fn barrier(
        &mut self,
        (src_stages, src_access): (PipelineStages, AccessFlags),
        (dst_stages, dst_access): (PipelineStages, AccessFlags),
    ) -> Result<(), EngineError> {
        let all = MemoryBarrier { src_stages, src_access, dst_stages, dst_access, ..MemoryBarrier::default() };
        let info = DependencyInfo { memory_barriers: [all].into_iter().collect(), ..DependencyInfo::default() };
        // SAFETY: a barrier over all memory between stages that a compute queue has.
        unsafe { self.commands.pipeline_barrier(&info) }.map_err(|error| error.while_doing(DOING))?;
        Ok(())
    }

    fn wait_for(&mut self, stage: Stage, accesses: &[(Slot, Access)]) -> Result<(), EngineError> {
        let Some(Stages { compute, copy }) = self.waits.before(stage, accesses) else { return Ok(()) };
        let mut stages = PipelineStages::empty();
        if compute {
            stages |= PipelineStages::COMPUTE_SHADER;
        }
        if copy {
            stages |= PipelineStages::ALL_TRANSFER;
        }
        self.wait(stages)
    }

    fn append(&mut self, step: &Step) -> Result<(), EngineError> {
        match step {
            Step::Upload(side) => {
                let (luma_bytes, plane_bytes) = (&self.buffers.luma_bytes, &self.buffers.plane_bytes);
                let slots = match luma_bytes.is_empty() {
                    false => [Slot::Luma(*side), Slot::Chroma(*side)],
                    true => [Slot::Luma(*side), Slot::Deep(*side)],
                };
                self.wait_for(Stage::Copy, &slots.map(|slot| (slot, Access::Write)))?;
                let source = &self.buffers.sources[self.at.of(*side)];
                if !luma_bytes.is_empty() {
                    let luma = source.luma.clone().into_bytes().slice(luma_bytes.clone());
                    let staged = source.staging.clone().slice(luma_bytes.clone());
                    self.copy(CopyBufferInfo::buffers(staged, luma))?;
                }
                let staged = source.staging.clone().slice(plane_bytes.clone());
                self.copy(CopyBufferInfo::buffers(staged, source.planes.clone().into_bytes()))?;
            }
            Step::Fill(slot, word) => {
                self.wait_for(Stage::Copy, &[(*slot, Access::Write)])?;
                let buffer = self.buffers.of(*slot, self.at);
                // SAFETY: see `wait_for`; the buffer is the engine's.
                unsafe { self.commands.fill_buffer(buffer, *word) }.map_err(|error| error.while_doing(DOING))?;
            }
            Step::Write(slot, words) => {
                self.wait_for(Stage::Copy, &[(*slot, Access::Write)])?;
                let buffer = self.buffers.of(*slot, self.at);
                // SAFETY: as above; a buffer is made as long as what is written to it.
                unsafe { self.commands.update_buffer(buffer, words.as_slice()) }
                    .map_err(|error| error.while_doing(DOING))?;
            }
            Step::Run(dispatch) => {
                self.bind(dispatch)?;
                // SAFETY: sizes and push constants come from the plan, whose layouts the buffers were made for; the
                // shaders clamp or check every index against them.
                unsafe { self.commands.dispatch(dispatch.groups) }.map_err(|error| error.while_doing(DOING))?;
            }
            Step::RunGated(dispatch, word) => {
                self.bind(dispatch)?;
                let first = u64::from(*word);
                let groups = self.buffers.of(Slot::Groups, self.at).clone().slice(first..first + 3).reinterpret();
                // SAFETY: as above: the words are the dispatch's own groups, or zeros.
                unsafe { self.commands.dispatch_indirect(&groups) }.map_err(|error| error.while_doing(DOING))?;
            }
            Step::Download(slot) => {
                self.wait_for(Stage::Copy, &[(*slot, Access::Read)])?;
                let from = self.buffers.of(*slot, self.at).clone().into_bytes();
                self.copy(CopyBufferInfo::buffers(from, self.buffers.taken(*slot, self.at).clone()))?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, info: CopyBufferInfo) -> Result<(), EngineError> {
        // SAFETY: the step has waited for whatever touched either buffer, and both are the engine's.
        unsafe { self.commands.copy_buffer(&info) }.map_err(|error| error.while_doing(DOING))?;
        Ok(())
    }

    /// Everything a dispatch needs but the number of its workgroups.
    fn bind(&mut self, dispatch: &Dispatch) -> Result<(), EngineError> {
        let pass = self.shared.pipelines.of(dispatch.shader);
        let accesses: Vec<(Slot, Access)> =
            dispatch.buffers.iter().copied().zip(pass.accesses.iter().copied()).collect();
        self.wait_for(Stage::Compute, &accesses)?;
        let layout = pass.pipeline.layout();
        let set_layout = layout.set_layouts()[0].clone();
        let mut writes = Vec::new();
        for (binding, slot) in (0..).zip(&dispatch.buffers) {
            let buffer = self.buffers.of(*slot, self.at).clone();
            let kind = set_layout.bindings().get(&binding).map(|binding| binding.descriptor_type);
            writes.push(if kind == Some(DescriptorType::UniformTexelBuffer) {
                let info = BufferViewCreateInfo { format: texel_format(*slot), ..BufferViewCreateInfo::default() };
                let view = BufferView::new(buffer, info).map_err(|error| error.while_doing(DOING))?;
                WriteDescriptorSet::buffer_view(binding, view)
            } else {
                WriteDescriptorSet::buffer(binding, buffer)
            });
        }
        let set = DescriptorSet::new(self.shared.descriptors.clone(), set_layout, writes, [])
            .map_err(|error| error.while_doing(DOING))?;
        // SAFETY: pipeline, layout and set were made for each other, and live as long as the recording.
        unsafe {
            self.commands
                .bind_pipeline_compute(&pass.pipeline)
                .and_then(|commands| {
                    commands.bind_descriptor_sets(PipelineBindPoint::Compute, layout, 0, &[set.as_raw()], &[])
                })
                .and_then(|commands| commands.push_constants(layout, 0, &dispatch.push))
        }
        .map_err(|error| error.while_doing(DOING))?;
        self.sets.push(set);
        Ok(())
    }
}
