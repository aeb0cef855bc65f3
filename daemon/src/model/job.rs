//! Jobs and their segments: one clip to one target rate, rendered piece by piece, then joined.

use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, LeaseId, ProjectId, Rational, SlotRange, Timestamp, Xeconds,
    task::{EncodeSettings, EncoderClass, EngineSettings, Failure, Progress, RenderFacts},
};

use super::{ObjectKey, Tier};

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub account: AccountId,
    pub project: ProjectId,
    pub input: FileId,
    pub input_key: ObjectKey,
    pub source: SourceFacts,
    pub target_fps: u32,
    pub slot_count: u64,
    pub encode: EncodeSettings,
    pub encoder: EncoderClass,
    pub engine: EngineSettings,
    /// Tier at submission: decides where the output goes and how long it stays.
    pub tier: Tier,
    pub charge: EntryId,
    pub charged: Xeconds,
    pub created_at: Timestamp,
    /// 0..=100, the highest ever reached: a segment that starts again does not take it back.
    pub progress_percent: u8,
    pub state: JobState,
}

/// Where a segment stands in its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// Position in the job's `segments`.
    Segment(usize),
    Join,
}

impl Job {
    /// Where the joined output goes.
    pub fn output_key(&self) -> ObjectKey {
        ObjectKey::output(self.tier, self.account, self.project, self.id, self.target_fps)
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, JobState::Ended { .. })
    }

    pub fn target_rate(&self) -> Rational {
        Rational::whole(i64::from(self.target_fps))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Segments are being rendered; `segments` covers `[0, slot_count)` in order.
    Rendering {
        segments: Vec<Segment>,
    },
    /// All segments are rendered and the join is to be done; the join is a segment of its own kind.
    Joining {
        segments: Vec<Segment>,
        join: Segment,
    },
    Ended {
        at: Timestamp,
        end: JobEnd,
    },
}

impl JobState {
    /// The pieces that can be worked on now, in slot order: the segments while rendering, then the join alone.
    pub fn pieces(&self) -> impl Iterator<Item = (Spot, &Segment)> {
        let (segments, join): (&[Segment], _) = match self {
            JobState::Rendering { segments } => (segments, None),
            JobState::Joining { join, .. } => (&[], Some(join)),
            JobState::Ended { .. } => (&[], None),
        };
        let segments = segments.iter().enumerate().map(|(position, segment)| (Spot::Segment(position), segment));
        segments.chain(join.map(|join| (Spot::Join, join)))
    }

    pub fn piece(&self, spot: Spot) -> Option<&Segment> {
        match (self, spot) {
            (JobState::Rendering { segments }, Spot::Segment(position)) => segments.get(position),
            (JobState::Joining { join, .. }, Spot::Join) => Some(join),
            _ => None,
        }
    }

    pub fn piece_mut(&mut self, spot: Spot) -> Option<&mut Segment> {
        match (self, spot) {
            (JobState::Rendering { segments }, Spot::Segment(position)) => segments.get_mut(position),
            (JobState::Joining { join, .. }, Spot::Join) => Some(join),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Done {
        output: FileId,
        output_key: ObjectKey,
        facts: RenderFacts,
    },
    /// Refunded in the same transaction.
    Failed {
        error: String,
        refund: EntryId,
        refunded: Xeconds,
    },
    /// By the operator; refunded in the same transaction.
    Cancelled {
        refund: EntryId,
        refunded: Xeconds,
    },
}

/// One leasable piece of a job: a slot range to render, or (with the whole range) the join.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub slots: SlotRange,
    pub state: SegmentState,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SegmentState {
    Ready { attempt: u32, not_before: Timestamp },
    Leased { lease: LeaseId, agent: AgentId, worker: u32, deadline: Timestamp, attempt: u32, progress: Progress },
    Rendered { output: ObjectKey, size_bytes: u64, sha256: String, facts: RenderFacts },
    Abandoned(Abandoned),
}

/// The last failure of a segment that will not be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    pub attempts: u32,
    pub last: Failure,
}

/// What can happen to a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum SegmentEvent {
    Leased {
        lease: LeaseId,
        agent: AgentId,
        worker: u32,
        deadline: Timestamp,
    },
    Renewed {
        lease: LeaseId,
        deadline: Timestamp,
        progress: Progress,
    },
    Delivered {
        lease: LeaseId,
        output: ObjectKey,
        size_bytes: u64,
        sha256: String,
        facts: RenderFacts,
    },
    Failed {
        lease: LeaseId,
        failure: Failure,
    },
    /// Unfinished and without blame: the attempt does not count.
    GivenBack {
        lease: LeaseId,
    },
    /// The deadline passed: counts as an attempt of a lost worker.
    Expired {
        lease: LeaseId,
    },
}

/// An event that does not fit the state: a late, doubled or foreign report. Nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the segment is not under this lease any more")]
pub struct IllegalStep;
