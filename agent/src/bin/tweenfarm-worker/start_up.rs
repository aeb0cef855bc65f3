//! How long a worker takes from its start to the first frame it makes: told with the table of passes. Measures, and
//! never changes what is made.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tweenfarm_element::interpolator::{Interpolator, MakeInterpolator};
use tweenfarm_shaders::{EngineError, Phase, PlanarFrame};

/// When the process began and when it was ready for orders.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub began: Instant,
    pub ready: Instant,
}

/// When the first source frame was handed to an engine, and when the first made one was taken from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Firsts {
    pushed: Option<Instant>,
    made: Option<Instant>,
}

pub type Noted = Arc<Mutex<Firsts>>;

impl Start {
    /// A few lines for people. All that comes before the first frame is pushed is start-up; what is between that frame
    /// and the first made one is the work itself.
    pub fn told(&self, noted: &Noted) -> String {
        let Firsts { pushed, made } = *noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = String::from("start-up, from the start of the worker's process\n");
        let mut line = |what: &str, at: Instant| {
            let elapsed = at.saturating_duration_since(self.began);
            // A string takes whatever is written to it.
            let _ = writeln!(lines, "  {what:<34} {:>6} ms", rounded_ms(elapsed));
        };
        line("ready for orders", self.ready);
        if let Some(pushed) = pushed {
            line("first source frame in the engine", pushed);
        }
        if let Some(made) = made {
            line("first made frame out of it", made);
        }
        lines
    }
}

fn rounded_ms(elapsed: Duration) -> u128 {
    (elapsed.as_micros() + 500) / 1000
}

/// The same engine, its first frames noted.
pub fn noting(make: MakeInterpolator, noted: Noted) -> MakeInterpolator {
    Box::new(move |size, depth| Ok(Box::new(Noting { engine: make(size, depth)?, noted })))
}

struct Noting {
    engine: Box<dyn Interpolator>,
    noted: Noted,
}

impl Interpolator for Noting {
    fn push(&mut self, frame: &PlanarFrame) -> Result<(), EngineError> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).pushed.get_or_insert_with(Instant::now);
        self.engine.push(frame)
    }

    fn submit(&mut self, phase: Phase) -> Result<(), EngineError> {
        self.engine.submit(phase)
    }

    fn collect(&mut self, made: &mut PlanarFrame) -> Result<(), EngineError> {
        self.engine.collect(made)?;
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).made.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn room(&self) -> usize {
        self.engine.room()
    }

    fn is_ready(&self) -> bool {
        self.engine.is_ready()
    }

    fn reset(&mut self) {
        self.engine.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Blend;
    use tweenfarm_shaders::{Depth, FrameSize};

    #[test]
    fn times_are_told_from_the_start_and_only_those_that_came() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let start = Start { began, ready: at(250) };
        let told = |pushed, made| start.told(&Arc::new(Mutex::new(Firsts { pushed, made })));
        let whole = told(Some(at(300)), Some(at(1390)));
        let words: Vec<&str> = whole.split_whitespace().collect();
        for expected in [["orders", "250", "ms"], ["engine", "300", "ms"], ["it", "1390", "ms"]] {
            assert!(words.windows(3).any(|three| three == expected), "{expected:?} is not in:\n{whole}");
        }
        assert!(!told(Some(at(300)), None).contains("made"));
        assert_eq!(told(None, None).lines().count(), 2);
    }

    #[test]
    fn only_the_first_frames_are_noted() {
        let size = FrameSize { width_px: 16, height_px: 16 };
        let noted = Noted::default();
        let now = || *noted.lock().unwrap();
        let mut engine = noting(Blend::make(), Arc::clone(&noted))(size, Depth::Eight).unwrap();
        let mut frame = PlanarFrame::new(size);
        assert!(now().pushed.is_none() && now().made.is_none());
        engine.push(&frame).unwrap();
        let pushed = now().pushed;
        assert!(pushed.is_some());
        engine.push(&frame).unwrap();
        engine.submit(Phase::HALF).unwrap();
        assert!(now().made.is_none(), "a frame that was asked for is not made yet");
        engine.collect(&mut frame).unwrap();
        let made = now().made;
        engine.submit(Phase::HALF).and_then(|()| engine.collect(&mut frame)).unwrap();
        assert!(made.is_some() && made == now().made && pushed == now().pushed);
    }
}
