//! Where recorded work leaves for the device and where its end is awaited: the only two calls that may lose a device.

use std::sync::Arc;
use vulkano::command_buffer::CommandBuffer;
use vulkano::device::{DeviceOwned, Queue};
use vulkano::sync::fence::Fence;
use vulkano::{VulkanError, VulkanObject};

/// A seam: tests put a device there that gets lost.
pub(super) trait Post: Send + Sync {
    /// Hands `commands` to the device; `fence` is signalled when they and everything before them have run.
    fn submit(&self, commands: &CommandBuffer, fence: &Fence) -> Result<(), VulkanError>;
    /// Waits for the fence.
    fn wait(&self, fence: &Fence) -> Result<(), VulkanError>;
}

/// The device's own queue.
pub(super) struct QueuePost(pub Arc<Queue>);

impl Post for QueuePost {
    #[allow(unsafe_code)] // vulkano submits only command buffers whose waits it placed itself.
    fn submit(&self, commands: &CommandBuffer, fence: &Fence) -> Result<(), VulkanError> {
        let handle = commands.handle();
        let info = ash::vk::SubmitInfo::default().command_buffers(std::slice::from_ref(&handle));
        let submit = self.0.device().fns().v1_0.queue_submit;
        // SAFETY: the guard keeps other threads from the queue; handles are alive, and the caller keeps commands, fence
        // and every buffer until the fence is signalled.
        self.0.with(|_guard| unsafe { submit(self.0.handle(), 1, &info, fence.handle()) }).result().map_err(Into::into)
    }

    fn wait(&self, fence: &Fence) -> Result<(), VulkanError> {
        fence.wait(None)
    }
}
