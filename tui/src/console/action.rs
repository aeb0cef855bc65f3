//! What `update` wants done outside of the state: things asked of the daemon, and of the terminal.

use std::fmt;
use tweenfarm_protocol::{
    AccountId, AgentId, FileId, JobId, Xeconds,
    operator::{CreditKind, WatchOrder},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Ask(Asked),
    /// Read everything on the screen anew, now.
    Reread,
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    Quit,
}

/// A change that the daemon is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Cancel(JobId),
    UndoCancel(JobId),
    Retry(JobId),
    PauseJob {
        job: JobId,
        paused: bool,
    },
    Prioritise {
        job: JobId,
        priority: i32,
    },
    PauseQueue {
        paused: bool,
    },
    Order {
        agent: AgentId,
        order: AgentOrder,
    },
    Weigh {
        account: AccountId,
        weight: u32,
    },
    Revoke(AgentId),
    Invite {
        name: String,
        valid_seconds: u64,
    },
    AddUser {
        email: String,
        xeconds: Xeconds,
    },
    Grant {
        account: AccountId,
        xeconds: Xeconds,
        reason: String,
        kind: CreditKind,
    },
    Adjust {
        account: AccountId,
        xeconds: Xeconds,
        reason: String,
    },
    AddKey {
        account: AccountId,
        name: String,
    },
    Sweep {
        dry_run: bool,
    },
    Pin {
        file: FileId,
        pinned: bool,
    },
    /// A watched file, by the id that its row shows.
    Watched {
        file: String,
        order: WatchOrder,
    },
}

/// What an agent is told about new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentOrder {
    Pause,
    Drain,
    Resume,
}

/// What is on the screen, and so has to be kept fresh. Compared with what it was, and only a difference is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looking {
    pub history: bool,
    pub jobs: bool,
    pub job: Option<JobId>,
    pub agents: bool,
    pub users: bool,
    pub ledger: Option<AccountId>,
    pub retention: bool,
    pub watch: bool,
}

impl fmt::Display for Asked {
    /// As the foot says it while the daemon has not answered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Cancel(job) => write!(f, "cancel job {job}"),
            Asked::UndoCancel(job) => write!(f, "undo the cancelling of job {job}"),
            Asked::Retry(job) => write!(f, "try job {job} again"),
            Asked::PauseJob { job, paused: true } => write!(f, "pause job {job}"),
            Asked::PauseJob { job, paused: false } => write!(f, "let job {job} go on"),
            Asked::Prioritise { priority, .. } => write!(f, "set the priority to {priority}"),
            Asked::PauseQueue { paused: true } => write!(f, "pause the queue"),
            Asked::PauseQueue { paused: false } => write!(f, "let the queue go on"),
            Asked::Order { order: AgentOrder::Pause, .. } => write!(f, "pause an agent"),
            Asked::Order { order: AgentOrder::Drain, .. } => write!(f, "drain an agent"),
            Asked::Order { order: AgentOrder::Resume, .. } => write!(f, "let an agent go on"),
            Asked::Weigh { weight, .. } => write!(f, "set the weight to {weight}"),
            Asked::Revoke(agent) => write!(f, "put agent {agent} out"),
            Asked::Invite { name, .. } => write!(f, "invite {name}"),
            Asked::AddUser { email, .. } => write!(f, "add {email}"),
            Asked::Grant { xeconds, .. } => write!(f, "give {xeconds} xeconds"),
            Asked::Adjust { xeconds, .. } => write!(f, "correct a balance by {:+}", xeconds.0),
            Asked::AddKey { name, .. } => write!(f, "make the key {name}"),
            Asked::Sweep { dry_run: true } => write!(f, "say what a sweep would delete"),
            Asked::Sweep { dry_run: false } => write!(f, "sweep"),
            Asked::Pin { pinned: true, .. } => write!(f, "pin a file"),
            Asked::Pin { pinned: false, .. } => write!(f, "unpin a file"),
            Asked::Watched { order: WatchOrder::Release, .. } => write!(f, "release a file"),
            Asked::Watched { order: WatchOrder::Retry, .. } => write!(f, "try a file once more"),
        }
    }
}
