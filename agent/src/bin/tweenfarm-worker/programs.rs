//! Other programs the worker runs: `ffmpeg` and `ffprobe`, one at a time, ended with the worker.

use crate::failure;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};
use tweenfarm_media::complaints::of_the_file;
use tweenfarm_protocol::task::Failure;

/// What a program left behind.
pub struct Ended {
    pub success: bool,
    /// Its complaints, the first ones if there are many.
    pub stderr: String,
}

/// The process that is running, so that a worker whose agent is gone does not leave it behind.
static RUNNING: Mutex<Option<rustix::process::Pid>> = Mutex::new(None);
const STDERR_BYTES_MAX: u64 = 64 * 1024;

/// Runs a program with `input` on its standard input; every line of its standard output goes to `on_line`.
pub fn run(
    program: &str,
    arguments: &[String],
    input: Option<&str>,
    mut on_line: impl FnMut(&str),
) -> Result<Ended, Failure> {
    let missing = |cause: io::Error| {
        failure::worker(format!("The program {program} cannot be run ({cause}): install the package ffmpeg."))
    };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(missing)?;
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    let ended = talk(&mut child, input, &mut on_line);
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = None;
    ended.map_err(|cause| failure::internal(format!("{program} could not be followed: {cause}")))
}

fn talk(child: &mut Child, input: Option<&str>, on_line: &mut dyn FnMut(&str)) -> io::Result<Ended> {
    let complaints = child.stderr.take().map(|pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut pipe = pipe;
            // What comes after the first complaints is read and dropped, so that the program does not wait for us.
            let _ = (&mut pipe).take(STDERR_BYTES_MAX).read_to_end(&mut bytes);
            let _ = io::copy(&mut pipe, &mut io::sink());
            bytes
        })
    });
    let fed = match (child.stdin.take(), input) {
        (Some(mut pipe), Some(text)) => {
            let text = text.to_owned();
            // A program that ends without reading all of it says why on its standard error.
            Some(thread::spawn(move || drop(pipe.write_all(text.as_bytes()))))
        }
        _ => None,
    };
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).split(b'\n') {
            on_line(&String::from_utf8_lossy(&line?));
        }
    }
    let status = child.wait()?;
    drop(fed.map(thread::JoinHandle::join));
    let stderr = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    Ok(Ended { success: status.success(), stderr: of_the_file(&stderr) })
}

/// Ends the program that is running, if one is.
pub fn end_running() {
    if let Some(pid) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_fed_heard_and_its_complaints_are_kept() {
        let script = ["-c".to_owned(), "cat; echo oh no >&2; exit 2".to_owned()];
        let mut lines = Vec::new();
        let ended = run("sh", &script, Some("one\ntwo\n"), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!((ended.success, &ended.stderr[..]), (false, "oh no"));
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let failure = run("no-such-program-here", &[], None, |_| {}).err().expect("nothing ran");
        assert!(failure.message.contains("install the package ffmpeg"), "{failure}");
    }
}
