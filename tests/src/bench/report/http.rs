//! The daemon under load, as a table.

use crate::bench::http::{Latency, Report};
use std::fmt::Write as _;

pub fn http_table(report: &Report) -> String {
    let Report { fsync, submit, submitters, submits_per_second, submit_at_once, poll, beside } = report;
    let mut text = String::from("### The daemon over HTTP\n\n| | a second | p50 ms | p99 ms |\n|---|---|---|---|\n");
    let mut line = |name: &str, rate: f64, seen: &Latency| {
        let _ = writeln!(text, "| {name} | {rate:.0} | {:.2} | {:.2} |", seen.p50_ms, seen.p99_ms);
    };
    // One after the other: the rate is what the median leaves time for.
    let after_one_another = |seen: &Latency| 1e3 / seen.p50_ms.max(1e-6);
    line("one fsync of 4 KiB on the same disk: the floor", after_one_another(fsync), fsync);
    line("durable submits, one client", after_one_another(submit), submit);
    line(&format!("durable submits, {submitters} clients at once"), *submits_per_second, submit_at_once);
    line("polls of a job, one client", after_one_another(poll), poll);
    let _ = writeln!(
        text,
        "\nA submit takes {:.1} times the floor at the median; {submitters} clients at once get {:.1} submits out of each \
         time of one fsync.\n",
        submit.p50_ms / fsync.p50_ms,
        submits_per_second * fsync.p50_ms / 1e3,
    );
    let share = beside.frames_per_second_polled / beside.frames_per_second_alone;
    let _ = writeln!(
        text,
        "{} clients polling every 3 s beside a render: {:.1} frames a second with them, {:.1} without (ratio {share:.2}); \
         {} polls, {} refused, p50 {:.2} ms, p99 {:.2} ms; of one core the daemon used {:.1} %, the clients themselves \
         {:.1} %.\n",
        beside.pollers,
        beside.frames_per_second_polled,
        beside.frames_per_second_alone,
        beside.polls,
        beside.refused,
        beside.poll_p50_ms,
        beside.poll_p99_ms,
        beside.daemon_percent,
        beside.clients_percent,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::http::BesideRender;

    #[test]
    fn latencies_stand_beside_the_floor() {
        let seen = |p50_ms, p99_ms| Latency { p50_ms, p99_ms };
        let report = Report {
            fsync: seen(2.0, 4.0),
            submit: seen(5.0, 9.0),
            submitters: 32,
            submits_per_second: 1000.0,
            submit_at_once: seen(30.0, 50.0),
            poll: seen(0.5, 1.0),
            beside: BesideRender {
                pollers: 1000,
                frames_per_second_alone: 30.0,
                frames_per_second_polled: 27.0,
                ..BesideRender::default()
            },
        };
        let text = http_table(&report);
        assert!(text.contains("| durable submits, one client | 200 | 5.00 | 9.00 |"), "{text}");
        assert!(text.contains("2.5 times the floor"), "{text}");
        assert!(text.contains("get 2.0 submits out of each time of one fsync"), "{text}");
        assert!(text.contains("(ratio 0.90)"), "{text}");
    }
}
