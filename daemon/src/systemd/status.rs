//! The line that `systemctl status` shows: what the farm does now, in a sentence.

use crate::farm::{Farm, Load};
use sd_notify::NotifyState;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// People look at it, nobody counts by it.
const EVERY: Duration = Duration::from_secs(10);

/// Tells until `stop`, when there is something new to tell.
pub async fn run(farm: Farm, stop: CancellationToken) {
    let mut told = String::new();
    loop {
        let now = sentence(&farm.load());
        if now != told {
            super::tell(&[NotifyState::Status(&now)]);
            told = now;
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

fn sentence(load: &Load) -> String {
    let Load { workers_idle, workers_running, queue_depth, .. } = load;
    match (workers_running + workers_idle, queue_depth) {
        (0, 0) => "no worker is here, no job waits".to_owned(),
        (0, waiting) => format!("no worker is here, {waiting} jobs wait: start an agent"),
        (workers, 0) => format!("{workers_running} of {workers} workers at work, no job waits"),
        (workers, waiting) => format!("{workers_running} of {workers} workers at work, {waiting} jobs wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_works_what_waits_and_what_is_missing() {
        let check = |workers_idle, workers_running, queue_depth, expected: &str| {
            assert_eq!(sentence(&Load { workers_idle, workers_running, queue_depth }), expected);
        };
        check(0, 0, 0, "no worker is here, no job waits");
        check(0, 0, 3, "no worker is here, 3 jobs wait: start an agent");
        check(3, 1, 0, "1 of 4 workers at work, no job waits");
        check(0, 4, 12, "4 of 4 workers at work, 12 jobs wait");
    }
}
