//! One job on many agents, and many agents on one daemon, as text.

use super::{cell, met};
use crate::bench::{crowd, shared};

/// What two agents must at least be of one.
const RATIO_MIN: f64 = 1.8;

pub fn shared_text(report: &shared::Report) -> String {
    let ratio = report.ratio();
    format!(
        "### One job on two agents\n\nTwo agents pinned to one core each took {:.1} s for {} frames of output, one took \
         {:.1} s: {ratio:.2} times as fast (at least {RATIO_MIN}: {}); {:.2} times its processor time; {} rounds.\n\n",
        report.two_s / report.rounds as f64,
        report.frames,
        report.one_s / report.rounds as f64,
        met(ratio >= RATIO_MIN),
        report.cpu_ratio(),
        report.rounds,
    )
}

pub fn crowd_table(report: &crowd::Report) -> String {
    let crowd::Report { handed_out, listing, .. } = report;
    let mut text =
        format!("### {} agents at one daemon, {} jobs of history\n\n| | |\n|---|---|\n", report.agents, report.history);
    let mut line = |name: &str, value: String| text.push_str(&format!("| {name} | {value} |\n"));
    let each = 1024.0 * (report.memory_with_agents_mb - report.memory_before_mb) / report.agents as f64;
    line("memory before, MB", cell(Some(report.memory_before_mb), 1));
    line("memory with the agents waiting, MB", format!("{:.1} ({each:.0} kB each)", report.memory_with_agents_mb));
    line(
        "from sending a submit to its task at an agent, ms",
        format!("p50 {:.2}, p99 {:.2}", handed_out.p50_ms, handed_out.p99_ms),
    );
    line("jobs submitted, handed out and ended, a second", cell(Some(report.ended_per_second), 0));
    line("memory with the history, MB", cell(Some(report.memory_with_history_mb), 1));
    line("from the start after `kill -9` to the first answer, s", cell(Some(report.restart_s), 2));
    line("an account's first page of jobs, ms", format!("p50 {:.2}, p99 {:.2}", listing.p50_ms, listing.p99_ms));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_told_beside_its_target() {
        let report =
            shared::Report { rounds: 2, frames: 976, one_s: 80.0, two_s: 43.0, one_cpu_s: 80.0, two_cpu_s: 84.0 };
        let text = shared_text(&report);
        assert!(
            text.contains("21.5 s for 976 frames of output, one took 40.0 s: 1.86 times as fast (at least 1.8: met)")
        );
        assert!(text.contains("1.05 times its processor time"));
        assert!(shared_text(&shared::Report { two_s: 60.0, ..report }).contains("NOT met"));
    }
}
