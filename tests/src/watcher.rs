//! The watcher of folders as a process of its own: started with rules, killed, started again over what it remembers.

use crate::{
    operator::Operator,
    program::{Program, Recipe, last_lines},
    programs,
    wait::until,
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tweenfarm_protocol::{
    Timestamp,
    operator::{WatchFileRow, WatchState, WatchView, WatcherRow},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub struct Watcher {
    folder: PathBuf,
    socket: PathBuf,
    recipe: Recipe,
    program: Program,
    operator: Operator,
    /// When the run before this one began: what it told counts no more.
    before: Option<String>,
}

impl Watcher {
    /// `rules` is the text of the configuration's `[[rule]]` sections.
    pub fn start(folder: &Path, socket: &Path, operator: Operator, rules: &str) -> Result<Watcher> {
        let recipe = recipe(folder, socket, rules)?;
        let program = recipe.start()?;
        Ok(Watcher::first_run(folder, socket, operator, recipe, program))
    }

    /// With a point at which it dies.
    pub fn doomed(folder: &Path, socket: &Path, operator: Operator, rules: &str, point: &str) -> Result<Watcher> {
        let recipe = recipe(folder, socket, rules)?;
        let mut doomed = recipe.clone();
        doomed.arguments.extend(["--die-at".into(), point.into()]);
        let program = doomed.start()?;
        Ok(Watcher::first_run(folder, socket, operator, recipe, program))
    }

    /// As a user who may not read what belongs to others: the superuser of a test could otherwise read everything.
    pub fn without_rights(folder: &Path, socket: &Path, operator: Operator, rules: &str) -> Result<Watcher> {
        let mut recipe = recipe(folder, socket, rules)?;
        let rights = ["--bounding-set", "-dac_override,-dac_read_search"].map(OsString::from);
        let program = std::mem::replace(&mut recipe.program, "setpriv".into());
        recipe.arguments.splice(0..0, rights.into_iter().chain([program.into()]));
        let program = recipe.start()?;
        Ok(Watcher::first_run(folder, socket, operator, recipe, program))
    }

    fn first_run(folder: &Path, socket: &Path, operator: Operator, recipe: Recipe, program: Program) -> Watcher {
        Watcher { folder: folder.to_owned(), socket: socket.to_owned(), recipe, program, operator, before: None }
    }

    /// The most memory that it has used at once.
    pub fn memory_peak_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }

    /// SIGTERM, then waits for it to end in order.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.program.stop()
    }

    /// Has it read its configuration again, with other rules.
    pub fn reload(&self, rules: &str) -> Result<()> {
        write_config(&self.folder, &self.socket, rules)?;
        self.program.signal(Signal::HUP)
    }

    /// Waits for it to die by itself.
    pub fn dies(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.program.wait(limit)
    }

    /// Over what it left, without a point to die at.
    pub async fn restart(&mut self) -> Result<()> {
        self.before = self.operator.watch().await?.watcher.map(|watcher| watcher.started_at);
        // Runs are told apart by when they began, in whole seconds.
        while self.before.as_ref() == Some(&Timestamp::now().to_iso_seconds()) {
            sleep(LOOK_EVERY).await;
        }
        self.program = self.recipe.start()?;
        Ok(())
    }

    /// Waits until the operator is told something by this run; what that is.
    pub async fn told(&mut self, limit: Duration, wanted: impl Fn(&WatchView) -> bool) -> Result<WatchView> {
        let started = Instant::now();
        loop {
            self.program.still_runs()?;
            let view = self.operator.watch().await?;
            let told = |watcher: &WatcherRow| watcher.connected && self.before.as_ref() != Some(&watcher.started_at);
            if view.watcher.as_ref().is_some_and(told) && wanted(&view) {
                return Ok(view);
            }
            ensure!(started.elapsed() < limit, "not told within {} s: {view:#?}\n{}", limit.as_secs(), self.log(40));
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a file is in a state.
    pub async fn file(&mut self, path: &str, state: WatchState, limit: Duration) -> Result<WatchFileRow> {
        let is_it = |file: &&WatchFileRow| file.path == path && file.state == state;
        let view = self.told(limit, |view| view.files.iter().any(|file| is_it(&file))).await;
        let view = view.with_context(|| format!("{path} is not {}", state.name()))?;
        view.files.iter().find(is_it).cloned().context("it was there")
    }

    /// Waits until it has logged these words.
    pub async fn says(&self, words: &str, limit: Duration) {
        until(words, limit, async || self.log(1000).contains(words)).await;
    }

    pub fn log(&self, lines: usize) -> String {
        last_lines(&self.recipe.log, lines)
    }
}

fn write_config(folder: &Path, socket: &Path, rules: &str) -> Result<PathBuf> {
    let config: PathBuf = folder.join("watch.toml");
    let state = folder.join("watch");
    let text = format!(
        "[state]\nfolder = {state:?}\n[daemon]\nsocket = {socket:?}\n[scan]\nseconds = 2\n\
         [retry]\ntries_max = 3\nwait_seconds = 1\nwait_seconds_max = 2\n\n{rules}"
    );
    fs::write(&config, text).context("write the watcher's configuration")?;
    Ok(config)
}

fn recipe(folder: &Path, socket: &Path, rules: &str) -> Result<Recipe> {
    let config = write_config(folder, socket, rules)?;
    Ok(Recipe {
        name: "tweenfarm-watch".to_owned(),
        program: programs::find("tweenfarm-watch")?,
        arguments: vec!["--config".into(), config.into()],
        environment: Vec::new(),
        log: folder.join("watch.log"),
    })
}
