//! A farm of real processes in a scratch folder: one daemon on free ports of the loopback, and agents that dial in.
//!
//! Logs stay in the folder while the farm lives and are shown when a test that holds it fails.

use crate::{
    apiframe::Apiframe,
    client::{Client, Job},
    operator::Operator,
    program::{Program, Recipe, children, last_lines},
    programs,
};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, kill_process};
use serde::Deserialize;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tokio::{net::TcpSocket, time::sleep};
use tweenfarm_protocol::AccountId;

/// A daemon or agent that is not ready by then has failed; the slowest start compiles shaders on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of each log shown for a failed test.
const LOG_LINES_SHOWN: usize = 60;

/// What differs from the programs' defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    pub lease_seconds: u64,
    pub retry_seconds: u64,
    pub segment_slots_max: u64,
    pub upload_bytes_max: Option<u64>,
    pub disk_reserve_bytes: u64,
    /// From one address and with one key.
    pub requests_per_second: Option<u64>,
    pub v2_requests_per_minute: Option<u64>,
    pub queue_jobs_max: Option<u64>,
    /// Whether clips are fetched from this machine and webhooks sent to it.
    pub asks_loopback: bool,
    /// Accounts that watch folders may charge.
    pub intake_accounts: Vec<String>,
    pub log_level: String,
    /// x264's constant rate factor.
    pub encode_crf: u64,
    /// Lines of `[blobs]`; none for the built-in store.
    pub blobs: String,
}

impl Default for Settings {
    /// A lease outlasts a machine that stands still for a moment; who waits for one to run out asks for a shorter one.
    fn default() -> Self {
        Settings {
            lease_seconds: 30,
            retry_seconds: 0,
            segment_slots_max: 1200,
            upload_bytes_max: None,
            disk_reserve_bytes: 0,
            requests_per_second: None,
            v2_requests_per_minute: None,
            queue_jobs_max: None,
            asks_loopback: false,
            intake_accounts: Vec::new(),
            // A line per request would drown what a failed test has to say.
            log_level: "info,tweenfarm_daemon::http=warn".to_owned(),
            encode_crf: 16,
            blobs: String::new(),
        }
    }
}

/// Where the daemon listens; it writes them down when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Addresses {
    pub http: String,
    pub rpc: String,
}

pub struct Farm {
    settings: Settings,
    addresses: Addresses,
    daemon: Program,
    agents: Vec<Program>,
    folder: tempfile::TempDir,
    /// Never listened on: while they are bound nobody else is given the daemon's ports, whether it has them or not.
    _ports: [TcpSocket; 2],
}

impl Farm {
    /// A daemon alone.
    pub async fn start(settings: Settings) -> Result<Farm> {
        let folder = tempfile::Builder::new().prefix("tweenfarm-").tempdir().context("make a scratch folder")?;
        let state = folder.path().join("daemon");
        fs::create_dir(&state)?;
        let config = folder.path().join("daemon.toml");
        let ports = [own_port()?, own_port()?];
        write_daemon_config(&config, &state, &settings, &ports)?;
        let recipe = Recipe {
            name: "tweenfarmd".to_owned(),
            program: programs::find("tweenfarmd")?,
            arguments: vec!["--config".into(), config.into()],
            environment: Vec::new(),
            log: folder.path().join("daemon.log"),
        };
        let mut daemon = recipe.start()?;
        let addresses = ready(&mut daemon, &state).await?;
        Ok(Farm { settings, addresses, daemon, agents: Vec::new(), folder, _ports: ports })
    }

    /// A daemon and one agent whose workers are idle.
    pub async fn with_agent(settings: Settings) -> Result<Farm> {
        let mut farm = Farm::start(settings).await?;
        farm.add_agent(&[])?;
        farm.workers_ready().await?;
        Ok(farm)
    }

    /// Starts one more agent by the daemon's socket, with these variables added to its environment; its number.
    pub fn add_agent(&mut self, environment: &[(&str, &str)]) -> Result<usize> {
        let socket = self.agents_socket().display().to_string();
        self.start_agent(&socket, environment)
    }

    /// Starts one more agent that runs on one core of the machine alone, with all it starts; its number.
    pub fn add_agent_on(&mut self, core: usize) -> Result<usize> {
        let socket = self.agents_socket().display().to_string();
        // A renderer in software takes as many threads as there are cores, unless told.
        self.start_agent_by(&["taskset", "-c", &core.to_string()], &socket, &[("LP_NUM_THREADS", "1")])
    }

    /// Starts one more agent that dials another socket than the daemon's; its number.
    pub fn add_agent_at(&mut self, socket: &Path) -> Result<usize> {
        self.start_agent(&socket.display().to_string(), &[])
    }

    /// Invites one more agent, lets it join over TLS and starts it; its number. Its name is `agent-` and the number.
    pub async fn add_joined_agent(&mut self) -> Result<usize> {
        let number = self.agents.len();
        let line = self.operator()?.invite(&format!("agent-{number}")).await?.line;
        let state = self.agent_state(number);
        let joined = Command::new(programs::find("tweenfarm-agent")?)
            .arg("join")
            .arg(&line)
            .arg("--state")
            .arg(&state)
            .output()
            .context("start tweenfarm-agent join")?;
        ensure!(joined.status.success(), "it did not join: {}", String::from_utf8_lossy(&joined.stderr));
        self.start_agent("", &[])
    }

    fn start_agent(&mut self, daemon: &str, environment: &[(&str, &str)]) -> Result<usize> {
        self.start_agent_by(&[], daemon, environment)
    }

    /// Starts it by another program, which becomes it.
    fn start_agent_by(&mut self, by: &[&str], daemon: &str, environment: &[(&str, &str)]) -> Result<usize> {
        let number = self.agents.len();
        let state = self.agent_state(number);
        let config = self.folder.path().join(format!("agent-{number}.toml"));
        let text = format!(
            "daemon = {:?}\nname = \"agent-{number}\"\nstate = {:?}\ndisk_reserve_bytes = 0\nlog_level = {:?}\n",
            daemon, state, self.settings.log_level
        );
        fs::write(&config, text)?;
        let mut words: Vec<OsString> = by.iter().map(OsString::from).collect();
        words.extend([programs::find("tweenfarm-agent")?.into(), "run".into(), "--config".into(), config.into()]);
        let recipe = Recipe {
            name: format!("agent-{number}"),
            program: words.remove(0).into(),
            arguments: words,
            environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            log: self.folder.path().join(format!("agent-{number}.log")),
        };
        self.agents.push(recipe.start()?);
        Ok(number)
    }

    /// Waits until every agent that runs is connected and at least one worker is idle.
    pub async fn workers_ready(&mut self) -> Result<()> {
        let (started, operator) = (Instant::now(), self.operator()?);
        loop {
            for agent in &mut self.agents {
                agent.still_runs()?;
            }
            if operator.status().await?.workers_idle > 0 {
                return Ok(());
            }
            ensure!(started.elapsed() < READY_LIMIT, "no worker was ready within {} s", READY_LIMIT.as_secs());
            sleep(LOOK_EVERY).await;
        }
    }

    pub fn operator(&self) -> Result<Operator> {
        Operator::at(&self.state().join("operator.sock"))
    }

    /// A new account with xeconds to spend, as the client of its owner.
    pub async fn client(&self, email: &str, xeconds: i64) -> Result<Client> {
        let added = self.operator()?.add_user(email, xeconds).await?;
        Ok(Client::new(&self.addresses.http, &added.api_key)?)
    }

    /// A new account on trial, and the client of its owner.
    pub async fn trial_client(&self, email: &str) -> Result<(AccountId, Client)> {
        let added = self.operator()?.add_trial_user(email).await?;
        Ok((added.account, Client::new(&self.addresses.http, &added.api_key)?))
    }

    /// A new account with xeconds to spend, as its owner meets both surfaces; with the key of the second one.
    pub async fn apiframe(&self, email: &str, xeconds: i64) -> Result<(Apiframe, Client, String)> {
        let operator = self.operator()?;
        let added = operator.add_user(email, xeconds).await?;
        let key = operator.add_key(added.account, "test").await?.api_key;
        let client = Client::new(&self.addresses.http, &added.api_key)?;
        Ok((Apiframe::new(&self.addresses.http, Some(&key)), client, key))
    }

    pub fn base(&self) -> &str {
        &self.addresses.http
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn agent_state(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("agent-{number}"))
    }

    /// An agent's state folder.
    pub fn agent_folder(&self, number: usize) -> PathBuf {
        self.agent_state(number)
    }

    /// Where agents of this machine dial in.
    pub fn agents_socket(&self) -> PathBuf {
        self.state().join("agents.sock")
    }

    /// Where agents that joined dial in.
    pub fn agents_address(&self) -> &str {
        &self.addresses.rpc
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("daemon")
    }

    /// Where the watcher of folders calls.
    pub fn intake_socket(&self) -> PathBuf {
        self.state().join("intake.sock")
    }

    pub fn blobs(&self) -> PathBuf {
        self.state().join("blobs")
    }

    /// The daemon's process.
    pub fn daemon_id(&self) -> u32 {
        self.daemon.id()
    }

    pub fn agent(&mut self, number: usize) -> &mut Program {
        &mut self.agents[number]
    }

    /// `kill -9` of the daemon; what it confirmed is on disk.
    pub fn kill_daemon(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// SIGTERM, then waits for it to end in order.
    pub fn stop_daemon(&mut self) -> Result<std::process::ExitStatus> {
        self.daemon.stop()
    }

    /// Starts it again where clients and agents look for it.
    pub async fn restart_daemon(&mut self) -> Result<()> {
        self.daemon = self.daemon.recipe().clone().start()?;
        let state = self.state();
        self.addresses = ready(&mut self.daemon, &state).await?;
        Ok(())
    }

    /// `kill -9` of an agent and a new start over what it left on disk.
    pub fn kill_and_restart_agent(&mut self, number: usize) -> Result<()> {
        self.agents[number].kill()?;
        self.agents[number] = self.agents[number].recipe().clone().start()?;
        Ok(())
    }

    /// `kill -9` of an agent's workers; how many there were.
    pub fn kill_workers(&self, number: usize) -> Result<usize> {
        let workers = children(self.agents[number].id(), "tweenfarm-worker")?;
        for worker in &workers {
            kill_process(*worker, Signal::KILL)?;
        }
        Ok(workers.len())
    }

    /// Sends a signal to an agent's workers, not to the agent: it goes on with all that it does by itself.
    pub fn signal_workers(&self, number: usize, signal: Signal) -> Result<()> {
        let workers = children(self.agents[number].id(), "tweenfarm-worker")?;
        ensure!(!workers.is_empty(), "agent {number} has no worker");
        Ok(workers.into_iter().try_for_each(|worker| kill_process(worker, signal))?)
    }

    /// Holds agents, with their workers, at a moment when each has begun a task after one that it has done. What it has in
    /// hand by its log it has then until it is sent SIGCONT, whatever happens meanwhile.
    pub async fn hold_at_work(&mut self, agents: &[usize]) -> Result<()> {
        let started = Instant::now();
        loop {
            let mut at_work = true;
            for number in agents {
                self.agents[*number].hold()?;
                let log = self.agent_log(*number)?;
                let done = log.matches("task done").count();
                at_work &= done > 0 && log.matches("task taken").count() > done;
            }
            if at_work {
                return Ok(());
            }
            for number in agents {
                self.agents[*number].signal(Signal::CONT)?;
            }
            ensure!(started.elapsed() < READY_LIMIT, "they were not at work together: {agents:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a job is over; its last state, whatever it is.
    pub async fn finished(&mut self, client: &Client, id: &str, limit: Duration) -> Result<Job> {
        self.job_where(client, id, limit, Job::is_over).await
    }

    /// Waits until a job is in some state.
    pub async fn job_where(
        &mut self,
        client: &Client,
        id: &str,
        limit: Duration,
        wanted: impl Fn(&Job) -> bool,
    ) -> Result<Job> {
        let started = Instant::now();
        loop {
            self.daemon.still_runs()?;
            let job = client.job(id).await?;
            if wanted(&job) {
                return Ok(job);
            }
            ensure!(!job.is_over(), "job {id} is over: {job:?}");
            ensure!(started.elapsed() < limit, "job {id} is not there after {} s: {job:?}", limit.as_secs());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Files of unfinished work: intermediate segments, uploads that never ended, scratch files of the agents.
    pub fn left_behind(&self) -> Result<Vec<PathBuf>> {
        let blobs = self.blobs();
        let mut folders = vec![blobs.join("objects/work"), blobs.join("facts/work"), blobs.join("staging")];
        for number in 0..self.agents.len() {
            let state = self.folder.path().join(format!("agent-{number}"));
            folders.extend([state.join("scratch"), state.join("outbox")]);
        }
        let mut files = Vec::new();
        for folder in folders {
            files_below(&folder, &mut files)?;
        }
        Ok(files)
    }

    /// Cleaning up follows the commit that ends a job: waits until nothing is left, or says what is.
    pub async fn nothing_left_behind(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let files = self.left_behind()?;
            if files.is_empty() {
                return Ok(());
            }
            ensure!(started.elapsed() < READY_LIMIT, "left behind: {files:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Fails when any log holds a warning or an error.
    pub fn no_warnings(&self) -> Result<()> {
        self.no_warnings_but(&[])
    }

    /// Fails when any log holds a warning or an error without one of these phrases.
    pub fn no_warnings_but(&self, explained: &[&str]) -> Result<()> {
        let recipes = std::iter::once(&self.daemon).chain(&self.agents).map(Program::recipe);
        let mut found = Vec::new();
        for recipe in recipes {
            let text = fs::read_to_string(&recipe.log)?;
            let loud = text.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR "));
            let loud = loud.filter(|line| !explained.iter().any(|phrase| line.contains(phrase)));
            found.extend(loud.map(|line| format!("{}: {line}", recipe.name)));
        }
        ensure!(found.is_empty(), "unexpected in the logs:\n{}", found.join("\n"));
        Ok(())
    }

    /// What an agent has written so far.
    pub fn agent_log(&self, number: usize) -> Result<String> {
        Ok(fs::read_to_string(&self.agents[number].recipe().log)?)
    }

    /// Waits until an agent has written something.
    pub async fn agent_says(&self, number: usize, words: &str) -> Result<()> {
        let started = Instant::now();
        while !self.agent_log(number)?.contains(words) {
            ensure!(started.elapsed() < READY_LIMIT, "the agent did not say {words:?}");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What the daemon has written so far.
    pub fn daemon_log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.daemon.recipe().log)?)
    }

    /// What all agents have written so far.
    pub fn agent_logs(&self) -> Result<String> {
        (0..self.agents.len()).map(|number| self.agent_log(number)).collect()
    }

    /// The end of every log.
    pub fn logs(&self) -> String {
        let recipes = std::iter::once(&self.daemon).chain(&self.agents).map(Program::recipe);
        let shown = recipes.map(|recipe| format!("== {}\n{}\n", recipe.name, last_lines(&recipe.log, LOG_LINES_SHOWN)));
        shown.collect()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

/// A free port of the loopback. Who says so on both sides may bind one address twice, as long as one of them listens; the
/// daemon says so, too.
fn own_port() -> Result<TcpSocket> {
    let port = TcpSocket::new_v4()?;
    port.set_reuseaddr(true)?;
    port.bind(([127, 0, 0, 1], 0).into()).context("find a free port")?;
    Ok(port)
}

fn write_daemon_config(path: &Path, state: &Path, settings: &Settings, ports: &[TcpSocket; 2]) -> Result<()> {
    let [http, rpc] = [ports[0].local_addr()?, ports[1].local_addr()?].map(|address| address.to_string());
    let upload = settings.upload_bytes_max.map_or(String::new(), |limit| format!("upload_bytes_max = {limit}\n"));
    let rate = settings.requests_per_second.map_or(String::new(), |rate| {
        format!("requests_per_second_address = {rate}\nrequests_per_second_key = {rate}\n")
    });
    let minute = settings.v2_requests_per_minute.map_or(String::new(), |rate| {
        format!("v2_requests_per_minute_free = {rate}\nv2_requests_per_minute_paid = {rate}\n")
    });
    let queue = settings.queue_jobs_max.map_or(String::new(), |jobs| format!("queue_jobs_max = {jobs}\n"));
    let networks = if settings.asks_loopback { "\"127.0.0.1/32\"" } else { "" };
    let text = format!(
        "[http]\nlisten = {http:?}\n[rpc]\nlisten = {rpc:?}\n[state]\nfolder = {state:?}\n\
         [limits]\ndisk_reserve_bytes = {}\n{upload}{rate}{minute}{queue}\
         [outbound]\nnetworks = [{networks}]\n[intake]\naccounts = {:?}\n\
         [work]\nlease_seconds = {}\nretry_seconds = {}\nsegment_slots_max = {}\nencode_crf = {}\n\
         [blobs]\n{}\n\
         [log]\nlevel = {:?}\n",
        settings.disk_reserve_bytes,
        settings.intake_accounts,
        settings.lease_seconds,
        settings.retry_seconds,
        settings.segment_slots_max,
        settings.encode_crf,
        settings.blobs,
        settings.log_level,
    );
    fs::write(path, text).context("write the daemon's configuration")
}

/// Waits until the daemon has written down where it listens.
async fn ready(daemon: &mut Program, state: &Path) -> Result<Addresses> {
    let (path, started) = (state.join("addresses.json"), Instant::now());
    loop {
        daemon.still_runs()?;
        let text = fs::read_to_string(&path).unwrap_or_default();
        if let Ok(found) = serde_json::from_str::<Addresses>(&text) {
            let addresses = Addresses { http: format!("http://{}", host_of(&found.http)), rpc: found.rpc };
            // An older run may have left the file: what counts is an answer.
            if reqwest::get(format!("{}/pricing/config", addresses.http)).await.is_ok() {
                return Ok(addresses);
            }
        }
        if started.elapsed() > READY_LIMIT {
            bail!(
                "tweenfarmd was not ready within {} s: {}",
                READY_LIMIT.as_secs(),
                last_lines(&daemon.recipe().log, 15)
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Host and port of an origin.
fn host_of(origin: &str) -> &str {
    origin.trim_start_matches("http://").trim_end_matches('/')
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file that goes meanwhile is not left behind.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), files)?,
            Ok(_) => files.push(entry.path()),
            Err(_) => {}
        }
    }
    Ok(())
}
