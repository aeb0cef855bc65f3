//! A device that gets lost in the middle of its work, and what callers hear of it.

use super::device::Device;
use super::post::Post;
use crate::{Engine, EngineError, FrameSize, Phase, PlanarFrame, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vulkano::VulkanError;
use vulkano::command_buffer::CommandBuffer;
use vulkano::sync::fence::Fence;

/// Works for so many calls, then is lost for good.
struct Losing {
    inner: Box<dyn Post>,
    calls_left: AtomicU32,
}

impl Losing {
    fn call(&self) -> Result<(), VulkanError> {
        let less = |left: u32| left.checked_sub(1);
        let left = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        left.map(|_| ()).map_err(|_| VulkanError::DeviceLost)
    }
}

impl Post for Losing {
    fn submit(&self, commands: &CommandBuffer, fence: &Fence) -> Result<(), VulkanError> {
        self.call()?;
        self.inner.submit(commands, fence)
    }

    fn wait(&self, fence: &Fence) -> Result<(), VulkanError> {
        // What runs in truth is waited for all the same: its buffers are about to go.
        self.inner.wait(fence)?;
        self.call()
    }
}

struct Nowhere;

impl Post for Nowhere {
    fn submit(&self, _: &CommandBuffer, _: &Fence) -> Result<(), VulkanError> {
        Err(VulkanError::DeviceLost)
    }

    fn wait(&self, _: &Fence) -> Result<(), VulkanError> {
        Err(VulkanError::DeviceLost)
    }
}

fn losing_after(calls: u32) -> Device {
    let mut device = Device::open(None).expect("a device is there: install mesa-vulkan-drivers");
    let shared = Arc::get_mut(&mut device.shared).expect("nobody else has the device yet");
    let inner = std::mem::replace(&mut shared.post, Box::new(Nowhere));
    shared.post = Box::new(Losing { inner, calls_left: AtomicU32::new(calls) });
    device
}

/// Frames made of a clip of four before the loss, and the error.
fn run(calls: u32) -> (u32, Option<EngineError>) {
    let size = FrameSize { width_px: 64, height_px: 48 };
    let device = losing_after(calls);
    let mut engine = Engine::new(&device, size, Settings::default()).unwrap();
    let mut made = 0;
    let mut out = PlanarFrame::new(size);
    let mut clip = || -> Result<(), EngineError> {
        for index in 0..4_u32 {
            let mut frame = PlanarFrame::new(size);
            for (place, code) in frame.as_bytes_mut().iter_mut().zip(0_u32..) {
                *place = ((code + index) * 37 % 251) as u8;
            }
            engine.push(&frame)?;
            if index > 0 {
                engine.submit(Phase::HALF)?;
            }
        }
        while engine.in_flight() > 0 {
            engine.collect(&mut out)?;
            made += 1;
        }
        Ok(())
    };
    let error = clip().err();
    (made, error)
}

#[test]
fn a_device_lost_at_any_moment_is_an_error_that_says_so() {
    let mut calls = 0;
    loop {
        let (made, error) = run(calls);
        match error {
            None => {
                assert_eq!(made, 3);
                break;
            }
            Some(error) => {
                assert!(matches!(error, EngineError::DeviceLost { .. }), "{error}");
                assert!(error.to_string().starts_with("the Vulkan device was lost while"), "{error}");
            }
        }
        calls += 1;
    }
    assert!(calls > 10, "the device was lost at {calls} moments only");
}
