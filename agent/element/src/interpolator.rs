//! What the element asks of an engine: two frames in, a frame between them out.

use tweenfarm_shaders::{Depth, Device, Engine, EngineError, FrameSize, Phase, PlanarFrame, Settings, pass_table};

/// An engine made for one picture size and one number of bits. A frame depends on the two pushed last when it was asked for, and on nothing else.
pub trait Interpolator: Send {
    fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError>;
    /// Asks for the frame at `phase`, without waiting for it.
    fn submit(&mut self, phase: Phase) -> Result<(), EngineError>;
    /// Waits for the frame that was asked for first.
    fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError>;
    /// Frames that can be asked for before one has to be collected.
    fn room(&self) -> usize;
    /// Whether the next frame can be collected without waiting.
    fn is_ready(&self) -> bool;
    /// Forgets the frames pushed so far and those asked for.
    fn reset(&mut self);
}

/// Makes the engine once the picture's size and bits are known.
pub type MakeInterpolator = Box<dyn FnOnce(FrameSize, Depth) -> Result<Box<dyn Interpolator>, EngineError> + Send>;

/// The engine on `device`, made when size and bits are known.
pub fn on_device(device: Device, settings: Settings) -> MakeInterpolator {
    Box::new(move |size, depth| {
        let engine = Engine::of_depth(&device, size, depth, settings)?;
        Ok(Box::new(OnDevice { engine, profile: None, _device: device }))
    })
}

/// The same with every pass timed by the device; `tell` gets the table of passes when the engine ends.
pub fn on_device_timed(
    device: Device,
    settings: Settings,
    tell: impl FnOnce(String) + Send + 'static,
) -> MakeInterpolator {
    Box::new(move |size, depth| {
        let mut engine = Engine::of_depth(&device, size, depth, settings)?;
        let clock = if engine.time_passes() { "the device's clock" } else { "nobody: this device has no clock" };
        Ok(Box::new(OnDevice { engine, profile: Some(Profile { clock, tell: Box::new(tell) }), _device: device }))
    })
}

struct OnDevice {
    engine: Engine,
    profile: Option<Profile>,
    /// Outlives the engine.
    _device: Device,
}

struct Profile {
    clock: &'static str,
    tell: Box<dyn FnOnce(String) + Send>,
}

impl Drop for OnDevice {
    fn drop(&mut self) {
        if let Some(Profile { clock, tell }) = self.profile.take()
            && let Ok(times) = self.engine.pass_times()
        {
            tell(pass_table(self.engine.plan(), self.engine.memory(), &times, clock));
        }
    }
}

impl Interpolator for OnDevice {
    fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
        self.engine.push(frame)
    }

    fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
        self.engine.submit(phase)
    }

    fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError> {
        self.engine.collect(made)
    }

    fn room(&self) -> usize {
        Engine::IN_FLIGHT
    }

    fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }

    fn reset(&mut self) {
        self.engine.reset();
    }
}

/// An engine and which source frames it holds, so that a pair is pushed only when something is made from it.
pub struct Pairs {
    engine: Box<dyn Interpolator>,
    pushed: Option<u64>,
    before: Option<u64>,
}

impl Pairs {
    pub fn new(engine: Box<dyn Interpolator>) -> Pairs {
        Pairs { engine, pushed: None, before: None }
    }

    /// Frames are numbered anew from here on; those asked for are not wanted any more.
    pub fn forget(&mut self) {
        self.engine.reset();
        self.pushed = None;
        self.before = None;
    }

    /// Asks for the frame at `phase` between two frames given with their indices.
    pub fn submit(
        &mut self,
        (first, first_picture): (u64, &PlanarFrame),
        (second, second_picture): (u64, &PlanarFrame),
        phase: Phase,
    ) -> Result<(), EngineError> {
        if (self.before, self.pushed) != (Some(first), Some(second)) {
            if self.pushed != Some(first) {
                self.push(first, first_picture)?;
            }
            self.push(second, second_picture)?;
        }
        self.engine.submit(phase)
    }

    /// Waits for the frame that was asked for first.
    pub fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError> {
        self.engine.collect(made)
    }

    pub fn room(&self) -> usize {
        self.engine.room()
    }

    pub fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }

    fn push(&mut self, frame: u64, picture: &PlanarFrame) -> Result<(), EngineError> {
        self.engine.push(picture)?;
        self.before = self.pushed.replace(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_pushed() {
        struct Log(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
        impl Interpolator for Log {
            fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
                self.0.lock().unwrap().push(format!("push {}", frame.as_bytes()[0]));
                Ok(())
            }
            fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
                self.0.lock().unwrap().push(format!("submit {}", phase.q16()));
                Ok(())
            }
            fn collect(&mut self, _made: &mut PlanarFrame) -> Result<(), EngineError> {
                Ok(())
            }
            fn room(&self) -> usize {
                1
            }
            fn is_ready(&self) -> bool {
                true
            }
            fn reset(&mut self) {
                self.0.lock().unwrap().push("reset".to_owned());
            }
        }
        let log = std::sync::Arc::default();
        let mut pairs = Pairs::new(Box::new(Log(std::sync::Arc::clone(&log))));
        let frames: Vec<PlanarFrame> = (0..6)
            .map(|index| {
                let mut frame = PlanarFrame::new(FrameSize { width_px: 16, height_px: 16 });
                frame.as_bytes_mut()[0] = index;
                frame
            })
            .collect();
        for (first, second, phase) in [(0, 1, 10), (0, 1, 20), (1, 2, 30), (4, 5, 40)] {
            let pair = |index: u64| (index, &frames[index as usize]);
            pairs.submit(pair(first), pair(second), Phase::from_q16(phase).unwrap()).unwrap();
        }
        let expected = "push 0, push 1, submit 10, submit 20, push 2, submit 30, push 4, push 5, submit 40";
        assert_eq!(log.lock().unwrap().join(", "), expected);
    }
}
