//! A child process with limits: memory, processor time, wall time and output are bounded, whatever the file does.

use crate::complaints::of_the_file;
use std::{
    io::{self, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What one child may use.
pub struct Bounds {
    pub wall: Duration,
    pub cpu_seconds: u64,
    pub memory_bytes: u64,
    /// Longest standard output taken; a longer one ends the child.
    pub output_bytes: u64,
}

/// What a child left behind.
pub enum Ended {
    /// It came to its own end.
    /// `stderr` holds its complaints of the file, the first ones if there are many.
    Exited { success: bool, stdout: Vec<u8>, stderr: String },
    /// One of the bounds ended it.
    Exceeded,
}

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(5);
/// Longest standard error kept: enough for the first complaints, which name the cause.
const STDERR_BYTES_MAX: u64 = 64 * 1024;
/// What `prlimit` answers when it finds no such program, like a shell.
const EXIT_NOT_FOUND: i32 = 127;

/// Runs `program` under `prlimit`. The child gets no standard input and inherits no file.
pub fn run(program: &str, arguments: &[&std::ffi::OsStr], bounds: &Bounds) -> io::Result<Ended> {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--as={}", bounds.memory_bytes))
        .arg(format!("--cpu={}", bounds.cpu_seconds))
        .args(["--core=0", "--fsize=0", "--nofile=64", "--"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn()?;
    let stdout = collect(child.stdout.take(), bounds.output_bytes + 1);
    let stderr = collect(child.stderr.take(), STDERR_BYTES_MAX);
    let status = wait(&mut child, started, bounds.wall)?;
    let stdout = stdout.join().unwrap_or_default();
    let stderr = of_the_file(&stderr.join().unwrap_or_default());
    let Some(status) = status else { return Ok(Ended::Exceeded) };
    if status.code() == Some(EXIT_NOT_FOUND) && stderr.contains("failed to execute") {
        return Err(io::Error::new(io::ErrorKind::NotFound, stderr));
    }
    let too_long = stdout.len() as u64 > bounds.output_bytes;
    if too_long || status.signal().is_some() || stderr.contains("Cannot allocate memory") {
        return Ok(Ended::Exceeded);
    }
    Ok(Ended::Exited { success: status.success(), stdout, stderr })
}

/// Reads up to `limit` bytes on a thread of its own, then closes the pipe, which ends a child that writes on.
fn collect(pipe: Option<impl Read + Send + 'static>, limit: u64) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // A read error leaves what was read: the exit status and the parser judge it.
            let _ = pipe.take(limit).read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits for the end; kills the child when its wall time is over and says so with `None`.
fn wait(child: &mut Child, started: Instant, wall: Duration) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= wall {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn shell(script: &str, bounds: &Bounds) -> io::Result<Ended> {
        run("sh", &[OsStr::new("-c"), OsStr::new(script)], bounds)
    }

    fn bounds() -> Bounds {
        Bounds { wall: Duration::from_secs(20), cpu_seconds: 10, memory_bytes: 1 << 30, output_bytes: 1000 }
    }

    #[test]
    fn a_child_that_ends_gives_its_output_and_its_complaints() {
        let Ended::Exited { success, stdout, stderr } = shell("echo out; echo err >&2; exit 3", &bounds()).unwrap()
        else {
            panic!("the child was cut short")
        };
        assert_eq!((success, &stdout[..], &stderr[..]), (false, &b"out\n"[..], "err"));
    }

    #[test]
    fn a_child_that_sleeps_past_its_wall_time_is_killed() {
        let short = Bounds { wall: Duration::from_millis(50), ..bounds() };
        assert!(matches!(run("sleep", &[OsStr::new("30")], &short).unwrap(), Ended::Exceeded));
    }

    #[test]
    fn a_child_that_writes_without_end_is_ended() {
        assert!(matches!(run("yes", &[], &bounds()).unwrap(), Ended::Exceeded));
    }

    #[test]
    fn a_child_that_spins_is_ended_by_its_processor_limit() {
        let spin = Bounds { cpu_seconds: 1, ..bounds() };
        assert!(matches!(shell("while :; do :; done", &spin).unwrap(), Ended::Exceeded));
    }

    #[test]
    fn a_missing_program_is_said_to_be_missing() {
        let error = run("no-such-program-here", &[], &bounds()).err().expect("nothing ran");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
