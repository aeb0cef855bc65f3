//! tweenfarm: the operator's console and command line. It speaks to the daemon over the operator API and keeps nothing.

mod backup;
mod client;
mod command;
mod console;
mod doctor;
mod door;
mod logs;
mod show;
mod submit;
mod up;

use backup::BackupError;
use clap::{CommandFactory, Parser};
use client::{Client, ClientError};
use command::{Ask, Cli, Command};
use console::AgentOrder;
use door::Door;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use submit::SubmitError;
use tweenfarm_protocol::{
    JobId,
    operator::{AddKey, AddOperator, AddUser, CreditKind, Grant, Invite, WatchOrder},
};
use up::UpError;

/// The daemon refused what was asked.
const REFUSED: u8 = 1;
/// A wrong command line, as clap says it too.
const MISUSED: u8 = 2;
/// The daemon could not be reached.
const UNREACHABLE: u8 = 3;
/// The job that was waited for failed.
const JOB_FAILED: u8 = 4;

/// Where a daemon that runs as a service has its socket.
const SERVICE_SOCKET: &str = "/run/tweenfarm/operator.sock";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(debug_assertions)]
    if cli.panic {
        console::PANICS.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let door = match Door::in_network(cli.daemon.as_deref(), cli.token_file.as_deref(), cli.token.as_deref()) {
        // A socket that is named wins over a pass that lies in the environment.
        Ok(Some(door)) if cli.socket.is_none() || cli.daemon.is_some() || cli.token_file.is_some() => door,
        Ok(_) => Door::Socket(socket(cli.socket)),
        Err(refused) => {
            eprintln!("tweenfarm: {refused}");
            return ExitCode::from(MISUSED);
        }
    };
    let daemon = door.to_string();
    let client = Client::new(door);
    let ended = match cli.command {
        None => console::run(client, daemon, cli.theme).await.map(|()| String::new()).map_err(Trouble::Terminal),
        Some(command) => run(&client, command, cli.json).await,
    };
    match ended {
        Ok(text) => {
            if !text.is_empty() {
                // A reader such as `head` may have had enough.
                let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            }
            ExitCode::SUCCESS
        }
        Err(Trouble::Unwell(text)) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::from(REFUSED)
        }
        Err(trouble) => {
            eprintln!("tweenfarm: {trouble}");
            ExitCode::from(trouble.code())
        }
    }
}

fn socket(asked: Option<PathBuf>) -> PathBuf {
    let service = PathBuf::from(SERVICE_SOCKET);
    let own = up::socket(&up::default_folder());
    let ours = own.parent().is_some_and(Path::exists);
    asked.unwrap_or(if !service.exists() && ours { own } else { service })
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Up(#[from] UpError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the console cannot be shown: {0}")]
    Terminal(io::Error),
    #[error("the pages cannot be written to {folder}: {source}")]
    Man { folder: PathBuf, source: io::Error },
    /// What `doctor` printed.
    #[error("{0}")]
    Unwell(String),
}

impl Trouble {
    fn code(&self) -> u8 {
        match self {
            Trouble::Client(error) | Trouble::Backup(BackupError::Client(error)) => match error {
                ClientError::Refused { .. } | ClientError::NoSuchAccount(_) | ClientError::NoSuchAgent(_) => REFUSED,
                _ => UNREACHABLE,
            },
            Trouble::Submit(SubmitError::Unreachable { .. }) => UNREACHABLE,
            Trouble::Submit(SubmitError::Failed { .. }) => JOB_FAILED,
            Trouble::Terminal(_) => MISUSED,
            Trouble::Submit(_) | Trouble::Up(_) | Trouble::Backup(_) | Trouble::Man { .. } | Trouble::Unwell(_) => {
                REFUSED
            }
        }
    }
}

/// Commands that do not ask the daemon one thing and print its answer.
async fn run(client: &Client, command: Command, json: bool) -> Result<String, Trouble> {
    match command {
        Command::Up(asked) => up::run(&asked).await.map(|()| String::new()).map_err(Trouble::Up),
        Command::Submit(asked) => {
            let done = submit::run(&asked).await?;
            Ok(if json { show::json(&done) } else { show::submitted(&done) })
        }
        Command::Logs { job, follow } => Ok(logs::run(client, job, follow, json).await.map(|()| String::new())?),
        Command::Doctor => {
            let findings = doctor::run(client).await?;
            let text = if json { show::json(&findings) } else { show::doctor(&findings) };
            if doctor::is_well(&findings) { Ok(text) } else { Err(Trouble::Unwell(text)) }
        }
        Command::Backup { file } => {
            let bytes = backup::take(client, &file).await?;
            let note = format!(
                "{} holds {bytes} bytes; the clips are files in the blobs folder, copy them after this",
                file.display()
            );
            Ok(if json { show::json(&serde_json::json!({ "file": file, "size_bytes": bytes })) } else { note })
        }
        Command::Restore { file, state_folder } => Ok(backup::restore(&file, &state_folder).await?),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tweenfarm", &mut script);
            Ok(String::from_utf8_lossy(&script).into_owned())
        }
        Command::Man { folder } => {
            let written =
                std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &folder));
            written.map_err(|source| Trouble::Man { folder: folder.clone(), source })?;
            Ok(format!(
                "the pages are in {0}: man {0}/tweenfarm.1, or copy them to where man looks, a folder called man1",
                folder.display()
            ))
        }
        Command::Ask(asked) => Ok(ask(client, asked, json).await?),
    }
}

/// Asks the daemon one thing; what to print.
async fn ask(client: &Client, asked: Ask, json: bool) -> Result<String, ClientError> {
    match asked {
        Ask::Users { command } => match command {
            command::Users::Add { email, xeconds, trial } => {
                let added = client.add_user(AddUser { email, xeconds, trial }).await?;
                Ok(if json { show::json(&added) } else { show::added_user(&added) })
            }
            command::Users::List => {
                let users = client.users().await?;
                Ok(if json { show::json(&users) } else { show::users(&users) })
            }
        },
        Ask::Grant { account, xeconds, reason, kind } => {
            let kind = match kind {
                command::Kind::Trial => CreditKind::Trial,
                command::Kind::Paid => CreditKind::Paid,
            };
            let granted = client.grant(&account, Grant { xeconds, reason, kind }).await?;
            Ok(if json { show::json(&granted) } else { show::granted(&granted, xeconds) })
        }
        Ask::Adjust { account, xeconds, reason } => {
            let adjusted = client.adjust(&account, xeconds, reason).await?;
            Ok(if json { show::json(&adjusted) } else { show::granted(&adjusted, xeconds) })
        }
        Ask::Ledger { account } => {
            let rows = client.ledger(&account).await?;
            Ok(if json { show::json(&rows) } else { show::ledger(&rows) })
        }
        Ask::Keys { command } => match command {
            command::Keys::List { account } => {
                let rows = client.keys(&account).await?;
                Ok(if json { show::json(&rows) } else { show::keys(&rows) })
            }
            command::Keys::Add { account, name } => {
                let added = client.add_key(&account, AddKey { name }).await?;
                Ok(if json { show::json(&added) } else { show::added_key(&added) })
            }
            command::Keys::New { account } => {
                let key = client.new_key(&account).await?;
                Ok(if json { show::json(&key) } else { show::new_key(&key) })
            }
            command::Keys::Revoke { account, key } => {
                let revoked = client.revoke_key(&account, key).await?;
                Ok(if json { show::json(&revoked) } else { show::revoked_key(&revoked) })
            }
        },
        Ask::Jobs { limit } => {
            let jobs = client.jobs(limit).await?;
            Ok(if json { show::json(&jobs) } else { show::jobs(&jobs) })
        }
        Ask::Job { job } => {
            let job = client.job(job).await?;
            Ok(if json { show::json(&job) } else { show::job(&job) })
        }
        Ask::Cancel { job } => {
            let job = client.cancel(job).await?;
            Ok(if json { show::json(&job) } else { show::cancelled(&job) })
        }
        Ask::Undo { job } => {
            let schedule = client.undo_cancel(job).await?;
            Ok(if json { show::json(&schedule) } else { format!("job {job} goes on: charged again") })
        }
        Ask::Retry { job } => {
            let schedule = client.retry(job).await?;
            Ok(if json { show::json(&schedule) } else { format!("job {job} is tried again: charged again") })
        }
        Ask::Pause { job } => paused(client, job, true, json).await,
        Ask::Resume { job } => paused(client, job, false, json).await,
        Ask::Priority { job, priority } => {
            let schedule = client.prioritise(job, priority).await?;
            Ok(if json { show::json(&schedule) } else { format!("job {job} has the priority {}", schedule.priority) })
        }
        Ask::Weight { account, weight } => {
            let row = client.weigh(&account, weight).await?;
            Ok(if json { show::json(&row) } else { format!("account {} has the weight {}", row.account, row.weight) })
        }
        Ask::Drain { agent } => ordered(client, &agent, AgentOrder::Drain, json).await,
        Ask::Sweep { dry_run } => {
            let swept = client.sweep(dry_run).await?;
            Ok(if json { show::json(&swept) } else { show::swept(&swept) })
        }
        Ask::Invite { name, ttl } => {
            let invited = client.invite(Invite { name, valid_seconds: ttl }).await?;
            Ok(if json { show::json(&invited) } else { show::invited(&invited) })
        }
        Ask::Agents { command } => match command.unwrap_or(command::Agents::List) {
            command::Agents::List => {
                let agents = client.agents().await?;
                Ok(if json { show::json(&agents) } else { show::agents(&agents) })
            }
            command::Agents::Pause { agent } => ordered(client, &agent, AgentOrder::Pause, json).await,
            command::Agents::Resume { agent } => ordered(client, &agent, AgentOrder::Resume, json).await,
            command::Agents::Revoke { agent } => {
                let revoked = client.revoke_agent(&agent).await?;
                Ok(if json { show::json(&revoked) } else { show::revoked_agent(&revoked) })
            }
        },
        Ask::Watch { command } => {
            let ordered = match command.unwrap_or(command::Watch::List { state: None }) {
                command::Watch::List { state } => {
                    let view = client.watch().await?;
                    return Ok(if json { show::json(&view) } else { show::watch(&view, state) });
                }
                command::Watch::Release { file } => client.order_watched(&file, WatchOrder::Release).await?,
                command::Watch::Retry { file } => client.order_watched(&file, WatchOrder::Retry).await?,
            };
            Ok(if json { show::json(&ordered) } else { show::watch_ordered(&ordered) })
        }
        Ask::Operators { command } => match command {
            command::Operators::Add { name, role } => {
                let added = client.add_operator(AddOperator { name, role }).await?;
                Ok(if json { show::json(&added) } else { show::added_operator(&added) })
            }
            command::Operators::List => {
                let operators = client.operators().await?;
                Ok(if json { show::json(&operators) } else { show::operators(&operators) })
            }
            command::Operators::Revoke { name } => {
                let revoked = client.revoke_operator(&name).await?;
                Ok(if json { show::json(&revoked) } else { show::revoked_operator(&revoked) })
            }
        },
        Ask::Status => {
            let status = client.status().await?;
            Ok(if json { show::json(&status) } else { show::status(&status) })
        }
    }
}

async fn paused(client: &Client, job: Option<JobId>, paused: bool, json: bool) -> Result<String, ClientError> {
    let what = if paused { "paused" } else { "going on" };
    match job {
        Some(job) => {
            let schedule = client.pause_job(job, paused).await?;
            Ok(if json { show::json(&schedule) } else { format!("job {job} is {what}") })
        }
        None => {
            let queue = client.pause_queue(paused).await?;
            Ok(if json { show::json(&queue) } else { format!("the queue is {what}") })
        }
    }
}

async fn ordered(client: &Client, agent: &str, order: AgentOrder, json: bool) -> Result<String, ClientError> {
    let duty = client.order_agent(client.agent_named(agent).await?, order).await?;
    Ok(if json { show::json(&duty) } else { format!("{} is {}", duty.name, duty.duty.name()) })
}
