//! The daemon under load, as a table.

use super::cell;
use crate::bench::http::{Load, Report};
use std::fmt::Write as _;

pub fn http_table(report: &Report) -> String {
    let Report { fsync, submit, submitters, submit_at_once, poll, beside } = report;
    let mut text = String::from(
        "### The daemon over HTTP\n\n| | a second | p50 ms | p99 ms | daemon's CPU ms each |\n|---|---|---|---|---|\n",
    );
    let mut line = |name: &str, load: &Load| {
        let (rate, cpu) = (load.per_second, cell(load.daemon_cpu_ms, 2));
        let _ = writeln!(text, "| {name} | {rate:.0} | {:.2} | {:.2} | {cpu} |", load.p50_ms, load.p99_ms);
    };
    line("a block of 4 KiB written and synced on the same disk: the floor", fsync);
    line("durable submits, one client", submit);
    line(&format!("durable submits, {submitters} clients at once"), submit_at_once);
    line("polls of a job, one client", poll);
    let _ = writeln!(
        text,
        "\nA submit takes {:.1} times the floor at the median, {:.1} times at the 99th percentile.\n",
        submit.p50_ms / fsync.p50_ms,
        submit.p99_ms / fsync.p99_ms,
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
        let load = |per_second, p50_ms, p99_ms| Load { per_second, p50_ms, p99_ms, daemon_cpu_ms: Some(0.25) };
        let report = Report {
            fsync: load(400.0, 2.0, 4.0),
            submit: load(180.0, 5.0, 10.0),
            submitters: 32,
            submit_at_once: load(1000.0, 30.0, 50.0),
            poll: load(2000.0, 0.5, 1.0),
            beside: BesideRender {
                pollers: 1000,
                frames_per_second_alone: 30.0,
                frames_per_second_polled: 27.0,
                ..BesideRender::default()
            },
        };
        let text = http_table(&report);
        assert!(text.contains("| durable submits, one client | 180 | 5.00 | 10.00 | 0.25 |"), "{text}");
        assert!(text.contains("2.5 times the floor at the median, 2.5 times"), "{text}");
        assert!(text.contains("(ratio 0.90)"), "{text}");
    }
}
