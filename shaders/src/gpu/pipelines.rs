//! The compute pipelines of all passes, made once for a device, and the file that keeps them compiled.

use super::failure::Failure;
use crate::EngineError;
use crate::pass::{PUSH_WORDS, Shader};
use crate::plan::Access;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use vulkano::device::Device;
use vulkano::pipeline::cache::{PipelineCache, PipelineCacheCreateInfo};
use vulkano::pipeline::compute::ComputePipelineCreateInfo;
use vulkano::pipeline::layout::{PipelineDescriptorSetLayoutCreateInfo, PushConstantRange};
use vulkano::pipeline::{ComputePipeline, PipelineLayout, PipelineShaderStageCreateInfo};
use vulkano::shader::{DescriptorBindingRequirements, EntryPoint, ShaderModule, ShaderModuleCreateInfo, ShaderStages};

/// What `glslc` made of `glsl/*.comp` when this crate was built.
mod spirv {
    include!(concat!(env!("OUT_DIR"), "/spirv.rs"));
}

/// A pass as the device knows it.
pub(super) struct Pass {
    pub pipeline: Arc<ComputePipeline>,
    /// What the shader does to each of its bindings, as its code says.
    pub accesses: Vec<Access>,
}

pub(super) struct Pipelines {
    by_shader: HashMap<Shader, Pass>,
}

impl Pipelines {
    pub fn new(device: &Arc<Device>, file: Option<&Path>) -> Result<Pipelines, EngineError> {
        let cache = cache(device, file)?;
        let mut by_shader = HashMap::new();
        for shader in Shader::ALL {
            by_shader.insert(shader, pass(device, &cache, shader)?);
        }
        if let (Some(file), Ok(data)) = (file, cache.get_data())
            && let Err(error) = keep(file, &data)
        {
            tracing::warn!(file = %file.display(), %error, "cannot keep the compiled pipelines; they are compiled again next time");
        }
        Ok(Pipelines { by_shader })
    }

    pub fn of(&self, shader: Shader) -> &Pass {
        &self.by_shader[&shader]
    }
}

fn code(shader: Shader) -> &'static [u32] {
    match shader {
        Shader::Reduce => spirv::REDUCE,
        Shader::Pyramid => spirv::PYRAMID,
        Shader::Quads => spirv::QUADS,
        Shader::Coarse => spirv::COARSE,
        Shader::Search => spirv::SEARCH,
        Shader::Propagate => spirv::PROPAGATE,
        Shader::Agree => spirv::AGREE,
        Shader::Rescue => spirv::RESCUE,
        Shader::Densify => spirv::DENSIFY,
        Shader::Confidence => spirv::CONFIDENCE,
        Shader::Facts => spirv::FACTS,
        Shader::Still => spirv::STILL,
        Shader::Standing => spirv::STANDING,
        Shader::Overlay => spirv::OVERLAY,
        Shader::Gate => spirv::GATE,
        Shader::Splat => spirv::SPLAT,
        Shader::Resolve => spirv::RESOLVE,
        Shader::Pull => spirv::PULL,
        Shader::Errors => spirv::ERRORS,
        Shader::Select => spirv::SELECT,
        Shader::Composite => spirv::COMPOSITE,
        Shader::CompositeTile => spirv::COMPOSITE_TILE,
        Shader::Composite10 => spirv::COMPOSITE10,
    }
}

#[allow(unsafe_code)] // Vulkan takes SPIR-V on trust.
fn pass(device: &Arc<Device>, cache: &Arc<PipelineCache>, shader: Shader) -> Result<Pass, EngineError> {
    let doing = "compiling the shaders";
    // SAFETY: the words come from glslc, which validates what it writes, and were compiled in with this crate.
    let module = unsafe { ShaderModule::new(device.clone(), ShaderModuleCreateInfo::new(code(shader))) }
        .map_err(|error| error.while_doing(doing))?;
    let entry = module
        .entry_point("main")
        .ok_or_else(|| EngineError::Driver { doing, reason: format!("{} has no main", shader.name()) })?;
    let accesses = accesses(&entry);
    let stage = PipelineShaderStageCreateInfo::new(entry);
    let mut layout = PipelineDescriptorSetLayoutCreateInfo::from_stages([&stage]);
    // One range for all, so that every block of constants is written the same way.
    layout.push_constant_ranges =
        vec![PushConstantRange { stages: ShaderStages::COMPUTE, offset: 0, size: 4 * PUSH_WORDS as u32 }];
    let layout =
        layout.into_pipeline_layout_create_info(device.clone()).map_err(|error| error.error.while_doing(doing))?;
    let layout = PipelineLayout::new(device.clone(), layout).map_err(|error| error.while_doing(doing))?;
    let info = ComputePipelineCreateInfo::stage_layout(stage, layout);
    let pipeline = ComputePipeline::new(device.clone(), Some(cache.clone()), info);
    Ok(Pass { pipeline: pipeline.map_err(|error| error.while_doing(doing))?, accesses })
}

/// By binding: those in a row from 0 on that the shader has.
fn accesses(entry: &EntryPoint) -> Vec<Access> {
    let bindings = &entry.info().descriptor_binding_requirements;
    let of = |binding| bindings.get(&(0, binding));
    let access = |requirements: &DescriptorBindingRequirements| {
        let writes = requirements.descriptors.values().any(|descriptor| !descriptor.memory_write.is_empty());
        if writes { Access::Write } else { Access::Read }
    };
    (0..).map_while(of).map(access).collect()
}

#[allow(unsafe_code)] // Vulkan takes cache data on trust.
fn cache(device: &Arc<Device>, file: Option<&Path>) -> Result<Arc<PipelineCache>, EngineError> {
    let initial_data = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let info = PipelineCacheCreateInfo { initial_data, ..PipelineCacheCreateInfo::default() };
    // SAFETY: the file is written by this function's twin `keep` alone, whole or not at all; drivers check the header
    // and refuse data of another device or version.
    unsafe { PipelineCache::new(device.clone(), info) }.map_err(|error| error.while_doing("reading the pipeline cache"))
}

/// Writes beside the file and renames, so that a reader finds all of it or nothing.
fn keep(file: &Path, data: &[u8]) -> std::io::Result<()> {
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    std::fs::write(&partial, data)?;
    std::fs::rename(&partial, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shaders need nothing but shaders and texel buffers: no 8-bit or 16-bit storage, no halves, no 64-bit numbers, no
    /// subgroups.
    #[test]
    fn no_shader_needs_an_optional_feature() {
        const OP_CAPABILITY: u32 = 17;
        const SHADER: u32 = 1;
        const SAMPLED_BUFFER: u32 = 46;
        for shader in Shader::ALL {
            let words = code(shader);
            let mut at = 5; // after the header
            while at < words.len() {
                let (length, operation) = ((words[at] >> 16) as usize, words[at] & 0xffff);
                if operation == OP_CAPABILITY {
                    let capability = words[at + 1];
                    assert!([SHADER, SAMPLED_BUFFER].contains(&capability), "{} needs {capability}", shader.name());
                }
                at += length;
            }
        }
    }
}
