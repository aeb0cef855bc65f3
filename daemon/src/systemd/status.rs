//! The line that `systemctl status` shows: what the farm does now, in a sentence.

use crate::farm::{Farm, Load};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// People look at it, nobody counts by it.
const EVERY: Duration = Duration::from_secs(10);

/// Tells until `stop`, when there is something new to tell; `remark` is what people should know beside it.
pub async fn run(farm: Farm, mut remark: watch::Receiver<Option<String>>, stop: CancellationToken) {
    let mut told = String::new();
    loop {
        let remarked = remark.borrow_and_update().clone();
        let now = with(sentence(&farm.load()), remarked);
        if now != told {
            super::say(&now);
            told = now;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            Ok(()) = remark.changed() => {}
            () = stop.cancelled() => return,
        }
    }
}

fn with(sentence: String, remark: Option<String>) -> String {
    remark.map_or(sentence.clone(), |remark| format!("{sentence}; {remark}"))
}

fn sentence(load: &Load) -> String {
    let Load { workers_idle, workers_running, queue_depth, .. } = load;
    match (workers_running + workers_idle, queue_depth) {
        (0, 0) => "no worker is here, no job waits".to_owned(),
        (0, waiting) => format!("no worker is here, jobs waiting: {waiting}; start an agent"),
        (workers, 0) => format!("{workers_running} of {workers} workers at work, no job waits"),
        (workers, waiting) => format!("{workers_running} of {workers} workers at work, jobs waiting: {waiting}"),
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
        check(0, 0, 3, "no worker is here, jobs waiting: 3; start an agent");
        check(3, 1, 0, "1 of 4 workers at work, no job waits");
        check(0, 4, 12, "4 of 4 workers at work, jobs waiting: 12");
    }
}
