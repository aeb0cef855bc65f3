//! The worker program: where it is, and its short commands that print JSON and end.

use super::messages::{DeviceFacts, DoctorItem};
use crate::config::ENVIRONMENT_PREFIX;
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// Listing devices loads every Vulkan driver of the machine; the slow ones take seconds.
const DEVICES: Duration = Duration::from_secs(60);
/// The doctor interpolates and encodes on every device, in software where there is nothing else.
const DOCTOR: Duration = Duration::from_secs(300);

const NAME: &str = "tweenfarm-worker";

#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("the program {NAME} is not beside this one ({0}): install both from the same release")]
    Missing(PathBuf),
    #[error("cannot start {NAME}: check that it may be run")]
    Start(#[source] io::Error),
    #[error("{NAME} {command} did not end within {} s", limit.as_secs())]
    Silent { command: &'static str, limit: Duration },
    #[error("{said} (said by `{NAME} {command}`)")]
    Refused { command: &'static str, said: String },
    #[error("{NAME} {command} ended without a usable answer ({status}): {last_words}")]
    Answer { command: &'static str, status: String, last_words: String },
}

impl Program {
    /// The worker program beside the running one.
    pub fn beside_this() -> Result<Program, ProgramError> {
        let own = std::env::current_exe().map_err(ProgramError::Start)?;
        let path = own.with_file_name(NAME);
        if path.is_file() { Ok(Program { path }) } else { Err(ProgramError::Missing(path)) }
    }

    /// A program at another place; tests put a script there.
    pub fn at(path: &Path) -> Program {
        Program { path: path.to_owned() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub async fn devices(&self) -> Result<Vec<DeviceFacts>, ProgramError> {
        self.answer("devices", DEVICES).await
    }

    /// The items are there whether the worker's verdict (its exit status) is good or bad.
    pub async fn doctor(&self) -> Result<Vec<DoctorItem>, ProgramError> {
        self.answer("doctor", DOCTOR).await
    }

    /// A command of the worker: no keys, no terminal, killed when dropped.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // The agent's own settings are none of the worker's business.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX))
        {
            command.env_remove(name);
        }
        // Its log goes into ours, where colour codes are noise.
        command.env("NO_COLOR", "1");
        // A group of its own: Ctrl-C in a terminal reaches the agent alone, which then ends its workers in order,
        // and what a worker started (ffmpeg) can be ended with it.
        command.process_group(0);
        command.kill_on_drop(true);
        command
    }

    async fn answer<T: DeserializeOwned>(&self, name: &'static str, limit: Duration) -> Result<T, ProgramError> {
        let mut command = self.command();
        command.arg(name).stdin(Stdio::null());
        let output = tokio::time::timeout(limit, command.output()).await;
        let output = output.map_err(|_| ProgramError::Silent { command: name, limit })?.map_err(ProgramError::Start)?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let last_words = last_words(&output.stderr);
            match output.status.code() {
                Some(code) if code != 0 && !last_words.is_empty() => {
                    ProgramError::Refused { command: name, said: last_words }
                }
                _ => ProgramError::Answer { command: name, status: output.status.to_string(), last_words },
            }
        })
    }
}

/// The last line of a log, without the level and module that a log line starts with.
fn last_words(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let is_module = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
    let message = line
        .strip_prefix("ERROR ")
        .and_then(|rest| rest.split_once(": "))
        .filter(|(module, _)| is_module(module))
        .map(|(_, message)| message);
    message.unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::worker_script;

    #[test]
    fn the_last_words_of_a_log_are_its_last_message() {
        let check = |log: &str, expected: &str| assert_eq!(last_words(log.as_bytes()), expected);
        check("INFO w: begun\nERROR worker::gpu: no Vulkan: install it\n\n", "no Vulkan: install it");
        check("ERROR: no such file", "ERROR: no such file");
        check("ERROR in a sentence: that happens", "ERROR in a sentence: that happens");
        check("Segmentation fault", "Segmentation fault");
        check("", "");
    }

    #[tokio::test]
    async fn a_worker_program_that_refuses_is_quoted_and_a_broken_one_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let check = async |body: &str, expected: &str| {
            let program = worker_script::bare(folder.path(), body);
            let error = program.devices().await.unwrap_err().to_string();
            assert!(error.contains(expected), "'{expected}' is not in: {error}");
        };
        check("echo 'ERROR w: no Vulkan here: install it' >&2; exit 1", "no Vulkan here: install it (said by").await;
        check("echo nonsense", "without a usable answer (exit status: 0)").await;
        check("kill -SEGV $$", "signal: 11").await;
    }
}
