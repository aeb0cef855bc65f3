//! What the pieces of a job ask of a worker, roughly: jobs that ask for the same are passed over together where a worker
//! cannot do any of them, however many they are.

use super::{
    breaker::{Breakers, Capability},
    fit::{Candidate, encodes, has_memory, has_room, memory_bytes, renders},
};
use crate::model::{Job, Spot};
use tweenfarm_protocol::{Timestamp, output::Codec};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    work: Capability,
    codec: Codec,
    /// The version that made the first frames; empty where any will do.
    engine: String,
    /// Rounded down to a power of two, so that clips of all sizes ask for few things.
    memory_bytes: u64,
    disk_bytes: u64,
}

impl Need {
    /// What every piece of the job in this stage needs at the least.
    pub fn of(job: &Job, spot: Spot) -> Need {
        let renders = matches!(spot, Spot::Segment(_));
        Need {
            work: Capability::of(job, spot),
            codec: job.format.codec,
            engine: if renders { job.engine_version.clone() } else { String::new() },
            memory_bytes: if renders { rounded_down(memory_bytes(job)) } else { 0 },
            disk_bytes: rounded_down(job.source.size_bytes),
        }
    }

    /// False only for a worker that cannot have any piece with this need now.
    pub fn is_met(
        &self,
        worker: &Candidate,
        is_here: impl Fn(&str) -> bool,
        breakers: &Breakers,
        now: Timestamp,
    ) -> bool {
        let encodes = match self.work {
            Capability::Render(class) | Capability::Mark(class) => encodes(class, self.codec, worker).is_ok(),
            Capability::Join => true,
        };
        encodes
            && breakers.admits((worker.agent, worker.worker), self.work, now).is_ok()
            && renders(&self.engine, worker, is_here).is_ok()
            && has_memory(self.memory_bytes, worker).is_ok()
            && has_room(self.disk_bytes, worker).is_ok()
    }
}

fn rounded_down(bytes: u64) -> u64 {
    bytes.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schedule::fit::fit, store::samples};
    use proptest::prelude::*;
    use tweenfarm_protocol::{
        AgentId,
        output::OutputFormat,
        service::{Inventory, WorkerFacts},
        task::{EncodeSettings, EncoderClass},
    };
    use uuid::Uuid;

    proptest! {
        /// To pass a need over is to pass over jobs: never one that the worker could do.
        #[test]
        fn whatever_a_worker_can_do_meets_its_own_need(
            class in prop::sample::select(vec![EncoderClass::X264, EncoderClass::Nvenc]),
            engine in prop::sample::select(vec!["", "flow 4", "flow 5"]),
            is_here in any::<bool>(),
            spot in prop::sample::select(vec![Spot::Segment(0), Spot::Join, Spot::Mark]),
            size_bytes in 0_u64..5_000,
            memory_bytes in prop::sample::select(vec![0, 64 * 48 * 32 - 1, 64 * 48 * 32, 1 << 40]),
            room_bytes in prop::option::of(0_u64..200_000),
            neighbours_busy in 0_u32..3,
        ) {
            let mut job = samples::job(1, 1, 1, samples::rendering());
            (job.encoder, job.engine_version) = (class, engine.to_owned());
            (job.format, job.encode) = (OutputFormat::default(), EncodeSettings::default());
            job.source.size_bytes = size_bytes;
            let encoder_sessions = [("nvh264enc".to_owned(), 2)].into();
            let facts = WorkerFacts {
                worker: 0,
                device_uuid: "00".into(),
                device_name: "card".into(),
                engine: "flow 4".into(),
                encoders: vec!["nvh264enc".into(), "x264enc".into()],
                inventory: Inventory { memory_bytes, encoder_sessions, ..Inventory::default() },
            };
            let worker = Candidate { agent: AgentId(Uuid::nil()), worker: 0, facts: &facts, room_bytes, neighbours_busy };
            let is_met = Need::of(&job, spot).is_met(&worker, |_| is_here, &Breakers::default(), Timestamp(0));
            prop_assert!(is_met || fit(&job, spot, &worker, |_| is_here).is_err());
        }
    }

    #[test]
    fn a_need_that_a_worker_does_not_meet_is_none_for_it() {
        let mut job = samples::job(1, 1, 1, samples::rendering());
        (job.encoder, job.format) = (EncoderClass::X264, OutputFormat::default());
        let facts = |encoders: &[&str], memory_bytes| WorkerFacts {
            worker: 0,
            device_uuid: "00".into(),
            device_name: "card".into(),
            engine: "flow 4".into(),
            encoders: encoders.iter().map(|name| (*name).to_owned()).collect(),
            inventory: Inventory { memory_bytes, ..Inventory::default() },
        };
        let check = |spot, facts: &WorkerFacts, room_bytes, expected: bool| {
            let worker = Candidate { agent: AgentId(Uuid::nil()), worker: 0, facts, room_bytes, neighbours_busy: 0 };
            let is_met = Need::of(&job, spot).is_met(&worker, |_| false, &Breakers::default(), Timestamp(0));
            assert_eq!(is_met, expected, "{spot:?} for {facts:?}");
        };
        check(Spot::Segment(0), &facts(&["x264enc"], 0), None, true);
        check(Spot::Segment(0), &facts(&[], 0), None, false);
        check(Spot::Join, &facts(&[], 1), None, true);
        check(Spot::Segment(0), &facts(&["x264enc"], 1), None, false);
        check(Spot::Join, &facts(&[], 0), Some(0), false);
    }
}
