//! One running program of the farm: started with its log in a file, killed or stopped, its children found.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A program that was asked to end and is still there after this long is reported.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How to start it, as often as needed; every run appends to the same log.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, String)>,
    pub log: PathBuf,
}

/// Ends with its handle: a test that fails leaves nothing running.
#[derive(Debug)]
pub struct Program {
    recipe: Recipe,
    child: Child,
}

impl Recipe {
    pub fn start(&self) -> Result<Program> {
        let log = File::options().create(true).append(true).open(&self.log).context("open the log")?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        Ok(Program { recipe: self.clone(), child })
    }
}

impl Program {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Fails, with the end of its log, when the program has ended by itself.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}): {}", self.recipe.name, last_lines(&self.recipe.log, 15)),
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal to it and to its workers.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        for process in children(self.id(), "tweenfarm-worker")?.into_iter().chain([Pid::from_child(&self.child)]) {
            kill_process(process, signal)?;
        }
        Ok(())
    }

    /// SIGSTOP, and waits until all of it has stopped; its workers are sent one too.
    pub fn hold(&mut self) -> Result<()> {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::STOP)?;
        let told = waitpid(Some(process), WaitOptions::UNTRACED)?;
        ensure!(told.is_some_and(|(_, status)| status.stopped()), "{} ended while it was held", self.recipe.name);
        children(self.id(), "tweenfarm-worker")?
            .into_iter()
            .try_for_each(|worker| kill_process(worker, Signal::STOP))?;
        Ok(())
    }

    /// SIGTERM, then waits for it to end in order.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.wait(STOP_LIMIT)
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                bail!("{} did not end within {} s", self.recipe.name, limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A worker that is held would not notice that its agent is gone.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.signal(Signal::CONT);
        }
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes with this parent, by the name of their executable file.
pub fn children(parent: u32, name: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("read /proc")? {
        let path = entry?.path();
        let Some(id) = path.file_name().and_then(|id| id.to_str()?.parse::<i32>().ok()) else { continue };
        // A process that ends meanwhile is none of the children.
        let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
        let parent_id = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse().ok());
        let executable = fs::read_link(path.join("exe")).unwrap_or_default();
        let runs = executable.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
        if parent_id == Some(parent) && runs {
            found.extend(Pid::from_raw(id));
        }
    }
    Ok(found)
}

/// The end of a log, for people.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
