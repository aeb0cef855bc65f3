//! How the agent stands, in a sentence, for the line that `systemctl status` shows.

use crate::{availability::Gate, lease::Leases, link::Link, systemd};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tweenfarm_protocol::service::Availability;

/// People look at it, nobody counts by it.
const EVERY: Duration = Duration::from_secs(5);

/// Whom to ask.
pub struct Standing {
    pub link: Link,
    pub gate: Gate,
    pub leases: Leases,
    pub workers: usize,
}

impl Standing {
    /// Tells until `stop`, when there is something new to tell.
    pub async fn keep_telling(self, stop: CancellationToken) {
        loop {
            systemd::say(sentence(self.link.is_connected(), &self.gate.now(), self.leases.count(), self.workers));
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }
}

fn sentence(connected: bool, availability: &Availability, tasks: usize, workers: usize) -> String {
    let stands = match availability {
        Availability::Ready if connected && tasks == 0 => "ready for work".to_owned(),
        Availability::Ready if connected => "at work".to_owned(),
        Availability::Ready => "no connection to the daemon, trying on (tweenfarm-agent doctor)".to_owned(),
        Availability::Asleep { until } => format!("asleep by work_hours until {}", until.to_iso_seconds()),
        Availability::InUse { reason } => format!("no work is taken: {reason}"),
    };
    format!("{stands}; workers: {workers}, tasks in hand: {tasks}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tweenfarm_protocol::Timestamp;

    #[test]
    fn the_line_says_whether_there_is_work_and_why_there_is_none() {
        let ready = Availability::Ready;
        assert_eq!(sentence(true, &ready, 0, 1), "ready for work; workers: 1, tasks in hand: 0");
        assert_eq!(sentence(true, &ready, 2, 2), "at work; workers: 2, tasks in hand: 2");
        assert!(sentence(false, &ready, 1, 2).starts_with("no connection to the daemon"));
        let asleep = Availability::Asleep { until: Timestamp(1_800_000_000_000_000) };
        assert_eq!(
            sentence(false, &asleep, 0, 1),
            "asleep by work_hours until 2027-01-15T08:00:00Z; workers: 1, tasks in hand: 0"
        );
        let used = Availability::InUse { reason: "the file gaming is there".to_owned() };
        assert!(sentence(true, &used, 0, 1).starts_with("no work is taken: the file gaming is there"));
    }
}
