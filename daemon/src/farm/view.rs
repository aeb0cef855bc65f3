//! What the farm shows of itself: load, jobs with their progress, agents, leased work, findings of sweeps.

use crate::{
    model::{Duty, Job, Master, MediaFile, News, ObjectKey, Part, Segment, Webhook},
    schedule::breaker::{Breaker, Capability},
};
use std::time::Duration;
use tweenfarm_protocol::{
    AccountId, JobId, LeaseId, SlotRange, Timestamp,
    service::{Condition, Hello},
    task::Progress,
};

/// How busy the farm is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub workers_idle: u32,
    pub workers_running: u32,
    /// Jobs accepted of which nothing is leased or rendered.
    pub queue_depth: u64,
}

/// Something to be said of a job, taken by who is to say it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedNews {
    pub webhook: Webhook,
    pub news: News,
    pub job: Job,
}

/// A leased piece of a job with all that `rpc` needs to make a `Task` of it (it adds presigned URLs).
#[derive(Clone, Debug, PartialEq)]
pub struct LeasedWork {
    pub lease: LeaseId,
    pub lease_for: Duration,
    pub job: Job,
    pub input: MediaFile,
    pub piece: Piece,
}

impl LeasedWork {
    /// Where the result is delivered: a key of this lease alone, so that no late worker writes over another's bytes.
    pub fn result_key(&self) -> ObjectKey {
        ObjectKey::segment(self.job.id, self.lease)
    }

    /// Where the result belongs once its report is accepted; none when it stays where it was delivered.
    pub fn output_key(&self) -> Option<ObjectKey> {
        match self.piece {
            Piece::Render(_) => None,
            Piece::Join(_) => Some(self.job.output_key()),
            Piece::Mark(_) => Some(self.job.marked_key()),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Render these slots.
    Render(SlotRange),
    /// Join these.
    Join(Vec<Segment>),
    /// Make the marked copy of this.
    Mark(Master),
}

/// What `live_status` is derived from, and what a poll shows.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    pub job: Job,
    pub load: Load,
    /// 0..=100; never decreases.
    pub progress_percent: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AgentView {
    pub hello: Hello,
    pub connected: bool,
    pub last_seen: Timestamp,
    pub in_hand: Vec<InHand>,
    /// None: it works.
    pub duty: Option<Duty>,
    pub condition: Option<Condition>,
    /// What its workers rest from after failures.
    pub rests: Vec<(u32, Capability, Breaker)>,
}

/// A piece that a worker holds the lease of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InHand {
    pub worker: u32,
    pub lease: LeaseId,
    pub job: JobId,
    pub part: Part,
    pub attempt: u32,
    pub progress: Progress,
    pub deadline: Timestamp,
}

/// What a lease sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseSweep {
    pub expired: u32,
    pub jobs_failed: u32,
}

/// What an audit found: accounts whose ledger does not add up. To report, never to correct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub accounts: u64,
    pub entries: u64,
    pub differences: Vec<AccountId>,
}
