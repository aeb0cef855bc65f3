//! `up`: a whole farm on this machine by one command. Daemon and agent run as children until it is stopped; their state
//! stays in one folder.

use crate::client::{Client, ClientError};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tweenfarm_protocol::{Xeconds, operator::AddUser};

/// The daemon opens its store and listens within a second; a store of years may take longer.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longer than the 20 s that either gives its own running work.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// Of a child that failed: enough to see why.
const LOG_LINES: usize = 8;
/// The owner of the machine pays itself: enough never to think of it.
const OWNER_XECONDS: Xeconds = Xeconds(1_000_000_000);
const OWNER_EMAIL: &str = "owner@localhost";

#[derive(Debug, clap::Args)]
pub struct Up {
    /// Where accounts, jobs, clips and results are kept
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Address and port of the public API
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub http_listen: String,
    /// Where agents of other machines dial in
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub rpc_listen: String,
}

#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error("{program} is not beside tweenfarm and not in PATH: install it, or build it with `make build`")]
    Missing { program: &'static str },
    #[error("{path} cannot be made or written: {source}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{program} cannot be started: {source}")]
    Start { program: &'static str, source: io::Error },
    #[error("{program} ended ({status}); the end of its log, {log}:\n{lines}", log = log.display())]
    Ended { program: &'static str, status: ExitStatus, log: PathBuf, lines: String },
    #[error("tweenfarmd was not ready within {} s: see {}", READY_WITHIN.as_secs(), .0.display())]
    NotReady(PathBuf),
    #[error("the account of this machine's owner could not be made: {0}")]
    Owner(#[source] ClientError),
    #[error("signals cannot be waited for: {0}")]
    Signals(io::Error),
}

/// What the daemon writes down when it is ready.
#[derive(Deserialize)]
struct Addresses {
    public_url: String,
    operator: PathBuf,
    pid: u32,
}

/// Where `up` keeps everything unless told otherwise.
pub fn default_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.unwrap_or_else(|| PathBuf::from(".")).join("tweenfarm")
}

/// The key of the account that `up` makes.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join("key")
}

/// The operator's socket of a farm that `up` runs.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("daemon/operator.sock")
}

struct Running {
    program: &'static str,
    log: PathBuf,
    /// Where in it this run begins.
    log_from: u64,
    child: Child,
}

/// Runs until it is told to stop, or until one of the two ends.
pub async fn run(asked: &Up) -> Result<(), UpError> {
    let folder = asked.folder.clone().unwrap_or_else(default_folder);
    let (daemon_state, agent_state) = (folder.join("daemon"), folder.join("agent"));
    for made in [&daemon_state, &agent_state] {
        let private = fs::DirBuilder::new().recursive(true).mode(0o700).create(made);
        private.map_err(|source| UpError::Folder { path: made.clone(), source })?;
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(UpError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(UpError::Signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(UpError::Signals)?;
    let stopped = async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {}, _ = hang_up.recv() => {} }
    };

    let mut daemon = Command::new(found("tweenfarmd")?);
    daemon.arg("--state-folder").arg(&daemon_state);
    daemon.arg("--http-listen").arg(&asked.http_listen).arg("--rpc-listen").arg(&asked.rpc_listen);
    let mut daemon = start(daemon, "tweenfarmd", folder.join("daemon.log"))?;
    let served = async {
        let addresses = ready(&mut daemon, &daemon_state).await?;
        let key = owner(&addresses, &folder).await?;
        let mut agent = Command::new(found("tweenfarm-agent")?);
        agent.arg("run").arg("--state").arg(&agent_state).arg("--daemon").arg(daemon_state.join("agents.sock"));
        let mut agent = start(agent, "tweenfarm-agent", folder.join("agent.log"))?;
        say(&addresses, &folder, &key);
        let ended = tokio::select! {
            () = stopped => Ok(()),
            ended = ended(&mut daemon) => Err(ended),
            ended = ended(&mut agent) => Err(ended),
        };
        // First who works, then who is worked for.
        stop(&mut agent).await;
        ended
    };
    let served = served.await;
    stop(&mut daemon).await;
    served
}

fn say(addresses: &Addresses, folder: &Path, key: &Path) {
    let Addresses { public_url, operator, .. } = addresses;
    let lines = format!(
        "The farm is up: API {public_url}, state in {}, key of {OWNER_EMAIL} in {}\n\
         \n  tweenfarm submit clip.mp4 --fps 60 -o clip-60.mp4 --api {public_url} --key-file {}\
         \n  tweenfarm --socket {}          the console\n\nCtrl-C stops it; what is under way goes on at the next start.",
        folder.display(),
        key.display(),
        key.display(),
        operator.display(),
    );
    // Whoever started it may have closed its output; the farm runs all the same.
    let _ = writeln!(io::stdout(), "{lines}");
}

/// Beside this program, where a build and a package put it, or in PATH.
pub fn found(program: &'static str) -> Result<PathBuf, UpError> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(program)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(program));
    beside.into_iter().chain(in_path).find(|path| path.is_file()).ok_or(UpError::Missing { program })
}

fn start(mut command: Command, program: &'static str, log: PathBuf) -> Result<Running, UpError> {
    let unmade = |source| UpError::Folder { path: log.clone(), source };
    let out = OpenOptions::new().create(true).append(true).open(&log).map_err(unmade)?;
    let log_from = out.metadata().map_err(unmade)?.len();
    let err = out.try_clone().map_err(unmade)?;
    // A group of its own: Ctrl-C is for us, and we stop them in order.
    command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(|source| UpError::Start { program, source })?;
    Ok(Running { program, log, log_from, child })
}

/// Where the daemon listens, once it does.
async fn ready(daemon: &mut Running, state: &Path) -> Result<Addresses, UpError> {
    let pid = daemon.child.id();
    let written = async {
        loop {
            let text = fs::read(state.join("addresses.json")).ok();
            let addresses = text.and_then(|text| serde_json::from_slice::<Addresses>(&text).ok());
            // An earlier daemon's file names another process.
            if let Some(addresses) = addresses.filter(|addresses| Some(addresses.pid) == pid) {
                return addresses;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let log = daemon.log.clone();
    tokio::select! {
        written = timeout(READY_WITHIN, written) => written.map_err(|_| UpError::NotReady(log)),
        ended = ended(daemon) => Err(ended),
    }
}

/// The file with the owner's key; made with the account the first time.
async fn owner(addresses: &Addresses, folder: &Path) -> Result<PathBuf, UpError> {
    let path = key_file(folder);
    if path.exists() {
        return Ok(path);
    }
    let client = Client::new(crate::door::Door::Socket(addresses.operator.clone()));
    let user = AddUser { email: OWNER_EMAIL.to_owned(), xeconds: OWNER_XECONDS, trial: false };
    let key = match client.add_user(user).await {
        Ok(added) => added.api_key,
        // It is there from before, its key file is not: it gets another.
        Err(ClientError::Refused { .. }) => {
            let named = crate::command::AccountName::Email(OWNER_EMAIL.to_owned());
            client.new_key(&named).await.map_err(UpError::Owner)?.api_key
        }
        Err(error) => return Err(UpError::Owner(error)),
    };
    let write = || -> io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "{key}")?;
        file.sync_all()
    };
    write().map_err(|source| UpError::Folder { path: path.clone(), source })?;
    Ok(path)
}

async fn ended(running: &mut Running) -> UpError {
    let status = running.child.wait().await;
    let mut text = Vec::new();
    if let Ok(mut log) = File::open(&running.log)
        && log.seek(SeekFrom::Start(running.log_from)).is_ok()
    {
        // What can be read of it says more than that it cannot be read whole.
        let _ = log.read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let lines = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    match status {
        Ok(status) => UpError::Ended { program: running.program, status, log: running.log.clone(), lines },
        Err(source) => UpError::Start { program: running.program, source },
    }
}

async fn stop(running: &mut Running) {
    let pid = running.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // Gone already, or never to be stopped by a signal of ours: then there is nothing to wait for.
    if let Some(pid) = pid
        && kill_process(pid, Signal::TERM).is_ok()
        && timeout(STOP_WITHIN, running.child.wait()).await.is_err()
    {
        eprintln!("tweenfarm: {} does not stop: it is killed, which it survives", running.program);
        let _ = running.child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_ends_is_explained_by_what_it_said_in_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("daemon.log");
        fs::write(&log, "of yesterday\n").unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg("echo the port is taken >&2; exit 3");
        let mut running = start(command, "tweenfarmd", log).unwrap();
        let said = ended(&mut running).await.to_string();
        assert!(said.contains("the port is taken") && said.contains("exit status: 3"), "{said}");
        assert!(!said.contains("yesterday"), "{said}");
    }
}
