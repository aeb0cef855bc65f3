//! What the daemon itself asks of the S3 server, counted for metrics. What clients and agents do there, only the server sees.

use prometheus_client::metrics::{counter::Counter, family::Family};

type Label = Vec<(&'static str, &'static str)>;

/// Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub requests: Family<Label, Counter>,
    pub bytes: Family<Label, Counter>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Missing,
    Refused,
    /// No answer, or one that says to try again.
    Away,
}

impl Default for Traffic {
    /// What has not happened yet is told as 0: a rate needs something to begin from.
    fn default() -> Traffic {
        let traffic = Traffic { requests: Family::default(), bytes: Family::default() };
        for outcome in [Outcome::Done, Outcome::Missing, Outcome::Refused, Outcome::Away] {
            traffic.request(outcome, 0);
        }
        traffic.read(0);
        traffic.written(0);
        traffic
    }
}

impl Traffic {
    pub(super) fn request(&self, outcome: Outcome, count: u64) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Missing => "missing",
            Outcome::Refused => "refused",
            Outcome::Away => "away",
        };
        self.requests.get_or_create(&vec![("outcome", outcome)]).inc_by(count);
    }

    pub(super) fn read(&self, bytes: u64) {
        self.bytes.get_or_create(&vec![("direction", "read")]).inc_by(bytes);
    }

    pub(super) fn written(&self, bytes: u64) {
        self.bytes.get_or_create(&vec![("direction", "written")]).inc_by(bytes);
    }
}
