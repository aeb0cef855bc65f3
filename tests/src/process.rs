//! Runs a program to its end and counts what its whole process tree spent. Nothing may be run at the same time.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

#[derive(Clone, Debug)]
pub struct Spent {
    pub status: ExitStatus,
    pub wall: Duration,
    /// User and system time of the program and of every child it waited for.
    pub cpu: Duration,
    pub stdout: String,
    /// The last lines of its standard error.
    pub stderr_tail: String,
}

/// Runs `command` with its output in files of `folder`; kills its whole group when `limit` is over.
pub fn run_counted(command: &mut Command, folder: &Path, limit: Duration) -> Result<Spent> {
    let (stdout, stderr) = (folder.join("stdout.log"), folder.join("stderr.log"));
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).process_group(0);
    let (before, started) = (cpu_of_children()?, Instant::now());
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > limit {
            let group = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
            child.wait()?;
            bail!("{name} was stopped: it ran for more than {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = started.elapsed();
    let cpu = cpu_of_children()?.saturating_sub(before);
    let stdout = String::from_utf8_lossy(&fs::read(&stdout)?).into_owned();
    Ok(Spent { status, wall, cpu, stdout, stderr_tail: tail(&fs::read(&stderr)?) })
}

fn tail(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

/// User and system time of all children this process has waited for, and of theirs.
fn cpu_of_children() -> Result<Duration> {
    // proc(5): cutime and cstime.
    two_times(std::process::id(), 16)
}

/// User and system time of one running process, all its threads, without its children.
pub fn cpu_of(process: u32) -> Result<Duration> {
    // proc(5): utime and stime.
    two_times(process, 14)
}

/// The sum of two neighbouring fields of `/proc/PID/stat` that count clock ticks; proc(5) numbers fields from 1.
fn two_times(process: u32, field: usize) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The name in brackets, field 2, may hold anything.
    let fields = stat.rsplit_once(')').with_context(|| format!("find the name in {path}"))?.1;
    let ticks = fields.split_whitespace().skip(field - 3).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_runs_too_long_is_stopped() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut sleep = Command::new("sleep");
        let refusal = run_counted(sleep.arg("600"), folder.path(), Duration::ZERO).expect_err("it sleeps for long");
        assert!(refusal.to_string().contains("sleep was stopped"), "{refusal}");
    }

    #[test]
    fn output_and_errors_come_back() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo out; echo one >&2; echo two >&2; exit 3"]);
        let spent = run_counted(&mut shell, folder.path(), Duration::from_secs(60)).expect("sh is there");
        assert_eq!((spent.status.code(), spent.stdout.as_str()), (Some(3), "out\n"));
        assert_eq!(spent.stderr_tail, "one | two");
    }
}
