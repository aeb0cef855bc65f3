//! Jobs and their segments: one clip to one target rate, rendered piece by piece, joined, and marked where it must be.

use tweenfarm_media::SourceFacts;
use tweenfarm_protocol::{
    AccountId, AgentId, EntryId, FileId, JobId, LeaseId, ProjectId, Rational, SlotRange, Timestamp, Xeconds,
    output::{OutputFormat, PictureSize},
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
    pub format: OutputFormat,
    /// Tier at submission: decides where the output goes and how long it stays.
    pub tier: Tier,
    /// Whether the output gets a visible mark: always on trial, else when it was asked for.
    pub watermarked: bool,
    pub charge: EntryId,
    pub charged: Xeconds,
    pub created_at: Timestamp,
    /// 0..=100, the highest ever reached: a segment that starts again does not take it back.
    pub progress_percent: u8,
    pub priority: Priority,
    /// Since when nothing new of it is handed out; what is leased goes on.
    pub paused_at: Option<Timestamp>,
    /// Engine and version of whoever was the first to render a piece of it: the others are to have the same, so that
    /// nobody sees the borders. Empty before.
    pub engine_version: String,
    pub state: JobState,
}

/// -100 to 100; 0 unless the operator says otherwise. Within an account only: between accounts, weights decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(i32);

impl Priority {
    pub const RANGE: std::ops::RangeInclusive<i32> = -100..=100;

    /// None outside the range.
    pub fn new(priority: i32) -> Option<Priority> {
        Priority::RANGE.contains(&priority).then_some(Priority(priority))
    }

    pub fn get(self) -> i32 {
        self.0
    }
}

/// Where a job stands among its account's, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobPlace {
    pub created_at: Timestamp,
    pub id: JobId,
}

impl JobPlace {
    /// Before all jobs of earlier moments, after all others.
    pub fn before(created_at: Timestamp) -> JobPlace {
        JobPlace { created_at, id: JobId(uuid::Uuid::nil()) }
    }
}

/// Where a segment stands in its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// Position in the job's `segments`.
    Segment(usize),
    Join,
    Mark,
}

impl Job {
    /// Where the joined output goes: the clean master of a job that is marked.
    pub fn output_key(&self) -> ObjectKey {
        ObjectKey::output(self.tier, self.account, self.project, self.id, self.target_fps)
    }

    /// Where the marked copy goes.
    pub fn marked_key(&self) -> ObjectKey {
        ObjectKey::marked(self.tier, self.account, self.project, self.id, self.target_fps)
    }

    /// The output that an account of tier `now` is given; none before the job is done. Who paid later is given what the
    /// trial kept back; who asked for the mark keeps it.
    pub fn given(&self, now: Tier) -> Option<FileId> {
        let JobState::Ended { end: JobEnd::Done { output, master, .. }, .. } = &self.state else { return None };
        Some(master.filter(|_| self.is_unlocked(now)).unwrap_or(*output))
    }

    /// Whether what an account of tier `now` is given of this job has the mark.
    pub fn is_given_marked(&self, now: Tier) -> bool {
        self.watermarked && !self.is_unlocked(now)
    }

    fn is_unlocked(&self, now: Tier) -> bool {
        self.tier == Tier::Free && now == Tier::Paid
    }

    /// Whether a file is this job's clean master, and kept back from an account of tier `now`.
    pub fn withholds(&self, file: FileId, now: Tier) -> bool {
        let JobState::Ended { end: JobEnd::Done { master, .. }, .. } = &self.state else { return false };
        *master == Some(file) && self.given(now) != Some(file)
    }

    pub fn place(&self) -> JobPlace {
        JobPlace { created_at: self.created_at, id: self.id }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, JobState::Ended { .. })
    }

    /// What is kept of a cancelled job.
    pub fn kept(&self) -> Option<&Kept> {
        match &self.state {
            JobState::Ended { end: JobEnd::Cancelled { kept, .. }, .. } => kept.as_ref(),
            _ => None,
        }
    }

    /// Whether its input and its finished segments may be needed again.
    pub fn is_open(&self) -> bool {
        !self.has_ended() || self.kept().is_some()
    }

    /// Of one frame of its output.
    pub fn output_pixels(&self) -> u64 {
        self.format.size.map_or_else(|| self.source_pixels(), PictureSize::pixels)
    }

    /// Of one frame of its source.
    pub fn source_pixels(&self) -> u64 {
        u64::from(self.source.video.width_px) * u64::from(self.source.video.height_px)
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
    /// The clean master is stored and its marked copy is to be made; a segment of its own kind, too.
    Marking {
        master: Box<Master>,
        mark: Segment,
    },
    Ended {
        at: Timestamp,
        end: JobEnd,
    },
}

impl JobState {
    /// The pieces that can be worked on now, in slot order: the segments while rendering, then join and mark, each alone.
    pub fn pieces(&self) -> impl Iterator<Item = (Spot, &Segment)> {
        let (segments, last): (&[Segment], _) = match self {
            JobState::Rendering { segments } => (segments, None),
            JobState::Joining { join, .. } => (&[], Some((Spot::Join, join))),
            JobState::Marking { mark, .. } => (&[], Some((Spot::Mark, mark))),
            JobState::Ended { .. } => (&[], None),
        };
        let segments = segments.iter().enumerate().map(|(position, segment)| (Spot::Segment(position), segment));
        segments.chain(last)
    }

    pub fn piece(&self, spot: Spot) -> Option<&Segment> {
        match (self, spot) {
            (JobState::Rendering { segments }, Spot::Segment(position)) => segments.get(position),
            (JobState::Joining { join, .. }, Spot::Join) => Some(join),
            (JobState::Marking { mark, .. }, Spot::Mark) => Some(mark),
            _ => None,
        }
    }

    pub fn piece_mut(&mut self, spot: Spot) -> Option<&mut Segment> {
        match (self, spot) {
            (JobState::Rendering { segments }, Spot::Segment(position)) => segments.get_mut(position),
            (JobState::Joining { join, .. }, Spot::Join) => Some(join),
            (JobState::Marking { mark, .. }, Spot::Mark) => Some(mark),
            _ => None,
        }
    }
}

/// The joined output of a job that is to be marked, at the job's `output_key`.
#[derive(Clone, Debug, PartialEq)]
pub struct Master {
    pub size_bytes: u64,
    pub sha256: String,
    pub facts: RenderFacts,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JobEnd {
    Done {
        /// The marked copy of a job that is marked.
        output: FileId,
        output_key: ObjectKey,
        /// Of the joined output, who made it included.
        facts: RenderFacts,
        /// The clean master beside a marked copy.
        master: Option<FileId>,
    },
    /// Refunded in the same transaction.
    Failed {
        error: String,
        /// The last lines of the log of the worker that failed last; for the operator.
        log: Vec<String>,
        refund: EntryId,
        refunded: Xeconds,
    },
    /// By the operator; refunded in the same transaction.
    Cancelled {
        refund: EntryId,
        refunded: Xeconds,
        /// What there was of it, while the cancelling can be undone.
        kept: Option<Kept>,
    },
}

/// A cancelled job as it was, nothing of it leased.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Rendering, joining or marking.
    pub state: Box<JobState>,
    pub until: Timestamp,
}

/// One leasable piece of a job: a slot range to render, or (with the whole range) the join or the mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub slots: SlotRange,
    pub state: SegmentState,
    /// Attempts that failed, oldest first: the next one is better made by somebody else.
    pub failures: Vec<FailedAttempt>,
}

impl Segment {
    /// One that nobody has tried yet.
    pub fn new(slots: SlotRange, now: Timestamp) -> Segment {
        let state = SegmentState::Ready { attempt: 1, not_before: now };
        Segment { slots, state, failures: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    pub agent: AgentId,
    pub worker: u32,
    pub at: Timestamp,
    pub failure: Failure,
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
        /// An agent on another machine could be asked, too.
        other_agent: bool,
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
