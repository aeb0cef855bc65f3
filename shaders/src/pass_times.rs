//! Where the time goes: what each pass of a frame, a pair and an output took. Only adds up; clocks are others'.

use crate::plan::Step;
use std::time::Duration;

/// How often work is done: once for each source frame, for each pair of them, for each frame made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Often {
    Frame,
    Pair,
    Output,
}

impl Often {
    pub const ALL: [Often; 3] = [Often::Frame, Often::Pair, Often::Output];

    pub fn name(self) -> &'static str {
        match self {
            Often::Frame => "frame",
            Often::Pair => "pair",
            Often::Output => "output",
        }
    }
}

/// One pass: all its steps in all runs of the work it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassTime {
    pub often: Often,
    /// A shader's name, or `upload`, `fill`, `write`, `download`.
    pub name: &'static str,
    /// Steps in one run.
    pub steps: u32,
    pub total: Duration,
}

/// Times added up over many runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassTimes {
    /// In the order in which the passes first ran.
    pub passes: Vec<PassTime>,
    runs: [u32; 3],
}

impl PassTimes {
    /// One run of a work whose steps took so long.
    pub fn add(&mut self, often: Often, steps: &[Step], times: &[Duration]) {
        let runs = &mut self.runs[often as usize];
        *runs += 1;
        let first_run = *runs == 1;
        for (step, time) in steps.iter().zip(times) {
            let name = step.name();
            match self.passes.iter_mut().find(|pass| pass.often == often && pass.name == name) {
                Some(pass) => {
                    pass.total += *time;
                    pass.steps += u32::from(first_run);
                }
                None => self.passes.push(PassTime { often, name, steps: 1, total: *time }),
            }
        }
    }

    /// How many frames, pairs or outputs were timed.
    pub fn runs(&self, often: Often) -> u32 {
        self.runs[often as usize]
    }

    /// Mean time of a pass in one run, in milliseconds.
    pub fn mean_ms(&self, pass: &PassTime) -> f64 {
        pass.total.as_secs_f64() * 1e3 / f64::from(self.runs(pass.often).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::{Side, Slot};

    #[test]
    fn steps_of_a_name_are_added_up_and_counted_once() {
        let steps = [Step::Upload(Side::First), Step::Fill(Slot::Facts, 0), Step::Fill(Slot::Errors, 0)];
        let ms = [1, 2, 3].map(Duration::from_millis);
        let mut times = PassTimes::default();
        times.add(Often::Pair, &steps, &ms);
        times.add(Often::Pair, &steps, &ms);
        times.add(Often::Frame, &steps[..1], &ms);
        let told: Vec<_> = times.passes.iter().map(|pass| (pass.often, pass.name, pass.steps)).collect();
        assert_eq!(told, [(Often::Pair, "upload", 1), (Often::Pair, "fill", 2), (Often::Frame, "upload", 1)]);
        assert_eq!(times.runs(Often::Pair), 2);
        assert_eq!(times.mean_ms(&times.passes[1]), 5.0);
    }
}
