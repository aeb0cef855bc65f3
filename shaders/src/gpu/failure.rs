//! Vulkan's failures in the engine's words.

use crate::EngineError;
use vulkano::buffer::AllocateBufferError;
use vulkano::memory::allocator::MemoryAllocatorError;
use vulkano::{Validated, ValidationError, VulkanError};

/// Something a Vulkan call may fail with.
pub(super) trait Failure {
    /// `doing` says what was going on, as in "while ...".
    fn while_doing(self, doing: &'static str) -> EngineError;
}

impl Failure for VulkanError {
    fn while_doing(self, doing: &'static str) -> EngineError {
        match self {
            VulkanError::DeviceLost => EngineError::DeviceLost { doing },
            VulkanError::OutOfHostMemory | VulkanError::OutOfDeviceMemory => EngineError::OutOfMemory { doing },
            other => EngineError::Driver { doing, reason: other.to_string() },
        }
    }
}

impl Failure for Box<ValidationError> {
    fn while_doing(self, doing: &'static str) -> EngineError {
        EngineError::Driver { doing, reason: self.to_string() }
    }
}

impl<E: Failure> Failure for Validated<E> {
    fn while_doing(self, doing: &'static str) -> EngineError {
        match self {
            Validated::Error(error) => error.while_doing(doing),
            Validated::ValidationError(error) => error.while_doing(doing),
        }
    }
}

impl Failure for AllocateBufferError {
    fn while_doing(self, doing: &'static str) -> EngineError {
        match self {
            AllocateBufferError::CreateBuffer(error) | AllocateBufferError::BindMemory(error) => {
                error.while_doing(doing)
            }
            AllocateBufferError::AllocateMemory(error) => error.while_doing(doing),
        }
    }
}

impl Failure for MemoryAllocatorError {
    fn while_doing(self, doing: &'static str) -> EngineError {
        match self {
            MemoryAllocatorError::AllocateDeviceMemory(error) => error.while_doing(doing),
            other => EngineError::Driver { doing, reason: other.to_string() },
        }
    }
}
