//! Answers as text for people, and as JSON for programs.

mod agents;
mod operators;
mod watch;

pub use agents::{agents, invited, revoked_agent};
pub use operators::{added_operator, operators, revoked_operator};
pub use watch::{watch, watch_ordered};

use crate::{
    doctor::{Finding, Verdict},
    submit::Done,
};
use serde::Serialize;
use tweenfarm_protocol::{
    Xeconds,
    operator::{
        AddedKey, AddedUser, EventRow, Granted, JobRow, KeyRow, LedgerRow, Level, LogRow, NewKey, RevokedKey, Status,
        Swept, UserRow,
    },
};

pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("a body of the protocol is plain data")
}

/// One line for each, as programs read a stream.
pub fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a body of the protocol is plain data")
}

pub fn log_row(row: &LogRow) -> String {
    let piece = row.piece.as_ref().map_or(String::new(), |piece| format!("{piece}: "));
    format!("{} {:<5} {} {piece}{}", row.at, level(row.level), row.source, row.text)
}

pub fn event_row(row: &EventRow) -> String {
    let job = row.job.map_or(String::new(), |job| format!(" (job {job})"));
    format!("{} {:<5} {} {}{job}", row.at, level(row.level), row.kind, row.text)
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

pub fn submitted(done: &Done) -> String {
    let paid = format!("{} xeconds charged, {} left", done.xeconds_charged, done.balance_after);
    match (&done.output, done.output_bytes) {
        (Some(output), Some(bytes)) => format!("{} has the result, {bytes} bytes\n{paid}", output.display()),
        _ => format!("job {} is {}\n{paid}", done.job, done.state),
    }
}

pub fn doctor(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let word = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warning => "warn",
            Verdict::Bad => "BAD ",
        };
        let remedy = if finding.remedy.is_empty() { String::new() } else { format!("\n      {}", finding.remedy) };
        format!("{word}  {}{remedy}", finding.text)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub fn added_user(added: &AddedUser) -> String {
    format!(
        "account  {}\nemail    {}\nbalance  {} xeconds\nAPI key  {}\n\nThe key is shown this once: store it now.",
        added.account, added.email, added.balance, added.api_key
    )
}

pub fn granted(granted: &Granted, change: Xeconds) -> String {
    format!("{change} xeconds booked; account {} now has {}", granted.account, granted.balance)
}

pub fn ledger(rows: &[LedgerRow]) -> String {
    if rows.is_empty() {
        return "nothing has been booked yet".to_owned();
    }
    let rows = rows.iter().map(|row| {
        // The sign is said, also for what comes in.
        let change = format!("{:+}", row.change.0);
        [row.sequence.to_string(), row.at.clone(), row.kind.clone(), change, row.balance.to_string(), row.note.clone()]
    });
    table(["#", "AT", "KIND", "CHANGE", "BALANCE", "NOTE"], rows)
}

pub fn new_key(key: &NewKey) -> String {
    format!(
        "account  {}\nAPI key  {}\n\nThe key is shown this once: store it now. The earlier one is revoked.",
        key.account, key.api_key
    )
}

pub fn added_key(added: &AddedKey) -> String {
    let AddedKey { account, key, name, api_key } = added;
    format!(
        "account  {account}\nkey      {key} ({name})\nAPI key  {api_key}\n\nThe key is shown this once: store it now."
    )
}

pub fn keys(rows: &[KeyRow]) -> String {
    if rows.is_empty() {
        return "no keys: make one with `tweenfarm keys add ACCOUNT NAME`".to_owned();
    }
    let rows = rows.iter().map(|row| {
        let id = row.key.map_or(String::new(), |key| key.to_string());
        let used = row.last_used_at.clone().unwrap_or("never".into());
        let state = row.revoked_at.as_ref().map_or("works".into(), |at| format!("revoked {at}"));
        [id, format!("{}…", row.prefix), row.name.clone(), row.created_at.clone(), used, state]
    });
    table(["KEY", "BEGINS", "NAME", "CREATED", "LAST USED", "STATE"], rows)
}

pub fn revoked_key(key: &RevokedKey) -> String {
    match key.revoked {
        true => format!("the key of account {} is revoked", key.account),
        false => format!("account {} has no such key that works: nothing was changed", key.account),
    }
}

pub fn swept(swept: &Swept) -> String {
    let Swept { candidates, candidate_bytes, in_use, deleted, deleted_bytes, errors, dry_run } = swept;
    let done = match dry_run {
        true => "nothing was deleted: this was a dry run".to_owned(),
        false => format!("{deleted} files of {deleted_bytes} bytes were deleted, {errors} could not be: see the log"),
    };
    format!("past their time  {candidates} files, {candidate_bytes} bytes\nkept for jobs    {in_use} files\n{done}")
}

pub fn users(users: &[UserRow]) -> String {
    if users.is_empty() {
        return "no accounts yet: add one with `tweenfarm users add EMAIL`".to_owned();
    }
    let rows = users.iter().map(|user| {
        let key = if user.has_key { "yes" } else { "no" };
        let balance = user.balance.to_string();
        [user.account.to_string(), user.email.clone(), user.tier.clone(), balance, key.into(), user.created_at.clone()]
    });
    table(["ACCOUNT", "EMAIL", "TIER", "BALANCE", "KEY", "CREATED"], rows)
}

pub fn jobs(jobs: &[JobRow]) -> String {
    if jobs.is_empty() {
        return "no jobs yet".to_owned();
    }
    let rows = jobs.iter().map(|job| {
        let percent = format!("{}%", job.progress_percent);
        let note = job.error.clone().unwrap_or_default();
        [
            job.job.to_string(),
            job.state.clone(),
            percent,
            job.target_fps.to_string(),
            job.xeconds_charged.to_string(),
            job.created_at.clone(),
            note,
        ]
    });
    table(["JOB", "STATE", "DONE", "FPS", "XECONDS", "CREATED", "ERROR"], rows)
}

pub fn job(job: &JobRow) -> String {
    let mut lines = vec![
        format!("job        {}", job.job),
        format!("account    {}", job.account),
        format!("state      {} ({}%)", job.state, job.progress_percent),
        format!("target     {} fps", job.target_fps),
        format!("made by    {}", job.settings),
        format!("charged    {} xeconds", job.xeconds_charged),
        format!("refunded   {} xeconds", job.xeconds_refunded),
        format!("created    {}", job.created_at),
    ];
    lines.extend(job.completed_at.as_ref().map(|at| format!("completed  {at}")));
    lines.extend(job.error.as_ref().map(|error| format!("error      {error}")));
    lines.join("\n")
}

/// A job that had ended before stays as it is, which is said.
pub fn cancelled(job: &JobRow) -> String {
    match job.state.as_str() {
        "cancelled" => format!("job {} is cancelled; {} xeconds were refunded", job.job, job.xeconds_refunded),
        state => format!("job {} had ended before: {state}; nothing was changed", job.job),
    }
}

pub fn status(status: &Status) -> String {
    let ledgers = match status.ledger_differences {
        0 => "every balance equals its entries".to_owned(),
        1 => "1 account does not add up: see the daemon's log".to_owned(),
        accounts => format!("{accounts} accounts do not add up: see the daemon's log"),
    };
    format!(
        "daemon    {}\nworkers   {} idle, {} running\nqueue     {} jobs wait\naccounts  {}\njobs      {}\nledgers   {}\nreports   {} came late and changed nothing",
        status.version,
        status.workers_idle,
        status.workers_running,
        status.queue_depth,
        status.accounts,
        status.jobs,
        ledgers,
        status.late_reports,
    )
}

/// Columns as wide as their widest cell, two blanks apart.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let text = table(["A", "LONG"], [["wide one".to_owned(), String::new()], ["b".into(), "c".into()]].into_iter());
        assert_eq!(text, "A         LONG\nwide one\nb         c");
    }

    #[test]
    fn a_ledger_shows_the_sign_of_every_change() {
        let row = |sequence, change, balance, kind: &str| LedgerRow {
            sequence,
            at: "2026-07-01T10:04:30Z".into(),
            kind: kind.into(),
            change: Xeconds(change),
            balance: Xeconds(balance),
            note: String::new(),
        };
        let text = ledger(&[row(0, 120, 120, "trial grant"), row(1, -24, 96, "charge")]);
        let expected = "\
#  AT                    KIND         CHANGE  BALANCE  NOTE
0  2026-07-01T10:04:30Z  trial grant  +120    120
1  2026-07-01T10:04:30Z  charge       -24     96";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_job_that_had_ended_is_not_said_to_be_cancelled() {
        let mut row = JobRow {
            job: tweenfarm_protocol::JobId(uuid::Uuid::nil()),
            account: tweenfarm_protocol::AccountId(uuid::Uuid::nil()),
            email: String::new(),
            filename: String::new(),
            slot_count: 0,
            pieces: Default::default(),
            share_percent: 0,
            eta_seconds: None,
            priority: 0,
            paused_at: None,
            state: "done".into(),
            progress_percent: 100,
            target_fps: 60,
            settings: "quality=balanced".into(),
            xeconds_charged: Xeconds(12),
            xeconds_refunded: Xeconds(0),
            created_at: "2026-07-01T10:04:30Z".into(),
            completed_at: None,
            error: None,
        };
        assert!(cancelled(&row).contains("nothing was changed"));
        row.state = "cancelled".into();
        assert!(cancelled(&row).contains("refunded"));
    }
}
