//! Which steps have to wait for which: a step that reads what an earlier one writes, or writes what an earlier one
//! touches, waits; everything else may run at the same time. Pure; the device side turns waits into barriers.

use crate::pass::Slot;

/// The kinds of work that are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Compute,
    Copy,
}

/// What a step does to a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Writes, and perhaps reads as well.
    Write,
}

/// A set of stages to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    pub compute: bool,
    pub copy: bool,
}

impl Stages {
    fn add(&mut self, stage: Stage) {
        match stage {
            Stage::Compute => self.compute = true,
            Stage::Copy => self.copy = true,
        }
    }

    fn is_empty(self) -> bool {
        self == Stages::default()
    }

    fn and(self, other: Stages) -> Stages {
        Stages { compute: self.compute || other.compute, copy: self.copy || other.copy }
    }

    fn without(self, other: Stages) -> Stages {
        Stages { compute: self.compute && !other.compute, copy: self.copy && !other.copy }
    }
}

/// What was done to each buffer since it was last waited for.
#[derive(Debug, Default)]
pub struct Waits {
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    slot: Slot,
    read: Stages,
    written: Stages,
}

impl Waits {
    /// The stages that a step with these accesses has to wait for; `None` where it may run at once. The wait is then
    /// taken to be done.
    pub fn before(&mut self, stage: Stage, accesses: &[(Slot, Access)]) -> Option<Stages> {
        let mut wanted = Stages::default();
        for (slot, access) in accesses {
            for pending in self.pending.iter().filter(|pending| pending.slot == *slot) {
                wanted = wanted.and(pending.written);
                if *access == Access::Write {
                    wanted = wanted.and(pending.read);
                }
            }
        }
        if !wanted.is_empty() {
            // A barrier covers everything its stages did before, whatever the buffer.
            for pending in &mut self.pending {
                pending.read = pending.read.without(wanted);
                pending.written = pending.written.without(wanted);
            }
            self.pending.retain(|pending| !pending.read.and(pending.written).is_empty());
        }
        for (slot, access) in accesses {
            let mut entry = Pending { slot: *slot, read: Stages::default(), written: Stages::default() };
            match access {
                Access::Read => entry.read.add(stage),
                Access::Write => entry.written.add(stage),
            }
            self.pending.push(entry);
        }
        (!wanted.is_empty()).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pass::Side;

    const COMPUTE: Stages = Stages { compute: true, copy: false };
    const COPY: Stages = Stages { compute: false, copy: true };

    fn check(steps: &[(Stage, &[(Slot, Access)])], expected: &[Option<Stages>]) {
        let mut waits = Waits::default();
        let found: Vec<_> = steps.iter().map(|(stage, accesses)| waits.before(*stage, accesses)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_reader_waits_for_the_writer_once() {
        let write: &[_] = &[(Slot::Errors, Access::Write)];
        let read: &[_] = &[(Slot::Errors, Access::Read)];
        check(
            &[(Stage::Compute, write), (Stage::Compute, read), (Stage::Compute, read), (Stage::Copy, read)],
            &[None, Some(COMPUTE), None, None],
        );
    }

    #[test]
    fn a_writer_waits_for_readers_and_writers() {
        let write: &[_] = &[(Slot::Errors, Access::Write)];
        let read: &[_] = &[(Slot::Errors, Access::Read)];
        check(&[(Stage::Copy, read), (Stage::Compute, write)], &[None, Some(COPY)]);
        check(&[(Stage::Copy, write), (Stage::Compute, write)], &[None, Some(COPY)]);
    }

    #[test]
    fn directions_that_share_nothing_run_side_by_side() {
        let of = |side| [(Slot::Luma(side), Access::Read), (Slot::Nodes(side, 0), Access::Write)];
        let (there, back) = (of(Side::First), of(Side::Second));
        check(&[(Stage::Compute, &there), (Stage::Compute, &back)], &[None, None]);
    }

    #[test]
    fn a_wait_for_one_buffer_is_one_for_all_of_its_stage() {
        let both: &[_] = &[(Slot::Errors, Access::Write), (Slot::Choices, Access::Write)];
        let one: &[_] = &[(Slot::Errors, Access::Read)];
        let other: &[_] = &[(Slot::Choices, Access::Read)];
        check(&[(Stage::Compute, both), (Stage::Compute, one), (Stage::Compute, other)], &[None, Some(COMPUTE), None]);
    }
}
