//! Which Vulkan devices there are, and one of them opened with every pipeline made.

use super::failure::Failure;
use super::pipelines::Pipelines;
use super::post::{Post, QueuePost};
use crate::EngineError;
use std::path::Path;
use std::sync::Arc;
use vulkano::command_buffer::allocator::StandardCommandBufferAllocator;
use vulkano::descriptor_set::allocator::StandardDescriptorSetAllocator;
use vulkano::device::physical::{PhysicalDevice, PhysicalDeviceType};
use vulkano::device::{self, DeviceCreateInfo, QueueCreateInfo, QueueFlags};
use vulkano::instance::{Instance, InstanceCreateInfo};
use vulkano::memory::MemoryHeapFlags;
use vulkano::memory::allocator::StandardMemoryAllocator;
use vulkano::{Validated, Version, VulkanLibrary};

/// In the order in which devices are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    Discrete,
    Integrated,
    Other,
    Cpu,
}

/// What an operator wants to know of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Vulkan's deviceUUID, 32 lowercase hexadecimal digits: the same from run to run.
    pub uuid: String,
    pub name: String,
    pub kind: DeviceKind,
    pub driver: String,
    /// The heaps that are local to the device.
    pub memory_bytes: u64,
}

/// Every device that can run the engine, the best first.
pub fn devices() -> Result<Vec<DeviceFacts>, EngineError> {
    Ok(usable()?.into_iter().map(|found| found.facts).collect())
}

struct Usable {
    facts: DeviceFacts,
    physical: Arc<PhysicalDevice>,
    queue_family: u32,
}

fn usable() -> Result<Vec<Usable>, EngineError> {
    let library = VulkanLibrary::new().map_err(|error| EngineError::NoVulkan { reason: error.to_string() })?;
    let instance = Instance::new(
        library,
        InstanceCreateInfo { application_name: Some("tweenfarm".to_owned()), ..InstanceCreateInfo::default() },
    )
    .map_err(|error| match error {
        Validated::Error(error) => EngineError::NoVulkan { reason: format!("no driver works, {error}") },
        Validated::ValidationError(error) => EngineError::NoVulkan { reason: error.to_string() },
    })?;
    let physical =
        instance.enumerate_physical_devices().map_err(|error| EngineError::NoVulkan { reason: error.to_string() })?;
    let mut found: Vec<Usable> = physical.filter_map(examine).collect();
    found.sort_by(|one, other| (one.facts.kind, &one.facts.uuid).cmp(&(other.facts.kind, &other.facts.uuid)));
    Ok(found)
}

/// Planes are read as texel buffers of 16 pixels a texel: the pyramid of 8192x8192, border included. Graphics cards hold
/// sixteen times as many.
const TEXELS_MIN: u32 = 1 << 23;

/// `None` for a device without Vulkan 1.1, without a compute queue or with small texel buffers.
fn examine(physical: Arc<PhysicalDevice>) -> Option<Usable> {
    if physical.api_version() < Version::V1_1 {
        return None;
    }
    let families = physical.queue_family_properties();
    let queue_family = families.iter().position(|family| family.queue_flags.intersects(QueueFlags::COMPUTE))?;
    let properties = physical.properties();
    if properties.max_texel_buffer_elements < TEXELS_MIN {
        return None;
    }
    let uuid = properties.device_uuid?.iter().map(|byte| format!("{byte:02x}")).collect();
    let kind = match properties.device_type {
        PhysicalDeviceType::DiscreteGpu => DeviceKind::Discrete,
        PhysicalDeviceType::IntegratedGpu => DeviceKind::Integrated,
        PhysicalDeviceType::Cpu => DeviceKind::Cpu,
        _ => DeviceKind::Other,
    };
    let driver = match (&properties.driver_name, &properties.driver_info) {
        (Some(name), Some(info)) => format!("{name} {info}"),
        _ => format!("version {}", properties.driver_version),
    };
    let heaps = &physical.memory_properties().memory_heaps;
    let local = heaps.iter().filter(|heap| heap.flags.intersects(MemoryHeapFlags::DEVICE_LOCAL));
    let memory_bytes = local.map(|heap| heap.size).sum();
    let facts = DeviceFacts { uuid, name: properties.device_name.clone(), kind, driver, memory_bytes };
    Some(Usable { facts, physical, queue_family: queue_family as u32 })
}

/// An opened device. Cheap to clone; engines on the same device share its pipelines and its queue.
#[derive(Clone)]
pub struct Device {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub facts: DeviceFacts,
    pub device: Arc<device::Device>,
    pub queue_family: u32,
    pub post: Box<dyn Post>,
    /// Nanoseconds of a tick of the clock that passes are timed with; `None`: the queue has no clock.
    pub tick_ns: Option<f64>,
    pub memory: Arc<StandardMemoryAllocator>,
    pub commands: Arc<StandardCommandBufferAllocator>,
    pub descriptors: Arc<StandardDescriptorSetAllocator>,
    pub pipelines: Pipelines,
}

impl Device {
    /// Opens the device with this UUID; `None`: the best one.
    pub fn open(uuid: Option<&str>) -> Result<Device, EngineError> {
        Device::open_with_cache(uuid, None)
    }

    /// The same, with a file that keeps compiled pipelines from one run to the next. A missing, foreign or unwritable
    /// file costs the time to compile, nothing else.
    pub fn open_with_cache(uuid: Option<&str>, cache: Option<&Path>) -> Result<Device, EngineError> {
        let wanted = uuid.unwrap_or("that can compute");
        let found = usable()?;
        let count = found.len();
        let usable =
            found.into_iter().find(|usable| uuid.is_none_or(|uuid| usable.facts.uuid == uuid)).ok_or_else(|| {
                EngineError::NoDevice { wanted: wanted.to_owned(), reason: format!("{count} usable, none of them it") }
            })?;
        let doing = "opening the device";
        let family = &usable.physical.queue_family_properties()[usable.queue_family as usize];
        let period_ns = f64::from(usable.physical.properties().timestamp_period);
        let tick_ns = (family.timestamp_valid_bits.is_some() && period_ns > 0.0).then_some(period_ns);
        let (device, mut queues) = device::Device::new(
            usable.physical,
            DeviceCreateInfo {
                queue_create_infos: vec![QueueCreateInfo {
                    queue_family_index: usable.queue_family,
                    ..QueueCreateInfo::default()
                }],
                ..DeviceCreateInfo::default()
            },
        )
        .map_err(|error| error.while_doing(doing))?;
        let queue = queues.next().ok_or_else(|| EngineError::Driver { doing, reason: "no queue".to_owned() })?;
        let pipelines = Pipelines::new(&device, cache)?;
        let shared = Shared {
            facts: usable.facts,
            memory: Arc::new(StandardMemoryAllocator::new_default(device.clone())),
            commands: Arc::new(StandardCommandBufferAllocator::new(device.clone(), Default::default())),
            descriptors: Arc::new(StandardDescriptorSetAllocator::new(device.clone(), Default::default())),
            device,
            queue_family: usable.queue_family,
            post: Box::new(QueuePost(queue)),
            tick_ns,
            pipelines,
        };
        Ok(Device { shared: Arc::new(shared) })
    }

    pub fn facts(&self) -> &DeviceFacts {
        &self.shared.facts
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Device").field(&self.shared.facts).finish()
    }
}
