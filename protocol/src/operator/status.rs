//! Bodies about the farm as a whole: is it well, what is to be done, how has it been.

use serde::{Deserialize, Serialize};

/// `GET /operator/status`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// The daemon's time.
    #[serde(default)]
    pub at: String,
    #[serde(default)]
    pub started_at: String,
    #[serde(default)]
    pub health: Health,
    /// The gravest first.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    pub workers_idle: u32,
    pub workers_running: u32,
    /// Agents that are connected now, and that the farm knows.
    #[serde(default)]
    pub agents_connected: u32,
    #[serde(default)]
    pub agents: u32,
    /// Jobs of which nothing is leased or rendered.
    pub queue_depth: u64,
    /// Jobs that have not ended.
    #[serde(default)]
    pub jobs_open: u64,
    /// Of the oldest job of which nothing is leased or rendered.
    #[serde(default)]
    pub queue_age_seconds: Option<u64>,
    pub accounts: u64,
    pub jobs: u64,
    /// Result of the last audit: accounts whose balance differs from the sum of their entries.
    pub ledger_differences: u64,
    /// Reports that came under a lease that was over; they changed nothing.
    pub late_reports: u64,
    #[serde(default)]
    pub ledger_today: LedgerDay,
    #[serde(default)]
    pub disk: DiskRow,
}

/// Whether the farm is well, in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    #[default]
    Well,
    /// It works, and somebody should look.
    Strained,
    /// Work stands still or promises cannot be kept.
    Ill,
}

impl Health {
    pub const fn name(self) -> &'static str {
        match self {
            Health::Well => "well",
            Health::Strained => "strained",
            Health::Ill => "ill",
        }
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// A word for programs: `no_agents`, `disk_low` … all of them in docs/monitoring.md.
    pub alert: String,
    /// What the farm is while this lasts; never `well`.
    pub health: Health,
    /// What is wrong, and where.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// Xeconds booked since midnight UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDay {
    pub charged: i64,
    pub refunded: i64,
    pub granted: i64,
    pub bought: i64,
    /// False: since the daemon started, which was later than midnight.
    pub whole_day: bool,
}

/// The disk of the blob store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRow {
    /// None where the bytes are not on a disk of the daemon's.
    pub free_bytes: Option<u64>,
    /// Uploads are refused below this.
    pub reserve_bytes: u64,
}

/// Answer of `GET /operator/history`: how the farm has been, oldest first. In memory only: it begins with the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub step_seconds: u32,
    pub points: Vec<HistoryPoint>,
}

/// One step; rates are means over it, counts its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Seconds since 1970 at the end of the step.
    pub at_seconds: i64,
    /// Output frames finished per second, in thousandths.
    pub frames_per_second_milli: u64,
    pub workers: u32,
    pub workers_busy: u32,
    /// Time that workers were busy, of all the time they had: 0..=100.
    pub busy_percent: u8,
    pub queue_depth: u64,
    pub queue_age_seconds: u64,
    pub jobs_open: u64,
    pub jobs_done: u32,
    pub jobs_failed: u32,
}
