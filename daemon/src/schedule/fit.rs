//! Whether a worker can do a piece at all: encoder, engine, memory, disk, streams that its card still takes.

use crate::model::{Job, Spot};
use std::fmt;
use tweenfarm_protocol::{
    AgentId,
    encoders::{can, element_of},
    output::Codec,
    service::WorkerFacts,
    task::EncoderClass,
};

/// A worker as the schedule sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub agent: AgentId,
    pub worker: u32,
    pub facts: &'a WorkerFacts,
    /// Bytes that a task may use of its disk; none where that is not known.
    pub room_bytes: Option<u64>,
    /// Tasks in hand on the same device, this worker's not among them.
    pub neighbours_busy: u32,
}

/// Why a worker cannot do a piece, the first thing that is in the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    Encoder {
        class: EncoderClass,
        codec: &'static str,
    },
    Engine(String),
    Memory {
        needed_bytes: u64,
    },
    Disk {
        needed_bytes: u64,
    },
    /// Only for now: other workers of the device encode as many streams as it takes.
    Sessions(EncoderClass),
}

impl fmt::Display for Misfit {
    /// Completes "no worker has …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Encoder { class, codec } => write!(f, "an encoder of kind {class} for {codec}"),
            Misfit::Engine(version) => write!(f, "the engine that made the job's first frames, {version}"),
            Misfit::Memory { needed_bytes } => write!(f, "{} MiB of memory on its device", mib(*needed_bytes)),
            Misfit::Disk { needed_bytes } => write!(f, "{} MiB of free disk", mib(*needed_bytes)),
            Misfit::Sessions(class) => write!(f, "a free stream of its {class} encoder"),
        }
    }
}

/// Rounded up: what is needed is no less.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// Device memory that pictures of a size need at the very least: source and made frames, their pyramids and flow. Below
/// that a render fails for certain; a device with a little more may still be too small, and then says so itself.
const MEMORY_BYTES_PER_PIXEL: u64 = 32;

/// `is_here` says whether any worker that is here has an engine of this version: where nobody has a job's engine any more,
/// another one does.
pub fn fit(job: &Job, spot: Spot, worker: &Candidate, is_here: impl Fn(&str) -> bool) -> Result<(), Misfit> {
    if !matches!(spot, Spot::Join) {
        if !can(job.encoder, job.format, job.encode) {
            return Err(Misfit::Encoder { class: job.encoder, codec: job.format.codec.name() });
        }
        encodes(job.encoder, job.format.codec, worker)?;
    }
    if matches!(spot, Spot::Segment(_)) {
        renders(&job.engine_version, worker, is_here)?;
        has_memory(memory_bytes(job), worker)?;
    }
    has_room(disk_bytes(job, spot), worker)
}

/// Whether the worker has an encoder of this kind, and the encoder a stream left.
pub(super) fn encodes(class: EncoderClass, codec: Codec, worker: &Candidate) -> Result<(), Misfit> {
    let element = element_of(class, codec, &worker.facts.encoders);
    let element = element.ok_or(Misfit::Encoder { class, codec: codec.name() })?;
    let streams = worker.facts.inventory.encoder_sessions.get(element);
    let is_full = streams.is_some_and(|streams| worker.neighbours_busy >= *streams);
    if is_full { Err(Misfit::Sessions(class)) } else { Ok(()) }
}

/// Whether the worker may go on with what an engine of this version began; empty where nothing has begun.
pub(super) fn renders(version: &str, worker: &Candidate, is_here: impl Fn(&str) -> bool) -> Result<(), Misfit> {
    let is_of_another = !version.is_empty() && version != worker.facts.engine && is_here(version);
    if is_of_another { Err(Misfit::Engine(version.to_owned())) } else { Ok(()) }
}

pub(super) fn has_memory(needed_bytes: u64, worker: &Candidate) -> Result<(), Misfit> {
    let memory = worker.facts.inventory.memory_bytes;
    if memory > 0 && memory < needed_bytes { Err(Misfit::Memory { needed_bytes }) } else { Ok(()) }
}

pub(super) fn has_room(needed_bytes: u64, worker: &Candidate) -> Result<(), Misfit> {
    let is_short = worker.room_bytes.is_some_and(|room| room < needed_bytes);
    if is_short { Err(Misfit::Disk { needed_bytes }) } else { Ok(()) }
}

/// Device memory that a segment needs.
pub(super) fn memory_bytes(job: &Job) -> u64 {
    job.source_pixels().max(job.output_pixels()).saturating_mul(MEMORY_BYTES_PER_PIXEL)
}

/// Disk that a task needs: its source, and a result of at most half a byte for each pixel, which is ten times what is usual.
fn disk_bytes(job: &Job, spot: Spot) -> u64 {
    let slots = match spot {
        Spot::Segment(_) => job.state.piece(spot).map_or(0, |piece| piece.slots.len()),
        Spot::Join | Spot::Mark => job.slot_count,
    };
    let result = slots.saturating_mul(job.output_pixels()) / 2;
    // Results are far smaller than their bound where clips are long: a join that would need a terabyte has a gigabyte.
    job.source.size_bytes.saturating_add(result.min(RESULT_BYTES_MAX))
}

const RESULT_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use tweenfarm_protocol::{output::OutputFormat, service::Inventory, task::EncodeSettings};
    use uuid::Uuid;

    fn facts(encoders: &[&str]) -> WorkerFacts {
        WorkerFacts {
            worker: 0,
            device_uuid: "00".into(),
            device_name: "card".into(),
            engine: "flow 4".into(),
            encoders: encoders.iter().map(|name| (*name).to_owned()).collect(),
            inventory: Inventory::default(),
        }
    }

    fn candidate(facts: &WorkerFacts) -> Candidate<'_> {
        Candidate { agent: AgentId(Uuid::nil()), worker: 0, facts, room_bytes: None, neighbours_busy: 0 }
    }

    /// 64 x 48 in 8-bit H.264 by x264.
    fn job() -> Job {
        let job = samples::job(1, 1, 1, samples::rendering());
        let (format, encode) = (OutputFormat::default(), EncodeSettings::default());
        Job { format, encode, encoder: EncoderClass::X264, engine_version: String::new(), ..job }
    }

    const SEGMENT: Spot = Spot::Segment(0);

    #[test]
    fn a_worker_needs_the_jobs_encoder_unless_it_joins() {
        let (without, with) = (facts(&["x265enc"]), facts(&["x264enc"]));
        let missing = Err(Misfit::Encoder { class: EncoderClass::X264, codec: "h264" });
        let check = |spot, facts: &WorkerFacts| fit(&job(), spot, &candidate(facts), |_| false);
        assert_eq!((check(SEGMENT, &without), check(Spot::Mark, &without)), (missing.clone(), missing));
        assert_eq!((check(Spot::Join, &without), check(SEGMENT, &with)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_job_keeps_its_engine_for_as_long_as_anybody_has_it() {
        let job = Job { engine_version: "flow 3".into(), ..job() };
        let newer = facts(&["x264enc"]);
        let check = |spot, here: &[&str]| fit(&job, spot, &candidate(&newer), |version| here.contains(&version));
        assert_eq!(check(SEGMENT, &["flow 3", "flow 4"]), Err(Misfit::Engine("flow 3".into())));
        assert_eq!(check(SEGMENT, &["flow 4"]), Ok(()), "nobody would ever finish it");
        assert_eq!(check(Spot::Join, &["flow 3", "flow 4"]), Ok(()));
    }

    #[test]
    fn memory_disk_and_streams_are_counted() {
        let mut card = facts(&["nvh264enc", "x264enc"]);
        let mut job = job();
        let check = |job: &Job, facts: &WorkerFacts, room_bytes, neighbours_busy| {
            fit(job, SEGMENT, &Candidate { room_bytes, neighbours_busy, ..candidate(facts) }, |_| false)
        };
        card.inventory.memory_bytes = 64 * 48 * 32 - 1;
        assert_eq!(check(&job, &card, None, 0), Err(Misfit::Memory { needed_bytes: 64 * 48 * 32 }));
        card.inventory.memory_bytes += 1;
        assert_eq!(check(&job, &card, None, 0), Ok(()));
        let needed_bytes = 1_000 + 50 * 64 * 48 / 2;
        assert_eq!(check(&job, &card, Some(needed_bytes - 1), 0), Err(Misfit::Disk { needed_bytes }));
        assert_eq!(check(&job, &card, Some(needed_bytes), 0), Ok(()));
        job.encoder = EncoderClass::Nvenc;
        card.inventory.encoder_sessions = [("nvh264enc".to_owned(), 2)].into();
        assert_eq!(check(&job, &card, None, 1), Ok(()));
        assert_eq!(check(&job, &card, None, 2), Err(Misfit::Sessions(EncoderClass::Nvenc)));
    }
}
