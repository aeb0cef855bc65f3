//! Everything that can happen to the console, in one enum.

use super::{action::Asked, picture::Picture};
use crossterm::event::{KeyEvent, MouseEvent};
use tweenfarm_protocol::{
    AccountId, JobId, Timestamp,
    operator::{
        AgentRow, DutyRow, EventRow, FileRow, History, JobDetail, JobRow, JobSchedule, LedgerRow, LogRow, LostEvents,
        Me, QueueRow, Retention, Status, UserRow, WatchView,
    },
};

#[derive(Clone, Debug)]
pub enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resized {
        width: u16,
        height: u16,
    },
    /// The clock, once a second.
    Tick(Timestamp),
    /// The daemon told something.
    Told {
        at: Timestamp,
        told: Box<Told>,
    },
    /// The daemon answered that it does not give this.
    Untold {
        subject: Subject,
        why: String,
    },
    /// The daemon cannot be reached, or not any more.
    Lost {
        at: Timestamp,
        why: String,
    },
    /// What was asked was done: a sentence, and what is shown this once.
    Done {
        asked: Asked,
        said: String,
        shown_once: Option<Secret>,
    },
    Refused {
        asked: Asked,
        why: String,
    },
}

/// Something that the daemon says this once: a key, the line of an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub title: &'static str,
    pub text: String,
    pub note: String,
}

/// It always travels in a box.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Told {
    Me(Me),
    Status(Status),
    History(History),
    /// A part of the list of jobs.
    Jobs(Vec<JobRow>),
    Job(JobDetail),
    Schedule(JobSchedule),
    Queue(QueueRow),
    Duties(Vec<DutyRow>),
    Log(JobId, Vec<LogRow>),
    Preview(Picture),
    Agents(Vec<AgentRow>),
    Users(Vec<UserRow>),
    Ledger(AccountId, Vec<LedgerRow>),
    Retention(Retention),
    Files(Vec<FileRow>),
    Watch(WatchView),
    Events(Vec<EventRow>),
    EventsLost(LostEvents),
}

/// What can be asked about, for what is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Me,
    Status,
    History,
    Jobs,
    Job,
    Schedule,
    Queue,
    Duties,
    Log,
    Preview,
    Agents,
    Users,
    Ledger,
    Retention,
    Files,
    Watch,
    Events,
}
